/**
 * Scans: the rows of a key range as of one moment, in either direction. Synchronous to iterate; as an
 * async iterable it yields to the event loop between chunks, for servers.
 *
 * A scan keeps its tables, memtables and value-log files alive until it is exhausted or closed.
 */
import type { Clock } from '../base/env.js';
import { decodeUserKey, userKeyLength } from './key.js';
import { KIND_VALUE_POINTER } from './entry.js';
import type { EntryCursor } from './iterators/entry-cursor.js';
import type { Hold } from './read-view.js';
import type { ScanOptions } from './requests.js';
import type { ValueSlab } from './value-slab.js';
import type { ValueLogReader } from './vlog/reader.js';

/** One row; both arrays are owned by the receiver (small ones share slabs, see value-slab.ts). */
export interface Row {
  readonly key: Uint8Array;
  /** Empty in a keys-only scan. */
  readonly value: Uint8Array;
}

/** Rows between two turns of the event loop of an async scan. */
const CHUNK_ROWS = 256;
const EMPTY = new Uint8Array(0);

export interface ScanPlan {
  readonly isReverse: boolean;
  readonly isKeysOnly: boolean;
  /** Rows at most. */
  readonly limit: number;
}

/** @throws RangeError */
export function scanPlanOf(options: ScanOptions): ScanPlan {
  const limit = options.limit ?? Number.POSITIVE_INFINITY;
  if (typeof limit !== 'number' || !(limit >= 0)) {
    throw new RangeError('Cannot scan: limit must be a number from 0');
  }
  return {
    isReverse: options.reverse ?? false,
    isKeysOnly: options.keysOnly ?? false,
    limit,
  };
}

export class Scan implements Iterable<Row>, AsyncIterable<Row> {
  readonly #cursor: EntryCursor;
  readonly #plan: ScanPlan;
  readonly #valueLog: ValueLogReader;
  readonly #clock: Clock;
  readonly #hold: Hold;
  readonly #slab: ValueSlab;
  #left: number;
  #isStarted: boolean;
  #isClosed: boolean;

  /** Made by `Db.scan()` and `Transaction.scan()`; the cursor shows one entry per key. `hold` keeps what it reads. */
  constructor(
    cursor: EntryCursor,
    plan: ScanPlan,
    valueLog: ValueLogReader,
    slab: ValueSlab,
    clock: Clock,
    hold: Hold,
  ) {
    this.#cursor = cursor;
    this.#plan = plan;
    this.#valueLog = valueLog;
    this.#clock = clock;
    this.#hold = hold;
    this.#slab = slab;
    this.#left = plan.limit;
    this.#isStarted = false;
    this.#isClosed = false;
  }

  /** The next row, or undefined at the end (the scan is closed then). @throws CorruptionError, IoError */
  next(): Row | undefined {
    if (this.#isClosed) return undefined;
    if (this.#left === 0) this.close();
    const cursor = this.#cursor;
    if (this.#isClosed) return undefined;
    if (this.#hold.isReleased) throw this.#hold.refusal('scan on');
    this.#step();
    if (!cursor.valid) {
      this.close();
      return undefined;
    }
    const row = this.#row();
    // Rows are copies: at the limit nothing is needed any more, whether the caller asks again or not.
    this.#left--;
    if (this.#left === 0) this.close();
    return row;
  }

  /** Up to `count` rows at once: the cheapest way to read many. */
  take(count: number): Row[] {
    const rows: Row[] = [];
    while (rows.length < count) {
      const row = this.next();
      if (row === undefined) break;
      rows.push(row);
    }
    return rows;
  }

  *[Symbol.iterator](): Iterator<Row, void, void> {
    try {
      for (let row = this.next(); row !== undefined; row = this.next()) yield row;
    } finally {
      this.close();
    }
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Row, void, void> {
    try {
      for (;;) {
        const rows = this.take(CHUNK_ROWS);
        yield* rows;
        if (rows.length < CHUNK_ROWS) return;
        await this.#clock.nextTurn();
      }
    } finally {
      this.close();
    }
  }

  /** Releases the scan's sources. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#hold.release();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #step(): void {
    const cursor = this.#cursor;
    if (this.#isStarted) {
      if (this.#plan.isReverse) cursor.prev();
      else cursor.next();
      return;
    }
    this.#isStarted = true;
    if (this.#plan.isReverse) cursor.last();
    else cursor.first();
  }

  #row(): Row {
    const cursor = this.#cursor;
    const { keyBytes, keyStart, keyLength } = cursor;
    const length = userKeyLength(keyBytes, keyStart, keyLength);
    const key = this.#slab.fresh(length);
    decodeUserKey(keyBytes, keyStart, keyLength, key, 0);
    if (this.#plan.isKeysOnly) return { key, value: EMPTY };
    return { key, value: valueOf(cursor, this.#valueLog, this.#slab) };
  }
}

/** The value of a cursor's entry, owned by the receiver. */
export function valueOf(
  cursor: EntryCursor,
  valueLog: ValueLogReader,
  slab: ValueSlab,
): Uint8Array {
  const { valueBytes, valueStart, valueLength } = cursor;
  if (cursor.kind === KIND_VALUE_POINTER) return valueLog.read(valueBytes, valueStart);
  if (!cursor.isValueOwned) return slab.copyOf(valueBytes, valueStart, valueLength);
  return new Uint8Array(valueBytes.buffer, valueBytes.byteOffset + valueStart, valueLength);
}
