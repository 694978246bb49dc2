/**
 * The byte budget of indexes and filters over the open tables of a database. File handles stay open; index and
 * filter of tables not used lately (a clock: one flag set per use) leave memory when the budget is passed,
 * and are read again at the next use. The one just loaded stays, so that a read always comes through.
 *
 * Owned by one thread. Readers are opened and closed by the caller, who knows which versions refer to them; they
 * are added after opening and removed before closing.
 *
 * The memory of an index that was dropped is kept for the next one, as far as the budget goes. An index of a table
 * of 64 MiB takes some hundred KiB outside of V8's heap, whose collector lets up to 64 MB of such garbage lie, and
 * where the freed pieces lie between others the system does not get them back.
 */
import { assert } from '../../base/assert.js';
import { KIB } from '../../base/limits.js';
import type { IndexBudget, TableReader } from '../sst/table-reader.js';

/** Plain data for metrics. */
export interface TableCacheStats {
  readonly tables: number;
  readonly indexBytes: number;
  readonly indexBytesMax: number;
  /** Memory kept for the next index; with indexBytes at most indexBytesMax. */
  readonly freeBytes: number;
  /** Loads since the start, first ones and repeated ones. */
  readonly indexLoads: number;
  /** Indexes dropped to make room or with their table. */
  readonly indexDrops: number;
}

/** Smaller memory is not kept: it is no burden to the collector. */
const FREE_BYTES_MIN = 64 * KIB;
/** Free memory that is this many times too large is left for others. */
const FREE_RATIO_MAX = 2;

export class TableCache implements IndexBudget {
  readonly #indexBytesMax: number;
  /** Readers with a loaded index, in clock order. */
  readonly #loaded: TableReader[];
  /** Memory of dropped indexes, the one dropped last behind. */
  readonly #free: ArrayBuffer[];
  #freeBytes: number;
  #tables: number;
  #hand: number;
  #indexBytes: number;
  #loads: number;
  #drops: number;

  /** `indexBytesMax`: bytes of index and filter kept in memory; one table's may exceed it. */
  constructor(indexBytesMax: number) {
    this.#indexBytesMax = indexBytesMax;
    this.#loaded = [];
    this.#free = [];
    this.#freeBytes = 0;
    this.#tables = 0;
    this.#hand = 0;
    this.#indexBytes = 0;
    this.#loads = 0;
    this.#drops = 0;
  }

  /** Takes an open table into the budget. */
  add(reader: TableReader): void {
    assert(reader.indexBudget === undefined, 'table cache: table added twice');
    reader.indexBudget = this;
    this.#tables++;
    if (reader.indexBytes > 0) this.indexLoaded(reader);
  }

  /** Takes a table out; its index is dropped. Idempotent. */
  remove(reader: TableReader): void {
    if (reader.indexBudget !== this) return;
    reader.dropIndex();
    reader.indexBudget = undefined;
    this.#tables--;
  }

  /** IndexBudget: makes room for the index of `reader`, which was just loaded. */
  indexLoaded(reader: TableReader): void {
    this.#loads++;
    this.#indexBytes += reader.indexBytes;
    this.#loaded.push(reader);
    while (this.#indexBytes > this.#indexBytesMax && this.#loaded.length > 1) this.#turn(reader);
  }

  /** IndexBudget: the index of `reader` is about to leave memory. */
  indexDropped(reader: TableReader): void {
    this.#drops++;
    this.#indexBytes -= reader.indexBytes;
    const at = this.#loaded.indexOf(reader);
    assert(at >= 0, 'table cache: dropped index is not counted');
    this.#loaded.splice(at, 1);
    if (at < this.#hand) this.#hand--;
  }

  /** IndexBudget: makes room, and finds memory that is free and not much larger, or new memory. */
  takeMemory(bytes: number): ArrayBuffer {
    const max = this.#indexBytesMax;
    const wanted = roundUp(bytes);
    while (this.#indexBytes + wanted > max && this.#loaded.length > 0) this.#turn(undefined);
    let best = -1;
    let bestBytes = wanted * FREE_RATIO_MAX;
    for (let i = 0; i < this.#free.length; i++) {
      const size = (this.#free[i] as ArrayBuffer).byteLength;
      if (size >= bytes && size < bestBytes) [best, bestBytes] = [i, size];
    }
    if (best >= 0) return this.#unfree(best);
    // What is too small for this one makes room for it.
    this.#shrink(Math.min(max - this.#indexBytes, this.#freeBytes) - wanted);
    return new ArrayBuffer(wanted);
  }

  /** IndexBudget: the memory of an index that nobody holds any more. */
  giveMemory(memory: ArrayBuffer): void {
    const size = memory.byteLength;
    if (size < FREE_BYTES_MIN || this.#indexBytes + size > this.#indexBytesMax) return;
    this.#free.push(memory);
    this.#freeBytes += size;
    this.#shrink(this.#indexBytesMax - this.#indexBytes);
  }

  /** Lets go of free memory, the oldest first, until it is at most this much. */
  #shrink(freeBytesMax: number): void {
    while (this.#freeBytes > freeBytesMax && this.#free.length > 0) this.#unfree(0);
  }

  #unfree(i: number): ArrayBuffer {
    const memory = this.#free.splice(i, 1)[0] as ArrayBuffer;
    this.#freeBytes -= memory.byteLength;
    return memory;
  }

  /** Moves the clock by one table, which loses its flag or its index; `spared` keeps its index. */
  #turn(spared: TableReader | undefined): void {
    if (this.#hand >= this.#loaded.length) this.#hand = 0;
    const candidate = this.#loaded[this.#hand] as TableReader;
    if (candidate === spared || candidate.wasIndexUsed) {
      candidate.wasIndexUsed = false;
      this.#hand++;
    } else {
      candidate.dropIndex();
    }
  }

  stats(): TableCacheStats {
    return {
      tables: this.#tables,
      indexBytes: this.#indexBytes,
      indexBytesMax: this.#indexBytesMax,
      freeBytes: this.#freeBytes,
      indexLoads: this.#loads,
      indexDrops: this.#drops,
    };
  }
}

/** To an eighth of the next power of two, so that tables of about the same size can use the same memory. */
function roundUp(bytes: number): number {
  if (bytes < FREE_BYTES_MIN) return bytes;
  const step = 2 ** (28 - Math.clz32(bytes));
  return Math.ceil(bytes / step) * step;
}
