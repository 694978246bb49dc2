/**
 * Import: JSON Lines into a database, in atomic batches that each say how far they come
 * (import-position.ts). Bounded memory: a chunk, the batch that is being read, and at most
 * POSITION_SLOTS in flight. A line that is no row ends the import behind the rows before it, or is
 * counted and left out.
 */
import { assert } from '../base/assert.js';
import { crc32Of } from '../base/crc32.js';
import { NokvError } from '../base/errors.js';
import { MIB } from '../base/limits.js';
import type { Db } from '../engine/db.js';
import type { BatchInput } from '../engine/requests.js';
import type { Durability, FamilyName } from '../engine/options.js';
import {
  ImportPositionStore,
  POSITION_SLOTS,
  START,
  type ImportPosition,
} from './import-position.js';
import { LineReader } from './line-reader.js';
import { parseLine } from './parse-line.js';

/** A batch is handed over as soon as its lines have this much, or it has this many rows. */
const BATCH_BYTES_DEFAULT = MIB;
const BATCH_ROWS = 16 * 1024;
/** Batches in flight together, unless one alone has more. */
const IN_FLIGHT_BYTES_MAX = 16 * MIB;
/** An import of less leaves its rows in the log. */
const FLUSH_BYTES_MIN = MIB;

export interface ImportOptions {
  /** Names the source: an import of this name that was cut is continued. */
  readonly source: string;
  readonly columnFamily: FamilyName;
  readonly durability: Durability;
  /** Begin at the first byte, whatever was imported before. */
  readonly isRestart: boolean;
  /** Count lines that are no rows, and go on. */
  readonly isSkippingBad: boolean;
  /** Bytes of lines from which a batch is handed over. Default 1 MiB. */
  readonly batchBytes?: number;
  /** Stops between two chunks, when everything read until then is in the database. */
  readonly signal?: AbortSignal;
  /** Awaited once, before the first byte is taken. */
  readonly onStart?: (from: ImportPosition) => Promise<void>;
  /** Called now and then with the place behind what was handed over. */
  readonly onProgress?: (position: ImportPosition) => void;
  /** Called for every line that is left out; `problem` ends a sentence. */
  readonly onBadLine?: (line: number, problem: string) => void;
}

export interface ImportResult {
  /** Where this run began: START unless it continued another. */
  readonly from: ImportPosition;
  /** The end of the source. */
  readonly to: ImportPosition;
  readonly batches: number;
}

/**
 * Imports every line of `input`, which begins at the first byte of the source in either case: what was
 * imported before is read again only to see that it is the same.
 * @throws NokvError NOKV_INVALID naming a bad line, NOKV_CONFLICT when the source changed since it was
 * cut, and whatever `db.batch` throws
 */
