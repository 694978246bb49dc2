/**
 * The buffers that a table builder grew, for the next one: a builder of its own needs some MiB per table, which the
 * worker's heap does not weigh and its allocator gives back late. A builder takes them out and brings them back when it
 * has finished; what one that failed had is lost. Larger ones than usual tables need are not kept.
 */
import { KIB, MIB } from '../../base/limits.js';

const BYTES_MAX = 2 * MIB;
const OUTPUT_BYTES_FIRST = 128 * KIB;
const INDEX_BYTES_FIRST = 4 * KIB;
const HASHES_FIRST = 1024;

export class BuilderMemory {
  #output: Uint8Array | undefined;
  #index: Uint8Array | undefined;
  #hashes: Uint32Array | undefined;

  constructor() {
    this.#output = undefined;
    this.#index = undefined;
    this.#hashes = undefined;
  }

  /** Any content, as all of them; owned by the caller until `give`. */
  takeOutput(): Uint8Array {
    const output = this.#output ?? new Uint8Array(OUTPUT_BYTES_FIRST);
    this.#output = undefined;
    return output;
  }

  takeIndex(): Uint8Array {
    const index = this.#index ?? new Uint8Array(INDEX_BYTES_FIRST);
    this.#index = undefined;
    return index;
  }

  takeHashes(): Uint32Array {
    const hashes = this.#hashes ?? new Uint32Array(HASHES_FIRST);
    this.#hashes = undefined;
    return hashes;
  }

  /** Takes back what was taken, or what has taken its place; nobody else uses it any more. */
  give(output: Uint8Array, index: Uint8Array, hashes: Uint32Array): void {
    if (output.byteLength <= BYTES_MAX) this.#output = output;
    if (index.byteLength <= BYTES_MAX) this.#index = index;
    if (hashes.byteLength <= BYTES_MAX) this.#hashes = hashes;
  }
}
