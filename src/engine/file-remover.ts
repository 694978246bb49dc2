/**
 * Removes obsolete files off the main thread: freeing a log segment of 64 MiB takes tens of milliseconds.
 * Only files that the durable manifest does not name any more come here; one that stays behind, for
 * whatever reason, is an orphan that the next open removes.
 */
import type { Fs, Log } from '../base/env.js';
import { NokvError } from '../base/errors.js';

export class FileRemover {
  readonly #fs: Fs;
  readonly #log: Log;
  readonly #pending: Set<Promise<void>>;
  removed: number;
  failed: number;

  constructor(fs: Fs, log: Log) {
    this.#fs = fs;
    this.#log = log;
    this.#pending = new Set();
    this.removed = 0;
    this.failed = 0;
  }

  remove(path: string): void {
    const removal: Promise<void> = this.#remove(path).finally(() => {
      this.#pending.delete(removal);
    });
    this.#pending.add(removal);
  }

  /** Resolves when nothing is on its way; the workdir may be opened again then. */
  async drained(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  async #remove(path: string): Promise<void> {
    try {
      await this.#fs.removeLater(path);
      this.removed++;
    } catch (error) {
      if (!(error instanceof NokvError)) throw error;
      this.failed++;
      this.#log.write('warn', 'obsolete file not removed', { path, message: error.message });
    }
  }
}
