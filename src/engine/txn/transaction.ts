/**
 * One transaction: reads from a snapshot, writes kept in memory until the commit, which is one atomic batch. What
 * may be committed is decided by the oracle (oracle.ts), at the moment the batch gets its place in the log.
 *
 *   open -> committing -> committed | failed
 *   open -> rolled back | expired | closed
 *
 * The snapshot is pinned from begin until the batch has its place, or the transaction is over. Scans and iterators
 * of the transaction end with it. Exactly one kind of callback runs, once, before commit's promise settles.
 *
 * Single thread: a transaction belongs to no caller in particular, and calls may interleave between awaits.
 */
import { detach } from '../../base/bytes.js';
import type { Env } from '../../base/env.js';
import {
  ClosedError,
  NokvError,
  ReadOnlyError,
  TransactionDoneError,
  type TransactionEnd,
} from '../../base/errors.js';
import { DbIterator } from '../db-iterator.js';
import { MergingCursor } from '../iterators/merging.js';
import { VisibleCursor } from '../iterators/visible.js';
import { FAMILY_DEFAULT, type KeyBuffer } from '../key.js';
import type { Durability, Options } from '../options.js';
import { Hold, type PointReader, type ReadState } from '../read-view.js';
import {
  checkKeys,
  checkNames,
  checkVersion,
  durabilityOf,
  expiryOf,
  familyOf,
  type Key,
  NAMES,
  type PutOptions,
  rangeToDelete,
  rangeOf,
  rejectedWith,
  type ReadOptions,
  type ScanOptions,
  type Value,
  valueBytes,
  type WriteOptions,
} from '../requests.js';
import { Scan, scanPlanOf } from '../scan.js';
import type { Snapshot } from '../snapshot.js';
import { ScanSpan } from '../scan-span.js';
import { openSources } from '../sources.js';
import type { ValueSlab } from '../value-slab.js';
import type { ValueLogReader } from '../vlog/reader.js';
import { keyText, type PendingWrite, type Savepoint, WriteSet } from './write-set.js';
import { ReadSet } from './read-set.js';
import { TxnCursor } from './txn-cursor.js';

/** snapshot: what it writes, nobody else has written since. serializable: nor what it has read. */
export type Isolation = 'snapshot' | 'serializable';

export type TxnReadOptions = Pick<ReadOptions, 'columnFamily'>;
export type TxnScanOptions = Omit<ScanOptions, 'snapshot' | 'version'>;
export type TxnPutOptions = Omit<PutOptions, 'durability'>;
export type TxnDeleteOptions = Pick<TxnPutOptions, 'version' | 'columnFamily'>;

export interface CommitOptions extends WriteOptions {
  /** Managed version of every write that has none of its own; default: its sequence number. */
  readonly version?: number;
}

/** How and why a transaction was not committed. */
export interface RollbackReason {
  readonly end: Exclude<TransactionEnd, 'committed'>;
  /** What commit rejects with; its outcome may be unknown. undefined when commit was not called. */
  readonly error: unknown;
}

/** What transactions need of the database around them. */
export interface TransactionParts {
  readonly env: Env;
  readonly options: Options;
  readonly reader: PointReader;
  readonly valueLog: ValueLogReader;
  /** Memory of rows. */
  readonly slab: ValueSlab;
  /** Scratch of every call. */
  readonly key: KeyBuffer;
  /** undefined once closed. */
  state(): ReadState | undefined;
}

/** Where commits go. */
export interface TransactionHost {
  /** Validates and writes as one. Rejects with ConflictError, and with what a batch rejects with. */
  write(transaction: Transaction, version: number, durability: Durability): Promise<void>;
  /** Nothing is read or validated for it any more. Idempotent. */
  unpin(transaction: Transaction): void;
  /** It is over; called once. */
  ended(transaction: Transaction, end: TransactionEnd): void;
}

/** What was asked for at begin. */
export interface TransactionSettings {
  readonly isReadOnly: boolean;
  readonly isolation: Isolation;
  readonly detectsConflicts: boolean;
  readonly readVersion: number | undefined;
}

const READ_NAMES = new Set(['columnFamily']);
const ITERATOR_NAMES = new Set(['columnFamily', 'gte', 'gt', 'lte', 'lt', 'prefix']);
const SCAN_NAMES = new Set([...ITERATOR_NAMES, 'reverse', 'limit', 'keysOnly']);
const COMMIT_NAMES = new Set(['durability', 'version']);

