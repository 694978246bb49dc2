/**
 * Reads manifests, writes nothing. loadManifest is for recovery and throws at the first damage;
 * readManifest is for inspectors and lists what is readable and what is not. Page: docs/formats/manifest.md.
 */
import type { Fs } from '../../base/env.js';
import { readU32 } from '../../base/codec.js';
import { ChangedError, CorruptionError, FormatError, IoError } from '../../base/errors.js';
import { manifestName, parseFileName } from '../file-names.js';
import { type Crash, crashOf, judgeTail, type Tail } from '../record-log-tail.js';
import {
  decodeLogHeader,
  LOG_HEADER_BYTES,
  type LogHeader,
  MAGIC_MANIFEST,
  type RecordScanner,
  scanRecords,
  scanRecordsFrom,
} from '../record-log.js';
import { readCurrent } from './current.js';
import { applyEdit, EMPTY_VERSION, ImpossibleEditError, type Version } from './version.js';
import { decodeEdit, type VersionEdit } from './version-edit.js';

/** A manifest lives for megabytes of edits: so many swaps in a row under one reader do not happen. */
const MOVED_ON_TRIES = 20;

/** The only record type of a manifest; on disk, frozen. */
export const MANIFEST_EDIT = 1;

/** The manifest as recovery found it. */
export interface LoadedManifest {
  readonly fileNumber: number;
  readonly path: string;
  readonly header: LogHeader;
  readonly version: Version;
  readonly edits: number;
  /** Those behind the snapshot that named tables taken in by an ingest. */
  readonly ingests: number;
  /** Offset after the snapshot, the first record. */
  readonly snapshotEnd: number;
  /** Offset of the last record, whose first four bytes prove everything before it. */
  readonly lastRecordAt: number;
  /** Where the valid part ends and how much was torn behind it: not cut yet (ManifestLog.open). */
  readonly tail: Tail;
  /** Offset after each record (and after the file header, first) -> chain value there. Shared by all readings of one file. */
  readonly chains: Map<number, number>;
  /** The header's boot id is not known to be that of now. */
  readonly isOtherBoot: boolean;
}

/**
 * Loads the manifest that CURRENT names; undefined when there is no CURRENT (see readCurrent).
 * `syncedAtLeast`: bytes of it known durable from elsewhere.
 * @throws CorruptionError, FormatError, IoError
 */
export function loadManifest(
  fs: Fs,
  workdir: string,
  bootId: string,
  syncedAtLeast = 0,
): LoadedManifest | undefined {
  const named = readNamedBytes(fs, workdir);
  if (named === undefined) return undefined;
  const { fileNumber, path, bytes } = named;
  const header = headerOf(bytes, fileNumber, path);
  const crash = crashOf(header.bootId, bootId);
  const scanner = scanRecords(bytes, bytes.length, header);
  const chains = new Map([[LOG_HEADER_BYTES, header.chain]]);
  const none = { edits: 0, ingests: 0, snapshotEnd: 0, lastRecordAt: 0 };
  const replayed = replayEdits(scanner, { path, version: EMPTY_VERSION, chains, ...none });
  const tail = judgeTail(scanner, { file: path, crash, syncedAtLeast });
  if (scanner.count === 0) {
    // CURRENT is swapped only after the first record was synced.
    throw new CorruptionError('manifest has no snapshot', { file: path, offset: LOG_HEADER_BYTES });
  }
  return { fileNumber, header, tail, isOtherBoot: crash !== 'process', ...replayed };
}

/**
 * The same manifest later: only what was appended is read. undefined when that does not tell, and loadManifest does:
 * CURRENT names another one, or the file does not go on as a living process continues it.
 * @throws CorruptionError, IoError
 */
export function readOnManifest(
  fs: Fs,
  workdir: string,
  before: LoadedManifest,
): LoadedManifest | undefined {
  const { fileNumber, path, header, tail, lastRecordAt } = before;
  if (before.isOtherBoot || readCurrent(fs, workdir) !== fileNumber) return undefined;
  const bytes = readBehind(fs, path, lastRecordAt, tail.bytes);
  // A workdir that was begun anew numbers its files from 1 again; one that was copied back went on another way.
  if (bytes === undefined || headerOf(bytes, fileNumber, path).chain !== header.chain)
    return undefined;
  if (readU32(bytes, lastRecordAt) !== tail.chain) return undefined;
  const scanner = scanRecordsFrom(bytes, tail.bytes, bytes.length, tail.chain, header);
  scanner.count = before.edits;
  const replayed = replayEdits(scanner, before);
  if (scanner.scanEnd === 'bad') return undefined;
  return { ...before, ...replayed, tail: judgeTail(scanner, { file: path, crash: 'process' }) };
}

