/**
 * Private memory for values handed to callers. Small values share slabs, because one ArrayBuffer per
 * value costs more than the copy and burdens the collector; a kept value then retains its whole slab.
 * Bound: a value of at most SLAB_VALUE_MAX bytes retains at most SLAB_BYTES; larger ones stand alone.
 *
 * The place found by `take` is in `bytes` at `start`; it is never handed out twice.
 */
import { copyBytes } from '../base/bytes.js';
import { KIB } from '../base/limits.js';

export const SLAB_BYTES = 64 * KIB;
export const SLAB_VALUE_MAX = 8 * KIB;

export class ValueSlab {
  bytes: Uint8Array;
  /** Offset of the room found by the last `take`. */
  start: number;
  #slab: Uint8Array;
  #used: number;

  constructor() {
    this.#slab = new Uint8Array(0);
    this.#used = 0;
    this.bytes = this.#slab;
    this.start = 0;
  }

  /** Finds `length` unused bytes; their content is arbitrary. */
  take(length: number): void {
    if (length > SLAB_VALUE_MAX) {
      this.bytes = Buffer.allocUnsafeSlow(length);
      this.start = 0;
      return;
    }
    if (this.#used + length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#used = 0;
    }
    this.bytes = this.#slab;
    this.start = this.#used;
    this.#used += length;
  }

  /** A private copy of a byte range, owned by the receiver. */
  copyOf(source: Uint8Array, start: number, length: number): Uint8Array {
    this.take(length);
    copyBytes(source, start, this.bytes, this.start, length);
    return this.viewOf(this.start, length);
  }

  /** A plain Uint8Array over taken bytes. */
  viewOf(start: number, length: number): Uint8Array {
    return new Uint8Array(this.bytes.buffer, this.bytes.byteOffset + start, length);
  }
}
