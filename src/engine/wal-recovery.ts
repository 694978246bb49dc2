/**
 * Replays the log segments of a version into sealed memtables. A segment is read straight into an
 * arena: file offsets are arena offsets, and nothing is copied again.
 *
 * Rules beyond those of one segment (record-log-tail.ts): a segment that the manifest names must be
 * there; one that lost unsynced records to a power loss takes all later ones with it, so that what is
 * recovered is a prefix of what was written; a value that a record points to must be readable where
 * the power loss may have taken it.
 */
import type { Env } from '../base/env.js';
import { CorruptionError } from '../base/errors.js';
import { entryKind, entrySeq, entryValueStart, KIND_VALUE_POINTER } from './entry.js';
import { walName } from './file-names.js';
import type { AddWal } from './manifest/version-edit.js';
import type { Version } from './manifest/version.js';
import type { ArenaPool } from './memtable/arena-pool.js';
import { INDEX_BYTES_MAX, indexBytesFor, Memtable } from './memtable/memtable.js';
import type { MemtableKind } from './options.js';
import { type Crash, crashOf, searchBehind } from './record-log-tail.js';
import { type LogHeader, scanRecords } from './record-log.js';
import { type LoadedWal, loadWal, replayWal, type WalContext } from './wal/reader.js';

export interface ReplayedSegment {
  readonly fileNumber: number;
  readonly path: string;
  /** undefined when the segment holds no entry. */
  readonly memtable: Memtable | undefined;
  /** undefined when the segment has none, or is lost. */
  readonly header: LogHeader | undefined;
  /** Valid bytes. */
  readonly bytes: number;
  /** Chain value behind them. */
  readonly chain: number;
  /** Where the file holds that. */
  readonly chainAt: number;
  readonly records: number;
  readonly entries: number;
  readonly tornBytes: number;
  readonly maxSeq: number;
  /** Lowest value-log file a pointer in it names; Infinity when none does. */
  readonly minValueLog: number;
  /** Value-log files that pointers in it name. */
  readonly valueLogs: ReadonlySet<number>;
  /** Dropped, because an earlier segment lost records. */
  readonly isLost: boolean;
}

export interface ReplayContext {
  readonly kind: MemtableKind;
  readonly pool: ArenaPool;
  /** Checks that the segment continues the manifest. @throws CorruptionError */
  readonly checkHeader: (header: LogHeader) => void;
  /** Does the entry at this place, which holds a pointer, lead to its value? Asked only after a power loss. */
  readonly hasItsValue: (bytes: Uint8Array, view: DataView, at: number) => boolean;
  /** The last segment may still grow: one that needs a larger arena than usual gets half as much again. */
  readonly isGrowing?: boolean;
  /** Read no more segments than this. Default: all. */
  readonly segmentsMax?: number;
}

/** All segments of the version, or the first ones, oldest first. @throws CorruptionError */
export function replaySegments(
  env: Env,
  workdir: string,
  version: Version,
  context: ReplayContext,
): ReplayedSegment[] {
  const wals = [...version.wals.values()].sort((a, b) => a.fileNumber - b.fileNumber);
  const segments: ReplayedSegment[] = [];
  let hasLoss = false;
  const { segmentsMax = wals.length } = context;
  wals.slice(0, segmentsMax).forEach((wal, i) => {
    if (hasLoss) {
      segments.push(lostSegment(env, workdir, wal.fileNumber));
      return;
    }
    const segment = replayOne(env, workdir, version, wal, wals[i + 1], context);
    segments.push(segment);
    const successor = wals[i + 1];
    if (successor?.previous === wal.fileNumber && segment.bytes < successor.previousBytes)
      hasLoss = true;
  });
  return segments;
}

function lostSegment(env: Env, workdir: string, fileNumber: number): ReplayedSegment {
  const path = env.fs.join(workdir, walName(fileNumber));
  return {
    fileNumber,
    path,
    memtable: undefined,
    header: undefined,
    bytes: 0,
    chain: 0,
    chainAt: 0,
    records: 0,
    entries: 0,
    // A follower tells by the length of a log whether it has more to show: this one has not.
    tornBytes: env.fs.stat(path)?.bytes ?? 0,
    maxSeq: 0,
    minValueLog: Number.POSITIVE_INFINITY,
    valueLogs: new Set(),
    isLost: true,
  };
}

function replayOne(
  env: Env,
  workdir: string,
  version: Version,
  wal: AddWal,
  successor: AddWal | undefined,
  context: ReplayContext,
): ReplayedSegment {
  const path = env.fs.join(workdir, walName(wal.fileNumber));
  if (env.fs.stat(path) === undefined) return missingSegment(env, workdir, version, wal, path);
  const { pool } = context;
  const headroom = context.isGrowing === true && successor === undefined ? 1.5 : 1;
  let arena = pool.acquire(0, 0);
  try {
    const allocate = (bytes: number): Uint8Array => {
      if (bytes > arena.data.byteLength) {
        pool.release(arena);
        arena = pool.acquire(Math.ceil(bytes * headroom), 0);
      }
      return new Uint8Array(arena.data);
    };
    const isOtherBoot = crashOf(wal.bootId, env.host.bootId) === 'power';
    const loaded = loadWal(env.fs, path, wal.fileNumber, wal.isSynced, allocate, isOtherBoot);
    const found = readEntries(env, version, wal, successor, loaded, context);
    const { length } = found.entries;
    const indexNeeded = indexBytesFor(context.kind, length);
    if (indexNeeded > arena.index.byteLength) {
      const indexWished = indexBytesFor(context.kind, Math.ceil(length * headroom));
      const indexBytes = Math.max(indexNeeded, Math.min(indexWished, INDEX_BYTES_MAX));
      const larger = pool.acquire(arena.data.byteLength, indexBytes);
      new Uint8Array(larger.data).set(new Uint8Array(arena.data, 0, loaded.length));
      pool.release(arena);
      arena = larger;
    }
    const memtable = Memtable.create(context.kind, arena, env.random);
    for (const at of found.entries) memtable.insert(at);
    const isEmpty = found.entries.length === 0;
    if (isEmpty) pool.release(arena);
    return {
      fileNumber: wal.fileNumber,
      path,
      memtable: isEmpty ? undefined : memtable,
      header: loaded.header,
      bytes: found.bytes,
      chain: found.chain,
      chainAt: found.chainAt,
      records: found.records,
      entries: found.entries.length,
      tornBytes: loaded.length - found.bytes,
      maxSeq: found.maxSeq,
      minValueLog: found.minValueLog,
      valueLogs: found.valueLogs,
      isLost: false,
    };
  } catch (error) {
    pool.release(arena);
    throw error;
  }
}

