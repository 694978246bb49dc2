/**
 * Group commit. Callers in flight at the same time share one group: their entries are encoded straight
 * into the active memtable's data arena, behind room for a log record header, so that a value is
 * copied once. A group is committed at the end of the current microtask run: value log first, then one
 * log record written from the arena, then (durability `disk`) the syncs, then the entries enter
 * the index and the group's one promise resolves.
 *
 * Order: groups become visible in the order in which they were written; a group that needs no sync
 * waits for earlier ones that do. A failed or short write undoes its group alone and later writes may
 * succeed; a failed sync, and a write that could not be undone, are latched: nothing later is acknowledged.
 *
 * Single thread: everything but the sync itself is synchronous.
 */
import { copyBytes, detach } from '../base/bytes.js';
import type { Clock } from '../base/env.js';
import { ReadOnlyError } from '../base/errors.js';
import { BATCH_BYTES_MAX, MIB } from '../base/limits.js';
import { type BatchGuard, batchBytesMost, type BatchOperation, checkBatchSize } from './batch.js';
import type { RowCache } from './cache/row-cache.js';
import type { KeyRange } from './compaction/drop-rules.js';
import { entryBytes, entrySize, KIND_PUT, KIND_VALUE_POINTER, putEntryHeader } from './entry.js';
import type { HotWrites } from './hot/hot-writes.js';
import type { KeyBuffer } from './key.js';
import type { LoggedMemtable } from './logged-memtable.js';
import { NO_KEY } from './memtable/memtable.js';
import type { Durability } from './options.js';
import { nothingWritten } from './nothing-written.js';
import { RECORD_HEADER_BYTES } from './record-log.js';
import type { ActiveValueLog } from './vlog/active-value-log.js';
import { encodeValuePointer, VALUE_POINTER_SIZE } from './vlog/value-pointer.js';
import { WAL_BATCH } from './wal/format.js';
import type { WalWriter } from './wal/writer.js';
import { BATCH_HEADER_BYTES, WriteGroup, type WriteTracker } from './write-group.js';
import type { WriteCounters, WriteQueueHost } from './write-queue-host.js';
import { WriteWaiters } from './write-waiters.js';

/** A group is written as soon as it holds this much. */
const GROUP_BYTES_MAX = 4 * MIB;
/** Groups committed from microtasks before the event loop gets a turn. */
const GROUPS_PER_TURN = 32;

export class WriteQueue {
  /** Highest sequence number given out. */
  lastSeq: number;
  /** Highest sequence number that reads see. */
  visibleSeq: number;
  active: LoggedMemtable;
  readonly counters: WriteCounters;
  readonly #clock: Clock;
  readonly #host: WriteQueueHost;
  readonly #valueLog: ActiveValueLog;
  /** Loses a key's row at the moment when another entry of the key becomes visible. */
  readonly #rows: RowCache;
  /** undefined: writes are neither counted by key nor limited. */
  readonly #hot: HotWrites | undefined;
  #group: WriteGroup | undefined;
  /** Written, waiting for a sync or for an earlier group's. */
  readonly #written: WriteGroup[];
  #isSyncing: boolean;
  readonly #waiters: WriteWaiters;
  #groupsThisTurn: number;
  #failure: unknown;
  /** undefined: nobody wants to know. */
  #tracker: WriteTracker | undefined;
  readonly #commitSoon: () => void;

  constructor(
    clock: Clock,
    host: WriteQueueHost,
    valueLog: ActiveValueLog,
    active: LoggedMemtable,
    lastSeq: number,
    rows: RowCache,
    hot: HotWrites | undefined,
  ) {
    this.#clock = clock;
    this.#rows = rows;
    this.#hot = hot;
    this.#host = host;
    this.#valueLog = valueLog;
    valueLog.onSyncFailure = (error) => this.fail(error);
    this.active = active;
    this.lastSeq = lastSeq;
    this.visibleSeq = lastSeq;
    this.counters = {
      groups: 0,
      entries: 0,
      bytes: 0,
      syncs: 0,
      groupsSynced: 0,
      syncMs: 0,
      stalls: 0,
      stallMs: 0,
      delayedMs: 0,
    };
    this.#group = undefined;
    this.#written = [];
    this.#isSyncing = false;
    this.#waiters = new WriteWaiters(clock, this.counters);
    this.#groupsThisTurn = 0;
    this.#failure = undefined;
    this.#tracker = undefined;
    this.#commitSoon = () => this.#commitOpenGroup();
  }

