import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { string as stringArg } from '@oclif/core/args';
import { boolean, option, string } from '@oclif/core/flags';
import { BaseCommand } from '../../cli/base-command.js';
import {
  BUILT_COLUMNS,
  builtRow,
  reportedBuild,
  type ReportedBuild,
} from '../../cli/built-tables.js';
import { bytesFlag, columnFamilyFlag, keyFormatFlag } from '../../cli/flags.js';
import { formatBytes, formatCount, formatCountOf } from '../../cli/format.js';
import { type Progress, startProgress } from '../../cli/progress.js';
import { tableLines } from '../../cli/table.js';
import { openSource, type Source } from '../../cli/source.js';
import { type BuiltTable, open, openTableWriter, type TableWriterOptions } from '../../index.js';
import { buildTables } from '../../transfer/build-tables.js';
import { importLines } from '../../transfer/import.js';

/** The result, as --json prints it. */
interface BuildSummary {
  tables: ReportedBuild[];
  entries: number;
  bytes: number;
  elapsed_ms: number;
}

/**
 * Where --sort keeps the rows meanwhile; beside the tables, so that it is on a disk with room for them. Random letters
 * follow: the directory is nobody else's, neither another build's nor the user's.
 */
const SCRATCH_PREFIX = '.sort-';

export default class SstBuild extends BaseCommand<typeof SstBuild> {
  static override summary = 'Make tables of a sorted JSON Lines file, outside of any database.';
  static override description = `One row a line, as "nokv import" reads them: {"key":"...","value":"..."}. Keys have to ascend by
their bytes, each once; a line out of order ends it and is named. With --sort lines may come in any order, and of
equal keys the last one counts: the rows go through a database in DIR/.sort-XXXXXX, which takes as much
room again and is removed at the end. "nokv sst ingest" takes the tables into a database.`;
  static override examples = [
    '<%= config.bin %> sst build sorted.jsonl --out ./tables',
    'zcat rows.jsonl.gz | <%= config.bin %> sst build - --out ./tables --sort --json',
  ];
  static override args = {
    file: stringArg({ description: 'the file; - for standard input', required: true }),
  };
  static override flags = {
    out: string({
      char: 'o',
      description: 'directory of the tables; created when it is not there',
      env: 'NOKV_OUT',
      helpValue: 'DIR',
      required: true,
    }),
    name: string({
      description: 'files are called NAME-000001.sst and so on; none may be there',
      env: 'NOKV_NAME',
      default: 'table',
    }),
    'table-size': bytesFlag({
      description: 'size at which a table ends',
      env: 'NOKV_TABLE_SIZE',
      default: 64 * 1024 * 1024,
    }),
    compression: option({
      description: 'compression of blocks',
      env: 'NOKV_COMPRESSION',
      options: ['none', 'lz4'] as const,
      default: 'none' as const,
    })(),
    sort: boolean({
      description: 'take lines in any order',
      env: 'NOKV_SORT',
      default: false,
    }),
    'column-family': columnFamilyFlag(),
    'key-format': keyFormatFlag(),
  };

  override async run(): Promise<BuildSummary> {
    const source = await openSource('build tables of', this.args.file, this.signal);
    try {
      const startMs = performance.now();
      const { name, compression } = this.flags;
      const options = { name, compression, tableBytes: this.flags['table-size'] };
      const tables = await (this.flags.sort
        ? this.#sorted(source, options)
        : this.#straight(source, options));
      const summary = summaryOf(tables.map(reportedBuild), performance.now() - startMs);
      await this.#print(summary);
      return summary;
    } finally {
      await source.close();
    }
  }

  async #straight(source: Source, options: TableWriterOptions): Promise<BuiltTable[]> {
    const writer = openTableWriter(this.flags.out, options);
    const progress = await this.#progress('Building', source, () => writer.entries);
    try {
      await buildTables(source.chunks, writer, {
        source: source.name,
        columnFamily: this.flags['column-family'],
        signal: this.signal,
        onProgress: (bytes) => progress.update(bytes),
      });
      return await writer.finish();
    } finally {
      progress.stop();
      await writer.abort();
    }
  }

  /** A database is an external merge sort in bounded memory. */
  async #sorted(source: Source, options: TableWriterOptions): Promise<BuiltTable[]> {
    const { out } = this.flags;
    await mkdir(out, { recursive: true });
    const scratch = await mkdtemp(join(out, SCRATCH_PREFIX));
    try {
      return await this.#sortedBy(scratch, source, options);
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  }

  async #sortedBy(
    scratch: string,
    source: Source,
    options: TableWriterOptions,
  ): Promise<BuiltTable[]> {
    const columnFamily = this.flags['column-family'];
    const db = await open(scratch);
    let rows = 0;
    const progress = await this.#progress('Sorting', source, () => rows);
    try {
      await importLines(db, source.chunks, {
        source: source.name,
        columnFamily,
        durability: 'os',
        isRestart: true,
        isSkippingBad: false,
        signal: this.signal,
        onProgress: (position) => {
          rows = position.rows;
          progress.update(position.offset);
        },
      });
      const onProgress = (): void => this.signal.throwIfAborted();
      return await db.exportTables({ columnFamily }, this.flags.out, { ...options, onProgress });
    } finally {
      progress.stop();
      await db.close();
    }
  }

  #progress(label: string, { bytes }: Source, rows: () => number): Promise<Progress> {
    return startProgress({
      label,
      ...(bytes === undefined ? {} : { total: Math.max(1, bytes) }),
      format: formatBytes,
      detail: () => formatCountOf(rows(), 'row'),
      isQuiet: this.flags.quiet,
    });
  }

  async #print({ tables, entries, bytes, elapsed_ms }: BuildSummary): Promise<void> {
    const format = this.flags['key-format'];
    const rows = tables.map((table) => builtRow(table, format, process.stdout.isTTY));
    for await (const line of tableLines(BUILT_COLUMNS, rows)) this.log(line);
    const perSecond = Math.round((1000 * entries) / Math.max(1, elapsed_ms));
    this.note(
      `${formatCountOf(entries, 'row')}, ${formatBytes(bytes)}, ${formatCount(perSecond)} rows/s`,
    );
  }
}

function summaryOf(tables: ReportedBuild[], elapsedMs: number): BuildSummary {
  return {
    tables,
    entries: tables.reduce((sum, table) => sum + table.entries, 0),
    bytes: tables.reduce((sum, table) => sum + table.bytes, 0),
    elapsed_ms: Math.round(elapsedMs),
  };
}
