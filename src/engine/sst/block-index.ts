/**
 * The index of a table: on disk a list of block sizes and separators, in memory flat arrays made for search.
 * Layout on disk: docs/formats/sst.md.
 *
 * In memory a separator is cut in three: the prefix common to all separators of the table (kept once),
 * the next six bytes as one number (`heads`, zero-padded; order of heads is order of keys), and the rest,
 * which most tables have none of. A search compares the target with the prefix once, then numbers; lengths and rests
 * only where heads tie. A block takes 14 bytes, and 4 more with its rest in a table that has any.
 *
 * Immutable after decoding; shared by all cursors of a table.
 */
import { compareBytes, copyBytes, sharedPrefixLength } from '../../base/bytes.js';
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

  /** `buffer`: where the index is gathered, any content. */
  constructor(buffer: Uint8Array = new Uint8Array(4096)) {
    this.#bytes = buffer;
    this.#at = 0;
    this.#count = 0;
    this.#last = new Uint8Array(64);
    this.#lastLength = 0;
  }

  get count(): number {
    return this.#count;
  }

  /** That of the constructor, or a larger one that has taken its place. */
  get buffer(): Uint8Array {
    return this.#bytes;
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
/** Of a head: the separator is longer. */
const LONG = HEAD_BYTES + 1;
/** Heads for one of the tops: two cache lines. */
const SPAN = 16;

/** Where `decode` puts an index: a buffer of at least this many bytes at a multiple of eight, content arbitrary. */
export type AllocateIndex = (bytes: number) => ArrayBuffer;

export class BlockIndex {
  /** Number of data blocks. */
  readonly count: number;
  /** File offset of each block, and behind them the end of the last. */
  readonly offsets: Uint32Array;
  /** 1 where the next block begins with the key this one ends with. Empty without separators. */
  readonly continues: Uint8Array;
  /** Memory held in the buffer that was allocated, from its start on. */
  readonly bytes: number;
  readonly #prefix: Uint8Array;
  /** What follows the prefix, its first bytes (headOf), and every SPAN-th of them. */
  readonly #heads: Float64Array;
  readonly #tops: Float64Array;
  /** Bytes of the separator in its head; LONG: it goes on in #rests. */
  readonly #headLengths: Uint8Array;
  readonly #rests: Uint8Array;
  /** Where each rest starts, and behind them the end of the last; empty when no separator has one. */
  readonly #restStarts: Uint32Array;

  /** Use `decode` or `decodeOffsets`. Lays the arrays out in one buffer, the widest elements first. */
  private constructor(list: List, hasSeparators: boolean, allocate: AllocateIndex) {
    const { count, prefix } = list;
    const searched = hasSeparators ? count : 0;
    const tops = Math.ceil(searched / SPAN);
    const restBytes = hasSeparators ? restBytesOf(list) : 0;
    const rests = restBytes === 0 ? 0 : count + 1;
    const offsetsAt = 8 * (searched + tops);
    const restStartsAt = offsetsAt + 4 * (count + 1);
    const bytesAt = restStartsAt + 4 * rests;
    this.count = count;
    this.bytes = bytesAt + 2 * searched + restBytes;
    const buffer = allocate(this.bytes);
    this.#prefix = prefix;
    this.#heads = new Float64Array(buffer, 0, searched);
    this.#tops = new Float64Array(buffer, 8 * searched, tops);
    this.offsets = new Uint32Array(buffer, offsetsAt, count + 1);
    this.#restStarts = new Uint32Array(buffer, restStartsAt, rests);
    this.continues = new Uint8Array(buffer, bytesAt, searched);
    this.#headLengths = new Uint8Array(buffer, bytesAt + searched, searched);
    this.#rests = new Uint8Array(buffer, bytesAt + 2 * searched, restBytes);
  }

  /**
   * Decodes the payload of an index block at `offset` of `file`; the data blocks must end at `dataEnd`. The payload
   * is not kept.
   * @throws CorruptionError
   */
  static decode(
    payload: Uint8Array,
    dataEnd: number,
    blockCount: number,
    file: string,
    offset: number,
    allocate: AllocateIndex = newBuffer,
  ): BlockIndex {
    const list = parse(payload, dataEnd, blockCount, file, offset);
    const index = new BlockIndex(list, true, allocate);
    index.#fill(payload, list);
    return index;
  }

  /** As `decode`, without separators: a third of the memory, for one who reads all blocks in order and never searches. */
  static decodeOffsets(
    payload: Uint8Array,
    dataEnd: number,
    blockCount: number,
    file: string,
    offset: number,
  ): BlockIndex {
    const list = parse(payload, dataEnd, blockCount, file, offset);
    const index = new BlockIndex(list, false, newBuffer);
    index.offsets.set(list.offsets);
    return index;
  }

  /** Takes over the blocks of a payload. */
  #fill(
    payload: Uint8Array,
    { count, prefix, offsets, continues, shared, lengths, at }: List,
  ): void {
    const heads = this.#heads;
    const tops = this.#tops;
    const headLengths = this.#headLengths;
    const rests = this.#rests;
    const restStarts = this.#restStarts;
    const hasRests = restStarts.length > 0;
    const skipped = prefix.length + HEAD_BYTES;
    /** The separator. */
    let key = new Uint8Array(256);
    let restsAt = 0;
    this.offsets.set(offsets);
    this.continues.set(continues);
    if (hasRests) restStarts[0] = 0;
    for (let i = 0; i < count; i++) {
      const length = lengths[i] as number;
      const kept = shared[i] as number;
      if (length > key.length) key = grown(key, kept, 2 * length);
      const from = (at[i] as number) - kept;
      for (let k = kept; k < length; k++) key[k] = payload[from + k] as number;
      const tail = length - prefix.length;
      const head = headOf(key, prefix.length, tail);
      heads[i] = head;
      if (i % SPAN === 0) tops[i / SPAN] = head;
      headLengths[i] = Math.min(tail, LONG);
      if (tail > HEAD_BYTES) {
        copyBytes(key, skipped, rests, restsAt, tail - HEAD_BYTES);
        restsAt += tail - HEAD_BYTES;
      }
      if (hasRests) restStarts[i + 1] = restsAt;
    }
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
    if (headOf(key, start + prefix, length - prefix) !== this.#heads[block]) return false;
    return this.#compareTail(block, key, start + prefix, length - prefix) === 0;
  }

  /** The separator of a block; owned by the caller. */
  separator(block: number): Uint8Array {
    const prefix = this.#prefix.length;
    const headLength = Math.min(this.#headLengths[block] as number, HEAD_BYTES);
    const rest = this.#restOf(block);
    const separator = new Uint8Array(prefix + headLength + rest.length);
    separator.set(this.#prefix);
    let head = (this.#heads[block] as number) / 256 ** (HEAD_BYTES - headLength);
    for (let i = prefix + headLength - 1; i >= prefix; i--) {
      separator[i] = head % 256;
      head = Math.floor(head / 256);
    }
    separator.set(rest, prefix + headLength);
    return separator;
  }

  #restOf(block: number): Uint8Array {
    if (this.#headLengths[block] !== LONG) return this.#rests.subarray(0, 0);
    return this.#rests.subarray(this.#restStarts[block], this.#restStarts[block + 1]);
  }

  /** Compares what follows the prefix. Requires equal heads: of two that end in them, the shorter one is less. */
  #compareTail(block: number, key: Uint8Array, start: number, length: number): number {
    const headLength = this.#headLengths[block] as number;
    if (headLength !== LONG || length <= HEAD_BYTES) return headLength - Math.min(length, LONG);
    const at = this.#restStarts[block] as number;
    const end = this.#restStarts[block + 1] as number;
    return compareBytes(this.#rests, at, end - at, key, start + HEAD_BYTES, length - HEAD_BYTES);
  }
}

/** The blocks of a payload, one after another. */
interface List {
  readonly count: number;
  /** Common to all separators; owned. */
  readonly prefix: Uint8Array;
  /** As of BlockIndex. */
  readonly offsets: Uint32Array;
  readonly continues: Uint8Array;
  /** Of each separator, how many bytes it shares with the one before, and its length. */
  readonly shared: Uint32Array;
  readonly lengths: Uint32Array;
  /** Where the bytes that it does not share are in the payload. */
  readonly at: Uint32Array;
}

/** Takes the payload of an index apart and checks it, in one pass: the first in a process is interpreted. @throws CorruptionError */
function parse(
  payload: Uint8Array,
  dataEnd: number,
  blockCount: number,
  file: string,
  offset: number,
): List {
  const bad = (): CorruptionError =>
    new CorruptionError('table index is malformed', { file, offset });
  const reader = new VarintReader(payload, 0, payload.length);
  const count = reader.read();
  if (count !== blockCount || count > payload.length) throw bad();
  const offsets = new Uint32Array(count + 1);
  const continues = new Uint8Array(count);
  const shared = new Uint32Array(count);
  const lengths = new Uint32Array(count);
  const at = new Uint32Array(count);
  // Separators are sorted: what each shares with the one before, all share.
  let prefixLength = 0;
  let length = 0;
  let end = 0;
  for (let i = 0; i < count; i++) {
    const sizeAndFlag = reader.read();
    const size = Math.floor(sizeAndFlag / 2);
    const kept = reader.read();
    const added = reader.read();
    if (!reader.ok || kept > length || added > payload.length - reader.at) throw bad();
    prefixLength = i === 0 ? added : Math.min(prefixLength, kept);
    length = kept + added;
    end += size;
    if (size <= BLOCK_TRAILER_BYTES || end > dataEnd) throw bad();
    offsets[i + 1] = end;
    continues[i] = sizeAndFlag % 2;
    shared[i] = kept;
    lengths[i] = length;
    at[i] = reader.at;
    reader.at += added;
  }
  if (end !== dataEnd || reader.at !== payload.length) throw bad();
  const first = at[0] ?? 0;
  const prefix = payload.slice(first, first + prefixLength);
  return { count, prefix, offsets, continues, shared, lengths, at };
}

/** Bytes of all separators behind prefix and head. */
function restBytesOf({ prefix, lengths }: List): number {
  const skipped = prefix.length + HEAD_BYTES;
  let bytes = 0;
  for (let i = 0; i < lengths.length; i++) bytes += Math.max(0, (lengths[i] as number) - skipped);
  return bytes;
}

/** The first `kept` bytes in a new array of `length` bytes. */
function grown(bytes: Uint8Array, kept: number, length: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(length);
  copy.set(bytes.subarray(0, kept));
  return copy;
}

function newBuffer(bytes: number): ArrayBuffer {
  return new ArrayBuffer(bytes);
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