  /** Writes queued for room, not yet in a group. */
  get waiting(): number {
    return this.#waiters.count;
  }

  get waitingBytes(): number {
    return this.#waiters.bytes;
  }

  /**
   * Writes one entry; `key` is borrowed for the call and `value` is copied before it returns.
   * Resolves when the entry is visible and as durable as asked. @throws ReadOnlyError after a failure
   */
  write(
    kind: number,
    key: KeyBuffer,
    family: number,
    value: Uint8Array,
    expiresAt: number,
    version: number,
    durability: Durability,
  ): Promise<void> {
    this.#checkFailure();
    if (this.#waiters.count === 0) {
      const done = this.#placeOne(kind, key, family, value, expiresAt, version, durability);
      if (done !== undefined) return done;
    }
    return this.#waitToWrite(kind, key, family, value, expiresAt, version, durability);
  }

  /**
   * Writes all operations as one atomic record. The caller leaves them unchanged until it resolves. What a guard
   * throws comes back as it is: thrown, or rejected with when the batch had to wait for room.
   */
  writeBatch(
    operations: readonly BatchOperation[],
    key: KeyBuffer,
    durability: Durability,
    guard?: BatchGuard,
  ): Promise<void> {
    this.#checkFailure();
    // Durability is a promise about all that was written before, too.
    if (operations.length === 0) return durability === 'disk' ? this.sync() : Promise.resolve();
    const bytes = this.#batchBytes(operations, key);
    const place = () => this.#placeBatch(operations, bytes, key, durability, guard);
    const done = this.#waiters.count === 0 ? place() : undefined;
    return done ?? this.#waiters.add(bytes, place);
  }

