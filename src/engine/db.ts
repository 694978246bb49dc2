/**
 * The embedded database: the public API, and the one file that sees every part. One thread owns it:
 * reads are synchronous, writes return promises, flush and compaction run in workers. It is long because the whole
 * public API with its docstrings is one class; what the calls do stands in other files.
 *
 *   write: write-queue.ts -> value log -> write-ahead log -> memtable
 *   read:  read-view.ts   -> memtables -> L0 runs -> levels -> value log
 *   background.ts         -> flush-runner.ts, compaction-runner.ts -> tree.ts (manifest)
 *   transactions: txn/oracle.ts, over all of these
 */
import { ClosedError, NokvError, ReadOnlyError } from '../base/errors.js';
import { SEQ_MAX } from '../base/limits.js';
import { runAll } from '../base/run-all.js';
import type { Env } from '../base/env.js';
import { Background } from './background.js';
import type { BatchOperation } from './batch.js';
import type { Core } from './core.js';
import type { RecoveryReport } from './recovery-report.js';
import { openFor } from './recovery.js';
import type { RowCache } from './cache/row-cache.js';
import { CompactionRunner } from './compaction-runner.js';
import { KIND_DELETE, KIND_PUT, NO_EXPIRY } from './entry.js';
import { DbIterator } from './db-iterator.js';
import { EntryReader } from './entry-reader.js';
import { type StoredEntry, storedEntries } from './entry-scan.js';
import {
  type ExportRange,
  exportTables,
  type ExportTablesOptions,
} from './external/export-tables.js';
import type { BuiltTable } from './external/built-table.js';
import { Ingester, type IngestOptions, type IngestResult } from './external/ingest.js';
import { FlushRunner } from './flush-runner.js';
import { MergingCursor } from './iterators/merging.js';
import { VisibleCursor } from './iterators/visible.js';
import { FAMILY_DEFAULT, KeyBuffer } from './key.js';
import type { LoggedMemtable } from './logged-memtable.js';
import { type Durability, type OpenOptions, type Options, resolveOptions } from './options.js';
import { Hold, PointReader, ReadState } from './read-view.js';
import {
  type BatchInput,
  checkKeys,
  checkNames,
  checkOperations,
  checkVersion,
  type DeleteOptions,
  durabilityOf,
  EMPTY,
  expiryOf,
  familyOf,
  type Key,
  NAMES,
  type PutOptions,
  rangeOf,
  rejectedWith,
  type ReadOptions,
  type ScanOptions,
  type Value,
  valueBytes,
  type WriteOptions,
} from './requests.js';
import { RetentionSource } from './retention.js';
import { ScanSpan } from './scan-span.js';
import { Scan, scanPlanOf } from './scan.js';
import { openSources } from './sources.js';
import type { Snapshot } from './snapshot.js';
import { SnapshotRegistry } from './snapshot.js';
import { collectStats, type Stats } from './stats.js';
import { type BeginOptions, Oracle } from './txn/oracle.js';
import { runTransaction, runView, type TransactionOptions, type UpdateOptions } from './txn/run.js';
import type { Transaction } from './txn/transaction.js';
import { type KeyVersion, openVersions, type VersionsOptions } from './txn/versions.js';
import { ValuePlacement } from './value-placement.js';
import { ROW_BALLAST_WORDS, ValueSlab } from './value-slab.js';
import { checkRatio, type CollectOptions, type SegmentReport } from './vlog/gc-picker.js';
import { WriteQueue } from './write-queue.js';

