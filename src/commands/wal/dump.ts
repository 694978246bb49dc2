import { string } from '@oclif/core/args';
import { boolean, integer } from '@oclif/core/flags';
import { entryPieces, jsonBytesOf } from '../../cli/dumped-entry.js';
import { keyFormatFlag, optionalWorkdirFlag, valueFormatFlag } from '../../cli/flags.js';
import { formatCountOf } from '../../cli/format.js';
import { InspectingCommand } from '../../cli/inspecting-command.js';
import { checkJsonBytes } from '../../cli/json-limit.js';
import { mustGiveOne } from '../../cli/one-of.js';
import { dumpLogFile, dumpLogs } from '../../server/workdir.js';

type Dump = ReturnType<typeof dumpLogs>;
type DumpedRecord = Dump['records'] extends Iterable<infer Item> ? Item : never;

const JSON_HINT = 'Leave out --json, or give --keys-only';

export default class WalDump extends InspectingCommand<typeof WalDump> {
  static override summary = 'Print every record of the write-ahead logs, with its entries.';
  static override description =
    'Of a workdir, or of one segment FILE; with --json one record a line, the last {"end":true}. ' +
    'Everything up to the first bad record is printed.';
  static override examples = [
    '<%= config.bin %> wal dump --workdir ./data --limit 10',
    '<%= config.bin %> wal dump ./data/00007.wal --keys-only --json',
  ];
  static override args = { file: string({ description: 'a log segment' }) };
  static override flags = {
    workdir: optionalWorkdirFlag,
    limit: integer({ description: 'records at most (default: all)', env: 'NOKV_LIMIT', min: 0 }),
    'keys-only': boolean({
      description: 'print no values',
      env: 'NOKV_KEYS_ONLY',
      default: false,
    }),
    'key-format': keyFormatFlag(),
    'value-format': valueFormatFlag(),
  };

  override async run(): Promise<void> {
    const { flags, signal } = this;
    const { file } = this.args;
    const isKeyOnly = flags['keys-only'];
    const dump =
      file === undefined
        ? dumpLogs(mustGiveOne(flags.workdir), isKeyOnly)
        : dumpLogFile(file, isKeyOnly);
    const limit = flags.limit ?? Number.POSITIVE_INFINITY;
    let records = 0;
    for (const record of dump.records) {
      if (records === limit) break;
      signal.throwIfAborted();
      if (!(await this.#print(record))) return;
      records++;
    }
    await this.showFindings(dump.findings, flags['key-format']);
    if (this.jsonEnabled()) await this.jsonLine({ end: true, records, findings: dump.findings });
  }

  /** False when nobody reads any more. */
  async #print(record: DumpedRecord): Promise<boolean> {
    if (this.jsonEnabled()) {
      const bytes = record.entries.reduce((sum, entry) => sum + jsonBytesOf(entry), 0);
      checkJsonBytes(bytes, JSON_HINT);
      return this.jsonLine(record);
    }
    const { flags, output } = this;
    const format = {
      key: flags['key-format'],
      value: flags['value-format'],
      isTerminal: process.stdout.isTTY,
    };
    let isRead = await output.line(
      `${record.file_number} @${record.offset} ${record.type} ${record.bytes} bytes, ` +
        `${formatCountOf(record.entries.length, 'entry', 'entries')}, synced through ${record.synced_through}`,
    );
    for (const entry of record.entries)
      isRead = await output.linePieces(indented(entryPieces(entry, format)));
    return isRead;
  }
}

function* indented(pieces: Iterable<string>): Generator<string, void, void> {
  yield '  ';
  yield* pieces;
}
