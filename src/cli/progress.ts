/**
 * Progress of a long command, on stderr: a spinner on a terminal, elsewhere one line for each 10 % or
 * 30 seconds, nothing with --quiet. The spinner's package is loaded when one is shown.
 */
import type { Ora } from 'ora';
import { formatDuration, formatPercent } from './format.js';

const STEP_PERCENT = 10;
const INTERVAL_MS = 30_000;
const REDRAW_MS = 100;

export interface ProgressOptions {
  /** What is being done: "Checking tables". */
  readonly label: string;
  /** The `done` that means finished, when it is known. */
  readonly total?: number;
  /** How `done` reads: formatBytes, formatCount. */
  readonly format: (done: number) => string;
  /** More to say of it, from `done` and the milliseconds so far: a rate, a second count. */
  readonly detail?: (done: number, elapsedMs: number) => string;
  readonly isQuiet: boolean;
  readonly stream?: NodeJS.WriteStream;
  /** Monotonic milliseconds. */
  readonly nowMs?: () => number;
}

/** Starts with nothing done. */
export async function startProgress(options: ProgressOptions): Promise<Progress> {
  const stream = options.stream ?? process.stderr;
  // A terminal whose size nobody has set (script, expect, some containers) has 0 columns: ora would erase lines for ever.
  const isWide = stream.isTTY && stream.columns > 0;
  if (options.isQuiet || !isWide) return new Progress(options, undefined);
  const { default: ora } = await import('ora');
  return new Progress(options, ora({ text: options.label, stream }).start());
}

export class Progress {
  readonly #options: ProgressOptions;
  readonly #spinner: Ora | undefined;
  readonly #stream: NodeJS.WriteStream;
  readonly #nowMs: () => number;
  readonly #startMs: number;
  #lastMs: number;
  #lastStep = 0;

  constructor(options: ProgressOptions, spinner: Ora | undefined) {
    this.#options = options;
    this.#spinner = spinner;
    this.#stream = options.stream ?? process.stderr;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    this.#startMs = this.#nowMs();
    this.#lastMs = this.#startMs;
  }

  /** Says how much is done so far; cheap enough to be called for every file or batch. */
  update(done: number): void {
    const nowMs = this.#nowMs();
    const { total, isQuiet } = this.#options;
    if (this.#spinner !== undefined) {
      if (nowMs - this.#lastMs < REDRAW_MS) return;
      this.#spinner.text = this.#line(done, nowMs);
    } else {
      const step = total === undefined ? 0 : Math.floor((100 * done) / total / STEP_PERCENT);
      if (step <= this.#lastStep && nowMs - this.#lastMs < INTERVAL_MS) return;
      this.#lastStep = step;
      if (!isQuiet) this.#stream.write(`${this.#line(done, nowMs)}\n`);
    }
    this.#lastMs = nowMs;
  }

  /** Ends it, whether the work succeeded or not: what it came to is for the command to say. */
  stop(): void {
    this.#spinner?.stop();
  }

  #line(done: number, nowMs: number): string {
    const { label, total, format, detail } = this.#options;
    const elapsedMs = nowMs - this.#startMs;
    const more = detail === undefined ? '' : `, ${detail(done, elapsedMs)}`;
    if (total === undefined) {
      return `${label}: ${format(done)}${more}, ${formatDuration(elapsedMs)}`;
    }
    // A source may grow while it is read.
    const leftMs = Math.max(0, (elapsedMs / done) * (total - done));
    const left = done === 0 ? '' : `, ${formatDuration(leftMs)} left`;
    return `${label}: ${format(done)} of ${format(total)}, ${formatPercent(done, total)}${more}${left}`;
  }
}
