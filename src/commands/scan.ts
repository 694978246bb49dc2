import { boolean } from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.js';
import { valueFormatFlag, workdirFlag } from '../cli/flags.js';
import { checkJsonBytes } from '../cli/json-limit.js';
import { formatKey, formatPieces, type KeyFormat } from '../cli/key-format.js';
import { keyRangeOf, rangeFlags } from '../cli/range-flags.js';
import { open, type Row, type ScanOptions } from '../index.js';

const JSON_HINT = 'Leave out --json, or give --keys-only';

export default class Scan extends BaseCommand<typeof Scan> {
  static override summary = 'Print keys and values in order.';
  static override description =
    'One row a line, key and value separated by a tab; with --json one object a line, the last {"end":true}. ' +
    'Opens the workdir read-only, also beside a running process.';
  static override examples = [
    '<%= config.bin %> scan --prefix user: --limit 10 --workdir ./data',
    '<%= config.bin %> scan --from a --to b --reverse --keys-only --workdir ./data',
  ];
  static override flags = {
    workdir: workdirFlag,
    ...rangeFlags,
    reverse: boolean({ description: 'in descending order', env: 'NOKV_REVERSE', default: false }),
    'keys-only': boolean({
      description: 'print no values, and read none',
      env: 'NOKV_KEYS_ONLY',
      default: false,
    }),
    'value-format': valueFormatFlag(),
  };

  override async run(): Promise<void> {
    const db = await open(this.flags.workdir, { readOnly: true });
    try {
      const { signal } = this;
      let rows = 0;
      for (const row of db.scan(this.#scanOptions())) {
        signal.throwIfAborted();
        if (!(await this.#print(row))) return;
        rows++;
      }
      if (this.jsonEnabled()) await this.jsonLine({ end: true, rows });
    } finally {
      await db.close();
    }
  }

  #scanOptions(): ScanOptions {
    const { flags } = this;
    return { ...keyRangeOf(flags), reverse: flags.reverse, keysOnly: flags['keys-only'] };
  }

  /** False when nobody reads any more. */
  #print({ key, value }: Row): Promise<boolean> {
    const { flags } = this;
    const isKeyOnly = flags['keys-only'];
    if (this.jsonEnabled()) {
      if (!isKeyOnly) checkJsonBytes(value.length, JSON_HINT);
      return this.jsonLine(isKeyOnly ? { key } : { key, value });
    }
    const isTerminal = process.stdout.isTTY;
    const keyText = formatKey(key, flags['key-format'], isTerminal);
    if (isKeyOnly) return this.output.line(keyText);
    return this.output.linePieces(rowPieces(keyText, value, flags['value-format'], isTerminal));
  }
}

function* rowPieces(
  keyText: string,
  value: Uint8Array,
  format: KeyFormat,
  isTerminal: boolean,
): Generator<string, void, void> {
  yield `${keyText}\t`;
  yield* formatPieces(value, format, isTerminal);
}
