import { boolean, string } from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.js';
import {
  BUILT_COLUMNS,
  builtRow,
  reportedBuild,
  type ReportedBuild,
} from '../../cli/built-tables.js';
import { bytesFlag, workdirFlag } from '../../cli/flags.js';
import { formatBytes, formatCountOf } from '../../cli/format.js';
import { startProgress } from '../../cli/progress.js';
import { keyRangeOf, rangeFlags } from '../../cli/range-flags.js';
import { tableLines } from '../../cli/table.js';
import { type BuiltTable, open } from '../../index.js';

/** The result, as --json prints it. */
interface ExportSummary {
  tables: ReportedBuild[];
  entries: number;
  bytes: number;
  elapsed_ms: number;
}

const { limit: _limit, ...ranges } = rangeFlags;

export default class SstExport extends BaseCommand<typeof SstExport> {
  static override summary = 'Write the rows of a key range to tables, for "sst ingest".';
  static override description = `As of one moment, one column family. Values of the value log are written into the tables. With
--all-versions everything that is stored: all versions, deletes and range deletes, not only what a scan shows. Opens
the workdir read-only, also beside a running process.`;
  static override examples = [
    '<%= config.bin %> sst export --workdir ./data --out ./tables',
    '<%= config.bin %> sst export --workdir ./data --out ./tables --prefix user: --all-versions --json',
  ];
  static override flags = {
    workdir: workdirFlag,
    out: string({
      char: 'o',
      description: 'directory of the tables; created when it is not there',
      env: 'NOKV_OUT',
      helpValue: 'DIR',
      required: true,
    }),
    name: string({
      description: 'files are called NAME-000001.sst and so on (default: the column family)',
      env: 'NOKV_NAME',
    }),
    'all-versions': boolean({
      description: 'all versions, deletes and range deletes',
      env: 'NOKV_ALL_VERSIONS',
      default: false,
    }),
    'table-size': bytesFlag({
      description: 'size at which a table ends',
      env: 'NOKV_TABLE_SIZE',
      default: 64 * 1024 * 1024,
    }),
    ...ranges,
  };

  override async run(): Promise<ExportSummary> {
    const db = await open(this.flags.workdir, { readOnly: true });
    try {
      const startMs = performance.now();
      const tables = (await this.#export(db)).map(reportedBuild);
      const summary = {
        tables,
        entries: tables.reduce((sum, table) => sum + table.entries, 0),
        bytes: tables.reduce((sum, table) => sum + table.bytes, 0),
        elapsed_ms: Math.round(performance.now() - startMs),
      };
      await this.#print(summary);
      return summary;
    } finally {
      await db.close();
    }
  }

  async #export(db: Awaited<ReturnType<typeof open>>): Promise<BuiltTable[]> {
    const { flags, signal } = this;
    const { name } = flags;
    let entries = 0;
    const progress = await startProgress({
      label: 'Exporting',
      format: formatBytes,
      detail: () => formatCountOf(entries, 'entry', 'entries'),
      isQuiet: flags.quiet,
    });
    try {
      return await db.exportTables(keyRangeOf({ ...flags, limit: undefined }), flags.out, {
        allVersions: flags['all-versions'],
        tableBytes: flags['table-size'],
        ...(name === undefined ? {} : { name }),
        onProgress: (count, bytes) => {
          signal.throwIfAborted();
          entries = count;
          progress.update(bytes);
        },
      });
    } finally {
      progress.stop();
    }
  }

  async #print({ tables, entries, bytes }: ExportSummary): Promise<void> {
    const format = this.flags['key-format'];
    const rows = tables.map((table) => builtRow(table, format, process.stdout.isTTY));
    for await (const line of tableLines(BUILT_COLUMNS, rows)) this.log(line);
    this.note(`${formatCountOf(entries, 'entry', 'entries')}, ${formatBytes(bytes)}`);
  }
}
