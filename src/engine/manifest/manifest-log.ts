/**
 * The live manifest: the log of version edits that CURRENT names, and the version it adds up to. One
 * owner, one thread; only sync() leaves the thread. Page: docs/formats/manifest.md.
 *
 * An edit counts when it is synced: before that, delete nothing that it replaces. Creation, opening and
 * rewriting block the thread and leave everything durable.
 *
 * Invariants: `version` is exactly the sum of the whole records in the file; an edit that does not fit
 * it, or would not decode again, is never written.
 */
import { assert } from '../../base/assert.js';
import { viewOf } from '../../base/codec.js';
import type { Fs } from '../../base/env.js';
import { CorruptionError, IoError, NokvError, ReadOnlyError } from '../../base/errors.js';
import { FORMAT_VERSION } from '../format-version.js';
import { MIB } from '../../base/limits.js';
import { manifestName } from '../file-names.js';
import { abandonFile, createLogFile, type LogFile, RecordLogWriter } from '../record-log-writer.js';
import {
  type LogHeaderInit,
  type LogPosition,
  MAGIC_MANIFEST,
  RECORD_HEADER_BYTES,
} from '../record-log.js';
import { writeAgain } from '../write-whole.js';
import { prepareCurrent, publishCurrent, readCurrent } from './current.js';
import { type LoadedManifest, MANIFEST_EDIT } from './manifest-reader.js';
import {
  applyEdit,
  EMPTY_VERSION,
  ImpossibleEditError,
  snapshotEdit,
  type Version,
} from './version.js';
import { decodeEdit, encodeEdit, type VersionEdit } from './version-edit.js';

/** Default of `rewriteBytes`: a manifest is worth rewriting when it is longer than that and than twice its snapshot. */
export const MANIFEST_REWRITE_BYTES = 4 * MIB;

/** What a new manifest is called and stamped with. */
export type ManifestInit = Omit<LogHeaderInit, 'continues'>;

interface Started {
  readonly writer: RecordLogWriter;
  readonly version: Version;
}

export class ManifestLog {
  readonly #fs: Fs;
  readonly #workdir: string;
  #writer: RecordLogWriter;
  #version: Version;
  /** Length after the snapshot. */
  #snapshotBytes: number;
  readonly #rewriteBytes: number;
  /** The file began under another boot or had a torn tail: a rewritten one is judged strictly again. */
  #isWorn: boolean;
  /** Set when nobody can say which manifest CURRENT will name after a power loss. */
  #failure: IoError | undefined;

  private constructor(
    fs: Fs,
    workdir: string,
    writer: RecordLogWriter,
    version: Version,
    snapshotBytes: number,
    rewriteBytes: number,
    isWorn: boolean,
  ) {
    this.#fs = fs;
    this.#workdir = workdir;
    this.#writer = writer;
    this.#version = version;
    this.#snapshotBytes = snapshotBytes;
    this.#rewriteBytes = rewriteBytes;
    this.#isWorn = isWorn;
    this.#failure = undefined;
  }

  /**
   * Makes the first manifest of a workdir, and CURRENT. A left-over of the same number is replaced: without
   * CURRENT nothing can refer to it. Requires that there is no CURRENT.
   * @throws IoError; the workdir then counts as never created
   */
  static create(
    fs: Fs,
    workdir: string,
    init: ManifestInit,
    timeMs: number,
    rewriteBytes = MANIFEST_REWRITE_BYTES,
  ): ManifestLog {
    assert(readCurrent(fs, workdir) === undefined, 'manifest: created once');
    const path = fs.join(workdir, manifestName(init.fileNumber));
    if (fs.stat(path) !== undefined) fs.remove(path);
    const base = { ...EMPTY_VERSION, nextFileNumber: init.fileNumber + 1 };
    const edit = snapshotEdit(base, timeMs, 'create');
    const { writer, version } = startManifest(fs, workdir, { ...init, continues: undefined }, edit);
    try {
      prepareCurrent(fs, workdir, init.fileNumber);
      publishCurrent(fs, workdir);
      fs.syncDirectory(workdir);
    } catch (error) {
      writer.close();
      throw error;
    }
    return new ManifestLog(fs, workdir, writer, version, writer.bytes, rewriteBytes, false);
  }

