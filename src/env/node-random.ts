/** Randomness of the operating system, fetched in blocks: a call costs nanoseconds. */
import { randomFillSync } from 'node:crypto';
import type { Random } from '../base/env.js';

const BLOCK_WORDS = 256;

export class NodeRandom implements Random {
  readonly #words: Uint32Array;
  #next: number;

  constructor() {
    this.#words = new Uint32Array(BLOCK_WORDS);
    this.#next = BLOCK_WORDS;
  }

  u32(): number {
    if (this.#next === BLOCK_WORDS) {
      randomFillSync(this.#words);
      this.#next = 0;
    }
    return this.#words[this.#next++] as number;
  }
}
