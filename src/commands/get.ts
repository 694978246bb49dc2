import { string } from '@oclif/core/args';
import { option } from '@oclif/core/flags';
import { NokvError } from '../base/errors.js';
import { MIB } from '../base/limits.js';
import { BaseCommand } from '../cli/base-command.js';
import { columnFamilyFlag, keyFormatFlag, workdirFlag } from '../cli/flags.js';
import { checkJsonBytes } from '../cli/json-limit.js';
import { formatKey, formatPieces, KEY_FORMATS, parseKey } from '../cli/key-format.js';
import { open } from '../index.js';

/** Bytes of a raw value that are given to standard output at a time. */
const PIECE_BYTES = MIB;
const JSON_HINT = 'Leave out --json, and take --value-format raw';

export default class Get extends BaseCommand<typeof Get> {
  static override summary = 'Print the value of a key.';
  static override description =
    'Opens the workdir read-only, also beside a running process. Status 3 when the key is not there.';
  static override examples = [
    '<%= config.bin %> get user:42 --workdir ./data',
    '<%= config.bin %> get 00ff --key-format hex --value-format base64 --workdir ./data',
    '<%= config.bin %> get photo:7 --value-format raw --workdir ./data > photo.jpg',
  ];
  static override args = { key: string({ description: 'the key', required: true }) };
  static override flags = {
    workdir: workdirFlag,
    'key-format': keyFormatFlag(),
    'value-format': option({
      description: 'how the value is printed; raw: its bytes and nothing else, for files and pipes',
      env: 'NOKV_VALUE_FORMAT',
      options: [...KEY_FORMATS, 'raw'] as const,
      default: 'auto' as const,
    })(),
    'column-family': columnFamilyFlag(),
  };

  override async run(): Promise<{ key: Uint8Array; value: Uint8Array }> {
    const { flags } = this;
    const key = parseKey(this.args.key, flags['key-format']);
    if (flags['value-format'] === 'raw') this.#checkRaw();
    const db = await open(flags.workdir, { readOnly: true });
    try {
      const value = db.get(key, { columnFamily: flags['column-family'] });
      if (value === undefined) {
        throw new NokvError('NOKV_NOT_FOUND', 'Cannot get key: it is not there', {
          details: { key: formatKey(key, 'auto', true) },
        });
      }
      if (this.jsonEnabled()) checkJsonBytes(value.length, JSON_HINT);
      else await this.#print(value);
      return { key, value };
    } finally {
      await db.close();
    }
  }

  /** @throws NokvError NOKV_INVALID where bytes as they are have no place */
  #checkRaw(): void {
    if (this.jsonEnabled()) {
      throw new NokvError('NOKV_INVALID', 'Cannot print raw bytes with --json: JSON is text', {
        hint: 'Leave out one of them; --json has the value as base64',
      });
    }
    if (!process.stdout.isTTY) return;
    throw new NokvError(
      'NOKV_INVALID',
      'Cannot print raw bytes to a terminal: it would obey codes among them',
      { hint: 'Send them into a file or a pipe, or choose another --value-format' },
    );
  }

  /** In pieces, at the speed of the reader. */
  async #print(value: Uint8Array): Promise<void> {
    const { output } = this;
    const format = this.flags['value-format'];
    if (format === 'raw') {
      for (let at = 0; at < value.length; at += PIECE_BYTES)
        if (!(await output.write(value.subarray(at, at + PIECE_BYTES)))) return;
      return;
    }
    for (const piece of formatPieces(value, format, process.stdout.isTTY))
      if (!(await output.write(piece))) return;
    await output.line('');
  }
}