  /** Resolves when everything acknowledged so far is durable. */
  sync(): Promise<void> {
    this.#checkFailure();
    this.#commitForMore();
    const group = new WriteGroup(this.active, this.#valueLog.mark());
    group.needsSync = true;
    group.lastSeq = this.lastSeq;
    this.#finishWritten(group);
    return group.promise;
  }

  /** Resolves when every write that has a number by now is visible. Rejects as they do. */
  untilVisible(): Promise<void> {
    this.#commitOpenGroup();
    return this.#written.at(-1)?.promise ?? Promise.resolve();
  }

  /** Notes every write that is not visible yet, and from now on each that comes. Requires that none is tracking. */
  track(tracker: WriteTracker): void {
    for (const group of this.#written) group.noteAll(tracker);
    this.#group?.noteAll(tracker);
    this.#tracker = tracker;
  }

  untrack(): void {
    this.#tracker = undefined;
  }

  /**
   * Resolves when every write that was asked for before has its number. From then on no number is given out, and writes
   * wait in their order, until the function that it resolves with is called. Rejects as a write that waits for room.
   */
  hold(): Promise<() => void> {
    this.#checkFailure();
    return this.#waiters.hold();
  }

  /** What was ingested under the numbers up to `seq` is seen from now on. Requires a hold, and nothing unseen. */
  jumpTo(seq: number, ranges: readonly KeyRange[]): void {
    for (const { lower, upper } of ranges) this.#tracker?.noteRange(lower, upper, seq);
    this.lastSeq = seq;
    this.visibleSeq = seq;
    // By range is out of reach: rows are found by the hash of their key.
    this.#rows.clear();
  }

  get isFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** What every further write is refused with; undefined while all is well. */
  refusal(): ReadOnlyError | undefined {
    if (this.#failure === undefined) return undefined;
    return new ReadOnlyError('Cannot write: the database is read-only after a failure', {
      cause: this.#failure,
    });
  }

  /** Writes the open group now. */
  commitNow(): void {
    this.#commitOpenGroup();
  }

  /** Seals the active memtable; false when there is no room for another one yet. @throws IoError */
  rotate(): boolean {
    this.#commitForMore();
    const next = this.#host.nextMemtable(0, 0);
    if (next === undefined) return false;
    this.active = next;
    return true;
  }

  /** Resolves when no write that was asked for before is open, waiting or on its way to the disk. Failures are their writers'. */
  async drain(): Promise<void> {
    await this.#waiters.passed();
    this.#commitOpenGroup();
    const last = this.#written.at(-1);
    while (last !== undefined && this.#written.includes(last)) await this.#clock.nextTurn();
  }

  /** Called by the host when a memtable slot became free or pressure fell. */
  resume(): void {
    this.#waiters.resume();
  }

  /** Fails the writes that wait for room: what they wait for has failed. Nothing of them was written. */
  rejectWaiting(error: unknown): void {
    this.#waiters.reject(nothingWritten(error));
  }

  /** Fails every write that is not acknowledged, now and from now on. */
  fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    const open = this.#group;
    this.#group = undefined;
    const unknown = new ReadOnlyError('Cannot write: the database is read-only after a failure', {
      cause: error,
      outcome: 'unknown',
    });
    for (const group of this.#written.splice(0)) group.reject(unknown);
    if (open !== undefined && open.entries > 0) open.reject(unknown);
    this.#waiters.rejectAll(unknown);
    this.#host.onFailure(error);
  }

  #checkFailure(): void {
    const refusal = this.refusal();
    if (refusal !== undefined) throw refusal;
  }

  #placeOne(
    kind: number,
    key: KeyBuffer,
    family: number,
    value: Uint8Array,
    expiresAt: number,
    version: number,
    durability: Durability,
  ): Promise<void> | undefined {
    this.#hot?.admit(key);
    const isSeparated = kind === KIND_PUT && this.#host.isSeparated(family, key, value.length);
    const stored = isSeparated ? VALUE_POINTER_SIZE : value.length;
    const size = entrySize(key.length, stored, version !== 0, expiresAt !== 0);
    if (!this.#makeRoom(size, 1)) return undefined;
    if (isSeparated) this.#makeRoomForValues(value.length);
    const group = this.#group ?? this.#openGroup();
    this.#encode(group, kind, isSeparated, key, value, expiresAt, version);
    if (durability === 'disk') group.needsSync = true;
    if (group.memtable.cursor - group.recordStart >= GROUP_BYTES_MAX) this.#commitOpenGroup();
    return group.promise;
  }

  #placeBatch(
    operations: readonly BatchOperation[],
    bytes: number,
    key: KeyBuffer,
    durability: Durability,
    guard: BatchGuard | undefined,
  ): Promise<void> | undefined {
    this.#hot?.admitAll(operations, key);
    if (!this.#makeRoom(bytes, operations.length)) return undefined;
    this.#makeRoomForValues(BATCH_BYTES_MAX);
    guard?.validate();
    const group = this.#group ?? this.#openGroup();
    const { cursor, separatedBytes } = group.memtable;
    const { entries } = group;
    const mark = this.#valueLog.mark();
    try {
      for (const operation of operations) this.#encodeOperation(group, operation, key);
    } catch (error) {
      group.memtable.cursor = cursor;
      group.memtable.separatedBytes = separatedBytes;
      group.entries = entries;
      this.#valueLog.rewind(mark);
      throw error;
    }
    guard?.placed(this.lastSeq);
    if (durability === 'disk') group.needsSync = true;
    if (group.memtable.cursor - group.recordStart >= GROUP_BYTES_MAX) this.#commitOpenGroup();
    return group.promise;
  }

  #encodeOperation(group: WriteGroup, operation: BatchOperation, key: KeyBuffer): void {
    const { kind, family, value } = operation;
    key.encode(family, operation.key);
    const isSeparated = kind === KIND_PUT && this.#host.isSeparated(family, key, value.length);
    this.#encode(group, kind, isSeparated, key, value, operation.expiresAt, operation.version);
  }

  /**
   * Arena bytes of a batch, or more than it takes when there is room for them anyway: counting exactly is encoding every
   * key. That also refuses a bad one before anything is written, and too large a batch. @throws RangeError
   */
  #batchBytes(operations: readonly BatchOperation[], key: KeyBuffer): number {
    const most = batchBytesMost(operations);
    if (most <= GROUP_BYTES_MAX && this.#hasRoomFor(most, operations.length)) return most;
    let bytes = 0;
    let separated = 0;
    for (const operation of operations) {
      key.encode(operation.family, operation.key);
      const isSeparated =
        operation.kind === KIND_PUT &&
        this.#host.isSeparated(operation.family, key, operation.value.length);
      const stored = isSeparated ? VALUE_POINTER_SIZE : operation.value.length;
      bytes += entrySize(key.length, stored, operation.version !== 0, operation.expiresAt !== 0);
      if (isSeparated) separated += operation.value.length;
    }
    checkBatchSize(operations.length, bytes + separated);
    return bytes;
  }

  /** Encodes one entry at the cursor. Requires room. */
  #encode(
    group: WriteGroup,
    kind: number,
    isSeparated: boolean,
    key: KeyBuffer,
    value: Uint8Array,
    expiresAt: number,
    version: number,
  ): void {
    let seq = this.lastSeq + 1;
    // "version = seq" is how an ordinary entry is told from a managed one: a managed one skips that number.
    if (version === seq) seq++;
    const entryVersion = version === 0 ? seq : version;
    const memtable = group.memtable;
    if (isSeparated) {
      // May have to write to the file and fail: before anything else changes.
      const writer = this.#valueLog.writer;
      writer.append(key.bytes, 0, key.length, seq, entryVersion, value, 0, value.length);
      memtable.separatedBytes += writer.lastLength;
    }
    this.lastSeq = seq;
    const data = memtable.data;
    const entryStart = memtable.cursor;
    const valueLength = isSeparated ? VALUE_POINTER_SIZE : value.length;
    const storedKind = isSeparated ? KIND_VALUE_POINTER : kind;
    let at = putEntryHeader(
      memtable.view,
      memtable.cursor,
      storedKind,
      key.length,
      valueLength,
      seq,
      entryVersion,
      expiresAt,
    );
    copyBytes(key.bytes, 0, data, at, key.length);
    at += key.length;
    if (isSeparated) {
      const writer = this.#valueLog.writer;
      encodeValuePointer(data, at, writer.header.fileNumber, writer.lastStart, writer.lastLength);
    } else {
      copyBytes(value, 0, data, at, valueLength);
    }
    memtable.cursor = at + valueLength;
    group.entries++;
    group.lastSeq = seq;
    if (this.#hot !== undefined) this.#hot.touch(kind, key);
    if (this.#tracker !== undefined) this.#tracker.note(memtable.view, data, entryStart, key.hash);
  }

  /** True when the active memtable can take a record of `bytes`; rotates if need be. */
  #makeRoom(bytes: number, entries: number): boolean {
    if (this.#hasRoomFor(bytes, entries)) return true;
    this.#commitForMore();
    const needed = bytes + RECORD_HEADER_BYTES + BATCH_HEADER_BYTES;
    let next: LoggedMemtable | undefined;
    try {
      next = this.#host.nextMemtable(needed, entries);
    } catch (error) {
      throw nothingWritten(error);
    }
    if (next === undefined) return false;
    this.active = next;
    return true;
  }

  /** A segment is left between groups only, and values of many writes may come as one group. */
  #makeRoomForValues(bytes: number): void {
    if (this.#group !== undefined && !this.#valueLog.hasRoomFor(bytes)) this.#commitForMore();
  }

  #hasRoomFor(bytes: number, entries: number): boolean {
    const open = this.#group === undefined ? 0 : this.#group.entries;
    return this.active.hasRoomFor(bytes + RECORD_HEADER_BYTES + BATCH_HEADER_BYTES, entries + open);
  }

  #openGroup(): WriteGroup {
    this.#valueLog.maybeRotate();
    const group = new WriteGroup(this.active, this.#valueLog.mark());
    this.active.cursor += RECORD_HEADER_BYTES + BATCH_HEADER_BYTES;
    this.#group = group;
    if (this.#groupsThisTurn < GROUPS_PER_TURN) {
      this.#groupsThisTurn++;
      queueMicrotask(this.#commitSoon);
    } else {
      // A loop of writers that only ever await microtasks would starve timers and worker messages.
      this.#groupsThisTurn = 0;
      void this.#clock.nextTurn().then(this.#commitSoon);
    }
    return group;
  }

  /**
   * Writes the open group for who goes on behind it. @throws ReadOnlyError when that has failed for good: no record, and no
   * segment, follows one that ends in doubt
   */
  #commitForMore(): void {
    this.#commitOpenGroup();
    this.#checkFailure();
  }

  #commitOpenGroup(): void {
    const group = this.#group;
    if (group === undefined) return;
    this.#group = undefined;
    const memtable = group.memtable;
    const start = group.recordStart;
    if (group.entries === 0) {
      // Its only writes were refused while they were encoded, and nobody holds its promise.
      this.#undo(group);
      return;
    }
    const payload = memtable.cursor - start - RECORD_HEADER_BYTES;
    try {
      this.#valueLog.flush();
      memtable.view.setUint32(start + RECORD_HEADER_BYTES, group.entries, true);
      (memtable.wal as WalWriter).append(memtable.data, memtable.view, start, payload, WAL_BATCH);
    } catch (error) {
      const isLatched = (memtable.wal as WalWriter).failure !== undefined;
      // The record may be there for all anybody knows: its values have to stay, and nothing may come behind it.
      if (!isLatched) this.#undo(group);
      group.reject(error);
      if (isLatched) this.fail(error);
      return;
    }
    this.counters.groups++;
    this.counters.entries += group.entries;
    this.counters.bytes += payload;
    this.#finishWritten(group);
  }

  /** Nothing of the group is left: not in the arena, not in the value log. */
  #undo(group: WriteGroup): void {
    group.memtable.cursor = group.recordStart;
    group.memtable.separatedBytes = group.separatedBefore;
    this.#valueLog.rewind(group.valueLogMark);
  }

