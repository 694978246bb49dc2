/**
 * Reads by index: an answer must not be behind what anybody knew to be committed when it was asked
 * for. A read by lease is promised less (docs/raft-core.md, "Reads by lease"): what was known two
 * election timeouts, and the age of a message, before.
 */
import type { Counts } from './counts.js';
import { Violation } from './violation.js';

export class ReadChecks {
  readonly #counts: Counts;
  /** What each read must see, by its number. */
  readonly #floors: number[] = [];
  /** Highest commit index by tick. */
  readonly #history: number[] = [0];

  constructor(counts: Counts) {
    this.#counts = counts;
  }

  /** Notes what was known before tick `now`. */
  tick(now: number, commitMax: number): void {
    this.#history[now] = commitMax;
  }

  /** Returns the context to ask with. `ticks`: how far back a lease may look; 0: not at all. */
  asked(now: number, commitMax: number, ticks: number): Uint8Array {
    this.#floors.push(ticks === 0 ? commitMax : (this.#history[Math.max(0, now - ticks)] ?? 0));
    const context = new Uint8Array(4);
    new DataView(context.buffer).setUint32(0, this.#floors.length - 1);
    return context;
  }

  answered(id: number, index: number, context: Uint8Array): void {
    const number = new DataView(context.buffer, context.byteOffset).getUint32(0);
    const floor = this.#floors[number];
    this.#counts.reads++;
    if (floor !== undefined && index >= floor) return;
    throw new Violation(
      'linearizable-read',
      `node ${id}: read ${number} is answered at ${index}; ${floor ?? 'nothing'} was committed before`,
    );
  }
}
