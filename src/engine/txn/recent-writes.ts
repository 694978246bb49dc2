/**
 * The recent-commit table: which keys were written since the oldest open transaction began, and with which
 * sequence number last. Commits are validated against it (transactions.ts says how and why that is exact).
 *
 * It holds whole keys, not fingerprints: a point is never confused with another one, and ranges can be asked
 * for. It is a list of segments, oldest first. A segment has its keys one after another, one row each (a key
 * written again while its segment is the last one only gets its new number), an open-addressed table from hash
 * to row, and the range deletes of its time, in their order and, when a point is asked for, as pieces (newest-ranges.ts).
 * Segments grow from 256 rows to 16,384 (less when the memory is small), and are dropped whole, when every open
 * transaction began behind their last write.
 *
 * Bound: above `bytesMax` the oldest segment is dropped although somebody may need it. `floor` is the highest
 * number that was in it: a transaction that began before cannot be validated any more.
 *
 * Invariant: every write with a number above max(floor, the number at which noting began) that is above the
 * last `forget` is in the table, whether its group is visible, on its way to the disk, or later undone.
 */
import { copyBytes, equalBytes } from '../../base/bytes.js';
import { KIB, MIB } from '../../base/limits.js';
import {
  entryKeyLength,
  entryKeyStart,
  entryKind,
  entrySeq,
  entryValueLength,
  entryValueStart,
  KIND_RANGE_DELETE,
} from '../entry.js';
import { type KeySpan, meetsSpans, spanOf } from './key-spans.js';
import { NewestRanges, type RangeWrite } from './newest-ranges.js';

const SEGMENT_ROWS_MIN = 256;
const SEGMENT_ROWS_MAX = 16 * KIB;
/** A segment with this many bytes of keys takes no more. */
const SEGMENT_KEY_BYTES = MIB;
/** Numbers of one row: seq 8, start 4, length 4, hash 4, two slots of the table 8. */
const ROW_BYTES = 28;
/** Room for keys that a segment starts with, per row. */
const KEY_BYTES_GUESS = 32;
/** Of the object for a range delete, and of its pieces; measured 530 to 590. */
const RANGE_OVERHEAD_BYTES = 560;

/** A write that somebody must not have missed. */
export interface RecentWrite {
  /** Encoded key, or the encoded start of a range delete; owned by the receiver. */
  readonly key: Uint8Array;
  readonly seq: number;
}

class Segment {
  readonly rows: number;
  count: number;
  /** Highest sequence number in here. */
  maxSeq: number;
  readonly ranges: RangeWrite[];
  #rangeBytes: number;
  /** Of the ranges, the first #newest.count of them. */
  readonly #newest: NewestRanges;
  readonly seqs: Float64Array;
  readonly starts: Uint32Array;
  readonly lengths: Uint32Array;
  readonly hashes: Uint32Array;
  bytes: Uint8Array;
  #used: number;
  /** Row + 1 by hash; 0: free. Twice as many slots as rows, a power of two. */
  readonly #table: Uint32Array;

  constructor(rows: number) {
    this.rows = rows;
    this.count = 0;
    this.maxSeq = 0;
    this.ranges = [];
    this.#rangeBytes = 0;
    this.#newest = new NewestRanges();
    this.seqs = new Float64Array(rows);
    this.starts = new Uint32Array(rows);
    this.lengths = new Uint32Array(rows);
    this.hashes = new Uint32Array(rows);
    this.bytes = new Uint8Array(KEY_BYTES_GUESS * rows);
    this.#used = 0;
    this.#table = new Uint32Array(2 * rows);
  }

  get memoryBytes(): number {
    return this.rows * ROW_BYTES + this.bytes.length + this.#rangeBytes;
  }

  get isFull(): boolean {
    return (
      this.count === this.rows ||
      this.#used >= SEGMENT_KEY_BYTES ||
      this.#rangeBytes >= SEGMENT_KEY_BYTES
    );
  }

  /** The row of a key, or -1. */
  find(bytes: Uint8Array, start: number, length: number, hash: number): number {
    const row = this.#table[this.#slotOf(bytes, start, length, hash)] as number;
    return row - 1;
  }

