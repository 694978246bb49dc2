import { string } from '@oclif/core/flags';
import { BaseCommand } from '../cli/base-command.js';
import { workdirFlag } from '../cli/flags.js';
import { formatBytes, formatCountOf } from '../cli/format.js';
import { OutputFile } from '../cli/output-file.js';
import { startProgress } from '../cli/progress.js';
import { keyRangeOf, rangeFlags } from '../cli/range-flags.js';
import { open } from '../index.js';
import { exportLines } from '../transfer/export.js';

/** Rows between two looks at progress and signals. */
const STEP_ROWS = 256;

/** The result with --out, as --json prints it. */
interface ExportSummary {
  rows: number;
  bytes: number;
}

export default class Export extends BaseCommand<typeof Export> {
  static override summary = 'Print rows as JSON Lines, in key order.';
  static override description = `One row a line, as of one moment: {"key":"...","value":"..."}, or key_base64 and
value_base64 for bytes that are no UTF-8: what "nokv import" reads. Opens the workdir read-only, also beside
a running process. With --json and without --out a last line {"end":true,...} says that nothing is missing.
Times of expiry, versions and other column families are not part of it.`;
  static override examples = [
    '<%= config.bin %> export --workdir ./data --out rows.jsonl',
    '<%= config.bin %> export --workdir ./data --prefix user: | gzip > users.jsonl.gz',
  ];
  static override flags = {
    workdir: workdirFlag,
    out: string({
      char: 'o',
      description: 'write to this file, which appears when it is whole (default: standard output)',
      env: 'NOKV_OUT',
      helpValue: 'FILE',
    }),
    ...rangeFlags,
  };

  override async run(): Promise<ExportSummary | undefined> {
    const out = this.#outFile();
    const db = await open(this.flags.workdir, { readOnly: true });
    try {
      const lines = exportLines(db, keyRangeOf(this.flags));
      if (out !== undefined) return await this.#toFile(lines, out);
      const rows = await this.#write(lines, (line) => this.jsonText(line));
      if (rows !== undefined && this.jsonEnabled()) await this.jsonLine({ end: true, rows });
      return undefined;
    } finally {
      await db.close();
    }
  }

  /** undefined: standard output, also by the name that "nokv import" has for standard input. */
  #outFile(): string | undefined {
    const { out } = this.flags;
    return out === '-' ? undefined : out;
  }

  async #toFile(lines: Iterable<string>, path: string): Promise<ExportSummary> {
    const file = await OutputFile.create(path);
    try {
      const rows = (await this.#write(lines, (line) => file.line(line))) ?? 0;
      await file.commit();
      this.note(`${formatCountOf(rows, 'row')}, ${formatBytes(file.bytes)}`);
      return { rows, bytes: file.bytes };
    } finally {
      await file.dispose();
    }
  }

  /** The number of rows; undefined when nobody reads any more. */
  async #write(
    lines: Iterable<string>,
    print: (line: string) => Promise<boolean>,
  ): Promise<number | undefined> {
    const { flags, signal } = this;
    // On a terminal the rows themselves are the progress.
    const isQuiet = flags.quiet || (this.#outFile() === undefined && process.stdout.isTTY);
    const progress = await startProgress({ label: 'Exporting', format: rowsText, isQuiet });
    try {
      let rows = 0;
      for (const line of lines) {
        if (rows % STEP_ROWS === 0) {
          signal.throwIfAborted();
          progress.update(rows);
        }
        if (!(await print(line))) return undefined;
        rows++;
      }
      return rows;
    } finally {
      progress.stop();
    }
  }
}

function rowsText(rows: number): string {
  return formatCountOf(rows, 'row');
}
