import { string } from '@oclif/core/args';
import { keyFormatFlag, optionalWorkdirFlag } from '../../cli/flags.js';
import { formatBytes, formatCount, formatTime } from '../../cli/format.js';
import { InspectingCommand } from '../../cli/inspecting-command.js';
import { formatRange } from '../../cli/key-format.js';
import { mustGiveOne } from '../../cli/one-of.js';
import { readTableFile, readTables } from '../../server/workdir.js';

type Report = ReturnType<typeof readTables>;
type Table = Report['tables'][number];

export default class SstInspect extends InspectingCommand<typeof SstInspect> {
  static override summary = 'Print what tables say of themselves.';
  static override description =
    'Of one FILE all properties; of a --workdir a line per table. Every data block is read and its checksum checked.';
  static override examples = [
    '<%= config.bin %> sst inspect ./data/00012.sst',
    '<%= config.bin %> sst inspect --workdir ./data --json',
  ];
  static override args = { file: string({ description: 'a table file' }) };
  static override flags = { workdir: optionalWorkdirFlag, 'key-format': keyFormatFlag() };

  override async run(): Promise<Report> {
    const { file } = this.args;
    const { workdir } = this.flags;
    const report = file === undefined ? readTables(mustGiveOne(workdir)) : readTableFile(file);
    if (file === undefined) await this.#list(report.tables);
    else for (const table of report.tables) await this.#describe(table);
    await this.showFindings(report.findings, this.flags['key-format']);
    return report;
  }

  #keys(table: Table): string {
    return formatRange(table.key_range, this.flags['key-format'], process.stdout.isTTY);
  }

  async #list(tables: readonly Table[]): Promise<void> {
    const right = (name: string) => ({ name, align: 'right' as const });
    await this.table(
      [
        { name: 'LEVEL' },
        right('FILE'),
        right('SIZE'),
        right('ENTRIES'),
        right('DELETES'),
        right('BLOCKS'),
        right('SEQ'),
        right('BASE'),
        { name: 'KEYS' },
      ],
      tables.map((table) => [
        `L${table.level ?? '-'}`,
        table.file_number,
        formatBytes(table.bytes),
        formatCount(table.entries),
        formatCount(table.tombstones),
        table.blocks?.count ?? '-',
        `${table.min_seq}..${table.max_seq}`,
        table.seq_base ?? '-',
        this.#keys(table),
      ]),
    );
  }

  async #describe(table: Table): Promise<void> {
    const { blocks } = table;
    const line = (label: string, text: string): Promise<void> =>
      this.text(`${label.padEnd(18)} ${text}`);
    await line('file number', String(table.file_number));
    await line('identity', table.identity);
    await line('created', formatTime(table.created_ms));
    await line('size', `${formatBytes(table.bytes)} (${table.bytes} bytes)`);
    await line('keys', this.#keys(table));
    await line('entries', `${table.entries}, of them ${table.tombstones} deletes`);
    await line('range tombstones', String(table.range_tombstones));
    await line('sequence numbers', `${table.min_seq} .. ${table.max_seq}`);
    await line('highest version', String(table.max_version));
    if (table.is_external)
      await line('made outside', 'yes: sequence numbers count from its ingest');
    await line('keys and values', formatBytes(table.raw_bytes));
    await line('stale', formatBytes(table.stale_bytes));
    const expiry = table.earliest_expiry_ms;
    await line('earliest expiry', expiry === null ? '-' : formatTime(expiry));
    await line(
      'blocks',
      blocks === null
        ? '-'
        : `${blocks.count}, ${formatBytes(blocks.bytes)}, restored ${formatBytes(blocks.payload_bytes)}`,
    );
    await line('checksum', table.checksum ?? '-');
    for (const { fid, bytes, count } of table.value_log) {
      await line('value log', `${fid}: ${count} records, ${formatBytes(bytes)}`);
    }
    for (const [name, value] of Object.entries(table.options ?? {})) {
      const shown = typeof value === 'string' ? value : JSON.stringify(value);
      await line(`option`, `${name} = ${shown}`);
    }
  }
}
