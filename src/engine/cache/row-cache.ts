/**
 * Cache of rows for point reads: the newest entry of a key with its value, found by the hash of the key, so
 * that a hit passes by memtables, filters, index and blocks. A row is what the key holds, not where it lies:
 * flush, compaction and value-log collection leave it warm. Whoever makes a write visible removes its key.
 *
 *   index   buckets of 8 (hash, place) pairs, one cache line each; a full bucket gives up one of its rows
 *   place   1 + chunk << 16 | offset / 16; 0 is none
 *   chunks  rows one behind the other, in order of arrival:
 *
 *     0 hash u32 | 4 key length u16 | 6 hits u8 | 7 unused | 8 value length u32 | 12 epoch u32
 *     16 seq f64 | 24 version f64 | 32 expiresAt f64 | 40 key | value | to the next multiple of 16
 *
 * Memory is chunks of the block cache, which lends them as long as they are worth more here (ChunkLender). They get
 * numbers of their own here, small enough for a place: the lender's may be any, and rows use at most 65,535 chunks.
 * When there is none to be had, the oldest chunk of rows is used again: rows hit since they came or since the last
 * round stay, moved to its front, the others leave. So it is a CLOCK over a log, without size classes or links.
 *
 * A removed row stays in its chunk as dead bytes until the chunk is used again. `clear` is a new epoch.
 *
 * Owned by one thread. Bytes of a row are *borrowed* until the next `put`.
 */
import { assert } from '../../base/assert.js';
import { copyBytes } from '../../base/bytes.js';
import { KIND_PUT } from '../entry.js';
import type { KeyBuffer } from '../key.js';
import type { LookupResult } from '../sst/lookup-result.js';

/** Where chunks come from. */
export interface ChunkLender {
  /** At most 1 MiB, a multiple of 16. */
  readonly chunkBytes: number;
  readonly chunksMax: number;
  /** A chunk's number; one in use elsewhere is taken only when it is worth much less than `use`. -1: none. */
  lend(use: number): number;
  /** The memory of a lent chunk. */
  bytesOfChunk(chunk: number): Uint8Array;
}

export interface RowCacheStats {
  /** Rows that can be found. */
  readonly rows: number;
  /** Bytes of the chunks that hold them. */
  readonly bytes: number;
  readonly indexBytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly inserts: number;
  /** Rows that left for others. */
  readonly evictions: number;
}

const WAYS = 8;
/** u32 words of a bucket. */
const BUCKET_WORDS = 2 * WAYS;
/** One pair of the index for this many bytes of memory: rows much smaller than it fill the index first. */
const BYTES_PER_PAIR = 256;
const PAIR_BYTES = 8;
const GRAIN_BITS = 4;
const OFFSET_BITS = 16;
const OFFSET_MASK = 0xffff;
/** One less than 16 bits can name: the last place, plus 1, must not become 0. */
const CHUNKS_MAX = 0xffff;
const NONE = -1;
const HEADER_BYTES = 40;
/** The key length of a row has 16 bits; the next byte counts hits. */
const KEY_BYTES_MAX = 0xffff;
const HITS_AT = 6;
const HITS_MAX = 3;
/** Own chunks looked at to tell what memory is worth here. */
const SAMPLES = 8;

const EMPTY = new Uint8Array(0);
const EMPTY_WORDS = new Uint32Array(0);
const EMPTY_DOUBLES = new Float64Array(0);

/** Bytes of the index of a cache of `budgetBytes`. */
export function rowIndexBytes(budgetBytes: number): number {
  let buckets = 1;
  while (2 * buckets * WAYS * BYTES_PER_PAIR <= budgetBytes) buckets *= 2;
  return buckets * WAYS * PAIR_BYTES;
}

