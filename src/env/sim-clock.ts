/** Time that stands still until a test moves it. */
import type { Clock, Timer } from '../base/env.js';

/** 2024-01-01T00:00:00Z: where simulated wall time starts. */
export const SIM_START_MS = 1_704_067_200_000;

interface SimTimer extends Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

export class SimClock implements Clock {
  #monotonicMs: number;
  #wallOffsetMs: number;
  /** In the order in which they were set. */
  #timers: SimTimer[];

  constructor(startMs = SIM_START_MS) {
    this.#monotonicMs = 0;
    this.#wallOffsetMs = startMs;
    this.#timers = [];
  }

  nowMs(): number {
    return Math.floor(this.#wallOffsetMs + this.#monotonicMs);
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer: SimTimer = {
      dueMs: this.#monotonicMs + Math.max(0, delayMs),
      callback,
      cancel: () => {
        this.#timers = this.#timers.filter((one) => one !== timer);
      },
    };
    this.#timers.push(timer);
    return timer;
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.setTimer(delayMs, resolve);
    });
  }

  /** A turn of the real event loop, which takes no simulated time; turns come in the order asked for. */
  nextTurn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** Moves time on and fires what falls due, in order, each timer at its own time. */
  advance(ms: number): void {
    const endMs = this.#monotonicMs + ms;
    for (let next = this.#takeDue(endMs); next !== undefined; next = this.#takeDue(endMs)) {
      next.callback();
    }
    this.#monotonicMs = endMs;
  }

  /** As `advance`, with a turn of the event loop after each timer and at the end. */
  async run(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms;
    for (let next = this.#takeDue(endMs); next !== undefined; next = this.#takeDue(endMs)) {
      next.callback();
      await this.nextTurn();
    }
    this.#monotonicMs = Math.max(this.#monotonicMs, endMs);
    await this.nextTurn();
  }

  /** The wall clock is set forward or back; monotonic time and timers are not concerned. */
  jumpWall(ms: number): void {
    this.#wallOffsetMs += ms;
  }

  /** Timers that have neither fired nor been cancelled. */
  get pendingTimers(): number {
    return this.#timers.length;
  }

  /** The next timer due by `endMs`, taken out; time moves to it. */
  #takeDue(endMs: number): SimTimer | undefined {
    let first: SimTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs > endMs) continue;
      if (first === undefined || timer.dueMs < first.dueMs) first = timer;
    }
    if (first === undefined) return undefined;
    first.cancel();
    this.#monotonicMs = Math.max(this.#monotonicMs, first.dueMs);
    return first;
  }
}
