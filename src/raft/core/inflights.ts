/**
 * The window of append messages that were sent to a follower and are not yet acknowledged, limited
 * by count and by bytes. A ring of (index of the last entry, bytes); it grows on demand up to the
 * limit, because a process holds thousands of groups. Owned by one Progress.
 */
import { AssertionError } from '../../base/assert.js';
import { NO_LIMIT } from './ids.js';

export class Inflights {
  readonly #countMax: number;
  /** Soft: one message may go over it. NO_LIMIT for none. */
  readonly #bytesMax: number;
  #start = 0;
  #count = 0;
  #bytes = 0;
  #indexes: number[] = [];
  #sizes: number[] = [];

  /** `bytesMax` 0 or NO_LIMIT: no limit on bytes. */
  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax;
    this.#bytesMax = bytesMax === 0 ? NO_LIMIT : bytesMax;
  }

  get count(): number {
    return this.#count;
  }

  /** No further message may be sent now. */
  get isFull(): boolean {
    return this.#count === this.#countMax || this.#bytes >= this.#bytesMax;
  }

  /** Requires: not full, and indexes that only grow. */
  add(index: number, bytes: number): void {
    if (this.isFull) throw new AssertionError('inflights: add to a full window');
    let next = this.#start + this.#count;
    if (next >= this.#countMax) next -= this.#countMax;
    if (next >= this.#indexes.length) this.#grow();
    this.#indexes[next] = index;
    this.#sizes[next] = bytes;
    this.#count++;
    this.#bytes += bytes;
  }

  /** Frees every message whose last entry is at or below `index`. */
  freeUpTo(index: number): void {
    let at = this.#start;
    let freed = 0;
    while (freed < this.#count && (this.#indexes[at] as number) <= index) {
      this.#bytes -= this.#sizes[at] as number;
      freed++;
      if (++at >= this.#countMax) at = 0;
    }
    if (freed === 0) return;
    this.#count -= freed;
    // An empty ring starts over, so that it does not grow without need.
    this.#start = this.#count === 0 ? 0 : at;
  }

  reset(): void {
    this.#start = 0;
    this.#count = 0;
    this.#bytes = 0;
  }

  clone(): Inflights {
    const copy = new Inflights(this.#countMax, this.#bytesMax);
    copy.#start = this.#start;
    copy.#count = this.#count;
    copy.#bytes = this.#bytes;
    copy.#indexes = [...this.#indexes];
    copy.#sizes = [...this.#sizes];
    return copy;
  }

  /** Doubles the ring. It is not wrapped yet: it wraps only at its final size. */
  #grow(): void {
    const size = Math.min(Math.max(1, this.#indexes.length * 2), this.#countMax);
    while (this.#indexes.length < size) {
      this.#indexes.push(0);
      this.#sizes.push(0);
    }
  }
}
