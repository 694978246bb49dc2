/**
 * Private buffers of cursors and of reads that bypass the cache, kept for reuse: a fresh buffer per scan
 * would cost more than the scan's first block. Holds at most 16 buffers of 16 to 256 KiB.
 */
import { INVARIANTS } from '../../base/assert.js';
import { KIB, MIB } from '../../base/limits.js';

const BUFFERS_MAX = 16;
const BUFFER_BYTES_MIN = 16 * KIB;
const BUFFER_BYTES_MAX = 320 * KIB;
const SCRATCH_BYTES_MAX = 4 * MIB;

/** Reads of cursors, which take neighbours along. */
export interface CursorReads {
  reads: number;
  /** Blocks read, and those of them that were taken along. */
  blocks: number;
  blocksAhead: number;
}

export class BufferPool {
  readonly cursorReads: CursorReads;
  readonly #free: Uint8Array[];
  readonly #scratch: Uint8Array[];

  constructor() {
    this.cursorReads = { reads: 0, blocks: 0, blocksAhead: 0 };
    this.#free = [];
    this.#scratch = [new Uint8Array(0), new Uint8Array(0)];
  }

  /** Counts a read of a cursor. */
  countRead(blocks: number): void {
    const { cursorReads } = this;
    cursorReads.reads++;
    cursorReads.blocks += blocks;
    cursorReads.blocksAhead += blocks - 1;
  }

  /** A buffer of at least `length` bytes, any content. Owned by the caller until `give`. */
  take(length: number): Uint8Array {
    const last = this.#free.length - 1;
    for (let i = last; i >= 0; i--) {
      const buffer = this.#free[i] as Uint8Array;
      if (buffer.length < length) continue;
      this.#free[i] = this.#free[last] as Uint8Array;
      this.#free.pop();
      return buffer;
    }
    return new Uint8Array(Math.ceil(Math.max(length, 1) / BUFFER_BYTES_MIN) * BUFFER_BYTES_MIN);
  }

  /** Takes a buffer back. */
  give(buffer: Uint8Array): void {
    if (INVARIANTS) buffer.fill(0xdb);
    if (buffer.length < BUFFER_BYTES_MIN || buffer.length > BUFFER_BYTES_MAX) return;
    if (this.#free.length < BUFFERS_MAX) this.#free.push(buffer);
  }

  /** One of two scratch buffers, at least `length` bytes; borrowed until the next call for the same one. */
  scratch(which: 0 | 1, length: number): Uint8Array {
    const buffer = this.#scratch[which] as Uint8Array;
    if (buffer.length >= length) return buffer;
    const grown = new Uint8Array(Math.ceil(length / BUFFER_BYTES_MIN) * BUFFER_BYTES_MIN);
    if (grown.length <= SCRATCH_BYTES_MAX) this.#scratch[which] = grown;
    return grown;
  }
}
