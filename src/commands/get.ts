import { string } from '@oclif/core/args';
import { NokvError } from '../base/errors.js';
import { BaseCommand } from '../cli/base-command.js';
import { columnFamilyFlag, keyFormatFlag, valueFormatFlag, workdirFlag } from '../cli/flags.js';
import { formatKey, formatText, parseKey } from '../cli/key-format.js';
import { open } from '../index.js';

export default class Get extends BaseCommand<typeof Get> {
  static override summary = 'Print the value of a key.';
  static override description =
    'Opens the workdir read-only, also beside a running process. Status 3 when the key is not there.';
  static override examples = [
    '<%= config.bin %> get user:42 --workdir ./data',
    '<%= config.bin %> get 00ff --key-format hex --value-format base64 --workdir ./data',
  ];
  static override args = { key: string({ description: 'the key', required: true }) };
  static override flags = {
    workdir: workdirFlag,
    'key-format': keyFormatFlag(),
    'value-format': valueFormatFlag(),
    'column-family': columnFamilyFlag(),
  };

  override async run(): Promise<{ key: Uint8Array; value: Uint8Array }> {
    const { flags } = this;
    const key = parseKey(this.args.key, flags['key-format']);
    const db = await open(flags.workdir, { readOnly: true });
    try {
      const value = db.get(key, { columnFamily: flags['column-family'] });
      if (value === undefined) {
        throw new NokvError('NOKV_NOT_FOUND', 'Cannot get key: it is not there', {
          details: { key: formatKey(key, 'auto', true) },
        });
      }
      this.log(formatText(value, flags['value-format'], process.stdout.isTTY));
      return { key, value };
    } finally {
      await db.close();
    }
  }
}
