/**
 * Opens a workdir to look at it: nothing is locked, nothing is written, and whatever can be read is read,
 * with a list of findings about the rest. It works on a stopped, crashed or damaged workdir, and beside
 * the process that writes to it.
 *
 * A live writer removes a file only after the manifest edit that replaces it. So:
 *
 *   1. read CURRENT and the manifest
 *   2. open every file that this version names, and keep the descriptors
 *   3. read the logs
 *   4. if a file was not there, or a log points into a value-log segment that the version does not know,
 *      read the manifest again: when it has changed, start over; when it has not, the file is missing
 *
 * A file that is missing under an unchanged manifest is damage; a manifest that keeps changing is
 * NOKV_CHANGED, and never reported as damage.
 */
import type { Env } from '../../base/env.js';
import { ChangedError, CorruptionError, NokvError } from '../../base/errors.js';
import { BlockCache } from '../cache/block-cache.js';
import { CURRENT_NAME, segmentPath, tableName, walName } from '../file-names.js';
import { type ManifestInspection, readManifest } from '../manifest/manifest-reader.js';
import type { ValueLogState, Version } from '../manifest/version.js';
import { TableReader } from '../sst/table-reader.js';
import type { TableMeta } from '../table-meta.js';
import { crashOf } from '../record-log-tail.js';
import { mayBeLost } from '../value-probe.js';
import { ValueLogFile } from '../vlog/reader.js';
import { FindingList, FILE_MISSING, keyRangeOf } from './findings.js';
import { ReadOnlyFs } from './read-only-fs.js';
import { inspectWal, type WalInspection } from './wal-inspection.js';
import { listWorkdir, type WorkdirFile, lostCurrent, workdirIsFile } from './workdir-files.js';

/** What is opened beside the manifest; all of it by default. */
export interface InspectionScope {
  readonly tables?: boolean;
  readonly logs?: boolean;
  readonly valueLog?: boolean;
  /** Inspect also where CURRENT is missing. Default false: NOKV_NOT_FOUND. */
  readonly withoutCurrent?: boolean;
}

/** A value-log segment as it lies on disk. */
export interface SegmentInspection {
  readonly fileNumber: number;
  readonly state: ValueLogState;
  /** Length of the file. */
  readonly bytes: number;
  /** undefined when its header is damaged. */
  readonly file: ValueLogFile | undefined;
}

/** Times the whole is started over while a live writer moves on. */
const ATTEMPTS_MAX = 20;
/** Blocks are read once: a cache would only cost. */
const NO_CACHE_BYTES = 0;

export class Inspection {
  readonly env: Env;
  readonly workdir: string;
  readonly fs: ReadOnlyFs;
  readonly findings: FindingList;
  readonly manifest: ManifestInspection;
  /** What the manifest says, value-log segments included that a log mentions and a later edit adds. */
  readonly version: Version;
  /** Those that could be opened, by file number. */
  readonly tables: Map<number, TableReader>;
  /** Oldest first. */
  readonly wals: WalInspection[];
  /** By file number. */
  readonly segments: Map<number, SegmentInspection>;
  readonly files: readonly WorkdirFile[];

  /** Made by openInspection. */
  constructor(parts: {
    env: Env;
    workdir: string;
    fs: ReadOnlyFs;
    findings: FindingList;
    manifest: ManifestInspection;
    version: Version;
    tables: Map<number, TableReader>;
    wals: WalInspection[];
    segments: Map<number, SegmentInspection>;
    files: readonly WorkdirFile[];
  }) {
    this.env = parts.env;
    this.workdir = parts.workdir;
    this.fs = parts.fs;
    this.findings = parts.findings;
    this.manifest = parts.manifest;
    this.version = parts.version;
    this.tables = parts.tables;
    this.wals = parts.wals;
    this.segments = parts.segments;
    this.files = parts.files;
  }

  /** Closes every file. Idempotent. */
  close(): void {
    for (const table of this.tables.values()) table.close();
    for (const segment of this.segments.values()) segment.file?.file.close();
    this.tables.clear();
    this.segments.clear();
    this.fs.unpin();
  }
}

/**
 * @throws NokvError NOKV_NOT_FOUND without a database, ChangedError when a live writer was faster every
 * time, IoError when the directory can not be read
 */
export function openInspection(env: Env, workdir: string, scope: InspectionScope = {}): Inspection {
  mustExist(env, workdir, scope);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const opened = tryOpen(env, workdir, scope);
    if (opened !== undefined) return opened;
  }
  throw new ChangedError('files were replaced faster than they could be opened', { workdir });
}