export class RowCache {
  readonly #lender: ChunkLender;
  readonly #index: Uint32Array;
  readonly #bucketMask: number;
  /** The number here of each chunk of the lender; NONE of those not held. */
  readonly #chunkOf: Int32Array;
  /** Numbers of chunks given back. */
  readonly #free: number[];
  /** Views of the chunks held, by chunk number. */
  readonly #bytes: Uint8Array[];
  readonly #words: Uint32Array[];
  readonly #doubles: Float64Array[];
  /** Where the rows of a chunk end. */
  readonly #ends: Uint32Array;
  /** Bytes of rows hit, each row at most HITS_MAX times: what a chunk is worth. */
  readonly #use: Float64Array;
  /** Chunks held, oldest first; rows are added to the last one. */
  readonly #order: number[];
  readonly #rowBytesMax: number;
  #epoch: number;
  #count: number;
  /** Victim in the next full bucket. */
  #hand: number;
  #hits: number;
  #misses: number;
  #inserts: number;
  #evictions: number;

  /** `indexBytes` as of rowIndexBytes. */
  constructor(lender: ChunkLender, indexBytes: number) {
    assert(lender.chunkBytes <= 1 << (OFFSET_BITS + GRAIN_BITS), 'row cache: chunk too large');
    this.#lender = lender;
    const chunks = Math.min(lender.chunksMax, CHUNKS_MAX);
    this.#index = new Uint32Array(chunks === 0 ? BUCKET_WORDS : indexBytes / 4);
    this.#bucketMask = this.#index.length / BUCKET_WORDS - 1;
    this.#chunkOf = new Int32Array(lender.chunksMax).fill(NONE);
    this.#free = [];
    this.#bytes = Array.from({ length: chunks }, () => EMPTY);
    this.#words = Array.from({ length: chunks }, () => EMPTY_WORDS);
    this.#doubles = Array.from({ length: chunks }, () => EMPTY_DOUBLES);
    this.#ends = new Uint32Array(chunks);
    this.#use = new Float64Array(chunks);
    this.#order = [];
    this.#rowBytesMax = lender.chunkBytes / 8;
    this.#epoch = 0;
    this.#count = 0;
    this.#hand = 0;
    this.#hits = 0;
    this.#misses = 0;
    this.#inserts = 0;
    this.#evictions = 0;
  }