  /**
   * Continues a manifest that loadManifest read: cuts its torn tail, makes the rest and CURRENT durable.
   * @throws IoError
   */
  static open(
    fs: Fs,
    workdir: string,
    loaded: LoadedManifest,
    rewriteBytes = MANIFEST_REWRITE_BYTES,
  ): ManifestLog {
    const { tail, header } = loaded;
    const file = fs.open(loaded.path, 'update');
    try {
      if (tail.tornBytes > 0) file.truncate(tail.bytes);
      // Of another boot it is rewritten as a whole, and what was closed in order was synced.
      if (!loaded.isOtherBoot && !loaded.version.isCleanClose) writeAgain(file);
      file.syncBlocking();
      fs.syncDirectory(workdir);
    } catch (error) {
      file.close();
      throw error;
    }
    const writer = new RecordLogWriter({
      file,
      fileNumber: loaded.fileNumber,
      checksumType: header.checksumType,
      headerChain: header.chain,
      bytes: tail.bytes,
      chain: tail.chain,
      syncedBytes: tail.bytes,
    });
    const isOlderFormat = header.formatVersion < FORMAT_VERSION;
    const isWorn = loaded.isOtherBoot || tail.tornBytes > 0 || isOlderFormat;
    const { version, snapshotEnd } = loaded;
    return new ManifestLog(fs, workdir, writer, version, snapshotEnd, rewriteBytes, isWorn);
  }

  get fileNumber(): number {
    return this.#writer.fileNumber;
  }

  get path(): string {
    return this.#writer.path;
  }

  /** Length of the file. */
  get bytes(): number {
    return this.#writer.bytes;
  }

  /** The version after the last appended edit, synced or not. */
  get version(): Version {
    return this.#version;
  }

  /** The failure that latched the manifest; nothing more is accepted then. */
  get failure(): IoError | undefined {
    return this.#failure ?? this.#writer.failure;
  }

  /** The durable part: what the header of a new segment says it continues. */
  syncedPosition(): LogPosition {
    return this.#writer.syncedPosition();
  }

  /** Much longer than what it says, begun under another boot or in an older format, or mended. */
  get isRewriteDue(): boolean {
    return this.#isWorn || this.bytes > Math.max(this.#rewriteBytes, 2 * this.#snapshotBytes);
  }

