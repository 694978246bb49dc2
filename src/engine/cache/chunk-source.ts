/**
 * Where a cache gets its memory: chunks of one size, each handed out once, up to a bound.
 *
 * They are parts of regions, each of which doubles what there was: every 32 MiB of new array buffers start a full
 * collection of the application's heap, and one buffer per chunk would start it again and again while the cache fills.
 * Memory of a region that no chunk has used is not resident.
 *
 * The first touch of a page costs 2.4 us (a fault, zeroing, accounting), for rows of 4 KiB as much as reading one: a filling
 * cache paid a fifth of its time for it. So the chunks wanted next are prepared off this thread (Memory), some at a time,
 * as one piece: the answer comes in a later turn of the loop, and there may be thousands of reads in a turn. Those under
 * preparation are nobody's until it is done; who wants one before gets another, behind them.
 */
import type { Memory } from '../../base/env.js';
import { MIB } from '../../base/limits.js';

/** Larger array buffers are not for every machine. */
const REGION_BYTES_MAX = 1024 * MIB;
/** Of the first region. */
const REGION_CHUNKS_MIN = 16;
/** Chunks prepared at once, at most, and at most this part of all. */
const PIECE_CHUNKS_MAX = 8;
const PIECE_PART = 16;

export class ChunkSource {
  readonly #chunkBytes: number;
  readonly #chunksMax: number;
  readonly #memory: Memory | undefined;
  readonly #pieceChunks: number;
  /** Chunks cut from regions so far: handed out, ready, or under preparation. */
  #cut: number;
  #taken: number;
  /** Chunks [#regionStart, #regionEnd). */
  #region: ArrayBuffer;
  #regionStart: number;
  #regionEnd: number;
  readonly #ready: Uint8Array[];
  #isPreparing: boolean;

  /** Without `memory` every chunk is handed out as the system gives it. */
  constructor(chunkBytes: number, chunksMax: number, memory: Memory | undefined) {
    this.#chunkBytes = chunkBytes;
    this.#chunksMax = chunksMax;
    this.#memory = memory;
    this.#pieceChunks = Math.min(PIECE_CHUNKS_MAX, Math.floor(chunksMax / PIECE_PART));
    this.#cut = 0;
    this.#taken = 0;
    this.#region = new ArrayBuffer(0);
    this.#regionStart = 0;
    this.#regionEnd = 0;
    this.#ready = [];
    this.#isPreparing = false;
  }

  /** There is a chunk to take now. */
  get hasChunk(): boolean {
    return this.#ready.length > 0 || this.#cut < this.#chunksMax;
  }

  /** The next chunk, content arbitrary; the caller's for good. Requires `hasChunk`. */
  take(): Uint8Array {
    const chunk = this.#ready.shift() ?? this.#cutPiece(1);
    this.#taken++;
    // Who needs one chunk only, a command that reads one row, is not made to have more.
    if (this.#taken > 1) this.#maybePrepare();
    return chunk;
  }

  /** Starts on the next piece when at most half of one is ready. */
  #maybePrepare(): void {
    const memory = this.#memory;
    if (memory === undefined || this.#isPreparing || this.#cut === this.#chunksMax) return;
    if (this.#pieceChunks === 0 || 2 * this.#ready.length > this.#pieceChunks) return;
    const piece = this.#cutPiece(this.#pieceChunks);
    this.#isPreparing = true;
    memory.prepare(piece, () => {
      this.#isPreparing = false;
      for (let at = 0; at < piece.length; at += this.#chunkBytes) {
        this.#ready.push(piece.subarray(at, at + this.#chunkBytes));
      }
    });
  }

  /** At most so many chunks in one piece; at least one. */
  #cutPiece(chunks: number): Uint8Array {
    const chunkBytes = this.#chunkBytes;
    if (this.#cut === this.#regionEnd) {
      const wanted = Math.min(
        Math.max(this.#cut, REGION_CHUNKS_MIN),
        this.#chunksMax - this.#cut,
        Math.floor(REGION_BYTES_MAX / chunkBytes),
      );
      this.#region = new ArrayBuffer(wanted * chunkBytes);
      this.#regionStart = this.#regionEnd;
      this.#regionEnd += wanted;
    }
    const count = Math.min(chunks, this.#regionEnd - this.#cut);
    const offset = (this.#cut - this.#regionStart) * chunkBytes;
    this.#cut += count;
    return new Uint8Array(this.#region, offset, count * chunkBytes);
  }
}