/** A segment whose directory entry a power loss took before anything in it was promised. */
function missingSegment(
  env: Env,
  workdir: string,
  version: Version,
  wal: AddWal,
  path: string,
): ReplayedSegment {
  const isSealed = version.sealedWals.has(wal.fileNumber);
  if (wal.isSynced || isSealed || wal.bootId === env.host.bootId) {
    throw new CorruptionError('file is missing', { file: path, offset: 0 });
  }
  return lostSegment(env, workdir, wal.fileNumber);
}

interface FoundEntries {
  readonly entries: number[];
  readonly bytes: number;
  readonly chain: number;
  readonly chainAt: number;
  readonly records: number;
  readonly maxSeq: number;
  readonly minValueLog: number;
  readonly valueLogs: ReadonlySet<number>;
  /** Offset of the first entry whose value is lost, or undefined. */
  readonly firstLost: number | undefined;
}

/** The offsets of all valid entries; what is torn is left out, what is damaged is refused. */
function readEntries(
  env: Env,
  version: Version,
  wal: AddWal,
  successor: AddWal | undefined,
  loaded: LoadedWal,
  context: ReplayContext,
): FoundEntries {
  const { header } = loaded;
  const { bootId } = env.host;
  if (header !== undefined) context.checkHeader(header);
  const crash: Crash = header === undefined ? 'unknown' : crashOf(header.bootId, bootId);
  const sealed = expectedEnd(version, wal, successor, crash);
  const mayBeLost = crash !== 'process' && sealed === undefined;
  const found = collectEntries(
    loaded,
    { bootId, sealed },
    mayBeLost ? context.hasItsValue : undefined,
  );
  if (found.firstLost === undefined || header === undefined) return found;
  const cut = recordToCut(loaded, header, found.firstLost);
  return collectEntries({ ...loaded, length: cut }, { bootId }, undefined);
}

function collectEntries(
  loaded: LoadedWal,
  walContext: WalContext,
  hasItsValue: ReplayContext['hasItsValue'] | undefined,
): FoundEntries {
  const entries: number[] = [];
  let maxSeq = 0;
  let minValueLog = Number.POSITIVE_INFINITY;
  const valueLogs = new Set<number>();
  let lastValueLog = 0;
  let firstLost: number | undefined;
  const replay = replayWal(loaded, walContext, {
    entry(view, at) {
      entries.push(at);
      maxSeq = Math.max(maxSeq, entrySeq(view, at));
      if (entryKind(view, at) !== KIND_VALUE_POINTER) return;
      const pointerAt = entryValueStart(view, at);
      const valueLog = view.getUint32(pointerAt, true);
      if (valueLog !== lastValueLog) valueLogs.add(valueLog);
      lastValueLog = valueLog;
      minValueLog = Math.min(minValueLog, valueLog);
      if (firstLost === undefined && hasItsValue?.(loaded.bytes, view, at) === false)
        firstLost = at;
    },
    other(type, start) {
      throw new CorruptionError('raft record in a standalone log', {
        file: loaded.path,
        offset: start,
        actual: type,
      });
    },
  });
  const records = replay.counts.records.reduce((sum, count) => sum + count, 0);
  const { chainAt } = replay;
  const { bytes, chain } = replay.tail;
  return { entries, bytes, chain, chainAt, records, maxSeq, minValueLog, valueLogs, firstLost };
}

/**
 * Start of the record whose value a power loss took: the log ends there, unless a later record tells
 * that it had been synced. @throws CorruptionError
 */
export function recordToCut(loaded: LoadedWal, header: LogHeader, entryAt: number): number {
  const scanner = scanRecords(loaded.bytes, loaded.length, header);
  let cut = 0;
  let syncedThrough = 0;
  while (scanner.next()) {
    if (scanner.recordStart <= entryAt) cut = scanner.recordStart;
    else syncedThrough = Math.max(syncedThrough, scanner.syncedThrough);
  }
  // What the power tore behind it does not silence the records that come after.
  if (scanner.scanEnd === 'bad')
    syncedThrough = Math.max(syncedThrough, searchBehind(scanner).syncedThrough);
  if (syncedThrough > cut) {
    throw new CorruptionError('value of a synced record is lost', {
      file: loaded.path,
      offset: cut,
    });
  }
  return cut;
}

/** Where the segment must end: as sealed, or, if only the process died, as its successor was told. */
export function expectedEnd(
  version: Version,
  wal: AddWal,
  successor: AddWal | undefined,
  crash: Crash,
): { bytes: number; chain: number } | undefined {
  const sealed = version.sealedWals.get(wal.fileNumber);
  if (sealed !== undefined) return sealed;
  if (crash !== 'process' || successor?.previous !== wal.fileNumber) return undefined;
  return { bytes: successor.previousBytes, chain: successor.previousChain };
}
