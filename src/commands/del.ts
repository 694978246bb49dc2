import { string } from '@oclif/core/args';
import { BaseCommand } from '../cli/base-command.js';
import {
  columnFamilyFlag,
  durabilityFlag,
  durabilityOption,
  keyFormatFlag,
  optionsFlag,
  workdirFlag,
} from '../cli/flags.js';
import { parseKey } from '../cli/key-format.js';
import { openWorkdir } from '../server/open-workdir.js';

export default class Del extends BaseCommand<typeof Del> {
  static override summary = 'Delete keys, all of them or none.';
  static override description = 'A key that is not there is no error.';
  static override examples = [
    '<%= config.bin %> del user:42 --workdir ./data',
    '<%= config.bin %> del user:42 user:43 --durability disk --workdir ./data',
  ];
  static override args = {
    keys: string({ description: 'the keys', required: true, multiple: true }),
  };
  static override flags = {
    workdir: workdirFlag,
    durability: durabilityFlag(),
    options: optionsFlag,
    'key-format': keyFormatFlag(),
    'column-family': columnFamilyFlag(),
  };

  override async run(): Promise<{ keys: { key: Uint8Array }[] }> {
    const { flags } = this;
    const keys = this.args.keys.map((key) => parseKey(key, flags['key-format']));
    const columnFamily = flags['column-family'];
    const db = await openWorkdir(flags.workdir, flags.options, {
      createIfMissing: false,
      ...durabilityOption(flags.durability),
    });
    try {
      await db.batch(keys.map((key) => ({ type: 'del' as const, key, columnFamily })));
    } finally {
      await db.close();
    }
    return { keys: keys.map((key) => ({ key })) };
  }
}