export class Db {
  readonly workdir: string;
  readonly options: Options;
  /** What opening found and did. */
  readonly recovery: RecoveryReport;
  readonly #env: Env;
  readonly #core: Core;
  readonly #queue: WriteQueue | undefined;
  readonly #background: Background | undefined;
  readonly #compaction: CompactionRunner | undefined;
  readonly #placement: ValuePlacement;
  readonly #snapshots: SnapshotRegistry;
  readonly #rows: RowCache;
  readonly #reader: PointReader;
  readonly #readKey: KeyBuffer;
  readonly #writeKey: KeyBuffer;
  /** Rows of all scans: a slab of its own for each would be mostly empty. */
  readonly #scanSlab: ValueSlab;
  /** Of scans and iterators that are not closed. */
  readonly #holds: Set<Hold>;
  readonly #oracle: Oracle;
  readonly #ingester: Ingester | undefined;
  /** Sealed memtables, newest first: part of every read. */
  #sealed: LoggedMemtable[];
  /** undefined once closed. */
  #state: ReadState | undefined;
  #closing: Promise<void> | undefined;
  readonly #openedMs: number;
  /** What a read-only database sees. */
  #followedSeq: number;

  /** Use `openDb`. */
  constructor(env: Env, workdir: string, options: Options, core: Core) {
    this.workdir = workdir;
    this.options = options;
    this.recovery = core.report;
    this.#env = env;
    this.#core = core;
    this.#placement = new ValuePlacement(options);
    this.#snapshots = new SnapshotRegistry();
    this.#rows = core.blockCache.rows;
    const reads = core.hotKeys.reads;
    this.#reader = new PointReader(core.tree.valueLog, this.#rows, reads, () => env.clock.nowMs());
    this.#readKey = new KeyBuffer();
    this.#writeKey = new KeyBuffer();
    this.#scanSlab = new ValueSlab(ROW_BALLAST_WORDS);
    this.#holds = new Set();
    this.#sealed = [...core.sealed].reverse();
    this.#closing = undefined;
    this.#openedMs = env.clock.nowMs();
    this.#followedSeq = core.lastSeq;
    this.#state = new ReadState(core.active, this.#sealed, core.tree.current);
    core.tree.onChange = () => this.#refreshState();
    this.#oracle = new Oracle(this.#oracleHost());
    if (options.readOnly) {
      this.#queue = undefined;
      this.#background = undefined;
      this.#compaction = undefined;
      this.#ingester = undefined;
      return;
    }
    const retention = new RetentionSource(env, this.#snapshots, () => this.#visibleSeq());
    this.#compaction = new CompactionRunner(env, options, core, {
      retention,
      minValueLogInMemory: () => this.#state?.minValueLogInMemory() ?? 0,
    });
    const flush = new FlushRunner(env, options, core, retention);
    this.#background = new Background(env, options, core.tree, flush, this.#compaction, {
      onFlushed: (memtable) => this.#onFlushed(memtable),
      onPressureChanged: () => this.#queue?.resume(),
      onStuck: (error) => this.#queue?.rejectWaiting(error),
      writesSoFar: () => this.#queue?.counters.groups ?? 0,
      writeFailure: () => this.#queue?.refusal(),
    });
    this.#queue = new WriteQueue(
      env.clock,
      this.#queueHost(),
      core.valueLog,
      core.active,
      core.lastSeq,
      this.#rows,
      core.hotKeys.writes,
    );
    this.#ingester = new Ingester(this.#ingestHost(this.#compaction));
    for (const memtable of core.sealed) this.#background.addSealed(memtable);
    this.#background.kick();
  }

  /**
   * The newest value of a key, in private memory (small values share slabs: value-slab.ts), or undefined.
   * @throws CorruptionError, ClosedError, TypeError or RangeError for a bad key
   */
  get(key: Key, options?: ReadOptions): Uint8Array | undefined {
    const state = this.#state;
    if (state === undefined) throw new ClosedError('get');
    const buffer = this.#readKey;
    if (options === undefined) {
      buffer.encode(FAMILY_DEFAULT, key);
      return this.#reader.get(state, buffer, this.#visibleSeq(), SEQ_MAX, 0, true);
    }
    buffer.encode(familyOf(options, NAMES.read), key);
    const snapshot = options.snapshot;
    this.#snapshots.check(snapshot);
    const seqMax = snapshot?.seq ?? this.#visibleSeq();
    const versionMax = checkVersion(options.version) ?? SEQ_MAX;
    const atMs = snapshot?.createdMs ?? 0;
    const isNewest = snapshot === undefined && versionMax === SEQ_MAX;
    if (snapshot?.state !== undefined) return this.#reader.getPinned(snapshot, buffer, versionMax);
    return this.#reader.get(state, buffer, seqMax, versionMax, atMs, isNewest);
  }

  /** The values of several keys as of one moment, in their order. */
  getMany(keys: readonly Key[], options?: ReadOptions): (Uint8Array | undefined)[] {
    return checkKeys(keys).map((key) => this.get(key, options));
  }

  /** Is there a value? Reads no value-log file. */
  has(key: Key, options: ReadOptions = {}): boolean {
    const state = this.#state;
    if (state === undefined) throw new ClosedError('has');
    this.#readKey.encode(familyOf(options, NAMES.read), key);
    const { snapshot } = options;
    this.#snapshots.check(snapshot);
    const versionMax = checkVersion(options.version) ?? SEQ_MAX;
    const { seq, createdMs } = snapshot ?? { seq: this.#visibleSeq(), createdMs: 0 };
    return this.#reader.has(state, this.#readKey, seq, versionMax, createdMs, snapshot?.state);
  }

  /** For layers of ours above: point reads with what is stored beside a value. Valid until `close`. */
  entryReader(): EntryReader {
    return new EntryReader(this.#oracleHost(), () => this.#visibleSeq());
  }

  /** As `batch`, of operations checked by who made them; they stay as they are until it resolves. For layers of ours. */
  commit(operations: readonly BatchOperation[], durability: Durability): Promise<void> {
    try {
      return this.#mustWrite('commit').writeBatch(operations, this.#writeKey, durability);
    } catch (error) {
      return rejectedWith(error);
    }
  }

  /**
   * Sets a key. Key and value are copied before it returns. Resolves when the write is visible and as
   * durable as asked; rejects with IoError (nothing written), ReadOnlyError, BusyError.
   */
  put(key: Key, value: Value, options?: PutOptions): Promise<void> {
    try {
      const queue = this.#mustWrite('put');
      const buffer = this.#writeKey;
      const family = options === undefined ? FAMILY_DEFAULT : familyOf(options, NAMES.put);
      buffer.encode(family, key);
      const bytes = valueBytes(value);
      if (options === undefined) {
        return queue.write(KIND_PUT, buffer, family, bytes, NO_EXPIRY, 0, this.options.durability);
      }
      const expiresAt = expiryOf(options, this.#env.clock.nowMs());
      const version = checkVersion(options.version) ?? 0;
      const durability = durabilityOf(options, this.options.durability);
      return queue.write(KIND_PUT, buffer, family, bytes, expiresAt, version, durability);
    } catch (error) {
      return rejectedWith(error);
    }
  }

  /** Deletes a key; fine when it is not there. */
  del(key: Key, options: DeleteOptions = {}): Promise<void> {
    try {
      const queue = this.#mustWrite('del');
      const buffer = this.#writeKey;
      const family = familyOf(options, NAMES.delete);
      buffer.encode(family, key);
      const version = checkVersion(options.version) ?? 0;
      const durability = durabilityOf(options, this.options.durability);
      return queue.write(KIND_DELETE, buffer, family, EMPTY, NO_EXPIRY, version, durability);
    } catch (error) {
      return rejectedWith(error);
    }
  }

  /** Deletes every key in [start, end). @throws RangeError (rejects) unless start < end */
  async deleteRange(start: Key, end: Key, options: DeleteOptions = {}): Promise<void> {
    checkNames(options, NAMES.delete);
    const { durability, ...rest } = options;
    const how = durability === undefined ? {} : { durability };
    return this.batch([{ ...rest, type: 'deleteRange', start, end }], how);
  }

  /** Writes all operations or none; later ones win on the same key. Their bytes must stay unchanged until it settles. */
  batch(operations: readonly BatchInput[], options: WriteOptions = {}): Promise<void> {
    try {
      const queue = this.#mustWrite('batch');
      checkNames(options, NAMES.write);
      const checked = checkOperations(operations, this.#env.clock.nowMs());
      const durability = durabilityOf(options, this.options.durability);
      return queue.writeBatch(checked, this.#writeKey, durability);
    } catch (error) {
      return rejectedWith(error);
    }
  }

  /** Rows of a range as of one moment; see ScanOptions. Close it when it is not read to its end. */
  scan(options: ScanOptions = {}): Scan {
    checkNames(options, NAMES.scan);
    const plan = scanPlanOf(options);
    const memory = plan.isKeysOnly ? undefined : this.#scanSlab;
    const { cursor, hold } = this.#openCursor('scan', options, memory);
    const { valueLog } = this.#core.tree;
    return new Scan(cursor, plan, valueLog, this.#scanSlab, this.#env.clock, hold);
  }

  /** An iterator that can seek, over the same ranges as a scan (limit, reverse and keysOnly are the caller's). */
  iterator(options: Omit<ScanOptions, 'limit' | 'reverse' | 'keysOnly'> = {}): DbIterator {
    checkNames(options, NAMES.iterator);
    const { cursor, hold } = this.#openCursor('iterator', options);
    const { valueLog } = this.#core.tree;
    return new DbIterator(cursor, familyOf(options), valueLog, this.#scanSlab, hold);
  }

  /** Every stored entry of every family, all versions and deletes included, as of now; held until its end, or `return()`. */
  storedEntries(): Generator<StoredEntry, void, void> {
    const state = this.#state;
    if (state === undefined) throw new ClosedError('storedEntries');
    const cursor = new MergingCursor(openSources(state));
    return storedEntries(cursor, this.#core.tree.valueLog, new Hold(state, cursor, this.#holds));
  }

  /** With `memory`, what the cursor reads of tables may be handed out as it is. */
  #openCursor(
    call: string,
    options: ScanOptions,
    memory?: ValueSlab,
  ): { readonly cursor: VisibleCursor; readonly hold: Hold } {
    if (this.#state === undefined) throw new ClosedError(call);
    this.#snapshots.check(options.snapshot);
    const state = options.snapshot?.state ?? this.#state;
    const [range, version] = [rangeOf(familyOf(options), options), checkVersion(options.version)];
    const span = new ScanSpan(range.lower, range.upper);
    const merge = new MergingCursor(openSources(state, span, memory, options.limit));
    const cursor = new VisibleCursor(merge, {
      ...range,
      seqMax: options.snapshot?.seq ?? this.#visibleSeq(),
      versionMax: version ?? SEQ_MAX,
      nowMs: options.snapshot?.createdMs ?? this.#env.clock.nowMs(),
      tombstones: state.rangeTombstones(),
    });
    return { cursor, hold: new Hold(state, cursor, this.#holds) };
  }

  /**
   * All stored versions of a key, newest first, deletes too. Sure to be there: managed ones, and what open snapshots see. They are
   * held as of the call, until it is read to its end or returned from.
   */
  versions(key: Key, options: VersionsOptions = {}): Generator<KeyVersion, void, void> {
    if (this.#state === undefined) throw new ClosedError('versions');
    const source = { state: this.#state, holds: this.#holds, snapshots: this.#snapshots };
    return openVersions(source, this.#core.tree.valueLog, this.#visibleSeq(), key, options);
  }

  /**
   * Begins a transaction; end it by commit or rollback. docs/transactions.md
   * @throws ClosedError, ReadOnlyError, TypeError, RangeError, NokvError NOKV_INVALID
   */
  begin(options: BeginOptions = {}): Transaction {
    if (this.#state === undefined || this.#closing !== undefined) throw new ClosedError('begin');
    return this.#oracle.begin(options);
  }

  /**
   * Calls `fn` in a transaction and commits it. After a conflict `fn` is called again, in another one, up to `retries` times: it must have
   * no effects of its own. What it throws rolls back and is thrown on. Resolves only when it is committed, or `fn` rolled it back.
   * @throws TransactionDoneError (rejects) when it expired, or the database was closed, while `fn` ran; and as `commit`
   */
  transaction<T>(
    fn: (transaction: Transaction) => T | Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    const untilVisible = () => this.#mustWrite('transaction').untilVisible();
    return runTransaction(this.#oracle, { env: this.#env, untilVisible }, fn, options);
  }

  /** As `transaction`, with one attempt. */
  update<T>(
    fn: (transaction: Transaction) => T | Promise<T>,
    options: UpdateOptions = {},
  ): Promise<T> {
    return this.transaction(fn, { ...options, retries: 0 });
  }

  /** Calls `fn` in a read-only transaction, which ends with it, or with the promise that it returns. */
  view<T>(
    fn: (transaction: Transaction) => T,
    options: Omit<BeginOptions, 'readOnly' | 'isolation'> = {},
  ): T {
    if (this.#state === undefined || this.#closing !== undefined) throw new ClosedError('view');
    return runView(this.#oracle, fn, options);
  }

  /** Pins the present: reads with it repeat until it is closed. */
  snapshot(): Snapshot {
    if (this.#state === undefined) throw new ClosedError('snapshot');
    const pinned = this.#core.follower === undefined ? undefined : this.#state;
    return this.#snapshots.create(this.#visibleSeq(), this.#env.clock.nowMs(), pinned);
  }

  /**
   * Takes in tables made outside (openTableWriter, exportTables) that do not overlap: all or none, durably, at one
   * moment. Their rows are newer than every write before the call, older than any after it. docs/external-tables.md
   * @throws NokvError NOKV_INVALID, NOKV_NOT_FOUND; CorruptionError, FormatError naming the file; IoError, ReadOnlyError
   */
  async ingest(paths: readonly string[], options: IngestOptions = {}): Promise<IngestResult> {
    if (this.#ingester === undefined) throw new ReadOnlyError('Cannot ingest: open read-only');
    return this.#ingester.ingest(paths, options);
  }

  /**
   * Writes the rows of a range, as of one moment, to tables in a directory, for `ingest`. The range is that of a scan.
   * @throws NokvError NOKV_INVALID, CorruptionError, IoError; then no file is left
   */
  async exportTables(
    range: ExportRange,
    directory: string,
    options: ExportTablesOptions = {},
  ): Promise<BuiltTable[]> {
    if (this.#state === undefined) throw new ClosedError('exportTables');
    const [{ valueLog }, seqMax] = [this.#core.tree, this.#visibleSeq()];
    const pinned = { state: this.#state, holds: this.#holds, snapshots: this.#snapshots };
    const source = { env: this.#env, ...pinned, valueLog, seqMax };
    return exportTables(source, range, directory, options);
  }

  /**
   * Of a read-only database: moves on to what the process that writes has written since. False when there was
   * nothing new. Scans and snapshots that are open stay where they are.
   * @throws CorruptionError, ChangedError (if retryable, call it again), IoError: what was seen before, or a later moment,
   * is still seen; NokvError NOKV_INVALID when the database is not read-only
   */
  refresh(): boolean {
    if (this.#state === undefined) throw new ClosedError('refresh');
    const { follower } = this.#core;
    if (follower === undefined) {
      throw new NokvError('NOKV_INVALID', 'Cannot refresh: the database is open for writing');
    }
    let next = follower.refresh(true);
    const isNew = next !== undefined;
    for (; next !== undefined; next = next.isWhole ? undefined : follower.refresh(false)) {
      const [before, { sealed, lastSeq }] = [this.#sealed, next];
      [this.#sealed, this.#followedSeq] = [[...sealed].reverse(), lastSeq];
      this.#rows.clear();
      this.#refreshState();
      for (const memtable of before) if (!this.#sealed.includes(memtable)) memtable.release();
    }
    return isNew;
  }

  /** Makes every write acknowledged so far survive a power loss. */
  sync(): Promise<void> {
    try {
      return this.#mustWrite('sync').sync();
    } catch (error) {
      return rejectedWith(error);
    }
  }

  /** Moves everything in memory into tables; not what is written meanwhile. */
  async flush(): Promise<void> {
    await this.#flushAll(this.#mustWrite('flush'));
  }

  async #flushAll(queue: WriteQueue): Promise<void> {
    queue.commitNow();
    const refusal = queue.refusal();
    if (refusal !== undefined) throw refusal;
    // Behind other writers it may be sealed by them.
    const { active } = queue;
    while (queue.active === active && !active.isEmpty()) {
      if (queue.rotate()) break;
      await this.#mustBackground().flushed();
    }
    await this.#mustBackground().flushed();
  }

  /** Flushes, then rewrites the tree until all that is dropped or shadowed by now is gone; not what is written meanwhile. */
  async compact(): Promise<void> {
    const seq = this.#visibleSeq();
    await this.flush();
    const compaction = this.#compaction as CompactionRunner;
    while (await this.#mustBackground().compactNow(() => compaction.pickFull(seq))) continue;
  }

  /** Collects value-log segments with garbage of at least `ratio`; tells of every segment what was done or why not. `dryRun` only tells. */
  async collectValueLog(options: CollectOptions = {}): Promise<SegmentReport[]> {
    checkNames(options, NAMES.collect);
    const { ratio = this.options.valueLogGcRatio, dryRun } = options;
    checkRatio(ratio);
    this.#mustWrite('collectValueLog');
    const compaction = this.#compaction as CompactionRunner;
    if (dryRun !== true) {
      await this.flush();
      await compaction.dropEmptySegments();
      while (await this.#mustBackground().compactNow(() => compaction.pickCollection(ratio)))
        continue;
    }
    return compaction.report(ratio);
  }

  /**
   * Resolves when no write is on its way, no background work is due and obsolete files are gone. Writes that come
   * meanwhile, and the work that they make, are not waited for to the end.
   */
  async settle(): Promise<void> {
    await this.#queue?.drain();
    await this.#background?.idle();
    await this.#core.tree.remover.drained();
  }

  /** Resolves when writers are not held back. @throws what stops the background, as a write that waits for it does */
  async untilUnthrottled(): Promise<void> {
    await this.#background?.unthrottled(() => (this.#queue?.waiting ?? 0) > 0);
  }

  stats(): Stats {
    if (this.#state === undefined) throw new ClosedError('stats');
    return collectStats({
      core: this.#core,
      options: this.options,
      state: this.#state,
      queue: this.#queue,
      background: this.#background,
      compaction: this.#compaction,
      snapshots: this.#snapshots,
      openScans: this.#holds.size + this.#oracle.openScans,
      oracle: this.#oracle,
      uptimeMs: this.#env.clock.nowMs() - this.#openedMs,
      wallMs: this.#env.clock.nowMs(),
      nowMs: this.#env.clock.monotonicMs(),
    });
  }

  get isClosed(): boolean {
    return this.#state === undefined;
  }

  /** Finishes writes, stops the background, makes everything durable and releases the lock. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #close(): Promise<void> {
    this.#oracle.closeAll();
    return runAll('Cannot close cleanly: see errors', [
      () => this.#ingester?.drained(),
      () => this.#queue?.drain(),
      () => this.#flushForClose(),
      () => this.#background?.close(),
      () => this.#endReads(),
      () => this.#core.close(this.#queue?.lastSeq ?? this.#core.lastSeq),
    ]);
  }

  #endReads(): void {
    for (const hold of [...this.#holds]) hold.release();
    this.#snapshots.closeAll();
    this.#state = undefined;
  }

  /** A big memtable is cheaper to flush now than to replay at the next open. */
  async #flushForClose(): Promise<void> {
    const queue = this.#queue;
    if (queue === undefined || queue.isFailed) return;
    if (queue.active.usedBytes >= FLUSH_AT_CLOSE_BYTES) await this.#flushAll(queue);
    else await this.#mustBackground().flushed();
  }

  #visibleSeq(): number {
    return this.#queue === undefined ? this.#followedSeq : this.#queue.visibleSeq;
  }

  #mustWrite(call: string): WriteQueue {
    if (this.#state === undefined || this.#closing !== undefined) throw new ClosedError(call);
    if (this.#queue === undefined)
      throw new ReadOnlyError(`Cannot ${call}: the database is open read-only`);
    return this.#queue;
  }

  #mustBackground(): Background {
    if (this.#background === undefined) throw new ReadOnlyError('Cannot do this: open read-only');
    return this.#background;
  }

  #oracleHost(): ConstructorParameters<typeof Oracle>[0] {
    return {
      env: this.#env,
      options: this.options,
      reader: this.#reader,
      valueLog: this.#core.tree.valueLog,
      slab: this.#scanSlab,
      key: new KeyBuffer(),
      state: () => this.#state,
      snapshot: () => this.snapshot(),
      mustWrite: (call) => this.#mustWrite(call),
      untrack: () => this.#queue?.untrack(),
    };
  }

  #ingestHost({ claims }: CompactionRunner): ConstructorParameters<typeof Ingester>[0] {
    return {
      env: this.#env,
      tree: this.#core.tree,
      claims,
      mustWrite: () => this.#mustWrite('ingest'),
      state: () => this.#state,
      flush: () => this.#flushAll(this.#queue as WriteQueue),
      onIngested: () => this.#background?.kick(),
    };
  }

  #queueHost(): ConstructorParameters<typeof WriteQueue>[1] {
    const core = this.#core;
    const background = this.#background as Background;
    return {
      nextMemtable: (bytes, entries) => this.#nextMemtable(bytes, entries),
      isSeparated: (family, key, length) => this.#placement.isSeparated(family, key, length),
      onFailure: (error) => {
        this.#env.log.write('error', 'writes stopped after a failure', {
          message: String(error),
        });
      },
      logs: core,
      delayMs: (bytes) => background.delayMs(bytes),
    };
  }

  /** Seals the active memtable and puts a fresh one in its place; undefined while writers must wait. */
  #nextMemtable(bytes: number, entries: number): LoggedMemtable | undefined {
    const background = this.#background as Background;
    // A flush that was asked for has no bytes.
    if (background.mustWait(bytes === 0)) return undefined;
    const state = this.#state as ReadState;
    const sealed = state.active;
    const next = this.#core.createMemtable(bytes, entries, sealed);
    sealed.isSealed = true;
    this.#sealed = [sealed, ...this.#sealed];
    this.#state = new ReadState(next, this.#sealed, this.#core.tree.current);
    background.addSealed(sealed);
    return next;
  }

  #refreshState(): void {
    const state = this.#state;
    if (state === undefined) return;
    this.#state = new ReadState(state.active, this.#sealed, this.#core.tree.current);
  }

  #onFlushed(memtable: LoggedMemtable): void {
    this.#sealed = this.#sealed.filter((other) => other !== memtable);
    this.#refreshState();
    memtable.isFlushed = true;
    memtable.release();
  }
}

/** At close, memtables from this size on are flushed instead of left to the log. */
const FLUSH_AT_CLOSE_BYTES = 1024 * 1024;

/**
 * Opens a workdir with an environment of the caller's choice.
 * @throws LockedError, CorruptionError, FormatError, ModeError, IoError, NokvError NOKV_INVALID
 */
export async function openDb(env: Env, workdir: string, given: OpenOptions = {}): Promise<Db> {
  if (typeof workdir !== 'string' || workdir === '') {
    throw new NokvError('NOKV_INVALID', 'Cannot open: the workdir must be the path of a directory');
  }
  const options = resolveOptions(given);
  return openFor(env, workdir, options, (core) => new Db(env, workdir, options, core));
}
