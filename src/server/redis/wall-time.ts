/**
 * Wall time that never goes back while the process lives: a key that has expired stays expired, whatever is done to the
 * machine's clock. When the clock was set back, time goes on by the monotonic one until the wall has caught up.
 */
import type { Clock } from '../../base/env.js';

export class WallTime {
  readonly #clock: Clock;
  #lastMs: number;
  /** A pair of readings of the two clocks. */
  #wallMs: number;
  #monotonicMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#lastMs = clock.nowMs();
    this.#wallMs = this.#lastMs;
    this.#monotonicMs = clock.monotonicMs();
  }

  /** Integer milliseconds since 1970, never less than before. */
  nowMs(): number {
    return this.of(this.#clock.nowMs());
  }

  /** The same, when the machine's clock has shown `wallMs` just now. */
  of(wallMs: number): number {
    if (wallMs >= this.#lastMs) {
      this.#lastMs = wallMs;
      return wallMs;
    }
    const elapsedMs = this.#clock.monotonicMs() - this.#monotonicMs;
    this.#lastMs = Math.max(this.#lastMs, this.#wallMs + Math.floor(elapsedMs));
    return this.#lastMs;
  }

  /** Call it now and then, so that a clock that is set back costs no time but what passed since. */
  sample(): void {
    this.#wallMs = this.nowMs();
    this.#monotonicMs = this.#clock.monotonicMs();
  }
}
