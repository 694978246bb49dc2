/**
 * The tree of tables: the manifest, the open tables and value-log segments, and the current version.
 * Every change is one version edit: written, synced, then installed; only then do files that no
 * version names any more go, and only when the last reader of an older version is done.
 */
import { assert } from '../base/assert.js';
import type { Env, Fs } from '../base/env.js';
import { CorruptionError, IoError, NokvError, ReadOnlyError } from '../base/errors.js';
import { FILE_NUMBER_MAX } from '../base/limits.js';
import type { BlockCache } from './cache/block-cache.js';
import type { TableCache } from './cache/table-cache.js';
import { FileRemover } from './file-remover.js';
import type { FrugalFs } from './frugal-fs.js';
import { segmentPath, tableName, valueLogName } from './file-names.js';
import { LevelTraffic } from './level-traffic.js';
import type { Manifest, ManifestInit } from './manifest/manifest-log.js';
import type { AddValueLog, VersionEdit } from './manifest/version-edit.js';
import type { Version } from './manifest/version.js';
import type { ScanPruning } from './scan-pruning.js';
import { TableReader } from './sst/table-reader.js';
import type { TableMeta } from './table-meta.js';
import { OpenTable, TreeVersion } from './tree-version.js';
import { newIdentity } from './unique-identity.js';
import { ValueLogFile, ValueLogReader } from './vlog/reader.js';

export interface TreeParts {
  readonly env: Env;
  /** Files that are read are lent by it. Default: they stay open. */
  readonly frugal?: FrugalFs | undefined;
  readonly workdir: string;
  readonly manifest: Manifest;
  readonly blockCache: BlockCache;
  readonly tableCache: TableCache;
  /** Another process owns the files: none is ever removed. Default false. */
  readonly isReadOnly?: boolean;
  /** What cursors with bounds pass by, and how often. Default: by range and by key only. */
  readonly pruning?: ScanPruning;
}

export class Tree {
  readonly valueLog: ValueLogReader;
  readonly manifest: Manifest;
  #current: TreeVersion;
  readonly #parts: TreeParts;
  readonly #readFiles: Pick<Fs, 'open'>;
  readonly #tables: Map<number, OpenTable>;
  /** Segments that some living tree version names: how many do, and what its file is. */
  readonly #segments: Map<number, { references: number; path: string; identity: string }>;
  readonly workdir: string;
  /** Called after every change of `current`. */
  onChange: () => void;
  /** Lowest number not given out by this process. */
  #nextFileNumber: number;
  /** Edits appended, and how many of them the current version includes. */
  #appended: number;
  #installed: number;
  /** The manifest that holds the last edit naming a segment, and where that edit ends in it. */
  #namedIn: number;
  #namedBytes: number;
  readonly remover: FileRemover;
  /** Bytes into and out of the levels, of edits that were installed. */
  readonly traffic: LevelTraffic;

