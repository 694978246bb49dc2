/**
 * Opens a database to read it, without lock and without writing a byte, also beside the process that writes
 * to it. Strict where an inspection is lenient: what an ordinary open refuses as damaged is refused here.
 *
 * What is opened is one version: all its files are held open, so that the writer may remove them. The rule
 * that tells a file that vanished from one that is missing is that of open-inspection.ts: a failure under a
 * manifest that has changed meanwhile is tried again, any other is true.
 *
 * Following: `refresh` takes over a later version. Tables and value-log segments that are still named are kept; the
 * manifest and the logs (followed-log.ts) are read on where they ended before.
 *
 * The workdir may have been begun anew, or copied back: another database, whose files have the same numbers. It is taken
 * over like a later version when nothing of it would be mistaken for what is open. What is kept is compared with what
 * lies there: manifest and logs by their chain values, tables and segments by their identities, and one that differs
 * is refused, since older readers still look files up by number.
 *
 * A follower that was slow finds other logs than those it knows, as many again. The memtables that readers see stay until
 * others take their place, so both would be in memory. It then stops between two logs: what lies in the tables and in
 * the first new logs is what the database was at a moment, later than the one seen before, because all logs that are
 * named no more lie in the tables. The rest comes when the old memtables have gone. Not so when a table holds what is
 * newer than the logs read so far, as an ingested one does: then all are read.
 *
 * The manifest is read before the logs, which go on meanwhile. What is flushed then is in a log that is held open; what is
 * ingested is in no log, and a write behind it must not show without it: then all is read anew.
 */
import type { Env } from '../../base/env.js';
import { ChangedError, CorruptionError, IoError, NokvError } from '../../base/errors.js';
import { BlockCache } from '../cache/block-cache.js';
import { TableCache } from '../cache/table-cache.js';
import { Core, type Follower, type FollowedState } from '../core.js';
import { CURRENT_NAME, segmentPath, tableName, walName } from '../file-names.js';
import { checkLeftOverLogs } from '../left-over-logs.js';
import { LoggedMemtable } from '../logged-memtable.js';
import { FixedManifest } from '../manifest/fixed-manifest.js';
import {
  checkManifestContinues,
  type LoadedManifest,
  loadManifest,
  manifestStamp,
  readOnManifest,
  stampOf,
} from '../manifest/manifest-reader.js';
import type { Version } from '../manifest/version.js';
import type { ArenaPool } from '../memtable/arena-pool.js';
import { arenaPoolFor, type Memtable } from '../memtable/memtable.js';
import type { Options } from '../options.js';
import { prefixRulesFor } from '../prefix-filters.js';
import { ScanPruning } from '../scan-pruning.js';
import { reportOf } from '../recovery-report.js';
import { Tree } from '../tree.js';
import { hasItsValue, mayBeLost } from '../value-probe.js';
import { ValueLogFile } from '../vlog/reader.js';
import { expectedEnd, replaySegments, type ReplayedSegment } from '../wal-recovery.js';
import { FILE_MISSING } from './findings.js';
import { FollowedLog } from './followed-log.js';
import { ReadOnlyFs } from './read-only-fs.js';
import { lostCurrent, workdirIsFile } from './workdir-files.js';

/** Times a load is started over while the writer moves on. */
const ATTEMPTS_MAX = 20;

/** @throws NokvError NOKV_NOT_FOUND, CorruptionError, FormatError, ChangedError, IoError */
export async function openReadOnlyCore(env: Env, workdir: string, options: Options): Promise<Core> {
  const fs = new ReadOnlyFs(env.fs);
  const readEnv: Env = { ...env, fs };
  if (fs.stat(fs.join(workdir, CURRENT_NAME)) === undefined) throw notFound(fs, workdir);
  // A memtable that the writer has flushed gives way to a new one. Were its arena dropped instead, they would pile
  // up, because the garbage collector does not know what a shared buffer weighs.
  const pool = arenaPoolFor(options, options.memtableCount);
  const follower = new WorkdirFollower(readEnv, fs, workdir, options, pool);
  return Promise.resolve(follower.open());
}

