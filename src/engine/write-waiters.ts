/**
 * Writes that wait for room, in their order: of the write queue (write-queue.ts), which takes no other write while there
 * are any. Each is tried again when room may have come; the first that still finds none holds back those behind it.
 */
import type { Clock } from '../base/env.js';
import { BusyError } from '../base/errors.js';
import { GIB } from '../base/limits.js';
import type { Waiter, WriteCounters } from './write-queue-host.js';

/** Copies of writes that wait for room. */
const BYTES_MAX = GIB;

export class WriteWaiters {
  readonly #clock: Clock;
  readonly #counters: WriteCounters;
  readonly #waiting: Waiter[];
  #bytes: number;
  /** Waiters that are gone by now, since the queue was made. */
  #gone: number;
  #stallStartMs: number;
  /** The first waiter holds the queue: see `hold`. */
  #isHeld: boolean;

  constructor(clock: Clock, counters: WriteCounters) {
    this.#clock = clock;
    this.#counters = counters;
    this.#waiting = [];
    this.#bytes = 0;
    this.#gone = 0;
    this.#stallStartMs = 0;
    this.#isHeld = false;
  }

  get count(): number {
    return this.#waiting.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Waits with a write of so many bytes; `place` returns undefined while there is no room. @throws BusyError */
  add(bytes: number, place: () => Promise<void> | undefined): Promise<void> {
    if (this.#bytes + bytes > BYTES_MAX && this.#waiting.length > 0) {
      throw new BusyError('Cannot write: too many writes wait for room', {
        queue: 'writes',
        limit: BYTES_MAX,
        backoffMs: 100,
      });
    }
    if (this.#waiting.length === 0) {
      this.#stallStartMs = this.#clock.monotonicMs();
      this.#counters.stalls++;
    }
    this.#bytes += bytes;
    return new Promise<void>((resolve, reject) => {
      this.#waiting.push({ bytes, place, resolve, reject });
    });
  }

  /** See WriteQueue.hold. */
  hold(): Promise<() => void> {
    let isOver = false;
    return new Promise((resolve, reject) => {
      const place = (): Promise<void> | undefined => {
        this.#isHeld = !isOver;
        if (isOver) return Promise.resolve();
        resolve(() => {
          isOver = true;
          this.resume();
        });
        return undefined;
      };
      this.#waiting.push({ bytes: 0, place, resolve: () => undefined, reject });
      if (this.#waiting.length === 1) this.resume();
    });
  }

  /** Room may have come. */
  resume(): void {
    let placed = 0;
    while (placed < this.#waiting.length && this.#placeWaiter(this.#waiting[placed] as Waiter))
      placed++;
    // In one cut: a shift for each would cost the square of a long queue.
    for (const waiter of this.#waiting.splice(0, placed)) this.#bytes -= waiter.bytes;
    this.#gone += placed;
    if (this.#waiting.length === 0 && this.#stallStartMs > 0) {
      this.#counters.stallMs += this.#clock.monotonicMs() - this.#stallStartMs;
      this.#stallStartMs = 0;
    }
  }

  /** False when there is still no room for it. */
  #placeWaiter(waiter: Waiter): boolean {
    try {
      const done = waiter.place();
      if (done === undefined) return false;
      waiter.resolve(done);
    } catch (error) {
      waiter.reject(error);
    }
    return true;
  }

  /** What they wait for has failed. A hold ends by itself: what was begun under it counts on that nothing else is written. */
  reject(error: unknown): void {
    this.#rejectFrom(this.#isHeld ? 1 : 0, error);
    this.resume();
  }

  /** No write is taken any more. */
  rejectAll(error: unknown): void {
    this.#rejectFrom(0, error);
  }

  #rejectFrom(start: number, error: unknown): void {
    const rejected = this.#waiting.splice(start);
    this.#bytes = 0;
    this.#gone += rejected.length;
    for (const waiter of rejected) waiter.reject(error);
  }

  /** Resolves when those that wait by now do so no more, however many come meanwhile. */
  async passed(): Promise<void> {
    const last = this.#gone + this.#waiting.length;
    while (this.#gone < last) await this.#clock.nextTurn();
  }
}
