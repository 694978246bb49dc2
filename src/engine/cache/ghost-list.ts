/**
 * Remembers the identity of blocks that left the cache young, so that their return is recognised as
 * reuse. A fixed table of 32-bit fingerprints in buckets of four, oldest out first: no allocation, and a
 * false match only costs one undeserved promotion.
 */
const WAYS = 4;

export class GhostList {
  readonly #prints: Uint32Array;
  readonly #mask: number;

  /** Room for about `capacity` fingerprints. */
  constructor(capacity: number) {
    let buckets = 1;
    while (buckets * WAYS < capacity) buckets *= 2;
    this.#prints = new Uint32Array(buckets * WAYS);
    this.#mask = buckets - 1;
  }

  /** Memory held, bytes. */
  get bytes(): number {
    return this.#prints.length * 4;
  }

  /** Remembers a fingerprint (unsigned, not 0), forgetting the oldest of its bucket. */
  add(print: number): void {
    const at = this.#bucket(print);
    this.#prints.copyWithin(at + 1, at, at + WAYS - 1);
    this.#prints[at] = print;
  }

  /** Forgets a fingerprint; true when it was there. */
  take(print: number): boolean {
    const at = this.#bucket(print);
    for (let i = at; i < at + WAYS; i++) {
      if (this.#prints[i] !== print) continue;
      this.#prints[i] = 0;
      return true;
    }
    return false;
  }

  #bucket(print: number): number {
    return ((Math.imul(print, 0x9e3779b1) >>> 8) & this.#mask) * WAYS;
  }
}

/** The fingerprint of (owner, item), both u32; never 0. */
export function fingerprint(owner: number, item: number): number {
  let h = Math.imul(owner ^ 0x5bd1e995, 0x85ebca6b) ^ item;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) | 1) >>> 0;
}