function mustExist(env: Env, workdir: string, scope: InspectionScope): void {
  if (workdir === '') {
    throw new NokvError('NOKV_INVALID', 'Cannot open: the workdir must be the path of a directory');
  }
  const stat = env.fs.stat(workdir);
  if (stat?.isDirectory === false) throw workdirIsFile(workdir);
  if (stat === undefined) {
    throw new NokvError('NOKV_NOT_FOUND', `Cannot inspect ${workdir}: it is not there`, {
      hint: 'Check the path of the workdir',
      details: { workdir },
    });
  }
  if (scope.withoutCurrent === true) return;
  if (env.fs.stat(env.fs.join(workdir, CURRENT_NAME)) !== undefined) return;
  throw (
    lostCurrent(env.fs, workdir) ??
    new NokvError('NOKV_NOT_FOUND', `Cannot inspect ${workdir}: manifest not found`, {
      hint: 'There is no CURRENT, and no file of a database: check the path of the workdir',
      details: { workdir },
    })
  );
}

/** undefined: the writer moved on meanwhile. */
function tryOpen(env: Env, workdir: string, scope: InspectionScope): Inspection | undefined {
  const opening = new Opening(env, workdir, scope);
  try {
    if (opening.open()) return opening.finish();
  } catch (error) {
    opening.abandon();
    throw error;
  }
  opening.abandon();
  return undefined;
}

class Opening {
  readonly #env: Env;
  readonly #workdir: string;
  readonly #scope: InspectionScope;
  readonly #fs: ReadOnlyFs;
  readonly #findings: FindingList;
  readonly #manifest: ManifestInspection;
  readonly #tables = new Map<number, TableReader>();
  readonly #wals: WalInspection[] = [];
  readonly #segments = new Map<number, SegmentInspection>();
  /** Files that are not there. */
  readonly #missing: { readonly path: string; readonly meta: TableMeta | undefined }[] = [];
  readonly #cache = new BlockCache(NO_CACHE_BYTES);
  #version: Version;

  constructor(env: Env, workdir: string, scope: InspectionScope) {
    this.#env = env;
    this.#workdir = workdir;
    this.#scope = scope;
    this.#fs = new ReadOnlyFs(env.fs);
    this.#findings = new FindingList(env.fs, workdir);
    this.#manifest = readManifest(this.#fs, workdir, env.host.bootId);
    this.#version = this.#manifest.version;
  }