/**
 * The file at its own offsets, with zeros between its header and `start`, but for the four bytes at `chainAt`;
 * undefined when it is gone, or shorter than that.
 */
function readBehind(fs: Fs, path: string, chainAt: number, start: number): Uint8Array | undefined {
  if (fs.stat(path) === undefined) return undefined;
  const file = fs.open(path, 'read');
  try {
    const size = file.size();
    if (size < start) return undefined;
    const bytes = new Uint8Array(size);
    file.read(bytes, 0, LOG_HEADER_BYTES, 0);
    file.read(bytes, chainAt, 4, chainAt);
    return bytes.subarray(0, start + file.read(bytes, start, size - start, start));
  } finally {
    file.close();
  }
}

/**
 * Tells manifests of a workdir apart, and later states of one: changes with every edit, and when the workdir is begun
 * anew, though file numbers and lengths are the same then.
 */
export function manifestStamp(fs: Fs, workdir: string): string {
  const fileNumber = readCurrent(fs, workdir);
  if (fileNumber === undefined) return 'none';
  try {
    const file = fs.open(fs.join(workdir, manifestName(fileNumber)), 'read');
    try {
      const chain = new Uint8Array(4);
      file.read(chain, 0, 4, LOG_HEADER_BYTES - 4);
      return `${fileNumber} ${file.size()} ${readU32(chain, 0)}`;
    } finally {
      file.close();
    }
  } catch (error) {
    if (error instanceof IoError && error.errno === 'ENOENT') return `${fileNumber} gone`;
    throw error;
  }
}

/** What `manifestStamp` was when this was read. */
export function stampOf({ fileNumber, tail, header }: LoadedManifest): string {
  return `${fileNumber} ${tail.bytes + tail.tornBytes} ${header.chain}`;
}

type Replayed = Pick<
  LoadedManifest,
  'path' | 'version' | 'edits' | 'ingests' | 'snapshotEnd' | 'lastRecordAt' | 'chains'
>;

/** Applies the scanner's records to the state before them; notes their ends in its `chains`. */
function replayEdits(scanner: RecordScanner, before: Replayed): Replayed {
  const { path, chains } = before;
  let { version, ingests, snapshotEnd, lastRecordAt } = before;
  while (scanner.next()) {
    const edit = editOfRecord(scanner, path);
    version = applyRead(version, edit, path, scanner.recordStart);
    if (scanner.count === 1) snapshotEnd = scanner.end;
    else if (edit.addTables?.some(({ meta }) => meta.seqBase !== undefined) === true) ingests++;
    lastRecordAt = scanner.recordStart;
    chains.set(scanner.end, scanner.chain);
  }
  return { path, version, edits: scanner.count, ingests, snapshotEnd, lastRecordAt, chains };
}

/** The file that CURRENT names; looks again when a writer at work swapped CURRENT and removed it meanwhile. */
function readNamedBytes(
  fs: Fs,
  workdir: string,
): { fileNumber: number; path: string; bytes: Uint8Array } | undefined {
  let fileNumber = readCurrent(fs, workdir);
  for (let tries = 1; fileNumber !== undefined; tries++) {
    const path = fs.join(workdir, manifestName(fileNumber));
    try {
      return { fileNumber, path, bytes: readWhole(fs, path) };
    } catch (error) {
      const now = readCurrent(fs, workdir);
      if (now === fileNumber || tries === MOVED_ON_TRIES) throw error;
      fileNumber = now;
    }
  }
  return undefined;
}

function readWhole(fs: Fs, path: string): Uint8Array {
  try {
    return fs.readFile(path);
  } catch (error) {
    if (!(error instanceof IoError) || error.errno !== 'ENOENT') throw error;
    throw new CorruptionError(
      'file named by CURRENT is missing',
      { file: path, offset: 0 },
      { cause: error },
    );
  }
}

function headerOf(bytes: Uint8Array, fileNumber: number, file: string): LogHeader {
  const header = decodeLogHeader(bytes, bytes.length, MAGIC_MANIFEST, file);
  if (header.fileNumber !== fileNumber) {
    throw new CorruptionError('file number differs from the file name', {
      file,
      offset: 16,
      expected: fileNumber,
      actual: header.fileNumber,
    });
  }
  return header;
}