  /** Opens every table of the manifest's version. @throws CorruptionError naming a missing or damaged file */
  constructor(parts: TreeParts) {
    this.#parts = parts;
    const { env, frugal } = parts;
    this.#readFiles = frugal === undefined ? env.fs : { open: (path) => frugal.lend(path) };
    this.workdir = parts.workdir;
    this.#nextFileNumber = 1;
    this.#appended = 0;
    this.#installed = 0;
    this.#namedIn = 0;
    this.#namedBytes = 0;
    this.manifest = parts.manifest;
    this.#tables = new Map();
    this.#segments = new Map();
    this.onChange = () => undefined;
    this.remover = new FileRemover(parts.env.fs, parts.env.log);
    this.traffic = new LevelTraffic(parts.env.clock.monotonicMs());
    this.valueLog = new ValueLogReader((fileNumber) => this.#openSegment(fileNumber));
    const version = parts.manifest.version;
    this.#openTables(version);
    this.#current = this.#makeVersion(version);
  }

  get current(): TreeVersion {
    return this.#current;
  }

  tablePath(fileNumber: number): string {
    return this.#parts.env.fs.join(this.#parts.workdir, tableName(fileNumber));
  }

  segmentPath(fileNumber: number, bucket: number): string {
    return segmentPath(this.#parts.env.fs, this.workdir, fileNumber, bucket);
  }

  /** Takes the next file number; it is never used again, also after a crash. */
  nextFileNumber(): number {
    return this.reserveFileNumbers(1);
  }

  /** The first of `count` consecutive file numbers. */
  reserveFileNumbers(count: number): number {
    const first = Math.max(this.#nextFileNumber, this.manifest.version.nextFileNumber);
    if (first + count > FILE_NUMBER_MAX) {
      throw new NokvError('NOKV_INVALID', 'Cannot go on: file numbers are used up');
    }
    this.#nextFileNumber = first + count;
    return first;
  }

  /**
   * Makes an edit durable and current. On a failure nothing changed, or (a failed sync) the manifest is
   * latched and no later edit is accepted. @throws IoError, CorruptionError
   */
  async apply(edit: VersionEdit): Promise<void> {
    let version: Version;
    let order: number;
    try {
      for (const { meta } of edit.addTables ?? []) {
        if (!this.#tables.has(meta.fileNumber)) this.#openTable(meta);
      }
      version = this.manifest.append(edit);
      order = ++this.#appended;
      await this.manifest.sync();
    } catch (error) {
      this.#forgetUnused(edit);
      throw error;
    }
    this.#countTraffic(edit);
    this.#install(version, order);
    // A new manifest would begin with what this edit says, but not with the word that the close was clean.
    if (edit.cleanClose !== true) this.#maybeRewrite();
  }

  /** Runs a job in another thread, which may need the descriptors of files that are open here. */
  runJob<T>(run: () => Promise<T>): Promise<T> {
    const { frugal } = this.#parts;
    return frugal === undefined ? run() : frugal.runJob(run);
  }

  /** For who has written files for an edit. @throws ReadOnlyError when no edit is accepted any more */
  mustTakeEdits(): void {
    const cause = this.manifest.failure;
    if (cause === undefined) return;
    throw new ReadOnlyError('Cannot change the tree: the manifest can not be written', { cause });
  }

  /**
   * Removes files that were written for an edit which failed: a job that is tried again writes others. Of a latched
   * manifest nobody knows whether the edit is durable: the next open removes them, or has them.
   */
  abandon(paths: readonly string[]): void {
    if (this.manifest.failure === undefined) for (const path of paths) this.remover.remove(path);
  }

  /** Removes what is left under numbers that were reserved for a job which failed: its thread may have died at work. */
  abandonTables(first: number, count: number): void {
    for (let fileNumber = first; fileNumber < first + count; fileNumber++)
      this.abandonFile(this.tablePath(fileNumber));
  }

  abandonFile(path: string): void {
    if (this.#parts.env.fs.stat(path) !== undefined) this.remover.remove(path);
  }

  /** Before the installation: it closes the tables that are removed. */
  #countTraffic({ addTables = [], removeTables = [] }: VersionEdit): void {
    const nowMs = this.#parts.env.clock.monotonicMs();
    for (const { level, meta } of addTables) this.traffic.added(level, meta.bytes, nowMs);
    for (const { level, fileNumber } of removeTables) {
      this.traffic.removed(level, this.#tables.get(fileNumber)?.meta.bytes ?? 0, nowMs);
    }
  }

  /**
   * Writes an edit that changes no table and need not be durable yet. It becomes current with the next
   * `apply`: installed at once, it would bring along an earlier edit that still waits for its sync.
   * @throws IoError
   */
  note(edit: VersionEdit): void {
    this.manifest.append(edit);
    this.#appended++;
    if (!edit.addWal && !edit.addValueLog && !edit.sealWal) return;
    this.#namedIn = this.manifest.fileNumber;
    this.#namedBytes = this.manifest.bytes;
  }

  /**
   * Makes durable what names segments of the log, and where they end: without it, recovery takes a durable segment for an
   * orphan, or damage at its end for what a power loss tore. Before the first acknowledgement that depends on one.
   * @throws IoError, ReadOnlyError
   */
  async syncNames(): Promise<void> {
    if (!this.hasSyncedNames) await this.manifest.sync();
  }

  /** What `syncNames` would make durable is. */
  get hasSyncedNames(): boolean {
    // A rewrite made durable everything that the old manifest said.
    if (this.#namedIn !== this.manifest.fileNumber) return true;
    return this.manifest.syncedPosition().bytes >= this.#namedBytes;
  }

  /**
   * Makes the version of the (read-only) manifest current, after another process moved it on.
   * @throws CorruptionError naming a missing or damaged file; then nothing changed
   */
  follow(): void {
    const { version } = this.manifest;
    this.#openTables(version);
    const previous = this.#current;
    this.#current = this.#makeVersion(version, previous);
    this.onChange();
    previous.release();
  }

  /**
   * The path of a file of `version` that would take the place of another one, which is open under the same number:
   * then it is not a later version of the same tree. undefined when there is none.
   */
  conflictWith(version: Version): string | undefined {
    for (const { fileNumber, identity } of version.levels.flat()) {
      const open = this.#tables.get(fileNumber);
      if (open !== undefined && open.meta.identity !== identity) return this.tablePath(fileNumber);
    }
    for (const [fileNumber, { identity }] of version.valueLog) {
      const open = this.#segments.get(fileNumber);
      if (open !== undefined && open.identity !== identity) return open.path;
    }
    return undefined;
  }

  /**
   * Makes a new value-log segment known, durably with the next `apply`. It belongs to the current version at
   * once: whoever holds that version from now on may hold memtables that point into the segment.
   * @throws IoError
   */
  addSegment(added: AddValueLog): void {
    const edit = {
      timeMs: this.#parts.env.clock.nowMs(),
      reason: 'value log',
      addValueLog: [added],
    };
    this.note(edit);
    const state = this.manifest.version.valueLog.get(added.fileNumber);
    assert(state !== undefined, 'tree: an added segment is in the version');
    const previous = this.#current;
    const valueLog = new Map(previous.version.valueLog).set(added.fileNumber, state);
    this.#current = this.#makeVersion({ ...previous.version, valueLog }, previous);
    this.onChange();
    previous.release();
  }

  close(): void {
    this.#current.release();
    for (const table of this.#tables.values()) table.reader.close();
    this.#tables.clear();
    this.valueLog.close();
  }

  #maybeRewrite(): void {
    // What was applied is durable and current; that no edit follows is not its failure.
    if (!this.manifest.isRewriteDue || this.manifest.failure !== undefined) return;
    const { env } = this.#parts;
    try {
      this.manifest.rewrite(manifestInit(env, this.nextFileNumber()), env.clock.nowMs());
    } catch (error) {
      // The old manifest stays in use, or is latched and says so at the next edit.
      if (!(error instanceof IoError)) throw error;
      env.log.write('error', 'manifest not rewritten', { message: error.message });
    }
  }

  #install(version: Version, order: number): void {
    // A later edit may have been installed while this one waited for its sync: it includes this one.
    if (order <= this.#installed) return;
    this.#installed = order;
    const previous = this.#current;
    const latest = { ...version, valueLog: this.#withLaterSegments(version) };
    this.#current = this.#makeVersion(latest, previous);
    this.onChange();
    previous.release();
  }

  /** Segments that were added while this version waited for its sync are in use already. */
  #withLaterSegments(version: Version): Version['valueLog'] {
    const latest = this.manifest.version.valueLog;
    if (latest === version.valueLog) return latest;
    return new Map([...version.valueLog, ...latest]);
  }

  #makeVersion(version: Version, previous?: TreeVersion): TreeVersion {
    for (const [fileNumber, { bucket, identity }] of version.valueLog) {
      const segment = this.#segments.get(fileNumber);
      const path = this.segmentPath(fileNumber, bucket);
      if (segment !== undefined) segment.references++;
      else this.#segments.set(fileNumber, { references: 1, path, identity });
    }
    const onRelease = (released: TreeVersion): void => this.#onReleased(released);
    return new TreeVersion(version, this.#tables, onRelease, previous, this.#parts.pruning);
  }

  #onReleased(released: TreeVersion): void {
    for (const table of released.tables()) {
      if (table.references === 0) this.#dropTable(table, this.#current !== released);
    }
    for (const fileNumber of released.version.valueLog.keys()) {
      const segment = this.#segments.get(fileNumber);
      assert(segment !== undefined, 'tree: released segment is known');
      segment.references--;
      if (segment.references > 0) continue;
      this.#segments.delete(fileNumber);
      if (this.#current !== released) {
        this.valueLog.drop(fileNumber);
        this.#discard(segment.path);
      }
    }
  }

  /** Opens those of a version that are not open yet: all of them or none. */
  #openTables(version: Version): void {
    const opened: TableMeta[] = [];
    try {
      for (const meta of version.levels.flat()) {
        if (this.#tables.has(meta.fileNumber)) continue;
        this.#openTable(meta);
        opened.push(meta);
      }
    } catch (error) {
      this.#closeUnused(opened);
      throw error;
    }
  }

  #openTable(meta: TableMeta): void {
    const { blockCache, tableCache } = this.#parts;
    const path = this.tablePath(meta.fileNumber);
    try {
      const reader = TableReader.open(this.#readFiles, path, meta, blockCache);
      tableCache.add(reader);
      this.#tables.set(meta.fileNumber, new OpenTable(meta, reader));
    } catch (error) {
      if (error instanceof IoError && error.errno === 'ENOENT') throw missing(path);
      throw error;
    }
  }

  /** Also one that only an older version names, which a cursor still reads. */
  #openSegment(fileNumber: number): ValueLogFile {
    const segment = this.#segments.get(fileNumber);
    if (segment === undefined) throw missing(valueLogName(fileNumber));
    try {
      return ValueLogFile.open(this.#readFiles, segment.path, {
        fileNumber,
        identity: segment.identity,
      });
    } catch (error) {
      if (error instanceof IoError && error.errno === 'ENOENT') throw missing(segment.path);
      throw error;
    }
  }

  /**
   * Closes a table that no version names. Its file goes if it `isReplaced`: when the whole tree is closing, the edit that
   * removes it may be one that failed, and nobody knows whether that is durable.
   */
  #dropTable(table: OpenTable, isReplaced: boolean): void {
    const { fileNumber } = table.meta;
    this.#tables.delete(fileNumber);
    this.#parts.tableCache.remove(table.reader);
    table.reader.close();
    const isLive = this.manifest.version.levels.some((metas) =>
      metas.some((meta) => meta.fileNumber === fileNumber),
    );
    if (isReplaced && !isLive) this.#discard(this.tablePath(fileNumber));
  }

  #discard(path: string): void {
    if (this.#parts.isReadOnly !== true) this.remover.remove(path);
  }

  /** Tables of an edit that failed: closed, and left on disk for the next open to judge. */
  #forgetUnused(edit: VersionEdit): void {
    this.#closeUnused((edit.addTables ?? []).map(({ meta }) => meta));
  }

  #closeUnused(metas: readonly TableMeta[]): void {
    for (const meta of metas) {
      const table = this.#tables.get(meta.fileNumber);
      if (table === undefined || table.references > 0) continue;
      this.#tables.delete(meta.fileNumber);
      this.#parts.tableCache.remove(table.reader);
      table.reader.close();
    }
  }
}

/** What a new manifest is stamped with. */
export function manifestInit(env: Env, fileNumber: number): ManifestInit {
  return { fileNumber, identity: newIdentity(env.random), bootId: env.host.bootId };
}

function missing(path: string): CorruptionError {
  return new CorruptionError('file is missing', { file: path, offset: 0 });
}
