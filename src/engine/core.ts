/**
 * What an open database is made of: lock, tree, memtables, log segments, value log. Knows how these are
 * created, synced and closed; knows nothing of requests.
 */
import type { DirectoryLock, Env } from '../base/env.js';
import { IoError } from '../base/errors.js';
import { runAll } from '../base/run-all.js';
import type { BlockCache } from './cache/block-cache.js';
import type { TableCache } from './cache/table-cache.js';
import { bucketName, VALUE_LOG_DIRECTORY, walName } from './file-names.js';
import { HotKeys } from './hot/hot-keys.js';
import { FIRST_RECORD_AT, LoggedMemtable } from './logged-memtable.js';
import type { VersionEdit } from './manifest/version-edit.js';
import { ArenaPool } from './memtable/arena-pool.js';
import { indexBytesFor, Memtable } from './memtable/memtable.js';
import type { Options } from './options.js';
import type { RecoveryReport } from './recovery-report.js';
import { nothingWritten } from './nothing-written.js';
import type { LogPosition } from './record-log.js';
import { manifestInit, type Tree } from './tree.js';
import { newIdentity } from './unique-identity.js';
import { ActiveValueLog } from './vlog/active-value-log.js';
import { ValueLogWriter } from './vlog/writer.js';
import type { ReplayedSegment } from './wal-recovery.js';
import { WalWriter } from './wal/writer.js';

export interface CoreParts {
  readonly env: Env;
  readonly workdir: string;
  readonly options: Options;
  /** undefined when open read-only. */
  readonly lock: DirectoryLock | undefined;
  readonly pool: ArenaPool;
  readonly tree: Tree;
  readonly blockCache: BlockCache;
  readonly tableCache: TableCache;
  readonly report: RecoveryReport;
  /** Of a read-only database: how it keeps up with the process that writes. */
  readonly follower?: Follower;
}

/** What a read-only database sees after a refresh. */
export interface FollowedState {
  /** Memtables, oldest first: those seen before and new ones. */
  readonly sealed: readonly LoggedMemtable[];
  readonly lastSeq: number;
  /** False: later logs have not been read yet, because memory was short; the next refresh does. */
  readonly isWhole: boolean;
}

export interface Follower {
  /**
   * Makes the state of now current in the tree; undefined when nothing has changed. With `mayStop` only as far as
   * memtables fit, while those seen before have to be kept; at least one log further.
   * @throws CorruptionError, ChangedError, IoError; the state before stays in use
   */
  refresh(mayStop: boolean): FollowedState | undefined;
}

/** New values go to this bucket; compaction jobs write survivors to higher ones. */
export const FRESH_BUCKET = 0;

export class Core {
  readonly env: Env;
  readonly workdir: string;
  readonly options: Options;
  readonly pool: ArenaPool;
  readonly tree: Tree;
  readonly blockCache: BlockCache;
  readonly tableCache: TableCache;
  readonly report: RecoveryReport;
  readonly follower: Follower | undefined;
  readonly hotKeys: HotKeys;
  readonly valueLog: ActiveValueLog;
  /** Recovered memtables, oldest first: to be flushed. */
  readonly sealed: LoggedMemtable[];
  /** The memtable that the write queue starts with. */
  readonly active: LoggedMemtable;
  /** Highest sequence number found. */
  readonly lastSeq: number;
  readonly #lock: DirectoryLock | undefined;
  /** Segments that may hold records that are not durable, oldest first; the last one is active. */
  readonly #unsyncedLogs: WalWriter[];
  /** Segments whose directory entry is durable. */
  readonly #listedLogs: Set<number>;
  /** Of durable segments, not yet in the manifest. */
  readonly #seals: SealEdit[];
  #segmentsDeleted: number;

