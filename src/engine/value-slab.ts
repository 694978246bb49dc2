/**
 * Private memory for values handed to callers. Small values share slabs, because one ArrayBuffer per
 * value costs more than the copy and burdens the collector; a kept value then retains its whole slab.
 * Bound: a value of at most SLAB_VALUE_MAX bytes retains at most SLAB_BYTES; larger ones stand alone.
 *
 * Ballast. V8 collects the young generation when 16 MiB of its own heap are used, or 32 MiB of ArrayBuffers hang on
 * it; but 32 MiB of ArrayBuffers also start a full collection, which walks the application's whole heap (60 ms for a
 * million strings) and finds nothing. Reads make bytes outside the heap and next to none on it, so that full ones
 * came every 32 MiB and took 30 % of the time. Each slab therefore comes with as many bytes on the
 * heap, a value that stands alone with its share, dropped at once: the young generation is collected after half as many
 * slabs, in 0.3 ms, which frees them while they are still in the processor's cache (190,000 reads of 1000 bytes per second
 * became 330,000). Writing it costs time, too: where the receiver of values has other things on the heap for them, less is
 * enough.
 *
 * The place found by `take` is in `bytes` at `start`; it is never handed out twice.
 */
import { copyBytes } from '../base/bytes.js';
import { KIB } from '../base/limits.js';

export const SLAB_BYTES = 64 * KIB;
export const SLAB_VALUE_MAX = 8 * KIB;
/** V8 keeps the bytes of a typed array of at most this length on its own heap. */
const HEAP_VALUE_MAX = 64;
/** 8 bytes each. */
const BALLAST_WORDS = SLAB_BYTES / 8;
/** Of a slab for rows, whose keys, views and objects are on the heap themselves: 350 bytes for each row. */
export const ROW_BALLAST_WORDS = BALLAST_WORDS / 2;

export class ValueSlab {
  bytes: Uint8Array;
  /** Offset of the room found by the last `take`. */
  start: number;
  /** As many bytes on the JavaScript heap as the newest slab has outside; held for a moment, never read. */
  ballast: undefined[];
  /** The memory of `bytes`: asking an array for it costs as much as making one. */
  #buffer: ArrayBufferLike;
  #slab: Uint8Array;
  #slabBuffer: ArrayBufferLike;
  #used: number;
  readonly #ballastWords: number;

  /** `ballastWords`: what comes with each slab. */
  constructor(ballastWords = BALLAST_WORDS) {
    this.#ballastWords = ballastWords;
    this.#slab = new Uint8Array(0);
    this.#used = 0;
    this.bytes = this.#slab;
    this.#slabBuffer = this.#slab.buffer;
    this.#buffer = this.#slabBuffer;
    this.start = 0;
    this.ballast = [];
  }

  /** Finds `length` unused bytes; their content is arbitrary. */
  take(length: number): void {
    this.takeUpTo(SLAB_VALUE_MAX, length);
  }

  /** As `take`; more than `max` bytes stand alone. */
  takeUpTo(max: number, length: number): void {
    if (length > max) {
      this.bytes = freshMemory(length);
      this.#buffer = this.bytes.buffer;
      this.start = 0;
      const part = Math.min(1, length / SLAB_BYTES);
      this.ballast = new Array<undefined>(Math.ceil(this.#ballastWords * part));
      return;
    }
    if (this.#used + length > this.#slab.length) {
      this.#slab = freshMemory(SLAB_BYTES);
      this.#slabBuffer = this.#slab.buffer;
      this.ballast = new Array<undefined>(this.#ballastWords);
      this.#used = 0;
    }
    this.bytes = this.#slab;
    this.#buffer = this.#slabBuffer;
    this.start = this.#used;
    this.#used += length;
  }

  /** A private copy of a byte range, owned by the receiver. */
  copyOf(source: Uint8Array, start: number, length: number): Uint8Array {
    if (length <= HEAP_VALUE_MAX) {
      const copy = new Uint8Array(length);
      for (let i = 0; i < length; i++) copy[i] = source[start + i] as number;
      return copy;
    }
    this.take(length);
    copyBytes(source, start, this.bytes, this.start, length);
    return this.viewOf(this.start, length);
  }

  /** A plain Uint8Array of `length` bytes, content arbitrary; the shortest ones lie on the JavaScript heap, which is cheapest. */
  fresh(length: number): Uint8Array {
    if (length <= HEAP_VALUE_MAX) return new Uint8Array(length);
    this.take(length);
    return this.viewOf(this.start, length);
  }

  /** A plain Uint8Array over taken bytes. */
  viewOf(start: number, length: number): Uint8Array {
    return new Uint8Array(this.#buffer, start, length);
  }
}

/** An array over all of a new ArrayBuffer, content arbitrary. Plain, so that all who read bytes see one kind of array. */
function freshMemory(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}