/** The edit of the scanner's current record. @throws CorruptionError */
function editOfRecord(scanner: RecordScanner, file: string): VersionEdit {
  const offset = scanner.recordStart;
  if (scanner.type !== MANIFEST_EDIT) {
    throw new CorruptionError('unknown record type', { file, offset, actual: scanner.type });
  }
  const edit = decodeEdit(scanner.bytes, scanner.payloadStart, scanner.payloadLength, file, offset);
  if ((edit.snapshot === true) !== (scanner.count === 1)) {
    throw new CorruptionError('snapshot is not the first edit, and only that', { file, offset });
  }
  return edit;
}

function applyRead(version: Version, edit: VersionEdit, file: string, offset: number): Version {
  try {
    return applyEdit(version, edit);
  } catch (error) {
    if (!(error instanceof ImpossibleEditError)) throw error;
    throw new CorruptionError(`version edit: ${error.message}`, { file, offset }, { cause: error });
  }
}

/**
 * Checks that this manifest is at least as long as it was when the segment was created.
 *
 * The segment names the current manifest: a record must end where it says, with that chain value.
 * It names an older one: that was rewritten since; when it is the one this manifest was made from, its
 * length then must not be below what the segment saw. It names a newer one: CURRENT is stale.
 * @throws CorruptionError naming the manifest
 */
export function checkManifestContinues(manifest: LoadedManifest, wal: LogHeader): void {
  const seen = wal.continues;
  if (seen === undefined) {
    throw new CorruptionError('segment names no manifest', {
      file: `segment ${wal.fileNumber}`,
      offset: 100,
    });
  }
  const file = manifest.path;
  if (seen.fileNumber > manifest.fileNumber) {
    throw new CorruptionError('manifest is older than the one a segment was written under', {
      file,
      offset: 0,
      expected: seen.fileNumber,
      actual: manifest.fileNumber,
    });
  }
  if (seen.fileNumber === manifest.fileNumber) {
    const chain = manifest.chains.get(seen.bytes);
    if (chain === seen.chain) return;
    const what =
      seen.bytes > manifest.tail.bytes
        ? 'manifest is shorter than when a segment was created'
        : 'manifest is not the one a segment was written under';
    throw new CorruptionError(what, {
      file,
      offset: Math.min(seen.bytes, manifest.tail.bytes),
      expected: seen.bytes,
      actual: manifest.tail.bytes,
    });
  }
  const from = manifest.header.continues;
  if (from !== undefined && from.fileNumber < seen.fileNumber) {
    throw new CorruptionError(
      'manifest was not rewritten from the one a segment was written under',
      {
        file,
        offset: 100,
        expected: seen.fileNumber,
        actual: from.fileNumber,
      },
    );
  }
  if (from !== undefined && from.fileNumber === seen.fileNumber && from.bytes < seen.bytes) {
    throw new CorruptionError('manifest was rewritten from a shorter one than a segment saw', {
      file,
      offset: 108,
      expected: seen.bytes,
      actual: from.bytes,
    });
  }
}

/** Something that is not as it should be; `tail`: what a crash (or a writer at work) leaves. */
export interface ManifestFinding {
  readonly kind: 'damage' | 'format' | 'tail';
  readonly file: string;
  readonly offset: number;
  readonly what: string;
}

export interface ManifestRecord {
  readonly offset: number;
  /** Whole record. */
  readonly bytes: number;
  readonly edit: VersionEdit;
}

export interface ManifestInspection {
  /** undefined when no manifest was found. */
  readonly fileNumber: number | undefined;
  readonly path: string | undefined;
  readonly header: LogHeader | undefined;
  /** Length of the file. */
  readonly bytes: number;
  readonly edits: readonly ManifestRecord[];
  /** After the last edit that could be applied. */
  readonly version: Version;
  readonly findings: readonly ManifestFinding[];
}

/**
 * Everything readable of the live manifest, for inspectors; the newest one when CURRENT is of no use.
 * Damage is listed, not thrown. With `bootId` (Host.bootId of now) the end is judged as recovery would,
 * without it every bad record is damage. @throws IoError when the workdir itself can not be read
 */
export function readManifest(fs: Fs, workdir: string, bootId?: string): ManifestInspection {
  for (let tries = 1; ; tries++) {
    const inspection = readNamed(fs, workdir, bootId);
    if (!hasMovedOn(fs, workdir, inspection)) return inspection;
    if (tries === MOVED_ON_TRIES)
      throw new ChangedError('CURRENT named one manifest after another');
  }
}