export class Transaction {
  /** Pinned as long as the transaction needs it; its sequence number stays readable. */
  readonly snapshot: Snapshot;
  readonly settings: TransactionSettings;
  /** For the oracle. */
  readonly writes: WriteSet;
  /** For the oracle; undefined when reads are not validated. */
  readonly reads: ReadSet | undefined;
  readonly #parts: TransactionParts;
  readonly #host: TransactionHost;
  readonly #versionMax: number;
  readonly #holds: Set<Hold>;
  readonly #onCommit: ((seq: number) => void)[];
  readonly #onRollback: ((reason: RollbackReason) => void)[];
  #state: 'open' | 'committing' | TransactionEnd;
  #commitSeq: number;
  /** Settles as the commit does; undefined before. */
  #outcome: Promise<void> | undefined;
  /** What the commit rejected with. */
  #failure: unknown;
  /** Somebody awaits `conclude`, whatever becomes of the promises of `commit`. */
  #isRun: boolean;

  /** Made by `Db.begin()`. Owns the snapshot. */
  constructor(
    parts: TransactionParts,
    host: TransactionHost,
    snapshot: Snapshot,
    settings: TransactionSettings,
  ) {
    this.snapshot = snapshot;
    this.settings = settings;
    this.writes = new WriteSet();
    const isValidated =
      settings.isolation === 'serializable' && settings.detectsConflicts && !settings.isReadOnly;
    this.reads = isValidated ? new ReadSet() : undefined;
    this.#parts = parts;
    this.#host = host;
    this.#versionMax = settings.readVersion ?? Number.MAX_SAFE_INTEGER;
    this.#holds = new Set();
    this.#onCommit = [];
    this.#onRollback = [];
    this.#state = 'open';
    this.#commitSeq = 0;
    this.#outcome = undefined;
    this.#failure = undefined;
    this.#isRun = false;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** Highest sequence number of its writes; 0 before the commit, and when it wrote nothing. */
  get commitSeq(): number {
    return this.#commitSeq;
  }

  /** Open scans and iterators. */
  get openScans(): number {
    return this.#holds.size;
  }

  /** As `Db.get`: own writes first, else the snapshot. @throws TransactionDoneError */
  get(key: Key, options?: TxnReadOptions): Uint8Array | undefined {
    const buffer = this.#encode('get', key, options);
    const own = this.#own(buffer);
    if (own !== undefined) return own.isDelete ? undefined : detach(own.value, 0, own.value.length);
    if (this.writes.isDeleted(buffer.bytes, 0, buffer.length)) return undefined;
    this.reads?.addPoint(buffer);
    const { reader } = this.#parts;
    const { seq, createdMs, state: pinned } = this.snapshot;
    if (pinned !== undefined) return reader.getPinned(this.snapshot, buffer, this.#versionMax);
    return reader.get(this.#readState('get'), buffer, seq, this.#versionMax, createdMs, false);
  }

  /** The values of several keys, in their order. */
  getMany(keys: readonly Key[], options?: TxnReadOptions): (Uint8Array | undefined)[] {
    return checkKeys(keys).map((key) => this.get(key, options));
  }

  /** Is there a value? Reads no value-log file. */
  has(key: Key, options?: TxnReadOptions): boolean {
    const buffer = this.#encode('has', key, options);
    const own = this.#own(buffer);
    if (own !== undefined) return !own.isDelete;
    if (this.writes.isDeleted(buffer.bytes, 0, buffer.length)) return false;
    this.reads?.addPoint(buffer);
    const lower = buffer.copy();
    const upper = new Uint8Array(lower.length + 1);
    upper.set(lower);
    const rows = this.#openRows(this.#readState('has'), lower, upper, undefined, 1);
    try {
      rows.first();
      return rows.valid;
    } finally {
      rows.close();
    }
  }

  /**
   * Sets a key at the commit; copies key and value.
   * @throws TransactionDoneError, ReadOnlyError, TransactionTooLargeError, TypeError, RangeError: nothing was changed
   */
  put(key: Key, value: Value, options: TxnPutOptions = {}): void {
    this.#mustWrite('put');
    checkNames(options, NAMES.laterPut);
    const buffer = this.#parts.key;
    buffer.encode(familyOf(options), key);
    const expiresAt = expiryOf(options, this.#parts.env.clock.nowMs());
    const version = this.#checkVersion(options.version);
    this.writes.put(buffer, valueBytes(value), expiresAt, version);
  }

  /** Deletes a key at the commit; fine when it is not there. @throws as put */
  del(key: Key, options: TxnDeleteOptions = {}): void {
    this.#mustWrite('del');
    checkNames(options, NAMES.laterDelete);
    const buffer = this.#parts.key;
    buffer.encode(familyOf(options), key);
    this.writes.del(buffer, this.#checkVersion(options.version));
  }

  /** Deletes every key in [start, end) at the commit: a write of every key of the range, there or not. @throws as put */
  deleteRange(start: Key, end: Key, options: TxnDeleteOptions = {}): void {
    this.#mustWrite('deleteRange');
    checkNames(options, NAMES.laterDelete);
    const { lower, upper } = rangeToDelete(familyOf(options), start, end);
    this.writes.deleteRange(lower, upper, this.#checkVersion(options.version));
  }

  /** As `Db.scan`, with the own writes that there are now. Ends with the transaction. */
  scan(options: TxnScanOptions = {}): Scan {
    this.#mustBeOpen('scan');
    checkNames(options, SCAN_NAMES);
    const plan = scanPlanOf(options);
    const { slab, valueLog, env } = this.#parts;
    const { cursor, hold } = this.#openCursor('scan', options, plan.isKeysOnly ? undefined : slab);
    return new Scan(cursor, plan, valueLog, slab, env.clock, hold);
  }

  /** As `Db.iterator`, with the own writes that there are now. Ends with the transaction. */
  iterator(options: Omit<TxnScanOptions, 'limit' | 'reverse' | 'keysOnly'> = {}): DbIterator {
    this.#mustBeOpen('iterator');
    checkNames(options, ITERATOR_NAMES);
    const { cursor, hold } = this.#openCursor('iterator', options, undefined);
    return new DbIterator(cursor, familyOf(options), this.#parts.valueLog, this.#parts.slab, hold);
  }

  /** Remembers the writes so far. @throws TransactionDoneError, TransactionTooLargeError */
  savepoint(): Savepoint {
    this.#mustBeOpen('savepoint');
    return this.writes.savepoint();
  }

  /**
   * Takes back every write since; the savepoint stays, later ones are gone. What was read stays read.
   * @throws NokvError NOKV_INVALID when it is no savepoint of this transaction (any more)
   */
  rollbackTo(savepoint: Savepoint): void {
    this.#mustBeOpen('rollbackTo');
    if (this.writes.rollbackTo(savepoint)) return;
    throw new NokvError('NOKV_INVALID', 'Cannot roll back: there is no such savepoint');
  }

  /** Called once when it is committed and visible, with the highest sequence number of its writes. */
  onCommit(callback: (seq: number) => void): void {
    this.#mustBeOpen('onCommit');
    this.#onCommit.push(callback);
  }

  /** Called once when it ends in any other way. */
  onRollback(callback: (reason: RollbackReason) => void): void {
    this.#mustBeOpen('onRollback');
    this.#onRollback.push(callback);
  }

  /**
   * Writes everything or nothing. Resolves when it is visible and as durable as asked. The transaction is over
   * either way, but for a wrong argument. Without writes it does nothing, unless it is asked for durability `disk`: then, as an
   * empty batch, it makes durable what was acknowledged before.
   * @throws ConflictError (rejects): nothing was written, run it again; BusyError, IoError, ReadOnlyError as a batch
   */
  commit(options: CommitOptions = {}): Promise<void> {
    try {
      this.#mustBeOpen('commit');
      checkNames(options, COMMIT_NAMES);
      const durability = durabilityOf(options, this.#parts.options.durability);
      const version = this.#checkVersion(options.version);
      this.#state = 'committing';
      this.#closeCursors('committing');
      const isSync = options.durability === 'disk' && !this.settings.isReadOnly;
      const hasWork = this.writes.count > 0 || isSync;
      this.#outcome = this.#commit(hasWork, version, durability);
    } catch (error) {
      return rejectedWith(error);
    }
    if (this.#isRun) this.#outcome.catch(() => undefined);
    return this.#outcome;
  }

  async #commit(hasWork: boolean, version: number, durability: Durability): Promise<void> {
    try {
      if (hasWork) await this.#host.write(this, version, durability);
    } catch (error) {
      this.#failure = error;
      this.#finish('failed', error);
      throw error;
    }
    this.#finish('committed', undefined);
  }

  /** Drops the writes. Does nothing when it is over. @throws TransactionDoneError while it is being committed */
  rollback(): void {
    if (this.#state === 'committing') this.#mustBeOpen('rollback');
    this.end('rolled back');
  }

  [Symbol.dispose](): void {
    this.end('rolled back');
  }

  /** For the database: ends it when it is open. */
  end(end: 'rolled back' | 'expired' | 'closed'): void {
    if (this.#state !== 'open') return;
    this.#closeCursors(end);
    this.#finish(end, undefined);
  }

  /** For run.ts, before its function is called: it will `conclude`, so that nobody has to await a commit of the function's. */
  run(): void {
    this.#isRun = true;
  }

  /** For run.ts: commits if it is open. Resolves when it is committed, or was rolled back by a call; else rejects as its commit. */
  async conclude(options: CommitOptions): Promise<void> {
    if (this.#state === 'open') return this.commit(options);
    if (this.#state === 'rolled back') return;
    if (this.#outcome === undefined) this.#mustBeOpen('commit');
    await this.#outcome;
  }

  /** For run.ts: is this what its commit failed with? */
  hasFailedWith(error: unknown): boolean {
    return this.#state === 'failed' && this.#failure === error;
  }

  /** For the oracle: the batch has its place, up to this sequence number. */
  placed(seq: number): void {
    this.#commitSeq = seq;
  }

  #finish(end: TransactionEnd, error: unknown): void {
    this.#state = end;
    if (end !== 'committed') this.#commitSeq = 0;
    this.#host.unpin(this);
    this.writes.clear();
    this.reads?.clear();
    this.#host.ended(this, end);
    if (end === 'committed')
      for (const call of this.#onCommit) this.#try(() => call(this.#commitSeq));
    else for (const call of this.#onRollback) this.#try(() => call({ end, error }));
  }

  /** A callback that fails is logged: what it was told is true all the same. */
  #try(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#parts.env.log.write('error', 'transaction callback failed', { message: String(error) });
    }
  }

  #closeCursors(end: TransactionEnd | 'committing'): void {
    for (const hold of [...this.#holds])
      hold.release((call) => new TransactionDoneError(call, end));
  }

  #openCursor(
    call: string,
    options: TxnScanOptions,
    memory: ValueSlab | undefined,
  ): { readonly cursor: TxnCursor; readonly hold: Hold } {
    const state = this.#readState(call);
    const { lower, upper } = rangeOf(familyOf(options), options);
    const cursor = new TxnCursor(this.#openRows(state, lower, upper, memory, options.limit), {
      lower,
      upper,
      own: this.writes.sorted(),
      deleted: this.writes.deleted,
      nowMs: this.snapshot.createdMs,
      reads: this.reads,
    });
    return { cursor, hold: new Hold(state, cursor, this.#holds) };
  }

  #openRows(
    state: ReadState,
    lower: Uint8Array,
    upper: Uint8Array,
    memory?: ValueSlab,
    limit?: number,
  ): VisibleCursor {
    const sources = openSources(state, new ScanSpan(lower, upper), memory, limit);
    return new VisibleCursor(new MergingCursor(sources), {
      lower,
      upper,
      seqMax: this.snapshot.seq,
      versionMax: this.#versionMax,
      nowMs: this.snapshot.createdMs,
      tombstones: state.rangeTombstones(),
    });
  }

  #encode(call: string, key: Key, options: TxnReadOptions | undefined): KeyBuffer {
    this.#mustBeOpen(call);
    if (options !== undefined) checkNames(options, READ_NAMES);
    const buffer = this.#parts.key;
    buffer.encode(options === undefined ? FAMILY_DEFAULT : familyOf(options), key);
    return buffer;
  }

  /** The own write of a key; one that has expired at the snapshot's time counts as a delete. */
  #own(key: KeyBuffer): PendingWrite | undefined {
    if (this.writes.count === 0) return undefined;
    const own = this.writes.get(keyText(key.bytes, 0, key.length));
    if (own === undefined || own.isDelete || own.expiresAt === 0) return own;
    return own.expiresAt > this.snapshot.createdMs ? own : { ...own, isDelete: true };
  }

  #readState(call: string): ReadState {
    const state = this.snapshot.state ?? this.#parts.state();
    if (state === undefined) throw new ClosedError(call);
    return state;
  }

  #checkVersion(given: number | undefined): number {
    const version = checkVersion(given) ?? 0;
    const { readVersion } = this.settings;
    if (version !== 0 && readVersion !== undefined && version <= readVersion) {
      throw new RangeError('Cannot use version: it must be above the readVersion');
    }
    return version;
  }

  #mustWrite(call: string): void {
    this.#mustBeOpen(call);
    if (this.settings.isReadOnly)
      throw new ReadOnlyError(`Cannot ${call}: the transaction is read-only`);
  }

  #mustBeOpen(call: string): void {
    if (this.#state !== 'open') throw new TransactionDoneError(call, this.#state);
  }
}