/** Nothing there, or CURRENT lost beside the files of a database. */
function notFound(fs: ReadOnlyFs, workdir: string): NokvError {
  const stat = fs.stat(workdir);
  if (stat?.isDirectory === false) return workdirIsFile(workdir);
  const lost = stat === undefined ? undefined : lostCurrent(fs, workdir);
  if (lost !== undefined) return lost;
  return new NokvError('NOKV_NOT_FOUND', 'Cannot open: there is no database', {
    details: { workdir },
    hint: `Check the path ${workdir}`,
  });
}

/** One version with its files open, before it is part of a database. */
interface Loaded {
  readonly manifest: LoadedManifest;
  /** That of the manifest, and value-log segments that only a log mentions. */
  readonly version: Version;
  /** Segments that were read as a whole, oldest first. */
  readonly replayed: readonly ReplayedSegment[];
  readonly newSegments: readonly ValueLogFile[];
  /** All logs of the version were read. */
  readonly isWhole: boolean;
}

class WorkdirFollower implements Follower {
  readonly #env: Env;
  readonly #fs: ReadOnlyFs;
  readonly #workdir: string;
  readonly #options: Options;
  readonly #pool: ArenaPool;
  /** Set by `open`. */
  #tree: Tree | undefined;
  #fixed: FixedManifest | undefined;
  /** As it was last read. */
  #manifest: LoadedManifest | undefined;
  #stamp: string;
  /** By segment number. */
  #logs: Map<number, FollowedLog>;
  #lastSeq: number;

  constructor(env: Env, fs: ReadOnlyFs, workdir: string, options: Options, pool: ArenaPool) {
    this.#env = env;
    this.#fs = fs;
    this.#workdir = workdir;
    this.#options = options;
    this.#pool = pool;
    this.#tree = undefined;
    this.#fixed = undefined;
    this.#manifest = undefined;
    this.#stamp = '';
    this.#logs = new Map();
    this.#lastSeq = 0;
  }

