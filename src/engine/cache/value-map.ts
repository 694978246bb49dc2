/**
 * (file number, offset) -> cache slot, for values cached one by one: open addressing with linear probing
 * over an Int32Array; the keys lie in the cache's own slot arrays. Deletion shifts back, no tombstones.
 */
import { fingerprint } from './ghost-list.js';

const NONE = -1;

export class ValueMap {
  readonly #files: Uint32Array;
  readonly #offsets: Uint32Array;
  #table: Int32Array;
  #mask: number;
  #count: number;

  /** `files[slot]` and `offsets[slot]` are the key of a slot in the map. */
  constructor(files: Uint32Array, offsets: Uint32Array) {
    this.#files = files;
    this.#offsets = offsets;
    this.#table = new Int32Array(1024).fill(NONE);
    this.#mask = 1023;
    this.#count = 0;
  }

  get count(): number {
    return this.#count;
  }

  /** The slot, or -1. */
  find(file: number, offset: number): number {
    let at = fingerprint(file, offset) & this.#mask;
    for (;;) {
      const slot = this.#table[at] as number;
      if (slot === NONE || (this.#files[slot] === file && this.#offsets[slot] === offset))
        return slot;
      at = (at + 1) & this.#mask;
    }
  }

  /** Adds a slot under its key. Requires the key absent. */
  add(slot: number): void {
    if (2 * (this.#count + 1) > this.#table.length) this.#grow();
    this.#place(slot);
    this.#count++;
  }

  /** Removes a slot. Requires it present, its key unchanged. */
  remove(slot: number): void {
    let hole = this.#home(slot);
    while (this.#table[hole] !== slot) hole = (hole + 1) & this.#mask;
    let at = hole;
    for (;;) {
      at = (at + 1) & this.#mask;
      const candidate = this.#table[at] as number;
      if (candidate === NONE) break;
      // It may move back only when its home is not cyclically between the hole and itself.
      const distance = (at - this.#home(candidate)) & this.#mask;
      if (distance >= ((at - hole) & this.#mask)) {
        this.#table[hole] = candidate;
        hole = at;
      }
    }
    this.#table[hole] = NONE;
    this.#count--;
  }

  #home(slot: number): number {
    return fingerprint(this.#files[slot] as number, this.#offsets[slot] as number) & this.#mask;
  }

  #place(slot: number): void {
    let at = this.#home(slot);
    while (this.#table[at] !== NONE) at = (at + 1) & this.#mask;
    this.#table[at] = slot;
  }

  #grow(): void {
    const old = this.#table;
    this.#table = new Int32Array(2 * old.length).fill(NONE);
    this.#mask = this.#table.length - 1;
    for (const slot of old) if (slot !== NONE) this.#place(slot);
  }
}