  /** A written group becomes visible at once, or takes its place in the queue for the sync. */
  #finishWritten(group: WriteGroup): void {
    group.memtable.pendingEntries += group.entries;
    if (!group.needsSync && this.#written.length === 0 && !this.#isSyncing) {
      this.#makeVisible(group);
      return;
    }
    this.#written.push(group);
    if (!this.#isSyncing) void this.#syncWritten();
  }

  /** Syncs for all groups written so far, again and again until none needs it. Never rejects. */
  async #syncWritten(): Promise<void> {
    this.#isSyncing = true;
    while (this.#written.length > 0 && this.#failure === undefined) {
      const groups = this.#written.slice();
      const startMs = this.#clock.monotonicMs();
      // Records written from here on may point to values that this sync of the value log does not reach.
      const marks = this.#host.logs.logMarks();
      try {
        await this.#valueLog.sync();
        await this.#host.logs.syncLogs(marks);
      } catch (error) {
        this.fail(error);
        break;
      }
      if (this.#failure !== undefined) break;
      this.counters.syncs++;
      this.counters.groupsSynced += groups.length;
      this.counters.syncMs += this.#clock.monotonicMs() - startMs;
      this.#written.splice(0, groups.length);
      for (const group of groups) this.#makeVisible(group);
    }
    this.#isSyncing = false;
  }