  private constructor(parts: CoreParts, replayed: readonly ReplayedSegment[]) {
    this.env = parts.env;
    this.workdir = parts.workdir;
    this.options = parts.options;
    this.pool = parts.pool;
    this.tree = parts.tree;
    this.blockCache = parts.blockCache;
    this.tableCache = parts.tableCache;
    this.report = parts.report;
    this.follower = parts.follower;
    this.hotKeys = new HotKeys(parts.env.clock, parts.options);
    this.#lock = parts.lock;
    this.#unsyncedLogs = [];
    this.#listedLogs = new Set();
    this.#seals = [];
    this.#segmentsDeleted = 0;
    this.valueLog = new ActiveValueLog(
      {
        createSegment: () => this.#createSegment(),
        syncDirectory: (writer) => this.#listSegment(writer),
        onDurable: (writer) => this.#noteSealed(writer),
      },
      parts.options.valueLogFileBytes,
    );
    this.sealed = replayed.flatMap((segment) => this.#sealedFrom(segment));
    this.lastSeq = replayed.reduce(
      (max, segment) => Math.max(max, segment.maxSeq),
      parts.tree.manifest.version.lastSeq,
    );
    this.active =
      parts.lock === undefined ? this.#emptyMemtable() : this.createMemtable(0, 0, undefined);
  }

  /** Takes over the replayed segments and starts a fresh log. @throws IoError */
  static create(parts: CoreParts, replayed: readonly ReplayedSegment[]): Core {
    return new Core(parts, replayed);
  }

  get segmentsDeleted(): number {
    return this.#segmentsDeleted;
  }

  /**
   * A memtable with a log segment of its own that follows that of `previous`. The empty segment is durable
   * when it returns: one that the manifest names and that is missing was not lost with the power, it was
   * flushed under a manifest that has lost its end. @throws IoError
   */
  createMemtable(
    bytes: number,
    entries: number,
    previous: LoggedMemtable | undefined,
  ): LoggedMemtable {
    const { env, options, pool } = this;
    // First, as there may be no such memory: once the manifest names the segment, nothing may go to that before.
    const arena = pool.acquire(FIRST_RECORD_AT + bytes, indexBytesFor(options.memtable, entries));
    let wal: WalWriter;
    try {
      wal = this.#createLog(previous);
    } catch (error) {
      pool.release(arena);
      throw nothingWritten(error);
    }
    this.#unsyncedLogs.push(wal);
    const memtable = Memtable.create(options.memtable, arena, env.random);
    return new LoggedMemtable(
      memtable,
      wal.fileNumber,
      wal,
      pool,
      this.#minValueLog(),
      options.valueLogFileBytes,
    );
  }

  #createLog(previous: LoggedMemtable | undefined): WalWriter {
    const { env, tree } = this;
    // Else each write that is refused would leave a file behind.
    tree.mustTakeEdits();
    const fileNumber = tree.nextFileNumber();
    const path = env.fs.join(this.workdir, walName(fileNumber));
    const wal = WalWriter.create(env.fs, path, {
      ...manifestInit(env, fileNumber),
      continues: tree.manifest.syncedPosition(),
    });
    try {
      wal.syncBlocking();
      this.#listLog(fileNumber);
      tree.note(addWalEdit(env, fileNumber, previous?.wal));
    } catch (error) {
      wal.close();
      const { failure } = tree.manifest;
      if (failure === undefined) env.fs.remove(path);
      // The edit may be there for all anybody knows: then the segment is needed, and the one before ends here.
      else previous?.wal?.latch(failure);
      throw error;
    }
    return wal;
  }

  /** Where the segments end now that may hold records that are not durable. */
  logMarks(): LogPosition[] {
    return this.#unsyncedLogs.map((wal) => wal.position);
  }

