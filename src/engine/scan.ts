/**
 * Scans: the rows of a key range as of one moment, in either direction. Synchronous to iterate; as an
 * async iterable it yields to the event loop between chunks, for servers.
 *
 * A scan keeps its tables, memtables and value-log files alive until it is exhausted or closed, or has failed: what
 * could not be read is told behind the rows before it, and never passed over.
 */
import type { Clock } from '../base/env.js';
import type { EntryCursor } from './iterators/entry-cursor.js';
import { type Row, RowBatch } from './iterators/row-batch.js';
import { VisibleCursor } from './iterators/visible.js';
import type { Hold } from './read-view.js';
import { isLimit, type ScanOptions } from './requests.js';
import type { ValueSlab } from './value-slab.js';
import type { ValueLogReader } from './vlog/reader.js';

/** Rows between two turns of the event loop of an async scan. */
const CHUNK_ROWS = 256;
/** Rows that are read ahead of the caller: as many as the limit when it is at most this, else few at first. */
const BATCH_ROWS_MAX = 128;
const BATCH_ROWS_FIRST = 8;
/** Of an iterator at its end; shared. */
const DONE: IteratorResult<Row, void> = Object.freeze({ done: true, value: undefined });

export interface ScanPlan {
  readonly isReverse: boolean;
  readonly isKeysOnly: boolean;
  /** Rows at most. */
  readonly limit: number;
}

/** @throws RangeError */
export function scanPlanOf(options: ScanOptions): ScanPlan {
  const limit = options.limit ?? Number.POSITIVE_INFINITY;
  if (!isLimit(limit)) throw new RangeError('Cannot scan: limit must be an integer from 0');
  return {
    isReverse: options.reverse ?? false,
    isKeysOnly: options.keysOnly ?? false,
    limit,
  };
}

export class Scan implements Iterable<Row>, AsyncIterable<Row> {
  readonly #cursor: EntryCursor;
  /** The same cursor, when rows may be read ahead of the caller. */
  readonly #ahead: VisibleCursor | undefined;
  readonly #plan: ScanPlan;
  readonly #clock: Clock;
  readonly #hold: Hold;
  /** Rows [#at, length) are read and not handed out. */
  readonly #batch: RowBatch;
  #at: number;
  #batchRows: number;
  /** Thrown behind the last row of the batch, and by every call after that; wrapped, because anything can be thrown. */
  #failure: { readonly error: unknown } | undefined;
  /** Rows that may still be handed out. */
  #left: number;
  #isStarted: boolean;
  /** The cursor has come to its end. */
  #isOver: boolean;
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
    this.#ahead = cursor instanceof VisibleCursor && !plan.isReverse ? cursor : undefined;
    this.#plan = plan;
    this.#clock = clock;
    this.#hold = hold;
    this.#batch = new RowBatch(valueLog, slab, plan.isKeysOnly);
    this.#at = 0;
    this.#batchRows = plan.limit <= BATCH_ROWS_MAX ? plan.limit : BATCH_ROWS_FIRST;
    this.#failure = undefined;
    this.#left = plan.limit;
    this.#isStarted = false;
    this.#isOver = false;
    this.#isClosed = false;
  }

  /** The next row, or undefined at the end (the scan is closed then). @throws CorruptionError, IoError */
  next(): Row | undefined {
    const row = this.#advance();
    if (row === undefined) this.#throwFailure();
    return row;
  }

  /** The next row, or undefined at the end, and where it fails. */
  #advance(): Row | undefined {
    if (this.#isClosed) return undefined;
    if (this.#hold.isReleased) throw this.#hold.refusal('scan on');
    if (this.#at === this.#batch.rows.length) this.#fill();
    const row = this.#batch.rows[this.#at];
    if (row === undefined) {
      this.#end();
      return undefined;
    }
    this.#at++;
    // Rows are copies: at the limit nothing is needed any more, whether the caller asks again or not.
    this.#left--;
    if (this.#left === 0) this.#end();
    return row;
  }

  /**
   * Up to `count` rows at once, fewer at the end only: a failure on the way is thrown, and the rows before it are with whoever
   * iterates. @throws CorruptionError, IoError
   */
  take(count: number): Row[] {
    const rows = this.#collect(count);
    if (rows.length < count) this.#throwFailure();
    return rows;
  }

  /** Up to `count` rows: fewer at the end, and before a failure. */
  #collect(count: number): Row[] {
    const rows: Row[] = [];
    if (!this.#isStarted && count > 0) this.#batchRows = Math.min(count, BATCH_ROWS_MAX);
    while (rows.length < count) {
      const row = this.#advance();
      if (row === undefined) break;
      rows.push(row);
    }
    return rows;
  }

  [Symbol.iterator](): IterableIterator<Row, void, void> {
    return new RowIterator(this);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Row, void, void> {
    try {
      for (;;) {
        const rows = this.#collect(CHUNK_ROWS);
        yield* rows;
        if (rows.length < CHUNK_ROWS) {
          this.#throwFailure();
          return;
        }
        await this.#clock.nextTurn();
      }
    } finally {
      this.close();
    }
  }

  /** Releases the scan's sources. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    // Nobody has come to it.
    this.#failure = undefined;
    this.#end();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #end(): void {
    this.#isClosed = true;
    this.#hold.release();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Fills the batch anew; it stays empty at the end, and behind the last row before a failure. */
  #fill(): void {
    const batch = this.#batch;
    this.#at = 0;
    batch.reset(this.#ahead === undefined ? 1 : Math.min(this.#batchRows, this.#left));
    if (this.#left === 0 || this.#isOver || this.#failure !== undefined) return;
    try {
      this.#step();
      if (this.#cursor.valid) {
        batch.add(this.#cursor);
        this.#batchRows = Math.min(2 * this.#batchRows, BATCH_ROWS_MAX);
        if (this.#ahead === undefined || batch.isFull) return;
        this.#ahead.take(batch);
      }
      this.#isOver = !this.#cursor.valid;
    } catch (error) {
      this.#failure = { error };
    }
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
}

/** A pass over the rows that are left; it closes the scan when it is left early, or a row can not be read. */
class RowIterator implements IterableIterator<Row, void, void> {
  readonly #scan: Scan;

  constructor(scan: Scan) {
    this.#scan = scan;
  }

  next(): IteratorResult<Row, void> {
    try {
      const value = this.#scan.next();
      return value === undefined ? DONE : { done: false, value };
    } catch (error) {
      this.#scan.close();
      throw error;
    }
  }

  return(): IteratorResult<Row, void> {
    this.#scan.close();
    return DONE;
  }

  [Symbol.iterator](): this {
    return this;
  }
}