  #makeVisible(group: WriteGroup): void {
    const memtable = group.memtable;
    const view = memtable.view;
    let at = group.firstEntryAt;
    const hasRows = !this.#rows.isEmpty;
    for (let i = 0; i < group.entries; i++) {
      const hash = memtable.memtable.insert(at);
      if (hasRows) {
        if (hash === NO_KEY) this.#rows.clear();
        else this.#rows.remove(hash);
      }
      at += entryBytes(view, at);
    }
    if (group.entries > 0) this.visibleSeq = group.lastSeq;
    memtable.shown(group.entries);
    const delay = this.#host.delayMs(at - group.recordStart);
    if (delay > 0) {
      this.counters.delayedMs += delay;
      // A plain timer would let the process end while its only writer is slowed down.
      void this.#clock.sleep(delay).then(group.resolve);
    } else {
      group.resolve();
    }
  }

  #waitToWrite(
    kind: number,
    key: KeyBuffer,
    family: number,
    value: Uint8Array,
    expiresAt: number,
    version: number,
    durability: Durability,
  ): Promise<void> {
    const ownKey = key.clone();
    const ownValue = detach(value, 0, value.length); // a Buffer's slice shares its memory
    return this.#waiters.add(ownKey.length + ownValue.length, () =>
      this.#placeOne(kind, ownKey, family, ownValue, expiresAt, version, durability),
    );
  }
}
