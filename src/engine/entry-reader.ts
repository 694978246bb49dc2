/**
 * Point reads that tell what is stored beside a value, for layers of ours over a database (the gateway): when it
 * expires, its sequence number. They judge expiry at a moment of the caller's, so that all reads of one command agree.
 * Always of the newest visible entry.
 *
 * Owned by the thread of the database; shares its reader.
 */
import { ClosedError } from '../base/errors.js';
import { SEQ_MAX } from '../base/limits.js';
import type { KeyBuffer } from './key.js';
import type { PointReader, ReadState } from './read-view.js';
import type { LookupResult } from './sst/lookup-result.js';

/** What the database lends. */
export interface EntryReaderHost {
  readonly reader: PointReader;
  /** The reader's alone. */
  readonly key: KeyBuffer;
  /** undefined once it is closed. */
  state(): ReadState | undefined;
}

export class EntryReader {
  readonly #host: EntryReaderHost;
  readonly #reader: PointReader;
  readonly #key: KeyBuffer;
  readonly #visibleSeq: () => number;

  /** Made by `Db.entryReader()`. */
  constructor(host: EntryReaderHost, visibleSeq: () => number) {
    this.#host = host;
    this.#reader = host.reader;
    this.#key = host.key;
    this.#visibleSeq = visibleSeq;
  }

  /**
   * The value of a key as of `atMs`, owned by the caller, or undefined. `family` is the byte of key.ts.
   * @throws CorruptionError, ClosedError, RangeError for a bad key
   */
  get(family: number, key: Uint8Array, atMs: number): Uint8Array | undefined {
    const state = this.#mustBeOpen('get');
    this.#key.encode(family, key);
    return this.#reader.get(state, this.#key, this.#visibleSeq(), SEQ_MAX, atMs, true);
  }

  /** As `get`; the value stays where it is, *borrowed* until the next call of the database. */
  borrow(family: number, key: Uint8Array, atMs: number): LookupResult | undefined {
    const state = this.#mustBeOpen('get');
    this.#key.encode(family, key);
    return this.#reader.borrow(state, this.#key, this.#visibleSeq(), SEQ_MAX, atMs, true);
  }

  /** As `get`: is there a value? Reads no value-log file. */
  has(family: number, key: Uint8Array, atMs: number): boolean {
    const state = this.#mustBeOpen('has');
    this.#key.encode(family, key);
    return this.#reader.has(state, this.#key, this.#visibleSeq(), SEQ_MAX, atMs);
  }

  /** Of what the call before found: wall milliseconds, or NO_EXPIRY. Requires that it found something. */
  get expiresAt(): number {
    return this.#reader.foundExpiresAt;
  }

  /** Of what the call before found: its sequence number. Requires that it found something. */
  get seq(): number {
    return this.#reader.foundSeq;
  }

  /** The newest sequence number that reads see. */
  get visibleSeq(): number {
    return this.#visibleSeq();
  }

  #mustBeOpen(call: string): ReadState {
    const state = this.#host.state();
    if (state === undefined) throw new ClosedError(call);
    return state;
  }
}
