/**
 * A cursor over one table: all entries in internal order, both ways.
 *
 * Everything it exposes lies in private memory: a block found in the cache is copied (0.1 us for 4 KiB), so
 * that no eviction, whoever caused it, can change a key or value before the cursor's next move.
 * Blocks not cached are read several at a time: what is expected to be wanted, when that is known, else 16 KiB first and
 * twice as much with each further read in the same direction; at most `readaheadBytes`. Only the first 64 KiB behind a seek enter the
 * cache: short scans of hot ranges are kept, long ones do not push anything out.
 *
 * With `memory` every block goes to memory of its own, which no later move writes to: isValueOwned. What is read ahead
 * is then at most a slab, so that a value that is kept retains no more; it is not read where the cache has blocks, but
 * for a few between others.
 *
 * A target passed to seek must not lie in the cursor's own keyBytes, which the search overwrites.
 * Holds the index it was made with until it is closed, even when the table drops it meanwhile.
 */
import { copyBytes } from '../../base/bytes.js';
import { KIB } from '../../base/limits.js';
import type { BlockCache } from '../cache/block-cache.js';
import type { BlockOwner } from '../cache/block-owner.js';
import type { EntryCursor } from '../iterators/entry-cursor.js';
import type { RowBatch } from '../iterators/row-batch.js';
import { SLAB_BYTES, type ValueSlab } from '../value-slab.js';
import { BlockCursor } from './block-cursor.js';
import type { BlockIndex } from './block-index.js';
import { CODEC_NONE } from './codec.js';
import { BLOCK_TRAILER_BYTES } from './format.js';
import type { TableFile } from './table-file.js';

export interface TableCursorOptions {
  /** Largest read ahead, bytes; 0 reads block by block. */
  readonly readaheadBytes?: number;
  /** Bytes that a seek and the moves behind it are for, roughly; infinite: all there are; default: not known. */
  readonly expectedBytes?: number | undefined;
  /** Whether blocks read at the start of a scan enter the cache. */
  readonly fillCache?: boolean;
  /** Where blocks go that are to stay as they are: values are then handed out without another copy. */
  readonly memory?: ValueSlab | undefined;
}

/** The index of a table, held on behalf of a cursor. */
export interface HeldIndex {
  readonly blocks: BlockIndex;
  /** Called once, when the cursor needs it no more. */
  release(): void;
}

const READAHEAD_BYTES_DEFAULT = 256 * KIB;
const READAHEAD_BYTES_FIRST = 16 * KIB;
const NO_READ = -1;
/** Cached blocks between others that are read again rather than by a read more. */
const GAP_BLOCKS_MAX = 2;
/** Bytes read since a seek that may enter the cache. */
const FILL_BYTES_MAX = 64 * KIB;
const EMPTY: Uint8Array = new Uint8Array(0);

export class TableCursor extends BlockCursor implements EntryCursor {
  readonly #file: TableFile;
  readonly #held: HeldIndex;
  readonly #index: BlockIndex;
  readonly #cache: BlockCache;
  readonly #owner: BlockOwner;
  readonly #readaheadMax: number;
  readonly #expectedBytes: number;
  readonly #fillCache: boolean;
  readonly #memory: ValueSlab | undefined;
  /** Current block; nothing is read before the first move. */
  #block = -1;
  /** Stored blocks [windowFirst, windowEnd) lie in #buffer from #bufferStart; empty when it holds a cached block's copy. */
  #windowFirst = 0;
  #windowEnd = 0;
  #buffer: Uint8Array = EMPTY;
  #bufferStart = 0;
  /** Payload of a compressed block. */
  #restored: Uint8Array = EMPTY;
  /** Size of the last read; NO_READ: none since the seek. */
  #readBytes = NO_READ;
  #bytesSinceSeek = 0;
  /** The first block since the seek. */
  #seekBlock = -1;
  #isClosed = false;