/**
 * A writer at work may swap CURRENT and remove the manifest between a reader's two looks: the file is
 * gone, and CURRENT names another one by now.
 */
function hasMovedOn(
  fs: Fs,
  workdir: string,
  { fileNumber, path, header }: ManifestInspection,
): boolean {
  if (path === undefined || header !== undefined || fs.stat(path) !== undefined) return false;
  try {
    const now = readCurrent(fs, workdir);
    return now !== undefined && now !== fileNumber;
  } catch (error) {
    if (error instanceof CorruptionError) return false;
    throw error;
  }
}

function readNamed(fs: Fs, workdir: string, bootId: string | undefined): ManifestInspection {
  const findings: ManifestFinding[] = [];
  const fileNumber = findManifest(fs, workdir, findings);
  let bytes: Uint8Array = new Uint8Array(0);
  let header: LogHeader | undefined;
  const edits: ManifestRecord[] = [];
  let version = EMPTY_VERSION;
  const path = fileNumber === undefined ? undefined : fs.join(workdir, manifestName(fileNumber));
  if (fileNumber !== undefined && path !== undefined) {
    listed(findings, () => {
      bytes = readWhole(fs, path);
      header = headerOf(bytes, fileNumber, path);
      const scanner = scanRecords(bytes, bytes.length, header);
      version = readEdits(scanner, path, edits, findings);
      listEnd(
        scanner,
        path,
        bootId === undefined ? 'process' : crashOf(header.bootId, bootId),
        findings,
      );
    });
  }
  return { fileNumber, path, header, bytes: bytes.length, edits, version, findings };
}

function findManifest(fs: Fs, workdir: string, findings: ManifestFinding[]): number | undefined {
  let fileNumber: number | undefined;
  const isReadable = listed(findings, () => {
    fileNumber = readCurrent(fs, workdir);
  });
  if (fileNumber !== undefined) return fileNumber;
  let newest: number | undefined;
  for (const name of fs.list(workdir)) {
    const file = parseFileName(name);
    if (file?.kind !== 'manifest' || fs.stat(fs.join(workdir, name))?.isFile !== true) continue;
    newest = Math.max(newest ?? 0, file.fileNumber);
  }
  if (isReadable) {
    findings.push({
      kind: 'damage',
      file: fs.join(workdir, 'CURRENT'),
      offset: 0,
      what: 'file is missing',
    });
  }
  return newest;
}

/** Lists every edit that decodes; stops applying at the first that does not fit. */
function readEdits(
  scanner: RecordScanner,
  file: string,
  edits: ManifestRecord[],
  findings: ManifestFinding[],
): Version {
  let version = EMPTY_VERSION;
  let isWhole = true;
  while (scanner.next()) {
    const offset = scanner.recordStart;
    const isApplied = listed(findings, () => {
      const edit = editOfRecord(scanner, file);
      edits.push({ offset, bytes: scanner.end - offset, edit });
      if (isWhole) version = applyRead(version, edit, file, offset);
    });
    isWhole &&= isApplied;
  }
  return version;
}

function listEnd(
  scanner: RecordScanner,
  file: string,
  crash: Crash,
  findings: ManifestFinding[],
): void {
  const isJudged = listed(findings, () => judgeTail(scanner, { file, crash }));
  if (isJudged && scanner.scanEnd !== 'clean') {
    const what = scanner.scanEnd === 'bad' ? 'torn last record' : 'incomplete last record';
    findings.push({ kind: 'tail', file, offset: scanner.end, what });
  }
  if (scanner.count > 0) return;
  const what = 'manifest has no snapshot';
  findings.push({ kind: 'damage', file, offset: LOG_HEADER_BYTES, what });
}

/** Runs `step`; damage becomes a finding. True when there was none. */
function listed(findings: ManifestFinding[], step: () => void): boolean {
  try {
    step();
    return true;
  } catch (error) {
    if (error instanceof CorruptionError) {
      const what = String(error.details['what'] ?? error.message);
      findings.push({ kind: 'damage', file: error.file, offset: error.offset, what });
      return false;
    }
    if (error instanceof FormatError) {
      findings.push({
        kind: 'format',
        file: String(error.details['file']),
        offset: 0,
        what: error.message,
      });
      return false;
    }
    throw error;
  }
}