  /**
   * Makes the log records before `marks` durable, oldest segment first, and the names of the segments of both logs.
   * The marks are of before the value log was synced: a record behind them may point to a value that was not, and must
   * not be called synced. @throws IoError, ReadOnlyError
   */
  async syncLogs(marks: readonly LogPosition[]): Promise<void> {
    // First: from here on records may say that those before the marks are durable, whose values lie in what has a name.
    await this.tree.syncNames();
    // When nothing that came since needs a value or a name that is not durable, it comes along: else a sync of its own.
    const all = this.valueLog.isSynced && this.tree.hasSyncedNames ? this.logMarks() : marks;
    for (const wal of [...this.#unsyncedLogs]) {
      const mark = all.find(({ fileNumber }) => fileNumber === wal.fileNumber);
      // Flushed while an older one was synced: its entries are durable in a table, the file is closed.
      if (mark === undefined || !this.#unsyncedLogs.includes(wal)) continue;
      if (!this.#listedLogs.has(wal.fileNumber)) this.#listLog(wal.fileNumber);
      await wal.sync(mark);
      const isActive = this.#unsyncedLogs[this.#unsyncedLogs.length - 1] === wal;
      // One that was active when its sync began may have taken records, and been sealed, meanwhile.
      if (isActive || !wal.isSynced) continue;
      this.#forgetUnsynced(wal);
      if (this.tree.manifest.version.wals.has(wal.fileNumber)) {
        this.#noteSeal({ sealWal: wal.seal(), sealValueLog: undefined });
      }
      wal.close();
    }
    // The seals.
    await this.tree.syncNames();
  }

  /**
   * Says in the manifest where a durable segment ends. Recovery does without, so that a full disk stops
   * nobody: what can not be written now is tried again with the next one. @throws ReadOnlyError when latched
   */
  #noteSeal(seal: SealEdit): void {
    this.#seals.push(seal);
    const { version } = this.tree.manifest;
    const timeMs = this.env.clock.nowMs();
    try {
      for (let next = this.#seals[0]; next !== undefined; next = this.#seals[0]) {
        const { sealWal, sealValueLog } = next;
        const isThere =
          sealWal === undefined
            ? version.valueLog.has(sealValueLog.fileNumber)
            : version.wals.has(sealWal.fileNumber);
        if (sealWal !== undefined && isThere)
          this.tree.note({ timeMs, reason: 'log', sealWal: [sealWal] });
        if (sealValueLog !== undefined && isThere)
          this.tree.note({ timeMs, reason: 'value log', sealValueLog: [sealValueLog] });
        this.#seals.shift();
      }
    } catch (error) {
      if (!(error instanceof IoError)) throw error;
      this.env.log.write('warn', 'segment not sealed yet', { message: error.message });
    }
  }

  /** Removes the segments of a memtable that is in a durable table now. */
  removeLog(memtable: LoggedMemtable): void {
    if (memtable.wal !== undefined) {
      this.#forgetUnsynced(memtable.wal);
      memtable.wal.close();
    }
    this.tree.remover.remove(this.env.fs.join(this.workdir, walName(memtable.logNumber)));
    this.#segmentsDeleted++;
  }

  /** Makes everything durable, marks the close as clean and lets go of all files and the lock. */
  async close(lastSeq: number): Promise<void> {
    const isWriter = this.#lock !== undefined;
    // Whatever fails: the threads end, and the lock goes last.
    await runAll('Cannot close cleanly: see errors', [
      () => (isWriter ? this.#closeClean(lastSeq) : undefined),
      () => {
        for (const wal of this.#unsyncedLogs) wal.close();
      },
      () => {
        this.valueLog.close();
      },
      () => {
        this.tree.close();
      },
      () => {
        this.tree.manifest.close();
      },
      () => this.tree.remover.drained(),
      () => this.env.executor.close(),
      () => this.#lock?.release(),
    ]);
    this.pool.clear();
  }

  /** The last segment stays, also without entries: its header tells a manifest that lost its end. */
  async #closeClean(lastSeq: number): Promise<void> {
    this.valueLog.flush();
    this.valueLog.seal();
    const marks = this.logMarks();
    await this.valueLog.sync();
    await this.syncLogs(marks);
    const seals = this.#unsyncedLogs.map((wal) => wal.seal());
    await this.tree.apply({
      timeMs: this.env.clock.nowMs(),
      reason: 'close',
      lastSeq,
      sealWal: seals,
      cleanClose: true,
    });
  }

  #sealedFrom(segment: ReplayedSegment): LoggedMemtable[] {
    if (segment.memtable === undefined) return [];
    const minValueLog = Number.isFinite(segment.minValueLog)
      ? segment.minValueLog
      : this.tree.nextFileNumber();
    const memtable = new LoggedMemtable(
      segment.memtable,
      segment.fileNumber,
      undefined,
      this.pool,
      minValueLog,
      0,
    );
    memtable.cursor = segment.bytes;
    memtable.isSealed = true;
    return [memtable];
  }

  /** For a read-only database: never written, without a log and without room. */
  #emptyMemtable(): LoggedMemtable {
    const { memtable: kind } = this.options;
    const pool = new ArenaPool(FIRST_RECORD_AT, indexBytesFor(kind, 0), 0);
    const memtable = Memtable.create(kind, pool.acquire(), this.env.random);
    return new LoggedMemtable(memtable, 0, undefined, pool, 0, 0);
  }

  /** Lowest value-log file that a pointer written from now on can name. */
  #minValueLog(): number {
    return this.valueLog.activeNumber ?? this.tree.manifest.version.nextFileNumber;
  }

