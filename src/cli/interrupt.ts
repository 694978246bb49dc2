/**
 * SIGINT and SIGTERM as an abort signal, so that a long command closes what it holds. The second
 * signal ends the process at once.
 */
import { EXIT_SIGINT, EXIT_SIGTERM } from './exit-status.js';
import { Interrupted } from './failure.js';

/** Aborted by the first signal, with Interrupted as reason. `dispose` gives the signals back. */
export class InterruptSource {
  readonly #controller = new AbortController();
  readonly #onSigint = (): void => this.#interrupt(EXIT_SIGINT);
  readonly #onSigterm = (): void => this.#interrupt(EXIT_SIGTERM);

  constructor() {
    process.on('SIGINT', this.#onSigint);
    process.on('SIGTERM', this.#onSigterm);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  dispose(): void {
    process.off('SIGINT', this.#onSigint);
    process.off('SIGTERM', this.#onSigterm);
  }

  #interrupt(exit: number): void {
    if (this.#controller.signal.aborted) process.exit(exit);
    this.#controller.abort(new Interrupted(exit));
  }
}