export async function importLines(
  db: Db,
  input: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<ImportResult> {
  const run = new ImportRun(db, options);
  await run.begin();
  try {
    for await (const chunk of input) {
      options.signal?.throwIfAborted();
      await run.take(chunk);
    }
    return await run.end();
  } catch (error) {
    await run.stop();
    // A source that was torn down for the signal says so less clearly than its reason.
    options.signal?.throwIfAborted();
    throw error;
  }
}

class ImportRun {
  readonly #db: Db;
  readonly #options: ImportOptions;
  readonly #store: ImportPositionStore;
  #reader: LineReader;
  #from: ImportPosition;
  /** Behind the last line that was taken or left out; `ordinal` is that of the last batch handed over. */
  #position: ImportPosition;
  /** Bytes still to be compared with what was imported before, and the checksum of those that were. */
  #skipBytes: number;
  #skipCrc: number;
  /** The batch that is being read. */
  #operations: BatchInput[];
  #operationBytes: number;
  /** Lines taken or left out that no batch covers yet. */
  #linesOpen: number;
  #rows: number;
  #bad: number;
  /** Oldest first; none of these promises rejects. */
  #inFlight: { readonly bytes: number; readonly done: Promise<void> }[];
  #inFlightBytes: number;
  #failure: { readonly error: unknown } | undefined;

  constructor(db: Db, options: ImportOptions) {
    this.#db = db;
    this.#options = options;
    this.#store = new ImportPositionStore(options.source, options.columnFamily);
    this.#reader = new LineReader(0, 0, 0);
    this.#from = START;
    this.#position = START;
    this.#skipBytes = 0;
    this.#skipCrc = 0;
    this.#operations = [];
    this.#operationBytes = 0;
    this.#linesOpen = 0;
    this.#rows = 0;
    this.#bad = 0;
    this.#inFlight = [];
    this.#inFlightBytes = 0;
    this.#failure = undefined;
  }

  /** Finds where to begin, and makes that the only position in the database. */
  async begin(): Promise<void> {
    const { isRestart, durability, onStart } = this.#options;
    const from = isRestart ? START : (this.#store.load(this.#db) ?? START);
    await this.#db.batch(this.#store.reset(from), { durability });
    this.#reader = new LineReader(from.offset, from.line, from.crc);
    this.#from = from;
    this.#position = from;
    this.#skipBytes = from.offset;
    this.#rows = from.rows;
    this.#bad = from.bad;
    await onStart?.(from);
  }

  async take(chunk: Uint8Array): Promise<void> {
    const reader = this.#reader;
    const { batchBytes = BATCH_BYTES_DEFAULT } = this.#options;
    reader.push(this.#skipBytes === 0 ? chunk : this.#skip(chunk));
    while (reader.next()) {
      this.#takeLine();
      if (this.#operationBytes >= batchBytes || this.#operations.length >= BATCH_ROWS) {
        await this.#handOver();
      }
    }
    this.#options.onProgress?.(this.#position);
  }

  /** The source is at its end: writes the rest, waits for all of it, and forgets the position. */
  async end(): Promise<ImportResult> {
    if (this.#skipBytes > 0) throw this.#changed('it is shorter now');
    if (this.#reader.finish()) this.#takeLine();
    await this.#handOver();
    await this.#settle();
    this.#throwIfFailed();
    // Closing would do it anyway. Done now, a kill during it still finds the position.
    if (this.#position.offset - this.#from.offset >= FLUSH_BYTES_MIN) await this.#db.flush();
    await this.#db.batch(this.#store.clear(), { durability: this.#options.durability });
    const { ordinal } = this.#position;
    return { from: this.#from, to: this.#position, batches: ordinal - this.#from.ordinal };
  }

  /** After a failure: writes the lines before it, and waits for what is in flight. Never rejects. */
  async stop(): Promise<void> {
    try {
      await this.#handOver();
    } catch {
      // The database takes no more; what ended the import is reported.
    }
    await this.#settle();
  }

  /** The part of a chunk that is not imported yet. @throws NokvError when the part before it changed */
  #skip(chunk: Uint8Array): Uint8Array {
    const length = Math.min(this.#skipBytes, chunk.length);
    this.#skipCrc = crc32Of(chunk.subarray(0, length), this.#skipCrc);
    if (length === this.#skipBytes && this.#skipCrc !== this.#from.crc) {
      throw this.#changed('what was imported before is not what it begins with now');
    }
    this.#skipBytes -= length;
    return chunk.subarray(length);
  }

  #changed(what: string): NokvError {
    const { source } = this.#options;
    return new NokvError('NOKV_CONFLICT', `Cannot continue import of ${source}: ${what}`, {
      hint: 'Import the source that was cut, or begin again with --restart',
      details: { source, offset: this.#from.offset, line: this.#from.line },
    });
  }

  /** Adds the line of the reader to the batch. @throws NokvError NOKV_INVALID for one that is no row */
  #takeLine(): void {
    const reader = this.#reader;
    const row = parseLine(reader);
    if (typeof row === 'object' && 'problem' in row) this.#leaveOut(row.problem);
    else if (typeof row === 'object') {
      const { columnFamily } = this.#options;
      this.#operations.push({ type: 'put', key: row.key, value: row.value, columnFamily });
      this.#operationBytes += reader.end - reader.start;
      this.#rows++;
    }
    this.#linesOpen++;
    const { ordinal } = this.#position;
    const { offset, line, crc } = reader;
    this.#position = { ordinal, offset, line, rows: this.#rows, bad: this.#bad, crc };
  }

  #leaveOut(problem: string): void {
    const { source, isSkippingBad, onBadLine } = this.#options;
    const { line } = this.#reader;
    if (!isSkippingBad) {
      throw new NokvError('NOKV_INVALID', `Cannot import line ${line} of ${source}: ${problem}`, {
        hint: 'Correct the line and run the import again, which continues there; or give --skip-bad',
        details: { source, line, offset: this.#position.offset },
      });
    }
    this.#bad++;
    onBadLine?.(line, problem);
  }

  /** Hands over the batch that was read, as soon as there is room for it in flight. */
  async #handOver(): Promise<void> {
    if (this.#linesOpen === 0) return;
    const bytes = this.#operationBytes;
    await this.#makeRoom(bytes);
    this.#throwIfFailed();
    this.#position = { ...this.#position, ordinal: this.#position.ordinal + 1 };
    const operations = this.#operations;
    operations.push(this.#store.put(this.#position));
    this.#operations = [];
    this.#operationBytes = 0;
    this.#linesOpen = 0;
    const { durability } = this.#options;
    const done = this.#db.batch(operations, { durability }).catch((error: unknown) => {
      this.#failure ??= { error };
    });
    this.#inFlight.push({ bytes, done });
    this.#inFlightBytes += bytes;
  }

  /** Fewer than POSITION_SLOTS in flight afterwards: the batch to come replaces the oldest position. */
  async #makeRoom(bytes: number): Promise<void> {
    for (let oldest = this.#inFlight[0]; oldest !== undefined; oldest = this.#inFlight[0]) {
      const isFull = this.#inFlight.length >= POSITION_SLOTS;
      if (!isFull && this.#inFlightBytes + bytes <= IN_FLIGHT_BYTES_MAX) break;
      await oldest.done;
      this.#inFlight.shift();
      this.#inFlightBytes -= oldest.bytes;
    }
    assert(this.#inFlight.length < POSITION_SLOTS, 'import: a position is replaced too early');
  }

  async #settle(): Promise<void> {
    await Promise.all(this.#inFlight.map(({ done }) => done));
    this.#inFlight = [];
    this.#inFlightBytes = 0;
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