  /** Makes the directory entry of a segment durable. */
  #listLog(fileNumber: number): void {
    this.env.fs.syncDirectory(this.workdir);
    this.#listedLogs.add(fileNumber);
  }

  #forgetUnsynced(wal: WalWriter): void {
    const at = this.#unsyncedLogs.indexOf(wal);
    if (at >= 0) this.#unsyncedLogs.splice(at, 1);
    this.#listedLogs.delete(wal.fileNumber);
  }

  #createSegment(): ValueLogWriter {
    const { env, tree } = this;
    tree.mustTakeEdits();
    const fileNumber = tree.nextFileNumber();
    const directory = env.fs.join(this.workdir, VALUE_LOG_DIRECTORY, bucketName(FRESH_BUCKET));
    env.fs.makeDirectory(directory);
    const path = tree.segmentPath(fileNumber, FRESH_BUCKET);
    const identity = newIdentity(env.random);
    const writer = ValueLogWriter.create(env.fs, path, {
      fileNumber,
      bucket: FRESH_BUCKET,
      identity,
      createdMs: env.clock.nowMs(),
    });
    try {
      tree.addSegment({ fileNumber, bucket: FRESH_BUCKET, identity });
    } catch (error) {
      writer.close();
      // Of a latched manifest nobody knows whether it names the segment.
      if (tree.manifest.failure === undefined) env.fs.remove(path);
      throw nothingWritten(error);
    }
    return writer;
  }

  /** Makes the directory entries on the way to a segment durable. */
  #listSegment(writer: ValueLogWriter): void {
    const { fs } = this.env;
    const root = fs.join(this.workdir, VALUE_LOG_DIRECTORY);
    fs.syncDirectory(fs.join(root, bucketName(writer.header.bucket)));
    fs.syncDirectory(root);
    fs.syncDirectory(this.workdir);
  }

  /** A sealed segment is durable: its length is on record from now on, if it has that length. */
  #noteSealed(writer: ValueLogWriter): void {
    const { fileNumber } = writer.header;
    const bytes = writer.flushedBytes;
    // Behind an undone group that could not be cut off there may be more; the next open takes it as it is.
    const hasLength = writer.file.size() === bytes;
    writer.close();
    if (hasLength) this.#noteSeal({ sealWal: undefined, sealValueLog: { fileNumber, bytes } });
  }
}

/** One of the two. */
type SealEdit =
  | { readonly sealWal: LogPosition; readonly sealValueLog: undefined }
  | {
      readonly sealWal: undefined;
      readonly sealValueLog: { readonly fileNumber: number; readonly bytes: number };
    };

function addWalEdit(env: Env, fileNumber: number, previous: WalWriter | undefined): VersionEdit {
  return {
    timeMs: env.clock.nowMs(),
    reason: 'log',
    addWal: [
      {
        fileNumber,
        previous: previous?.fileNumber ?? 0,
        previousBytes: previous?.bytes ?? 0,
        previousChain: previous?.chain ?? 0,
        isSynced: true,
        bootId: env.host.bootId,
      },
    ],
  };
}