  /** Made by TableReader.newCursor. */
  constructor(
    file: TableFile,
    held: HeldIndex,
    cache: BlockCache,
    owner: BlockOwner,
    seqBase: number,
    options: TableCursorOptions,
  ) {
    super(options.memory !== undefined, seqBase);
    this.#file = file;
    this.#held = held;
    this.#index = held.blocks;
    this.#cache = cache;
    this.#owner = owner;
    this.#memory = options.memory;
    const readaheadMax = options.readaheadBytes ?? READAHEAD_BYTES_DEFAULT;
    this.#readaheadMax = this.isValueOwned ? Math.min(readaheadMax, SLAB_BYTES) : readaheadMax;
    this.#expectedBytes = options.expectedBytes ?? 0;
    this.#fillCache = options.fillCache ?? true;
  }

  seek(key: Uint8Array, start: number, length: number): void {
    this.#restartReadahead();
    const block = this.#index.find(key, start, length);
    this.valid = false;
    if (block === this.#index.count) return;
    this.#enter(block, true);
    if (this.seekInBlock(key, start, length)) this.valid = true;
    else this.#enterNext();
  }

  seekBefore(key: Uint8Array, start: number, length: number): void {
    this.#restartReadahead();
    const block = this.#index.find(key, start, length);
    if (block === this.#index.count) {
      this.last();
      return;
    }
    this.valid = false;
    this.#enter(block, false);
    if (!this.seekInBlock(key, start, length)) {
      this.lastInBlock();
      this.valid = true;
    } else if (this.prevInBlock()) {
      this.valid = true;
    } else {
      this.#enterPrevious();
    }
  }

  first(): void {
    this.#restartReadahead();
    this.#block = -1;
    this.#enterNext();
  }

  last(): void {
    this.#restartReadahead();
    this.#block = this.#index.count;
    this.#enterPrevious();
  }

  next(): void {
    if (!this.parseEntry()) this.#enterNext();
  }

  prev(): void {
    if (!this.prevInBlock()) this.#enterPrevious();
  }

  /** To the first entry of the next key: skips older versions of the current one. Requires valid. */
  nextKey(): void {
    if (!this.nextKeyInBlock()) this.#enterNextKey();
  }

  nextKeyInto(batch: RowBatch): void {
    if (!this.isValueOwned) {
      this.nextKey();
      return;
    }
    while (!this.nextKeysInBlock(batch)) {
      this.#enterNextKey();
      if (!this.valid || !batch.addPlain(this) || batch.isFull) return;
    }
  }

  close(): void {
    this.valid = false;
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#held.release();
    if (!this.isValueOwned) {
      this.#cache.buffers.give(this.#buffer);
      this.#cache.buffers.give(this.#restored);
    }
    this.#buffer = EMPTY;
    this.#restored = EMPTY;
    this.valueBytes = EMPTY;
    this.#windowEnd = 0;
  }

  protected damaged(what: string): never {
    this.valid = false;
    throw this.#file.damage(what, this.#index.offsets[this.#block] ?? 0);
  }

  #restartReadahead(): void {
    this.#readBytes = NO_READ;
    this.#bytesSinceSeek = 0;
    this.#seekBlock = -1;
  }

  #enterNext(): void {
    this.valid = false;
    if (this.#block + 1 >= this.#index.count) return;
    this.#enter(this.#block + 1, true);
    if (!this.parseEntry()) this.damaged('data block is empty');
    this.valid = true;
  }

