/**
 * Opening a workdir, step by step: mode gate, lock, manifest, tables, value log, write-ahead log. Ends
 * with a Core, everything that the database is made of. Idempotent: a crash at any point of it leaves
 * a workdir that opens to the same state (docs/architecture.md, "Recovery").
 *
 * What a crash leaves is mended and reported; what it can not leave is refused with file and offset.
 */
import type { DirectoryLock, Env } from '../base/env.js';
import { CorruptionError, ModeError, NokvError } from '../base/errors.js';
import { runAll } from '../base/run-all.js';
import { BlockCache } from './cache/block-cache.js';
import { TableCache } from './cache/table-cache.js';
import { Core } from './core.js';
import { makeDurableDirectory, syncDirectoryNames } from './durable-directory.js';
import {
  bucketName,
  CURRENT_NAME,
  CURRENT_TEMP_NAME,
  parseBucketName,
  parseFileName,
  VALUE_LOG_DIRECTORY,
} from './file-names.js';
import { FrugalFs } from './frugal-fs.js';
import { checkLeftOverLogs } from './left-over-logs.js';
import { ManifestLog } from './manifest/manifest-log.js';
import {
  checkManifestContinues,
  type LoadedManifest,
  loadManifest,
} from './manifest/manifest-reader.js';
import type { VersionEdit } from './manifest/version-edit.js';
import type { Version } from './manifest/version.js';
import type { ArenaPool } from './memtable/arena-pool.js';
import { arenaPoolFor } from './memtable/memtable.js';
import { readMode, STANDALONE } from './mode-file.js';
import type { Options } from './options.js';
import { prefixRulesFor } from './prefix-filters.js';
import { ScanPruning } from './scan-pruning.js';
import { workdirIsFile } from './inspect/workdir-files.js';
import { openReadOnlyCore } from './inspect/read-only-core.js';
import { type RecoveryReport, reportOf, traceRecovery } from './recovery-report.js';
import { hasItsValue, hasSegmentHeader, mayBeLost } from './value-probe.js';
import { manifestInit, Tree } from './tree.js';
import { replaySegments, type ReplayedSegment } from './wal-recovery.js';
import { writeAgain } from './write-whole.js';

/**
 * Opens a workdir for what `make` makes of its core, and closes it again when that throws: else nobody could, and the
 * lock would stay. @throws LockedError, ModeError, CorruptionError, FormatError, IoError, NokvError NOKV_INVALID
 */
export async function openFor<T>(
  env: Env,
  workdir: string,
  options: Options,
  make: (core: Core) => T,
): Promise<T> {
  const core = await openCore(env, workdir, options);
  try {
    traceRecovery(env, core.report);
    return make(core);
  } catch (error) {
    // What goes wrong now follows from what went wrong first.
    await core.close(core.lastSeq).catch(() => undefined);
    throw error;
  }
}