  /** Opens and reads; false when the manifest changed under it. */
  open(): boolean {
    const { tables = true, logs = true, valueLog = true } = this.#scope;
    if (this.#hasFault() && this.#hasChanged()) return false;
    for (const finding of this.#manifest.findings) {
      this.#findings.add(finding.kind, finding.file, finding.offset, finding.what);
    }
    const metas = tables ? this.#version.levels.flat() : [];
    const wals = logs ? [...this.#version.wals.keys()].sort((a, b) => a - b) : [];
    for (const fileNumber of wals) this.#pin(this.#walPath(fileNumber), undefined);
    for (const meta of metas) this.#pin(this.#tablePath(meta), meta);
    if (valueLog)
      for (const entry of this.#version.valueLog) this.#pin(this.#segmentPath(...entry), undefined);
    if (this.#missing.length > 0 && this.#hasChanged()) return false;
    for (const { path, meta } of this.#missing) this.#listMissing(path, meta);
    for (const fileNumber of wals) this.#openWal(fileNumber);
    if (this.#findings.isDamaged && wals.length > 0 && this.#hasChanged()) return false;
    if (!this.#learnSegments(valueLog)) return false;
    for (const meta of metas) this.#openTable(meta);
    if (valueLog) for (const entry of this.#version.valueLog) this.#openSegment(...entry);
    return true;
  }

  finish(): Inspection {
    this.#fs.unpin();
    const files = listWorkdir(this.#fs, this.#workdir);
    return new Inspection({
      env: this.#env,
      workdir: this.#workdir,
      fs: this.#fs,
      findings: this.#findings,
      manifest: this.#manifest,
      version: this.#version,
      tables: this.#tables,
      wals: this.#wals,
      segments: this.#segments,
      files,
    });
  }

  abandon(): void {
    for (const table of this.#tables.values()) table.close();
    for (const segment of this.#segments.values()) segment.file?.file.close();
    this.#fs.unpin();
  }

  /** The manifest itself reads as damaged: perhaps it was replaced between CURRENT and its file. */
  #hasFault(): boolean {
    return this.#manifest.findings.some(({ kind }) => kind !== 'tail');
  }

  #hasChanged(): boolean {
    const now = readManifest(this.#fs, this.#workdir, this.#env.host.bootId);
    const before = this.#manifest;
    // A workdir that was begun anew may have come as far.
    const isOther = now.header?.chain !== before.header?.chain;
    return isOther || now.fileNumber !== before.fileNumber || now.bytes !== before.bytes;
  }

  #walPath(fileNumber: number): string {
    return this.#fs.join(this.#workdir, walName(fileNumber));
  }

  #tablePath(meta: TableMeta): string {
    return this.#fs.join(this.#workdir, tableName(meta.fileNumber));
  }

  #segmentPath(fileNumber: number, state: ValueLogState): string {
    return segmentPath(this.#fs, this.#workdir, fileNumber, state.bucket);
  }

  #pin(path: string, meta: TableMeta | undefined): void {
    if (!this.#fs.pin(path)) this.#missing.push({ path, meta });
  }

  #isThere(path: string): boolean {
    return !this.#missing.some((missing) => missing.path === path);
  }

  #listMissing(path: string, meta: TableMeta | undefined): void {
    const range = meta === undefined ? undefined : keyRangeOf(meta.lower, meta.upper);
    if (this.#isLostWithPower(path)) {
      this.#findings.add('tail', path, 0, 'segment was lost with the power');
    } else this.#findings.add('missing', path, 0, FILE_MISSING, range);
  }

  /** A segment of another boot that was never synced may be gone without harm (recovery.ts, wal-recovery.ts). */
  #isLostWithPower(path: string): boolean {
    const { wals, sealedWals, valueLog } = this.#version;
    for (const wal of wals.values()) {
      if (this.#walPath(wal.fileNumber) !== path) continue;
      const isOtherBoot = wal.bootId !== this.#env.host.bootId;
      return isOtherBoot && !wal.isSynced && !sealedWals.has(wal.fileNumber);
    }
    for (const [fileNumber, state] of valueLog) {
      if (this.#segmentPath(fileNumber, state) !== path) continue;
      return this.#isOtherBoot() && mayBeLost(this.#version, fileNumber);
    }
    return false;
  }

  #isOtherBoot(): boolean {
    const { header } = this.#manifest;
    return header !== undefined && crashOf(header.bootId, this.#env.host.bootId) !== 'process';
  }

  #openWal(fileNumber: number): void {
    const path = this.#walPath(fileNumber);
    if (!this.#isThere(path)) return;
    const { wals } = this.#version;
    const successor = [...wals.values()].find((wal) => wal.previous === fileNumber);
    const facts = {
      bootId: this.#env.host.bootId,
      version: this.#version,
      wal: wals.get(fileNumber),
      successor,
    };
    this.#wals.push(inspectWal(this.#fs, path, fileNumber, facts, this.#findings));
  }

  /**
   * Segments that the logs point into and the version does not know: made after the manifest was read, and
   * noted in it before the first pointer was written. False when the manifest moved on in other ways.
   */
  #learnSegments(isWanted: boolean): boolean {
    const unknown = new Set<number>();
    for (const wal of this.#wals) {
      for (const fileNumber of wal.valueLogs.keys()) {
        if (!this.#version.valueLog.has(fileNumber)) unknown.add(fileNumber);
      }
    }
    if (unknown.size === 0 || !isWanted) return true;
    const later = readManifest(this.#fs, this.#workdir, this.#env.host.bootId).version.valueLog;
    const valueLog = new Map(this.#version.valueLog);
    for (const fileNumber of unknown) {
      const state = later.get(fileNumber);
      // Not known to the manifest at all: each pointer into it will be found.
      if (state === undefined) return !this.#hasChanged();
      valueLog.set(fileNumber, state);
      if (!this.#fs.pin(this.#segmentPath(fileNumber, state))) return false;
    }
    this.#version = { ...this.#version, valueLog };
    return true;
  }

  #openTable(meta: TableMeta): void {
    const path = this.#tablePath(meta);
    if (!this.#isThere(path)) return;
    this.#findings.attempt(
      () => {
        this.#tables.set(meta.fileNumber, TableReader.open(this.#fs, path, meta, this.#cache));
      },
      keyRangeOf(meta.lower, meta.upper),
    );
  }

  #openSegment(fileNumber: number, state: ValueLogState): void {
    const path = this.#segmentPath(fileNumber, state);
    if (!this.#isThere(path)) return;
    const bytes = this.#fs.stat(path)?.bytes ?? 0;
    let file: ValueLogFile | undefined;
    try {
      file = ValueLogFile.open(this.#fs, path, { fileNumber, identity: state.identity });
      checkLength(path, state, bytes);
    } catch (error) {
      // Whether a log that points into it may be cut there is judged with its pointers.
      if (this.#isOtherBoot() && mayBeLost(this.#version, fileNumber)) {
        this.#findings.add('tail', path, 0, 'segment was not finished being created');
      } else this.#findings.addError(error);
    }
    this.#segments.set(fileNumber, { fileNumber, state, bytes, file });
  }
}

function checkLength(path: string, { sealedBytes }: ValueLogState, bytes: number): void {
  if (sealedBytes === undefined || sealedBytes === bytes) return;
  throw new CorruptionError('value-log segment has another length than it was sealed with', {
    file: path,
    offset: Math.min(sealedBytes, bytes),
    expected: sealedBytes,
    actual: bytes,
  });
}
