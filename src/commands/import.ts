import { string } from '@oclif/core/args';
import { boolean } from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.js';
import {
  columnFamilyFlag,
  durabilityFlag,
  durabilityOption,
  optionsFlag,
  workdirFlag,
} from '../cli/flags.js';
import { formatBytes, formatCount, formatCountOf, formatDuration } from '../cli/format.js';
import { startProgress, type Progress } from '../cli/progress.js';
import { openSource, type Source } from '../cli/source.js';
import type { Db } from '../index.js';
import { openWorkdir } from '../server/open-workdir.js';
import { START, type ImportPosition } from '../transfer/import-position.js';
import { importLines, type ImportResult } from '../transfer/import.js';

/** Bad lines that are named; the rest are counted. */
const BAD_LINES_NAMED_MAX = 10;

/** The result, as --json prints it. */
interface ImportSummary {
  rows: number;
  bytes: number;
  bad_lines: number;
  batches: number;
  elapsed_ms: number;
  /** Where an import that was cut was continued; null when this one began at the first byte. */
  continued_from: { offset: number; line: number } | null;
  /** Over all runs of this import. */
  total: { rows: number; bytes: number; lines: number; bad_lines: number };
}

export default class Import extends BaseCommand<typeof Import> {
  static override summary = 'Write the rows of a JSON Lines file.';
  static override description = `One row a line: {"key":"...","value":"..."}, or key_base64 and value_base64 for bytes that are no
UTF-8. Rows are written in atomic batches that each hold how far they come: an import that was cut, even
by kill -9, continues exactly there when it is run again. A line that is no row ends the import behind the rows
before it. The workdir is created when it is not there.`;
  static override examples = [
    '<%= config.bin %> import rows.jsonl --workdir ./data',
    'zcat rows.jsonl.gz | <%= config.bin %> import - --workdir ./data --durability disk',
  ];
  static override args = {
    file: string({ description: 'the file; - for standard input', required: true }),
  };
  static override flags = {
    workdir: workdirFlag,
    durability: durabilityFlag(),
    options: optionsFlag,
    'column-family': columnFamilyFlag(),
    restart: boolean({
      description: 'begin at the first line although an import of this file was cut',
      env: 'NOKV_RESTART',
      default: false,
    }),
    'skip-bad': boolean({
      description: 'leave out lines that are no rows, and count them',
      env: 'NOKV_SKIP_BAD',
      default: false,
    }),
  };

  #badLines = 0;

  override async run(): Promise<ImportSummary> {
    const source = await openSource('import', this.args.file, this.signal);
    try {
      const { workdir, options, durability } = this.flags;
      const db = await openWorkdir(workdir, options, durabilityOption(durability));
      try {
        const startMs = performance.now();
        const result = await this.#import(db, source);
        const summary = summaryOf(result, performance.now() - startMs);
        this.#print(summary);
        return summary;
      } finally {
        await db.close();
      }
    } finally {
      await source.close();
    }
  }

  async #import(db: Db, source: Source): Promise<ImportResult> {
    const { flags } = this;
    const meter = new ImportMeter(source, flags.quiet);
    try {
      return await importLines(db, source.chunks, {
        source: source.name,
        columnFamily: flags['column-family'],
        durability: db.options.durability,
        isRestart: flags.restart,
        isSkippingBad: flags['skip-bad'],
        signal: this.signal,
        onStart: async (from) => {
          if (from.offset > 0) {
            this.note(
              `continues behind line ${formatCount(from.line)}, byte ${formatCount(from.offset)}`,
            );
          }
          await meter.start(from);
        },
        onProgress: (position) => meter.update(position),
        onBadLine: (line, problem) => this.#noteBadLine(line, problem),
      });
    } finally {
      meter.stop();
    }
  }

  #noteBadLine(line: number, problem: string): void {
    this.#badLines++;
    if (this.#badLines <= BAD_LINES_NAMED_MAX) this.note(`left out line ${line}: ${problem}`);
    else if (this.#badLines === BAD_LINES_NAMED_MAX + 1) this.note('further bad lines are counted');
  }

  #print({ rows, bytes, bad_lines, elapsed_ms, total, continued_from }: ImportSummary): void {
    const seconds = Math.max(elapsed_ms, 1) / 1000;
    const parts = [
      formatCountOf(rows, 'row'),
      formatBytes(bytes),
      formatDuration(elapsed_ms),
      `${formatCount(Math.round(rows / seconds))} rows/s`,
      `${formatBytes(bytes / seconds)}/s`,
    ];
    if (bad_lines > 0) parts.push(`${formatCountOf(bad_lines, 'bad line')} left out`);
    if (continued_from !== null)
      parts.push(`${formatCountOf(total.rows, 'row')} with what was there`);
    this.log(parts.join(', '));
  }
}

/** Progress in bytes of the source, which are known beforehand, with rows and rates beside them. */
class ImportMeter {
  readonly #source: Source;
  readonly #isQuiet: boolean;
  #progress: Progress | undefined;
  #from = START;
  #position = START;

  constructor(source: Source, isQuiet: boolean) {
    this.#source = source;
    this.#isQuiet = isQuiet;
  }

  async start(from: ImportPosition): Promise<void> {
    this.#from = from;
    this.#position = from;
    const { bytes } = this.#source;
    this.#progress = await startProgress({
      label: 'Importing',
      ...(bytes === undefined ? {} : { total: Math.max(1, bytes - from.offset) }),
      format: formatBytes,
      detail: (done, elapsedMs) => {
        const perSecond = 1000 / Math.max(1, elapsedMs);
        const rows = this.#position.rows - this.#from.rows;
        return `${formatCountOf(rows, 'row')}, ${formatBytes(done * perSecond)}/s`;
      },
      isQuiet: this.#isQuiet,
    });
  }

  update(position: ImportPosition): void {
    this.#position = position;
    this.#progress?.update(position.offset - this.#from.offset);
  }

  stop(): void {
    this.#progress?.stop();
  }
}

function summaryOf({ from, to, batches }: ImportResult, elapsedMs: number): ImportSummary {
  return {
    rows: to.rows - from.rows,
    bytes: to.offset - from.offset,
    bad_lines: to.bad - from.bad,
    batches,
    elapsed_ms: Math.round(elapsedMs),
    continued_from: from.offset === 0 ? null : { offset: from.offset, line: from.line },
    total: { rows: to.rows, bytes: to.offset, lines: to.line, bad_lines: to.bad },
  };
}