  /**
   * Appends one edit and returns the version after it. Not durable before a sync.
   * @throws ImpossibleEditError when it does not fit the version: nothing is written; IoError when the
   * write failed: nothing was appended unless its outcome is 'unknown'; ReadOnlyError when latched
   */
  append(edit: VersionEdit): Version {
    this.#checkUsable('append to');
    assert(edit.snapshot !== true, 'manifest: snapshots come with a rewrite');
    const version = applyEdit(this.#version, edit);
    appendEdit(this.#writer, edit);
    this.#version = version;
    return version;
  }

  /** Makes every edit appended before the call durable. @see RecordLogWriter.sync */
  async sync(): Promise<void> {
    this.#checkUsable('sync');
    const writer = this.#writer;
    try {
      await writer.sync();
    } catch (error) {
      // Rewritten meanwhile: the new file holds the edits, and was synced before it took over.
      if (writer !== this.#writer && this.#failure === undefined) return;
      throw error;
    }
  }

  /** The same, blocking the thread. */
  syncBlocking(): void {
    this.#checkUsable('sync');
    this.#writer.syncBlocking();
  }

  /**
   * Replaces the manifest by a new one that starts with a snapshot, and removes the old one. Every edit
   * appended so far is durable afterwards. On IoError the old manifest stays in use (try again later with
   * another number), except when the swap of CURRENT itself is in doubt: then the log latches.
   * Requires a file number that was allocated: at most version.nextFileNumber.
   * @throws IoError, ReadOnlyError when latched
   */
  rewrite(init: ManifestInit, timeMs: number): void {
    this.#checkUsable('rewrite');
    assert(init.fileNumber > this.#writer.fileNumber, 'manifest: numbers rise');
    const old = this.#writer;
    const base = {
      ...this.#version,
      nextFileNumber: Math.max(this.#version.nextFileNumber, init.fileNumber + 1),
    };
    const continues = { fileNumber: old.fileNumber, bytes: old.bytes, chain: old.chain };
    const edit = snapshotEdit(base, timeMs, 'rewrite');
    const started = startManifest(this.#fs, this.#workdir, { ...init, continues }, edit);
    this.#swap(started, old.fileNumber);
    this.#writer = started.writer;
    this.#version = started.version;
    this.#snapshotBytes = started.writer.bytes;
    this.#isWorn = false;
    old.close();
    this.#removeOld(old.path);
  }

  /** Makes CURRENT name the new manifest, durably. */
  #swap(started: Started, oldNumber: number): void {
    try {
      prepareCurrent(this.#fs, this.#workdir, started.writer.fileNumber);
      publishCurrent(this.#fs, this.#workdir);
    } catch (error) {
      if (this.#stillNames(oldNumber)) discardManifest(this.#fs, started.writer);
      else this.#latch(started.writer, error);
      throw error;
    }
    try {
      this.#fs.syncDirectory(this.#workdir);
    } catch (error) {
      this.#latch(started.writer, error);
      throw error;
    }
  }

  #stillNames(fileNumber: number): boolean {
    try {
      return readCurrent(this.#fs, this.#workdir) === fileNumber;
    } catch (error) {
      if (error instanceof NokvError) return false;
      throw error;
    }
  }

  /** Both files stay and hold the same state; a later edit in either could go with the next power loss. */
  #latch(started: RecordLogWriter, error: unknown): void {
    started.close();
    if (error instanceof IoError) this.#failure = error;
  }

  #removeOld(path: string): void {
    try {
      this.#fs.remove(path);
    } catch (error) {
      // An orphan: the next open removes it.
      if (!(error instanceof IoError)) throw error;
    }
  }

  #checkUsable(call: string): void {
    const failure = this.failure;
    if (failure === undefined) return;
    throw new ReadOnlyError(`Cannot ${call} ${this.path}: an earlier write, sync or swap failed`, {
      cause: failure,
    });
  }

  /** Idempotent; does not sync. */
  close(): void {
    this.#writer.close();
  }
}

/** What the tree needs of a manifest: ManifestLog, or FixedManifest of a read-only database. */
export type Manifest = Pick<ManifestLog, keyof ManifestLog>;

/** Writes a new manifest with one snapshot edit; file and directory are durable when it returns. */
function startManifest(fs: Fs, workdir: string, init: LogHeaderInit, edit: VersionEdit): Started {
  const path = fs.join(workdir, manifestName(init.fileNumber));
  const log: LogFile = createLogFile(fs, path, MAGIC_MANIFEST, init);
  const writer = new RecordLogWriter(log);
  try {
    appendEdit(writer, edit);
    writer.syncBlocking();
    fs.syncDirectory(workdir);
  } catch (error) {
    abandonFile(fs, log.file);
    throw error;
  }
  return { writer, version: applyEdit(EMPTY_VERSION, edit) };
}

/** Closes and removes a manifest that CURRENT never named. */
function discardManifest(fs: Fs, writer: RecordLogWriter): void {
  writer.close();
  try {
    fs.remove(writer.path);
  } catch (error) {
    if (!(error instanceof IoError)) throw error;
  }
}

function appendEdit(writer: RecordLogWriter, edit: VersionEdit): void {
  const payload = encodeEdit(edit);
  checkReadable(payload, writer);
  const record = new Uint8Array(RECORD_HEADER_BYTES + payload.length);
  record.set(payload, RECORD_HEADER_BYTES);
  writer.append(record, viewOf(record), 0, payload.length, MANIFEST_EDIT);
}

/** An edit that no reader accepts would make the workdir unreadable: found here, it is only a bug. */
function checkReadable(payload: Uint8Array, writer: RecordLogWriter): void {
  try {
    decodeEdit(payload, 0, payload.length, writer.path, writer.bytes);
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    throw new ImpossibleEditError(error.message, { cause: error });
  }
}
