/**
 * Where sockets read into: one buffer for all of them, since each read is taken before the next one begins. What was read
 * is copied into slabs and handed out from there, which costs less than memory of its own for every read, and leaves an
 * idle connection without any.
 */
import { bufferOver } from '../base/bytes.js';

/** As much as one read takes at most. */
const READ_BYTES = 64 * 1024;
const SLAB_BYTES = 32 * 1024;
/** Longer input gets memory of its own: a slab would be used up by a few. */
const PIECE_BYTES_MAX = 4 * 1024;

export class NetInput {
  readonly buffer: Buffer;
  #slab: ArrayBuffer;
  #end: number;

  constructor() {
    this.buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    this.#slab = new ArrayBuffer(0);
    this.#end = 0;
  }

  /** What was read, `length` bytes; it is the caller's, and keeps a slab for as long as it is kept. */
  take(length: number): Buffer {
    let taken: Buffer;
    if (length > PIECE_BYTES_MAX) {
      taken = Buffer.allocUnsafeSlow(length);
    } else {
      if (this.#end + length > this.#slab.byteLength) {
        this.#slab = new ArrayBuffer(SLAB_BYTES);
        this.#end = 0;
      }
      taken = bufferOver(this.#slab, this.#end, length);
      this.#end += length;
    }
    this.buffer.copy(taken, 0, 0, length);
    return taken;
  }
}