  /** True when no row can be found: whoever writes need not hash its keys. */
  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Fills `out` with the newest entry of the key, a KIND_PUT with its value; false when it is not cached. */
  get(key: KeyBuffer, out: LookupResult): boolean {
    const index = this.#index;
    const hash = key.hash;
    let at = (hash & this.#bucketMask) * BUCKET_WORDS;
    for (const end = at + BUCKET_WORDS; at < end; at += 2) {
      if (index[at] !== hash) continue;
      const place = index[at + 1] as number;
      if (place !== 0 && this.#load(place, key, out)) {
        this.#hits++;
        return true;
      }
    }
    this.#misses++;
    return false;
  }

  /** Fills `out` when the row at `place` is the key's. */
  #load(place: number, key: KeyBuffer, out: LookupResult): boolean {
    const chunk = (place - 1) >>> OFFSET_BITS;
    const start = ((place - 1) & OFFSET_MASK) << GRAIN_BITS;
    const bytes = this.#bytes[chunk] as Uint8Array;
    const words = this.#words[chunk] as Uint32Array;
    const word = start >>> 2;
    const hitsAndLength = words[word + 1] as number;
    const length = hitsAndLength & 0xffff;
    if (length !== key.length || words[word + 3] !== this.#epoch) return false;
    const target = key.bytes;
    const keyStart = start + HEADER_BYTES;
    for (let i = length - 1; i >= 0; i--) {
      if (bytes[keyStart + i] !== target[i]) return false;
    }
    const doubles = this.#doubles[chunk] as Float64Array;
    const double = start >>> 3;
    out.kind = KIND_PUT;
    out.seq = doubles[double + 2] as number;
    out.version = doubles[double + 3] as number;
    out.expiresAt = doubles[double + 4] as number;
    out.bytes = bytes;
    out.start = keyStart + length;
    out.length = words[word + 2] as number;
    const hits = hitsAndLength >>> 16;
    if (hits < HITS_MAX) {
      bytes[start + HITS_AT] = hits + 1;
      (this.#use[chunk] as number) += rowBytes(length, out.length);
    }
    return true;
  }

  /**
   * Keeps the newest entry of a key (copied): its seq, version and expiry are those of `entry`, its value lies at
   * `bytes[start, start + length)`, which must not be this cache's own. Requires that `get` has just missed it.
   */
  put(key: KeyBuffer, entry: LookupResult, bytes: Uint8Array, start: number, length: number): void {
    const size = rowBytes(key.length, length);
    if (key.length > KEY_BYTES_MAX || size > this.#rowBytesMax || !this.#makeRoom(size)) return;
    const chunk = this.#order[this.#order.length - 1] as number;
    const at = this.#ends[chunk] as number;
    const words = this.#words[chunk] as Uint32Array;
    const doubles = this.#doubles[chunk] as Float64Array;
    const target = this.#bytes[chunk] as Uint8Array;
    const word = at >>> 2;
    words[word] = key.hash;
    words[word + 1] = key.length;
    words[word + 2] = length;
    words[word + 3] = this.#epoch;
    doubles[(at >>> 3) + 2] = entry.seq;
    doubles[(at >>> 3) + 3] = entry.version;
    doubles[(at >>> 3) + 4] = entry.expiresAt;
    copyBytes(key.bytes, 0, target, at + HEADER_BYTES, key.length);
    copyBytes(bytes, start, target, at + HEADER_BYTES + key.length, length);
    this.#ends[chunk] = at + size;
    this.#inserts++;
    this.#point(key.hash, placeOf(chunk, at));
  }

  /** Removes the row of the key with this hash, and of every other key with it. */
  remove(hash: number): void {
    const index = this.#index;
    let at = (hash & this.#bucketMask) * BUCKET_WORDS;
    for (const end = at + BUCKET_WORDS; at < end; at += 2) {
      if (index[at] !== hash || index[at + 1] === 0) continue;
      index[at + 1] = 0;
      this.#count--;
    }
  }

  /** Forgets all rows. */
  clear(): void {
    this.#epoch = (this.#epoch + 1) >>> 0;
    // A row of 2^32 clears ago must not come back.
    if (this.#epoch === 0) this.#index.fill(0);
  }

  /** What a lent chunk is worth: bytes of rows hit, each up to three times. Halves it for the next time. */
  useOf(lent: number): number {
    const chunk = this.#chunkOf[lent] as number;
    const use = this.#use[chunk] as number;
    this.#use[chunk] = use / 2;
    return use;
  }

  /** Gives a lent chunk up: its rows are forgotten. */
  giveBack(lent: number): void {
    const chunk = this.#chunkOf[lent] as number;
    this.#chunkOf[lent] = NONE;
    this.#free.push(chunk);
    this.#retire(chunk, 0);
    this.#order.splice(this.#order.indexOf(chunk), 1);
    this.#bytes[chunk] = EMPTY;
    this.#words[chunk] = EMPTY_WORDS;
    this.#doubles[chunk] = EMPTY_DOUBLES;
  }

  stats(): RowCacheStats {
    return {
      rows: this.#count,
      bytes: this.#order.length * this.#lender.chunkBytes,
      indexBytes: this.#lender.chunksMax === 0 ? 0 : this.#index.byteLength,
      hits: this.#hits,
      misses: this.#misses,
      inserts: this.#inserts,
      evictions: this.#evictions,
    };
  }

  /** Makes the last chunk of the order one with room; false when there is no memory for rows. */
  #makeRoom(size: number): boolean {
    const order = this.#order;
    const { chunkBytes } = this.#lender;
    const last = order.length === 0 ? -1 : (order[order.length - 1] as number);
    if (last >= 0 && (this.#ends[last] as number) + size <= chunkBytes) return true;
    const lent = order.length < CHUNKS_MAX ? this.#lender.lend(this.#worth()) : NONE;
    if (lent !== NONE) {
      order.push(this.#hold(lent));
      return true;
    }
    const oldest = order.shift();
    if (oldest === undefined) return false;
    this.#retire(oldest, chunkBytes - Math.max(size, chunkBytes / 8));
    order.push(oldest);
    return true;
  }

  /** Takes a lent chunk in, without any rows; returns its number here. */
  #hold(lent: number): number {
    // Without free numbers those in use are the first ones.
    const chunk = this.#free.pop() ?? this.#order.length;
    const bytes = this.#lender.bytesOfChunk(lent);
    this.#chunkOf[lent] = chunk;
    this.#bytes[chunk] = bytes;
    this.#words[chunk] = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    this.#doubles[chunk] = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 3);
    this.#ends[chunk] = 0;
    this.#use[chunk] = 0;
    return chunk;
  }

  /** The highest use among some of the chunks, the oldest ones: they had the time to be hit. */
  #worth(): number {
    let worth = 0;
    for (let i = 0; i < SAMPLES && i < this.#order.length; i++) {
      worth = Math.max(worth, this.#use[this.#order[i] as number] as number);
    }
    // Without any rows the first chunk is asked for like a class's first one.
    return this.#order.length === 0 ? Number.MAX_SAFE_INTEGER : worth;
  }

  /** Takes the rows of a chunk out, all but those hit, as far as they fit in `keptBytesMax`: they move to its front. */
  #retire(chunk: number, keptBytesMax: number): void {
    const bytes = this.#bytes[chunk] as Uint8Array;
    const words = this.#words[chunk] as Uint32Array;
    const index = this.#index;
    const end = this.#ends[chunk] as number;
    let to = 0;
    let use = 0;
    for (let at = 0; at < end;) {
      const word = at >>> 2;
      const size = rowBytes((words[word + 1] as number) & 0xffff, words[word + 2] as number);
      const pair = this.#find(words[word] as number, placeOf(chunk, at));
      if (pair >= 0) {
        const hits = bytes[at + HITS_AT] as number;
        const isKept = hits > 0 && words[word + 3] === this.#epoch && to + size <= keptBytesMax;
        if (isKept) {
          bytes[at + HITS_AT] = hits - 1;
          use += (hits - 1) * size;
          index[pair + 1] = placeOf(chunk, to);
          if (to !== at) bytes.copyWithin(to, at, at + size);
          to += size;
        } else {
          index[pair + 1] = 0;
          this.#count--;
          this.#evictions++;
        }
      }
      at += size;
    }
    this.#ends[chunk] = to;
    this.#use[chunk] = use;
  }

  /** Where the index names this place, or -1: the row is dead. */
  #find(hash: number, place: number): number {
    const index = this.#index;
    let at = (hash & this.#bucketMask) * BUCKET_WORDS;
    for (const end = at + BUCKET_WORDS; at < end; at += 2) {
      if (index[at + 1] === place) return at;
    }
    return -1;
  }

  /** Enters a place: instead of a row with the same hash, in a free pair, or instead of another row. */
  #point(hash: number, place: number): void {
    const index = this.#index;
    const start = (hash & this.#bucketMask) * BUCKET_WORDS;
    let free = -1;
    for (let at = start; at < start + BUCKET_WORDS; at += 2) {
      if (index[at + 1] === 0) {
        if (free < 0) free = at;
      } else if (index[at] === hash) {
        index[at + 1] = place;
        return;
      }
    }
    if (free < 0) {
      this.#hand = (this.#hand + 1) & (WAYS - 1);
      free = start + 2 * this.#hand;
      this.#evictions++;
    } else {
      this.#count++;
    }
    index[free] = hash;
    index[free + 1] = place;
  }
}

function placeOf(chunk: number, at: number): number {
  return (((chunk << OFFSET_BITS) | (at >>> GRAIN_BITS)) >>> 0) + 1;
}

function rowBytes(keyLength: number, valueLength: number): number {
  return (HEADER_BYTES + keyLength + valueLength + 15) & ~15;
}
