import { string as stringArg } from '@oclif/core/args';
import { boolean } from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.js';
import { optionsFlag, workdirFlag } from '../../cli/flags.js';
import { formatBytes, formatCount, formatCountOf, formatDuration } from '../../cli/format.js';
import { startProgress } from '../../cli/progress.js';
import { mustBeFiles } from '../../cli/source.js';
import { type Column, tableLines } from '../../cli/table.js';
import type { Db, IngestResult } from '../../index.js';
import { openWorkdir } from '../../server/open-workdir.js';

/** Between two signs of life. */
const POLL_MS = 200;

const COLUMNS: readonly Column[] = [
  { name: 'FILE' },
  { name: 'AS', align: 'right' },
  { name: 'LEVEL' },
  { name: 'SIZE', align: 'right' },
  { name: 'ENTRIES', align: 'right' },
  { name: 'FAMILY' },
];

interface ReportedIngest {
  file: string;
  file_number: number;
  level: number;
  bytes: number;
  entries: number;
  range_deletes: number;
  column_family: string;
}

/** The result, as --json prints it. */
interface IngestSummary {
  tables: ReportedIngest[];
  entries: number;
  bytes: number;
  /** Snapshots from this sequence number on see the rows. */
  seq: number;
  /** Files that --move could not remove. */
  left_behind: string[];
  elapsed_ms: number;
}

export default class SstIngest extends BaseCommand<typeof SstIngest> {
  static override summary = 'Take tables made by "sst build" or "sst export" into a database.';
  static override description = `All of them or none, at one moment: their rows are newer than all that the database holds. The
files are checked whole and copied; with --move they are taken as they are, without a copy where the file system can, and
removed at the end. Their key ranges must not overlap each other. The workdir is created when it is not there.
Interrupted, it leaves database and files as they were.`;
  static override examples = [
    '<%= config.bin %> sst ingest --workdir ./data ./tables/table-000001.sst ./tables/table-000002.sst',
    '<%= config.bin %> sst ingest --workdir ./data --move ./tables/*.sst --json',
  ];
  static override args = {
    file: stringArg({ description: 'table files', required: true, multiple: true }),
  };
  static override flags = {
    workdir: workdirFlag,
    options: optionsFlag,
    move: boolean({
      description: 'take the files themselves, and remove their names at the end',
      env: 'NOKV_MOVE',
      default: false,
    }),
    verify: boolean({
      description: 'check every checksum and the order of all entries first',
      env: 'NOKV_VERIFY',
      default: true,
      allowNo: true,
    }),
  };

  override async run(): Promise<IngestSummary> {
    const { workdir, options } = this.flags;
    const files = this.args.file;
    await mustBeFiles('ingest', files);
    const db = await openWorkdir(workdir, options);
    try {
      const startMs = performance.now();
      const summary = summaryOf(await this.#ingest(db, files), performance.now() - startMs);
      await this.#print(summary);
      return summary;
    } finally {
      await db.close();
    }
  }

  async #ingest(db: Db, files: readonly string[]): Promise<IngestResult> {
    const { move, verify, quiet } = this.flags;
    const { signal } = this;
    const label = verify ? 'Checking and ingesting' : 'Ingesting';
    const format = (count: number): string => formatCountOf(count, 'file');
    const progress = await startProgress({ label, format, isQuiet: quiet });
    const poll = setInterval(() => progress.update(files.length), POLL_MS);
    try {
      return await db.ingest(files, { move, verify, signal });
    } finally {
      clearInterval(poll);
      progress.stop();
    }
  }

  async #print({ tables, entries, bytes, left_behind, elapsed_ms }: IngestSummary): Promise<void> {
    const rows = tables.map((table) => [
      table.file,
      table.file_number,
      `L${table.level}`,
      formatBytes(table.bytes),
      formatCount(table.entries),
      table.column_family,
    ]);
    for await (const line of tableLines(COLUMNS, rows)) this.log(line);
    for (const file of left_behind) this.note(`could not be removed: ${file}`);
    this.note(
      `${formatCountOf(entries, 'entry', 'entries')}, ${formatBytes(bytes)}, ${formatDuration(elapsed_ms)}`,
    );
  }
}

function summaryOf({ tables, seq, leftBehind }: IngestResult, elapsedMs: number): IngestSummary {
  return {
    tables: tables.map((table) => ({
      file: table.file,
      file_number: table.fileNumber,
      level: table.level,
      bytes: table.bytes,
      entries: table.entries,
      range_deletes: table.rangeDeletes,
      column_family: table.columnFamily,
    })),
    entries: tables.reduce((sum, table) => sum + table.entries, 0),
    bytes: tables.reduce((sum, table) => sum + table.bytes, 0),
    seq,
    left_behind: [...leftBehind],
    elapsed_ms: Math.round(elapsedMs),
  };
}
