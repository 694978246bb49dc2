/**
 * The index of a table: on disk a list of block sizes and separators, in memory flat arrays made for search.
 * Layout on disk: docs/formats/sst.md.
 *
 * In memory a separator is cut in three: the prefix common to all separators of the table (kept once),
 * the next four bytes as one u32 (`heads`, zero-padded; order of heads is order of keys), and the rest
 * (`tails`, heads included). A search compares the target with the prefix once, then integers; bytes
 * only where heads tie.
 *
 * Immutable after decoding; shared by all cursors of a table.
 */
import { compareBytes, sharedPrefixLength } from '../../base/bytes.js';
import { putVarint, VarintReader } from '../../base/codec.js';
import { CorruptionError } from '../../base/errors.js';
import { BLOCK_TRAILER_BYTES } from './format.js';

/** Gathers the index while a table is written. */
export class IndexBuilder {
  #bytes: Uint8Array;
  #at: number;
  #count: number;
  #last: Uint8Array;
  #lastLength: number;

  constructor() {
    this.#bytes = new Uint8Array(4096);
    this.#at = 0;
    this.#count = 0;
    this.#last = new Uint8Array(64);
    this.#lastLength = 0;
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes so far. */
  get bytes(): number {
    return this.#at;
  }

  /** Adds the next block: its stored size and separator key[start, start + length). */
  add(size: number, continues: boolean, key: Uint8Array, start: number, length: number): void {
    this.#reserve(length + 16);
    const shared = sharedPrefixLength(this.#last, 0, this.#lastLength, key, start, length);
    let at = putVarint(this.#bytes, this.#at, size * 2 + (continues ? 1 : 0));
    at = putVarint(this.#bytes, at, shared);
    at = putVarint(this.#bytes, at, length - shared);
    this.#bytes.set(key.subarray(start + shared, start + length), at);
    this.#at = at + length - shared;
    if (this.#last.length < length) this.#last = new Uint8Array(2 * length);
    this.#last.set(key.subarray(start, start + length));
    this.#lastLength = length;
    this.#count++;
  }

  /** The payload; owned by the caller. */
  finish(): Uint8Array {
    const count = new Uint8Array(10);
    const countLength = putVarint(count, 0, this.#count);
    const payload = new Uint8Array(countLength + this.#at);
    payload.set(count.subarray(0, countLength));
    payload.set(this.#bytes.subarray(0, this.#at), countLength);
    return payload;
  }

  #reserve(length: number): void {
    if (this.#at + length <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#at + length, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
  }
}

/** Bytes of a separator that a head holds. */
const HEAD_BYTES = 6;
/** Heads for one of the tops: two cache lines. */
const SPAN = 16;

export class BlockIndex {
  /** Number of data blocks. */
  readonly count: number;
  /** File offset of each block, and behind them the end of the last. */
  readonly offsets: Uint32Array;
  /** 1 where the next block begins with the key this one ends with. */
  readonly continues: Uint8Array;
  readonly #prefix: Uint8Array;
  /** The first bytes of each tail (headOf), and every SPAN-th of them. */
  readonly #heads: Float64Array;
  readonly #tops: Float64Array;
  readonly #tails: Uint8Array;
  readonly #tailStarts: Uint32Array;

  /** Use BlockIndex.decode. `separators` lie in `bytes` at starts[i]..starts[i + 1]. */
  private constructor(
    count: number,
    offsets: Uint32Array,
    continues: Uint8Array,
    bytes: Uint8Array,
    starts: Uint32Array,
  ) {
    this.count = count;
    this.offsets = offsets;
    this.continues = continues;
    const firstLength = count === 0 ? 0 : (starts[1] as number);
    const lastStart = count === 0 ? 0 : (starts[count - 1] as number);
    const lastLength = count === 0 ? 0 : (starts[count] as number) - lastStart;
    // Separators are sorted: what the first and the last share, all share.
    const prefix = sharedPrefixLength(bytes, 0, firstLength, bytes, lastStart, lastLength);
    this.#prefix = bytes.slice(0, prefix);
    this.#heads = new Float64Array(count);
    this.#tops = new Float64Array(Math.ceil(count / SPAN));
    this.#tails = new Uint8Array(bytes.length - count * prefix);
    this.#tailStarts = new Uint32Array(count + 1);
    let at = 0;
    for (let i = 0; i < count; i++) {
      const start = (starts[i] as number) + prefix;
      const length = (starts[i + 1] as number) - start;
      this.#tails.set(bytes.subarray(start, start + length), at);
      const head = headOf(this.#tails, at, length);
      this.#heads[i] = head;
      if (i % SPAN === 0) this.#tops[i / SPAN] = head;
      at += length;
      this.#tailStarts[i + 1] = at;
    }
  }

  /** Memory held, bytes. */
  get bytes(): number {
    return this.#prefix.length + this.#tails.length + this.count * 17 + this.#tops.length * 8 + 8;
  }

  /**
   * Decodes the payload of an index block at `offset` of `file`; the data blocks must end at `dataEnd`.
   * @throws CorruptionError
   */
  static decode(
    payload: Uint8Array,
    dataEnd: number,
    blockCount: number,
    file: string,
    offset: number,
  ): BlockIndex {
    const reader = new VarintReader(payload, 0, payload.length);
    const bad = (): CorruptionError =>
      new CorruptionError('table index is malformed', { file, offset });
    const count = reader.read();
    if (count !== blockCount || count > payload.length) throw bad();
    const offsets = new Uint32Array(count + 1);
    const continues = new Uint8Array(count);
    const starts = new Uint32Array(count + 1);
    let bytes = new Uint8Array(payload.length * 2);
    let at = 0;
    let end = 0;
    for (let i = 0; i < count; i++) {
      const sizeAndFlag = reader.read();
      const shared = reader.read();
      const unshared = reader.read();
      const lastStart = i === 0 ? 0 : (starts[i - 1] as number);
      if (!reader.ok || shared > at - lastStart || reader.at + unshared > payload.length)
        throw bad();
      if (at + shared + unshared > bytes.length) {
        const grown = new Uint8Array(2 * (at + shared + unshared));
        grown.set(bytes.subarray(0, at));
        bytes = grown;
      }
      bytes.copyWithin(at, lastStart, lastStart + shared);
      bytes.set(payload.subarray(reader.at, reader.at + unshared), at + shared);
      reader.at += unshared;
      starts[i] = at;
      at += shared + unshared;
      starts[i + 1] = at;
      continues[i] = sizeAndFlag % 2;
      const size = Math.floor(sizeAndFlag / 2);
      end += size;
      if (size <= BLOCK_TRAILER_BYTES || end > dataEnd) throw bad();
      offsets[i + 1] = end;
    }
    if (end !== dataEnd || reader.at !== payload.length) throw bad();
    return new BlockIndex(count, offsets, continues, bytes.subarray(0, at), starts);
  }

  /** The first block whose separator is >= the target: where the target is if anywhere. `count` when all are below. */
  find(key: Uint8Array, start: number, length: number): number {
    const prefix = this.#prefix;
    const prefixLength = prefix.length;
    for (let i = 0; i < prefixLength; i++) {
      if (i === length) return 0;
      const difference = (key[start + i] as number) - (prefix[i] as number);
      if (difference !== 0) return difference < 0 ? 0 : this.count;
    }
    const tail = start + prefixLength;
    const tailLength = length - prefixLength;
    const head = headOf(key, tail, tailLength);
    // Heads below the target's are told apart by the tops, which stay in the processor's cache.
    const tops = this.#tops;
    let low = 0;
    let high = tops.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((tops[middle] as number) < head) low = middle + 1;
      else high = middle;
    }
    // tops[low - 1] < head <= tops[low]: the answer is behind the one, and not behind the first head above the target's.
    const heads = this.#heads;
    const first = low === 0 ? 0 : (low - 1) * SPAN + 1;
    let above = low;
    while (above < tops.length && tops[above] === head) above++;
    low = first;
    high = Math.min(this.count, above * SPAN);
    while (low < high) {
      const middle = (low + high) >>> 1;
      const candidate = heads[middle] as number;
      if (
        candidate < head ||
        (candidate === head && this.#compareTail(middle, key, tail, tailLength) < 0)
      ) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** True when the separator of a block equals the key. */
  isSeparator(block: number, key: Uint8Array, start: number, length: number): boolean {
    const prefix = this.#prefix.length;
    if (length < prefix) return false;
    if (compareBytes(this.#prefix, 0, prefix, key, start, prefix) !== 0) return false;
    return this.#compareTail(block, key, start + prefix, length - prefix) === 0;
  }

  /** The separator of a block; owned by the caller. */
  separator(block: number): Uint8Array {
    const start = this.#tailStarts[block] as number;
    const end = this.#tailStarts[block + 1] as number;
    const separator = new Uint8Array(this.#prefix.length + end - start);
    separator.set(this.#prefix);
    separator.set(this.#tails.subarray(start, end), this.#prefix.length);
    return separator;
  }

  #compareTail(block: number, key: Uint8Array, start: number, length: number): number {
    const at = this.#tailStarts[block] as number;
    return compareBytes(
      this.#tails,
      at,
      (this.#tailStarts[block + 1] as number) - at,
      key,
      start,
      length,
    );
  }
}

/** The first six bytes as a big-endian number, zero-padded: exact in a double. */
function headOf(bytes: Uint8Array, start: number, length: number): number {
  if (length >= HEAD_BYTES) {
    const high =
      ((bytes[start] as number) << 16) |
      ((bytes[start + 1] as number) << 8) |
      (bytes[start + 2] as number);
    const low =
      ((bytes[start + 3] as number) << 16) |
      ((bytes[start + 4] as number) << 8) |
      (bytes[start + 5] as number);
    return high * 2 ** 24 + low;
  }
  let head = 0;
  for (let i = 0; i < HEAD_BYTES; i++)
    head = head * 256 + (i < length ? (bytes[start + i] as number) : 0);
  return head;
}
