/**
 * SIGINT and SIGTERM as an abort signal, so that a long command closes what it holds. The second
 * signal ends the process at once, also when it waits for the system in a way that Node cannot end: to open a named
 * pipe that nobody opens at its other end.
 */
import { isatty } from 'node:tty';
import { EXIT_SIGINT, EXIT_SIGTERM } from './exit-status.js';
import { Interrupted } from './failure.js';

/** Aborted by the first signal, with Interrupted as reason. `dispose` gives the signals back. */
export class InterruptSource {
  readonly #controller = new AbortController();
  readonly #onSigint = (): void => this.#interrupt('SIGINT', EXIT_SIGINT);
  readonly #onSigterm = (): void => this.#interrupt('SIGTERM', EXIT_SIGTERM);

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

  #interrupt(name: 'SIGINT' | 'SIGTERM', exit: number): void {
    if (this.#controller.signal.aborted) {
      // Behind the listeners of others, which give the terminal back.
      process.on('exit', () => killThisProcess(name));
      process.exit(exit);
    }
    this.#controller.abort(new Interrupted(exit));
  }
}

/** As if nobody had listened: process.exit() alone would wait for threads that wait for the system. */
function killThisProcess(name: 'SIGINT' | 'SIGTERM'): void {
  if (isatty(0)) process.stdin.setRawMode(false);
  process.removeAllListeners(name);
  process.kill(process.pid, name);
}
