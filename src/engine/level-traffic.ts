/**
 * Table bytes that went into and out of each level: since the database was opened, and within the last minute. Every
 * change of the tree passes here as an edit (flush, compaction, move), so the two always add up to the level's size.
 */
import { LEVEL_COUNT } from '../base/limits.js';

/** The last minute is kept in slots of five seconds. */
const SLOT_MS = 5000;
const SLOTS = 12;
const WINDOW_MS = SLOT_MS * SLOTS;

export interface LevelFlow {
  /** Since the opening. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Mean over the last minute, or since the opening when that is shorter. */
  readonly inPerSecond: number;
  readonly outPerSecond: number;
}

export class LevelTraffic {
  readonly #openedMs: number;
  readonly #in: Float64Array;
  readonly #out: Float64Array;
  /** [slot][level] in, then out. */
  readonly #slots: Float64Array[];
  /** Number of the slot that a time falls into, for the newest one used. */
  #newest: number;

  /** `nowMs`: monotonic milliseconds, as everywhere here. */
  constructor(nowMs: number) {
    this.#openedMs = nowMs;
    this.#in = new Float64Array(LEVEL_COUNT);
    this.#out = new Float64Array(LEVEL_COUNT);
    this.#slots = Array.from({ length: SLOTS }, () => new Float64Array(2 * LEVEL_COUNT));
    this.#newest = Math.floor(nowMs / SLOT_MS);
  }

  added(level: number, bytes: number, nowMs: number): void {
    this.#in[level] = (this.#in[level] as number) + bytes;
    this.#addToSlot(level, bytes, nowMs);
  }

  removed(level: number, bytes: number, nowMs: number): void {
    this.#out[level] = (this.#out[level] as number) + bytes;
    this.#addToSlot(LEVEL_COUNT + level, bytes, nowMs);
  }

  flow(level: number, nowMs: number): LevelFlow {
    this.#moveTo(nowMs);
    const seconds = Math.max(SLOT_MS, Math.min(WINDOW_MS, nowMs - this.#openedMs)) / 1000;
    const recent = (at: number): number =>
      this.#slots.reduce((sum, slot) => sum + (slot[at] as number), 0) / seconds;
    return {
      bytesIn: this.#in[level] as number,
      bytesOut: this.#out[level] as number,
      inPerSecond: recent(level),
      outPerSecond: recent(LEVEL_COUNT + level),
    };
  }

  #addToSlot(at: number, bytes: number, nowMs: number): void {
    this.#moveTo(nowMs);
    const slot = this.#slots[this.#newest % SLOTS] as Float64Array;
    slot[at] = (slot[at] as number) + bytes;
  }

  /** Empties the slots that the time passed by. */
  #moveTo(nowMs: number): void {
    const now = Math.floor(nowMs / SLOT_MS);
    const first = Math.max(this.#newest + 1, now - SLOTS + 1);
    for (let number = first; number <= now; number++) this.#slots[number % SLOTS]?.fill(0);
    this.#newest = Math.max(this.#newest, now);
  }
}