  /** Requires that it is not full. */
  add(bytes: Uint8Array, start: number, length: number, hash: number, seq: number): void {
    this.maxSeq = seq;
    const slot = this.#slotOf(bytes, start, length, hash);
    const known = this.#table[slot] as number;
    if (known !== 0) {
      this.seqs[known - 1] = seq;
      return;
    }
    const row = this.count++;
    this.#table[slot] = row + 1;
    if (this.#used + length > this.bytes.length) this.#grow(length);
    copyBytes(bytes, start, this.bytes, this.#used, length);
    this.seqs[row] = seq;
    this.starts[row] = this.#used;
    this.lengths[row] = length;
    this.hashes[row] = hash;
    this.#used += length;
  }

  addRange(range: RangeWrite): void {
    this.maxSeq = range.seq;
    this.ranges.push(range);
    this.#rangeBytes += range.lower.length + range.upper.length + RANGE_OVERHEAD_BYTES;
  }

  /** The newest range delete that holds the key, or undefined. */
  rangeOf(bytes: Uint8Array): RangeWrite | undefined {
    const newest = this.#newest;
    for (let i = newest.count; i < this.ranges.length; i++)
      newest.add(this.ranges[i] as RangeWrite);
    return newest.find(bytes);
  }

  keyAt(row: number): Uint8Array {
    const start = this.starts[row] as number;
    return this.bytes.slice(start, start + (this.lengths[row] as number));
  }

  /** Forgets everything and keeps its memory. Costs as much as there was. */
  clear(): void {
    const mask = this.#table.length - 1;
    for (let row = 0; row < this.count; row++) {
      // Every slot from the key's own one up to the next free one may be taken by it.
      let slot = (this.hashes[row] as number) & mask;
      while (this.#table[slot] !== 0) {
        this.#table[slot] = 0;
        slot = (slot + 1) & mask;
      }
    }
    this.count = 0;
    this.maxSeq = 0;
    this.ranges.length = 0;
    this.#rangeBytes = 0;
    this.#newest.clear();
    this.#used = 0;
  }

  /** The slot that the key has, or would take. */
  #slotOf(bytes: Uint8Array, start: number, length: number, hash: number): number {
    const table = this.#table;
    const mask = table.length - 1;
    let slot = hash & mask;
    for (;;) {
      const row = (table[slot] as number) - 1;
      if (row < 0) return slot;
      if (
        this.hashes[row] === hash &&
        this.lengths[row] === length &&
        equalBytes(this.bytes, this.starts[row] as number, bytes, start, length)
      ) {
        return slot;
      }
      slot = (slot + 1) & mask;
    }
  }

  #grow(length: number): void {
    const larger = new Uint8Array(Math.max(2 * this.bytes.length, this.#used + length));
    copyBytes(this.bytes, 0, larger, 0, this.#used);
    this.bytes = larger;
  }
}

export class RecentWrites {
  /** Numbers up to this one are no longer known, although a transaction might ask. */
  floor: number;
  readonly #bytesMax: number;
  /** Rows of the largest segment: an eighth of the memory at most. */
  readonly #rowsMax: number;
  /** Oldest first; the last one takes the writes. Never empty. */
  #segments: Segment[];
  /** Of all segments but the last. */
  #sealedBytes: number;

  /** `bytesMax`: memory above which the oldest part is dropped. */
  constructor(bytesMax: number) {
    this.floor = 0;
    this.#bytesMax = bytesMax;
    this.#rowsMax = rowsMaxOf(bytesMax);
    this.#segments = [new Segment(SEGMENT_ROWS_MIN)];
    this.#sealedBytes = 0;
  }

  /** Notes an entry as it lies in a memtable's arena. Requires that its number is above all noted before. */
  note(view: DataView, data: Uint8Array, at: number, hash: number): void {
    const keyStart = entryKeyStart(view, at);
    const keyLength = entryKeyLength(view, at);
    const seq = entrySeq(view, at);
    const segment = this.#roomy();
    if (entryKind(view, at) !== KIND_RANGE_DELETE) {
      segment.add(data, keyStart, keyLength, hash, seq);
      return;
    }
    const upperStart = entryValueStart(view, at);
    segment.addRange({
      lower: data.slice(keyStart, keyStart + keyLength),
      upper: data.slice(upperStart, upperStart + entryValueLength(view, at)),
      seq,
    });
  }

  /** Notes a write of every key in [lower, upper). Bounds are kept. */
  noteRange(lower: Uint8Array, upper: Uint8Array, seq: number): void {
    this.#roomy().addRange({ lower, upper, seq });
  }

  /** The newest write of a key above `sinceSeq`, point or range, or undefined. */
  findKey(bytes: Uint8Array, hash: number, sinceSeq: number): RecentWrite | undefined {
    for (let i = this.#segments.length - 1; i >= 0; i--) {
      const segment = this.#segments[i] as Segment;
      if (segment.maxSeq <= sinceSeq) break;
      const range = segment.rangeOf(bytes);
      const row = segment.find(bytes, 0, bytes.length, hash);
      const seq = row < 0 ? 0 : (segment.seqs[row] as number);
      if (range !== undefined && range.seq > Math.max(seq, sinceSeq))
        return { key: range.lower, seq: range.seq };
      if (seq > sinceSeq) return { key: bytes, seq };
      if (row >= 0) return undefined;
    }
    return undefined;
  }

  /** A write above `sinceSeq` of any key in the spans (a merged set), or undefined. Looks at every write since. */
  findInSpans(spans: readonly KeySpan[], sinceSeq: number): RecentWrite | undefined {
    if (spans.length === 0) return undefined;
    for (let i = this.#segments.length - 1; i >= 0; i--) {
      const segment = this.#segments[i] as Segment;
      if (segment.maxSeq <= sinceSeq) break;
      for (const range of segment.ranges) {
        if (range.seq > sinceSeq && meetsSpans(spans, range))
          return { key: range.lower, seq: range.seq };
      }
      const { seqs, starts, lengths, bytes } = segment;
      for (let row = 0; row < segment.count; row++) {
        const seq = seqs[row] as number;
        if (seq <= sinceSeq) continue;
        if (spanOf(spans, bytes, starts[row] as number, lengths[row] as number) !== undefined)
          return { key: segment.keyAt(row), seq };
      }
    }
    return undefined;
  }

  /** Nobody asks for numbers up to `seq` any more. */
  forget(seq: number): void {
    let dropped = 0;
    while (dropped < this.#segments.length - 1) {
      const segment = this.#segments[dropped] as Segment;
      if (segment.maxSeq > seq) break;
      this.#sealedBytes -= segment.memoryBytes;
      dropped++;
    }
    if (dropped > 0) this.#segments.splice(0, dropped);
  }

  /** Forgets everything; the next transaction starts anew. */
  clear(): void {
    const first = this.#segments[0] as Segment;
    const isSmall = first.rows === SEGMENT_ROWS_MIN && this.#segments.length === 1;
    if (isSmall) first.clear();
    else this.#segments = [new Segment(SEGMENT_ROWS_MIN)];
    this.#sealedBytes = 0;
    this.floor = 0;
  }

  inspect(): { rows: number; bytes: number; floor: number } {
    const last = this.#segments.at(-1) as Segment;
    return {
      rows: this.#segments.reduce((sum, one) => sum + one.count + one.ranges.length, 0),
      bytes: this.#sealedBytes + last.memoryBytes,
      floor: this.floor,
    };
  }

  /** The last segment, or a new one when it is full. */
  #roomy(): Segment {
    const last = this.#segments.at(-1) as Segment;
    if (!last.isFull) return last;
    this.#sealedBytes += last.memoryBytes;
    const next = new Segment(Math.min(this.#rowsMax, 2 * last.rows));
    this.#segments.push(next);
    while (this.#sealedBytes + next.memoryBytes > this.#bytesMax && this.#segments.length > 1) {
      const dropped = this.#segments.shift() as Segment;
      this.#sealedBytes -= dropped.memoryBytes;
      this.floor = Math.max(this.floor, dropped.maxSeq);
    }
    return next;
  }
}

/** A power of two, as the slots of a table have to be. */
function rowsMaxOf(bytesMax: number): number {
  let rows = SEGMENT_ROWS_MIN;
  while (rows < SEGMENT_ROWS_MAX && 16 * rows * (ROW_BYTES + KEY_BYTES_GUESS) <= bytesMax)
    rows *= 2;
  return rows;
}
