import { string } from '@oclif/core/args';
import { boolean } from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.js';
import {
  columnFamilyFlag,
  durabilityFlag,
  durabilityOption,
  durationFlag,
  keyFormatFlag,
  optionsFlag,
  valueFormatFlag,
  workdirFlag,
} from '../cli/flags.js';
import { parseKey, parseText } from '../cli/key-format.js';
import { openWorkdir } from '../server/open-workdir.js';

export default class Put extends BaseCommand<typeof Put> {
  static override summary = 'Write a value under a key.';
  static override examples = [
    '<%= config.bin %> put user:42 Ada --workdir ./data --create',
    '<%= config.bin %> put session:7 AAEC --value-format base64 --ttl 10m --workdir ./data',
  ];
  static override args = {
    key: string({ description: 'the key', required: true }),
    value: string({ description: 'the value', required: true }),
  };
  static override flags = {
    workdir: workdirFlag,
    create: boolean({
      description: 'create the workdir when it is not there',
      env: 'NOKV_CREATE',
      default: false,
    }),
    ttl: durationFlag({
      description: 'time after which the key is gone (default: never)',
      env: 'NOKV_TTL',
    }),
    durability: durabilityFlag(),
    options: optionsFlag,
    'key-format': keyFormatFlag(),
    'value-format': valueFormatFlag(),
    'column-family': columnFamilyFlag(),
  };

  override async run(): Promise<{ key: Uint8Array; bytes: number }> {
    const { flags } = this;
    const key = parseKey(this.args.key, flags['key-format']);
    const value = parseText(this.args.value, flags['value-format']);
    const db = await openWorkdir(flags.workdir, flags.options, {
      createIfMissing: flags.create,
      ...durabilityOption(flags.durability),
    });
    try {
      await db.put(key, value, {
        columnFamily: flags['column-family'],
        ...(flags.ttl === undefined ? {} : { ttlMs: Math.ceil(flags.ttl) }),
      });
    } finally {
      await db.close();
    }
    return { key, bytes: value.length };
  }
}