async function openCore(env: Env, workdir: string, options: Options): Promise<Core> {
  checkMode(env, workdir);
  if (options.readOnly) return openReadOnlyCore(env, workdir, options);

  prepareDirectory(env, workdir, options);
  const lock = env.fs.lockDirectory(workdir);
  const frugal = new FrugalFs(env.fs);
  try {
    return await openLocked({ ...env, fs: frugal }, frugal, workdir, options, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** A workdir in any mode but standalone belongs to another command. */
function checkMode(env: Env, workdir: string): void {
  const mode = readMode(env.fs, workdir);
  if (mode === STANDALONE) return;
  throw new ModeError({ workdir, found: String(mode), supported: STANDALONE });
}

function prepareDirectory(env: Env, workdir: string, options: Options): void {
  const { fs } = env;
  const stat = fs.stat(workdir);
  if (stat !== undefined && !stat.isDirectory) {
    throw workdirIsFile(workdir);
  }
  if (stat === undefined) {
    if (!options.createIfMissing) throw notFound(workdir);
    makeDurableDirectory(fs, workdir);
  } else if (fs.stat(fs.join(workdir, CURRENT_NAME)) === undefined) {
    // What a killed open made, for all anybody knows.
    syncDirectoryNames(fs, workdir);
  }
}

function notFound(workdir: string): NokvError {
  return new NokvError('NOKV_NOT_FOUND', 'Cannot open: there is no database', {
    details: { workdir },
    hint: `Check the path ${workdir}, or open it with createIfMissing`,
  });
}

class Stopwatch {
  readonly steps: { step: string; ms: number }[] = [];
  #last: number;

  constructor(private readonly env: Env) {
    this.#last = env.clock.monotonicMs();
  }

  mark(step: string): void {
    const now = this.env.clock.monotonicMs();
    this.steps.push({ step, ms: now - this.#last });
    this.#last = now;
  }
}

async function openLocked(
  env: Env,
  frugal: FrugalFs,
  workdir: string,
  options: Options,
  lock: DirectoryLock,
): Promise<Core> {
  const watch = new Stopwatch(env);
  const loaded = loadManifest(env.fs, workdir, env.host.bootId);
  if (loaded === undefined) {
    if (!options.createIfMissing) throw notFound(workdir);
    refuseStrayFiles(env, workdir);
  } else if (options.errorIfExists) {
    throw new NokvError('NOKV_INVALID', 'Cannot create: there is a database already', {
      details: { workdir },
    });
  }
  watch.mark('manifest');
  const files = listFiles(env, workdir);
  if (loaded !== undefined) checkLeftOverLogs(env, workdir, loaded);
  const pool = arenaPoolFor(options, options.memtableCount);
  const replayed = loaded === undefined ? [] : replayLogs(env, workdir, options, loaded, pool);
  watch.mark('wal');
  const rewriteBytes = options.manifestRewriteBytes;
  const manifest =
    loaded === undefined
      ? ManifestLog.create(env.fs, workdir, manifestInit(env, 1), env.clock.nowMs(), rewriteBytes)
      : ManifestLog.open(env.fs, workdir, loaded, rewriteBytes);
  let tree: Tree | undefined;
  try {
    const blockCache = new BlockCache(options.cacheBytes, env.memory);
    const tableCache = new TableCache(options.indexCacheBytes);
    const pruning = new ScanPruning(prefixRulesFor(options.prefixFilters));
    tree = new Tree({ env, frugal, workdir, manifest, blockCache, tableCache, pruning });
    watch.mark('tables');
    const report = reportOf(loaded, replayed, manifest.version);
    const mayLackFiles = loaded?.isOtherBoot ?? false;
    await repair(env, tree, files, replayed, mayLackFiles, report);
    watch.mark('repair');
    report.steps = watch.steps;
    return Core.create(
      { env, workdir, options, lock, pool, tree, blockCache, tableCache, report },
      replayed,
    );
  } catch (error) {
    await closeFailed(manifest, tree);
    throw error;
  }
}

/** Of an open that failed: no file stays open, and nothing is removed any more once the lock is released. */
async function closeFailed(manifest: ManifestLog, tree: Tree | undefined): Promise<void> {
  const steps = [
    () => tree?.close(),
    () => {
      manifest.close();
    },
    () => tree?.remover.drained(),
  ];
  // What goes wrong now follows from what went wrong first.
  await runAll('Cannot close cleanly: see errors', steps).catch(() => undefined);
}

/** Without CURRENT there must be none of our data: an empty database over old files would hide a loss. */
function refuseStrayFiles(env: Env, workdir: string): void {
  for (const name of env.fs.list(workdir)) {
    const parsed = parseFileName(name);
    if (parsed === undefined || parsed.kind === 'manifest') continue;
    if (env.fs.stat(env.fs.join(workdir, name))?.isFile !== true) continue;
    throw new CorruptionError('CURRENT is missing beside data files', {
      file: env.fs.join(workdir, 'CURRENT'),
      offset: 0,
      actual: name,
    });
  }
}

/** What has a name of ours in the workdir: path and number. */
interface FoundFile {
  readonly path: string;
  readonly isRegular: boolean;
  readonly kind: 'manifest' | 'wal' | 'table' | 'valueLog';
  readonly fileNumber: number;
}

function listFiles(env: Env, workdir: string): FoundFile[] {
  const { fs } = env;
  const found: FoundFile[] = [];
  const collect = (directory: string): void => {
    for (const name of fs.list(directory)) {
      const parsed = parseFileName(name);
      if (parsed === undefined) continue;
      const path = fs.join(directory, name);
      found.push({ path, isRegular: fs.stat(path)?.isFile === true, ...parsed });
    }
  };
  collect(workdir);
  const valueLogs = fs.join(workdir, VALUE_LOG_DIRECTORY);
  if (fs.stat(valueLogs)?.isDirectory === true) {
    for (const name of fs.list(valueLogs)) {
      const bucket = fs.join(valueLogs, name);
      const isBucket = parseBucketName(name) !== undefined && fs.stat(bucket)?.isDirectory === true;
      if (isBucket) collect(bucket);
    }
  }
  return found;
}

/** A crash leaves files behind with numbers that the manifest does not know of, but not further ahead than this. */
const NUMBERS_AHEAD_MAX = 1024 * 1024;

/** No number that this database can have given out: of somebody's file of such a name, which would use numbers up. */
function isFarAhead({ fileNumber }: FoundFile, { nextFileNumber }: Version): boolean {
  return fileNumber >= nextFileNumber + NUMBERS_AHEAD_MAX;
}

/** What is foreign is left alone. */
function isForeign(file: FoundFile, version: Version): boolean {
  return !file.isRegular || isFarAhead(file, version);
}

/** The highest number that is taken, also by something that is no file of ours but in the way of one. */
function highestNumber(files: readonly FoundFile[], version: Version): number {
  return files
    .filter((file) => !isFarAhead(file, version))
    .reduce((max, { fileNumber }) => Math.max(max, fileNumber), 0);
}

function replayLogs(
  env: Env,
  workdir: string,
  options: Options,
  loaded: LoadedManifest,
  pool: ArenaPool,
): ReplayedSegment[] {
  return replaySegments(env, workdir, loaded.version, {
    kind: options.memtable,
    pool,
    checkHeader: (header) => checkManifestContinues(loaded, header),
    hasItsValue: (bytes, view, at) => hasItsValue(env, workdir, loaded.version, bytes, view, at),
  });
}

/** A segment is needed until its memtable is flushed; one without entries has none. */
function isKept({ isLost, memtable }: ReplayedSegment): boolean {
  return !isLost && memtable !== undefined;
}

/**
 * Makes durable what was found, then removes what nothing refers to. The file numbers of orphans are
 * taken out of circulation first, so that none is used again.
 */
async function repair(
  env: Env,
  tree: Tree,
  files: readonly FoundFile[],
  replayed: readonly ReplayedSegment[],
  mayLackFiles: boolean,
  report: RecoveryReport,
): Promise<void> {
  const version = tree.manifest.version;
  const ends = endOpenSegments(env, tree, version, replayed, mayLackFiles);
  const highest = highestNumber(files, version);
  syncUnsealed(env, tree, version, replayed, mayLackFiles);
  const edit: VersionEdit = {
    timeMs: env.clock.nowMs(),
    reason: 'open',
    nextFileNumber: Math.max(version.nextFileNumber, highest + 1),
    sealValueLog: ends.sealed,
    removeValueLog: ends.lost,
    removeWal: replayed.filter((segment) => !isKept(segment)).map((segment) => segment.fileNumber),
  };
  await tree.apply(edit);
  const kept = keptFiles(tree, version, replayed);
  for (const file of files) {
    if (isForeign(file, version) || kept.has(`${file.kind} ${file.fileNumber}`)) continue;
    // The edit may have rewritten the manifest: the old one is gone by now.
    if (env.fs.stat(file.path) === undefined) continue;
    env.fs.remove(file.path);
    report.orphansRemoved++;
  }
  const temp = env.fs.join(tree.workdir, CURRENT_TEMP_NAME);
  if (env.fs.stat(temp)?.isFile === true) env.fs.remove(temp);
}

/**
 * What a process wrote and did not live to sync may still be in memory alone. From here on tables may
 * replace a log and point into the value log, and new logs may be synced that follow the old ones. The sync of a log
 * may have failed in that process: then it is written again, unless another boot (`isOtherBoot`) shows what the disk has.
 */
function syncUnsealed(
  env: Env,
  tree: Tree,
  version: Version,
  replayed: readonly ReplayedSegment[],
  isOtherBoot: boolean,
): void {
  const { fs } = env;
  const logs = replayed.filter(
    (segment) => isKept(segment) && !version.sealedWals.has(segment.fileNumber),
  );
  for (const { path } of logs) syncFile(env, path, !isOtherBoot);
  const directories = new Set(logs.length === 0 ? [] : [tree.workdir]);
  const valueLogs = fs.join(tree.workdir, VALUE_LOG_DIRECTORY);
  for (const [fileNumber, { bucket, sealedBytes }] of version.valueLog) {
    const path = tree.segmentPath(fileNumber, bucket);
    if (sealedBytes !== undefined || fs.stat(path) === undefined) continue;
    syncFile(env, path, false);
    directories
      .add(fs.join(valueLogs, bucketName(bucket)))
      .add(valueLogs)
      .add(tree.workdir);
  }
  for (const directory of directories) fs.syncDirectory(directory);
}

function syncFile(env: Env, path: string, mustWrite: boolean): void {
  const file = env.fs.open(path, 'update');
  try {
    if (mustWrite) writeAgain(file);
    file.syncBlocking();
  } finally {
    file.close();
  }
}

interface SegmentEnds {
  readonly sealed: { fileNumber: number; bytes: number }[];
  readonly lost: number[];
}

/**
 * Segments that were being written to end where they end now; nothing is appended to them again. One whose name, or whose
 * name and edit, alone survived a power loss (`mayLackFiles`) is given up: nothing durable points into it.
 */
function endOpenSegments(
  env: Env,
  tree: Tree,
  version: Version,
  replayed: readonly ReplayedSegment[],
  mayLackFiles: boolean,
): SegmentEnds {
  const ends: SegmentEnds = { sealed: [], lost: [] };
  for (const [fileNumber, { bucket, identity, sealedBytes }] of version.valueLog) {
    const path = tree.segmentPath(fileNumber, bucket);
    const stat = env.fs.stat(path);
    if (stat === undefined) {
      const isLost = mayLackFiles && mayBeLost(version, fileNumber);
      if (!isLost) throw new CorruptionError('file is missing', { file: path, offset: 0 });
      ends.lost.push(fileNumber);
    } else if (
      sealedBytes === undefined &&
      mayLackFiles &&
      mayBeLost(version, fileNumber) &&
      !replayed.some(({ valueLogs }) => valueLogs.has(fileNumber)) &&
      !hasSegmentHeader(env, path, fileNumber, identity)
    ) {
      // Sealed as it is, it would be damage to the next one who looks.
      ends.lost.push(fileNumber);
    } else if (sealedBytes === undefined) {
      ends.sealed.push({ fileNumber, bytes: stat.bytes });
    } else if (stat.bytes !== sealedBytes) {
      throw new CorruptionError('value-log segment has another length than it was sealed with', {
        file: path,
        offset: Math.min(stat.bytes, sealedBytes),
        expected: sealedBytes,
        actual: stat.bytes,
      });
    }
  }
  return ends;
}

function keptFiles(
  tree: Tree,
  version: Version,
  replayed: readonly ReplayedSegment[],
): Set<string> {
  const kept = new Set<string>();
  kept.add(`manifest ${tree.manifest.fileNumber}`);
  for (const meta of version.levels.flat()) kept.add(`table ${meta.fileNumber}`);
  for (const fileNumber of version.valueLog.keys()) kept.add(`valueLog ${fileNumber}`);
  for (const segment of replayed) {
    if (isKept(segment)) kept.add(`wal ${segment.fileNumber}`);
  }
  return kept;
}