  open(): Core {
    const { env, options, workdir } = {
      env: this.#env,
      options: this.#options,
      workdir: this.#workdir,
    };
    return this.#load((loaded) => {
      const manifest = new FixedManifest(loaded.manifest, loaded.version);
      const blockCache = new BlockCache(options.cacheBytes, env.memory);
      const tableCache = new TableCache(options.indexCacheBytes);
      const pruning = new ScanPruning(prefixRulesFor(options.prefixFilters));
      const parts = { env, workdir, manifest, blockCache, tableCache, pruning };
      const tree = new Tree({ ...parts, isReadOnly: true });
      this.#tree = tree;
      this.#fixed = manifest;
      for (const segment of loaded.newSegments) tree.valueLog.add(segment);
      const report = reportOf(loaded.manifest, loaded.replayed, loaded.version);
      const { replayed } = loaded;
      const common = { env, workdir, options, lock: undefined, pool: this.#pool };
      const core = Core.create(
        { ...common, tree, blockCache, tableCache, report, follower: this },
        replayed,
      );
      const memtables = new Map(core.sealed.map((memtable) => [memtable.logNumber, memtable]));
      this.#remember(loaded, (segment) => memtables.get(segment.fileNumber));
      this.#lastSeq = core.lastSeq;
      return core;
    });
  }

  refresh(mayStop: boolean): FollowedState | undefined {
    if (this.#stampNow() === this.#stamp && !this.#haveLogsGrown()) return undefined;
    return this.#load((loaded) => this.#takeOver(loaded), mayStop);
  }

  /** Installs a later state; the memtables of segments that were not read as a whole stay. */
  #takeOver(loaded: Loaded): FollowedState {
    const tree = this.#tree as Tree;
    const fixed = this.#fixed as FixedManifest;
    fixed.replace(loaded.manifest, loaded.version);
    tree.follow();
    for (const segment of loaded.newSegments) tree.valueLog.add(segment);
    this.#remember(loaded, (segment) =>
      segment.memtable === undefined ? undefined : this.#logged(segment, segment.memtable),
    );
    // Not that of before: what another database writes must not show before it is taken over as a whole.
    this.#lastSeq = loaded.version.lastSeq;
    const sealed: LoggedMemtable[] = [];
    for (const [, log] of [...this.#logs].sort(([a], [b]) => a - b)) {
      this.#lastSeq = Math.max(this.#lastSeq, log.maxSeq);
      if (log.memtable !== undefined) sealed.push(log.memtable);
    }
    return { sealed, lastSeq: this.#lastSeq, isWhole: loaded.isWhole };
  }

  #remember(
    loaded: Loaded,
    memtableOf: (segment: ReplayedSegment) => LoggedMemtable | undefined,
  ): void {
    const { bootId } = this.#env.host;
    const logs = new Map<number, FollowedLog>();
    for (const fileNumber of loaded.version.wals.keys()) {
      const segment = loaded.replayed.find((other) => other.fileNumber === fileNumber);
      const log =
        segment === undefined
          ? this.#logs.get(fileNumber)
          : new FollowedLog(segment, memtableOf(segment), bootId);
      if (log !== undefined) logs.set(fileNumber, log);
    }
    this.#logs = logs;
    this.#stamp = loaded.isWhole ? stampOf(loaded.manifest) : '';
  }

  #logged(segment: ReplayedSegment, memtable: Memtable): LoggedMemtable {
    const { fileNumber, minValueLog } = segment;
    const logged = new LoggedMemtable(memtable, fileNumber, undefined, this.#pool, minValueLog, 0);
    logged.cursor = segment.bytes;
    logged.isSealed = true;
    return logged;
  }

  /** Loads until the files hold still for the length of one load. */
  #load<T>(install: (loaded: Loaded) => T, mayStop = false): T {
    let failure: unknown;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const before = this.#stampNow();
      try {
        return this.#loadOnce(install, mayStop);
      } catch (error) {
        if (!(error instanceof NokvError) || this.#stampNow() === before) throw error;
        failure = error;
      } finally {
        this.#fs.unpin();
      }
    }
    throw new ChangedError('files were replaced faster than they could be opened', {
      workdir: this.#workdir,
      last: failure instanceof Error ? failure.message : null,
    });
  }

  #loadOnce<T>(install: (loaded: Loaded) => T, mayStop: boolean): T {
    const manifest = this.#readManifest();
    if (manifest === undefined) throw notFound(this.#fs, this.#workdir);
    this.#checkFollows(manifest.version);
    const stale = this.#pinFiles(manifest.version);
    const pointedTo = this.#readOn(manifest.version, stale);
    const { replayed, isWhole } = this.#replay(manifest, stale, mayStop);
    for (const { valueLogs } of replayed) for (const one of valueLogs) pointedTo.add(one);
    const newSegments: ValueLogFile[] = [];
    try {
      this.#checkNothingIngested(manifest);
      const version = this.#withSegmentsOf(manifest, pointedTo);
      this.#checkFollows(version);
      this.#openSegments(manifest, version, newSegments);
      return install({ manifest, version, replayed, newSegments, isWhole });
    } catch (error) {
      for (const segment of newSegments) segment.file.close();
      this.#discard(replayed);
      // Logs may have been read on that have not grown since: the next refresh must not believe that there is nothing new.
      this.#stamp = '';
      throw error;
    }
  }

  /** @throws ChangedError when tables were ingested since the manifest was read */
  #checkNothingIngested(manifest: LoadedManifest): void {
    if (this.#stampNow() === stampOf(manifest)) return;
    const now = this.#readManifest();
    const isSame =
      now?.fileNumber === manifest.fileNumber && now.header.chain === manifest.header.chain;
    if (isSame && now.ingests === manifest.ingests) return;
    throw new ChangedError('tables may have been ingested meanwhile', { workdir: this.#workdir });
  }

  /** @throws ChangedError when files that are open would be taken for those of another database */
  #checkFollows(version: Version): void {
    const file = this.#tree?.conflictWith(version);
    if (file === undefined) return;
    throw new ChangedError(
      'another database lies in the workdir, with files of the same numbers',
      { workdir: this.#workdir, file },
      { hint: 'Close this read-only database and open it again', retryable: false },
    );
  }

  #readManifest(): LoadedManifest | undefined {
    const before = this.#manifest;
    const readOn = before && readOnManifest(this.#fs, this.#workdir, before);
    this.#manifest = readOn ?? this.#loadManifest();
    return this.#manifest;
  }

  /** As a writer would: one that has lost its end must not pass for a shorter one, with less in it. */
  #loadManifest(): LoadedManifest | undefined {
    const load = (): LoadedManifest | undefined =>
      loadManifest(this.#fs, this.#workdir, this.#env.host.bootId);
    const loaded = load();
    if (loaded !== undefined) checkLeftOverLogs(this.#env, this.#workdir, loaded, load);
    return loaded;
  }

  /** Opens every file that is not open yet; returns the segments of the log that have to be read. */
  #pinFiles(version: Version): Set<number> {
    const stale = new Set<number>();
    for (const fileNumber of version.wals.keys()) {
      const path = this.#walPath(fileNumber);
      this.#fs.pin(path);
      const known = this.#logs.get(fileNumber);
      const file = this.#fs.pinned(path);
      if (known?.bytes !== file?.size() || known === undefined || file === undefined)
        stale.add(fileNumber);
      else if (!known.isIn(file)) stale.add(fileNumber);
    }
    const open = this.#tree?.current.version;
    const openTables = new Set(open?.levels.flat().map((meta) => meta.fileNumber));
    for (const { fileNumber } of version.levels.flat()) {
      if (!openTables.has(fileNumber))
        this.#fs.pin(this.#fs.join(this.#workdir, tableName(fileNumber)));
    }
    for (const [fileNumber, { bucket }] of version.valueLog) {
      if (open?.valueLog.has(fileNumber) === true) continue;
      this.#fs.pin(segmentPath(this.#fs, this.#workdir, fileNumber, bucket));
    }
    return stale;
  }

  /**
   * Reads on in the stale segments that allow it, which then are no longer stale. Returns the value-log files that
   * their entries point to.
   */
  #readOn(version: Version, stale: Set<number>): Set<number> {
    const pointedTo = new Set<number>();
    const wals = [...version.wals.values()].sort((a, b) => a.fileNumber - b.fileNumber);
    wals.forEach((wal, i) => {
      const { fileNumber } = wal;
      const log = stale.has(fileNumber) ? this.#logs.get(fileNumber) : undefined;
      const expected = expectedEnd(version, wal, wals[i + 1], 'process');
      if (log?.readOn(this.#fs, this.#walPath(fileNumber), expected) !== true) return;
      stale.delete(fileNumber);
      for (const one of log.valueLogs) pointedTo.add(one);
    });
    return pointedTo;
  }

  /** Reads the stale segments: always the newest ones, so that each still has its successor beside it. */
  #replay(
    manifest: LoadedManifest,
    stale: ReadonlySet<number>,
    mayStop: boolean,
  ): { replayed: ReplayedSegment[]; isWhole: boolean } {
    const { version } = manifest;
    const oldest = Math.min(...stale);
    const wals = new Map([...version.wals].filter(([fileNumber]) => fileNumber >= oldest));
    const segmentsMax = mayStop ? Math.max(1, this.#room(wals.keys())) : wals.size;
    const replayed = this.#replayFirst(manifest, { ...version, wals }, segmentsMax);
    if (segmentsMax >= wals.size) return { replayed, isWhole: true };
    const lastSeq = replayed.reduce((max, { maxSeq }) => Math.max(max, maxSeq), 0);
    if (version.levels.flat().every(({ maxSeq }) => maxSeq <= lastSeq))
      return { replayed, isWhole: false };
    this.#discard(replayed);
    return {
      replayed: this.#replayFirst(manifest, { ...version, wals }, wals.size),
      isWhole: true,
    };
  }

  #discard(replayed: readonly ReplayedSegment[]): void {
    for (const { memtable } of replayed) {
      if (memtable !== undefined) this.#pool.release(memtable.arena);
    }
  }

  /** The first logs of a version. */
  #replayFirst(manifest: LoadedManifest, version: Version, segmentsMax: number): ReplayedSegment[] {
    return replaySegments(this.#env, this.#workdir, version, {
      kind: this.#options.memtable,
      pool: this.#pool,
      checkHeader: (header) => checkManifestContinues(manifest, header),
      hasItsValue: (bytes, view, at) =>
        hasItsValue(this.#env, this.#workdir, version, bytes, view, at),
      isGrowing: true,
      segmentsMax,
    });
  }

  /**
   * How many of these logs may be read before memory is short. A log that was seen before is among them in any case:
   * without it what is seen would be of an earlier moment.
   */
  #room(fileNumbers: Iterable<number>): number {
    let known = 0;
    for (const fileNumber of fileNumbers) if (this.#logs.has(fileNumber)) known++;
    // As many as the writer has.
    return Math.max(known + 1, this.#options.memtableCount - this.#pool.inspect().used);
  }

  /**
   * A log that was read after the manifest may point into segments that were made in between; they are in the
   * manifest by then. @throws ChangedError when one of them is gone again
   */
  #withSegmentsOf(manifest: LoadedManifest, pointedTo: ReadonlySet<number>): Version {
    const { version } = manifest;
    const unknown = new Set(pointedTo);
    for (const fileNumber of version.valueLog.keys()) unknown.delete(fileNumber);
    if (unknown.size === 0) return version;
    const later = this.#readManifest();
    const valueLog = new Map(version.valueLog);
    for (const fileNumber of unknown) {
      const state = later?.version.valueLog.get(fileNumber);
      if (state !== undefined) valueLog.set(fileNumber, state);
      else if (later === undefined || stampOf(later) !== stampOf(manifest)) {
        throw new ChangedError('a value-log segment came and went', { workdir: this.#workdir });
      }
      // Else known to nobody: each read of such a value will say so.
    }
    return { ...version, valueLog };
  }

  /** As an ordinary open: a segment has to be there, and a sealed one whole; its header waits for a read. */
  #openSegments(manifest: LoadedManifest, version: Version, opened: ValueLogFile[]): void {
    const open = this.#tree?.current.version.valueLog;
    for (const [fileNumber, { bucket, identity, sealedBytes }] of version.valueLog) {
      if (open?.has(fileNumber) === true) continue;
      const file = segmentPath(this.#fs, this.#workdir, fileNumber, bucket);
      const bytes = this.#fs.stat(file)?.bytes;
      if (bytes === undefined && manifest.isOtherBoot && mayBeLost(version, fileNumber)) continue;
      if (bytes === undefined) throw new CorruptionError(FILE_MISSING, { file, offset: 0 });
      if (sealedBytes !== undefined && sealedBytes !== bytes) {
        const what = 'value-log segment has another length than it was sealed with';
        const offset = Math.min(bytes, sealedBytes);
        throw new CorruptionError(what, { file, offset, expected: sealedBytes, actual: bytes });
      }
      try {
        opened.push(ValueLogFile.open(this.#fs, file, { fileNumber, identity }));
      } catch (error) {
        if (error instanceof IoError && error.errno === 'ENOENT') {
          throw new CorruptionError(FILE_MISSING, { file, offset: 0 }, { cause: error });
        }
        if (!(error instanceof CorruptionError)) throw error;
      }
    }
  }

  #walPath(fileNumber: number): string {
    return this.#fs.join(this.#workdir, walName(fileNumber));
  }

  #haveLogsGrown(): boolean {
    for (const [fileNumber, { bytes }] of this.#logs) {
      if (this.#fs.stat(this.#walPath(fileNumber))?.bytes !== bytes) return true;
    }
    return false;
  }

  #stampNow(): string {
    return manifestStamp(this.#fs, this.#workdir);
  }
}