  /** From the end of a block to the first entry of the next key. */
  #enterNextKey(): void {
    const { continues } = this.#index;
    while (continues[this.#block] === 1) {
      const key = this.keyBytes.slice(0, this.keyLength);
      this.#skipBlocksOf(key);
      if (continues[this.#block] !== 1) break;
      this.#enterNext();
      if (!this.valid || this.nextKeyInBlock()) return;
    }
    this.#enterNext();
  }

  #enterPrevious(): void {
    this.valid = false;
    if (this.#block <= 0) return;
    this.#enter(this.#block - 1, false);
    this.lastInBlock();
    this.valid = true;
  }

  /** Moves #block over blocks that hold nothing but versions of the key that ends it. */
  #skipBlocksOf(key: Uint8Array): void {
    const index = this.#index;
    while (
      this.#block + 1 < index.count &&
      index.isSeparator(this.#block + 1, key, 0, key.length)
    ) {
      this.#block++;
      // The block it stands on is over: next() goes on behind #block.
    }
  }

  /** Makes a block current, before its first entry. */
  #enter(block: number, isForward: boolean): void {
    this.#block = block;
    if (this.#seekBlock === -1) this.#seekBlock = block;
    const isInWindow = block >= this.#windowFirst && block < this.#windowEnd;
    // In a buffer that is used again, the copy of a cached block would take the place of the window.
    if (!isInWindow || this.#memory !== undefined) {
      const slot = this.#owner.id === -1 ? -1 : (this.#owner.slots[block] as number);
      if (slot >= 0) {
        this.#enterCached(slot);
        return;
      }
    }
    if (!isInWindow) {
      this.#cache.countMiss(this.#owner.levelClass);
      this.#readWindow(block, isForward);
    }
    this.#enterStored(block);
  }

  #enterCached(slot: number): void {
    const cache = this.#cache;
    const memory = this.#memory;
    cache.touch(slot, this.#owner.levelClass);
    const length = cache.lengthOf(slot);
    const start = cache.startOf(slot);
    if (memory !== undefined) {
      memory.takeUpTo(SLAB_BYTES, length);
      copyBytes(cache.bytesOf(slot), start, memory.bytes, memory.start, length);
      this.openBlock(memory.bytes, memory.start, length);
      return;
    }
    this.#windowEnd = 0;
    this.#takeBuffer(length);
    copyBytes(cache.bytesOf(slot), start, this.#buffer, this.#bufferStart, length);
    this.openBlock(this.#buffer, this.#bufferStart, length);
  }

  /** Reads `block` and as many neighbours in the direction of travel as the readahead allows. */
  #readWindow(block: number, isForward: boolean): void {
    const { offsets } = this.#index;
    this.#readBytes = Math.min(this.#bytesToRead(block, isForward), this.#readaheadMax);
    const first = isForward ? block : this.#firstToRead(block);
    const end = isForward ? this.#endToRead(block) : block + 1;
    const offset = offsets[first] as number;
    const length = (offsets[end] as number) - offset;
    this.#windowEnd = 0;
    this.#takeBuffer(length);
    this.#file.read(this.#buffer, this.#bufferStart, length, offset);
    this.#bytesSinceSeek += length;
    this.#cache.buffers.countRead(end - first);
    this.#windowFirst = first;
    this.#windowEnd = end;
  }

  /** What is left of the bytes expected, up to the end of a block; behind them as when nothing is known. */
  #bytesToRead(block: number, isForward: boolean): number {
    const { offsets } = this.#index;
    const start = offsets[block] as number;
    const end = offsets[block + 1] as number;
    const passed = isForward
      ? start - (offsets[this.#seekBlock] as number)
      : (offsets[this.#seekBlock + 1] as number) - end;
    const left = this.#expectedBytes - passed;
    if (left > 0) return this.#roundUp(block, left, isForward);
    if (this.#readBytes === NO_READ) return READAHEAD_BYTES_FIRST;
    return Math.max(READAHEAD_BYTES_FIRST, 2 * this.#readBytes);
  }

  /** The bytes of the blocks that the next `bytes` lie in. */
  #roundUp(block: number, bytes: number, isForward: boolean): number {
    const { offsets, count } = this.#index;
    const from = offsets[isForward ? block : block + 1] as number;
    const most = Math.min(bytes, this.#readaheadMax);
    let at = block;
    if (isForward) {
      while (at + 1 < count && (offsets[at + 1] as number) - from < most) at++;
      return (offsets[at + 1] as number) - from;
    }
    while (at > 0 && from - (offsets[at] as number) < most) at--;
    return from - (offsets[at] as number);
  }

  /** The end of what is read from a block on, forward. */
  #endToRead(block: number): number {
    const { offsets, count } = this.#index;
    const limit = (offsets[block] as number) + this.#readBytes;
    let end = block + 1;
    for (let at = end; at < count && (offsets[at + 1] as number) <= limit; at++) {
      if (!this.#isCached(at)) end = at + 1;
      else if (at - end >= GAP_BLOCKS_MAX) break;
    }
    return end;
  }

  /** The first of what is read up to a block, backward. */
  #firstToRead(block: number): number {
    const { offsets } = this.#index;
    const limit = (offsets[block + 1] as number) - this.#readBytes;
    let first = block;
    for (let at = block - 1; at >= 0 && (offsets[at] as number) >= limit; at--) {
      if (!this.#isCached(at)) first = at;
      else if (first - at > GAP_BLOCKS_MAX) break;
    }
    return first;
  }

  /** Will a move to this block take it from the cache, although it is in the window? */
  #isCached(block: number): boolean {
    return (
      this.#memory !== undefined &&
      this.#owner.id !== -1 &&
      (this.#owner.slots[block] as number) >= 0
    );
  }

  /** Enters a block of the window: checks it, restores it when compressed, and caches it at the start of a scan. */
  #enterStored(block: number): void {
    const { offsets } = this.#index;
    const offset = offsets[block] as number;
    const size = (offsets[block + 1] as number) - offset;
    const start = this.#bufferStart + offset - (offsets[this.#windowFirst] as number);
    const codec = this.#file.check(this.#buffer, start, size, offset);
    if (codec === CODEC_NONE) {
      this.openBlock(this.#buffer, start, size - BLOCK_TRAILER_BYTES);
    } else {
      const length = this.#file.payloadLength(codec, this.#buffer, start, size, offset);
      const at = this.#takeRestored(length);
      this.#file.restore(codec, this.#buffer, start, size, offset, this.#restored, at, length);
      this.openBlock(this.#restored, at, length);
    }
    if (this.#fillCache && this.#bytesSinceSeek <= FILL_BYTES_MAX) this.#fill(block);
  }

  #fill(block: number): void {
    const owner = this.#owner;
    if (owner.id === -1 || (owner.slots[block] as number) >= 0) return;
    const cache = this.#cache;
    const slot = cache.hasRoom
      ? cache.reserve(owner, block, this.blockLength)
      : cache.reserveAgain(owner, block, this.blockLength);
    if (slot < 0) return;
    const payload = this.valueBytes.subarray(this.blockStart, this.blockStart + this.blockLength);
    cache.bytesOf(slot).set(payload, cache.startOf(slot));
  }

  /** Makes room for `length` bytes at #bufferStart; what was there is lost, or never touched again (isValueOwned). */
  #takeBuffer(length: number): void {
    const memory = this.#memory;
    if (memory !== undefined) {
      memory.takeUpTo(SLAB_BYTES, length);
      this.#buffer = memory.bytes;
      this.#bufferStart = memory.start;
      return;
    }
    if (this.#buffer.length >= length) return;
    this.#cache.buffers.give(this.#buffer);
    this.#buffer = this.#cache.buffers.take(length);
  }

  /** Makes room for a payload in #restored; returns where. */
  #takeRestored(length: number): number {
    const memory = this.#memory;
    if (memory !== undefined) {
      memory.takeUpTo(SLAB_BYTES, length);
      this.#restored = memory.bytes;
      return memory.start;
    }
    if (this.#restored.length < length) {
      this.#cache.buffers.give(this.#restored);
      this.#restored = this.#cache.buffers.take(length);
    }
    return 0;
  }
}
