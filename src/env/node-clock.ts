/** Real time. Timers do not keep the process alive, sleeps do. */
import { performance } from 'node:perf_hooks';
import type { Clock, Timer } from '../base/env.js';

/** The longest delay of setTimeout; a longer one would fire at once. */
const DELAY_MS_MAX = 0x7fff_ffff;

export class NodeClock implements Clock {
  nowMs(): number {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    return new NodeTimer(delayMs, callback);
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, Math.min(delayMs, DELAY_MS_MAX)));
  }

  /** The check phase comes after the poll phase, in which I/O and messages are delivered. */
  nextTurn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}

class NodeTimer implements Timer {
  readonly #callback: () => void;
  #restMs: number;
  #handle: NodeJS.Timeout | undefined;

  constructor(delayMs: number, callback: () => void) {
    this.#callback = callback;
    this.#restMs = delayMs;
    this.#handle = undefined;
    this.#arm();
  }

  cancel(): void {
    clearTimeout(this.#handle);
    this.#handle = undefined;
  }

  #arm(): void {
    const delay = Math.min(this.#restMs, DELAY_MS_MAX);
    this.#restMs -= delay;
    this.#handle = setTimeout(() => {
      if (this.#restMs > 0) this.#arm();
      else this.#callback();
    }, delay).unref();
  }
}
