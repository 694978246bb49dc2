/**
 * Checks every checksum of a workdir and everything that its files say of each other: manifest against
 * files, order and ranges of tables, filters, logs against the manifest they continue, value-log records
 * and the pointers to them. Goes on behind damage, so that one report shows the full extent.
 */
import type { Env } from '../../base/env.js';
import { NokvError } from '../../base/errors.js';
import {
  entryKeyLength,
  entryKeyStart,
  entryKind,
  entrySeq,
  entryValueStart,
  KIND_VALUE_POINTER,
} from '../entry.js';
import { segmentPath } from '../file-names.js';
import { isEncodedKey } from '../key.js';
import { checkLeftOverLogs } from '../left-over-logs.js';
import {
  checkManifestContinues,
  type LoadedManifest,
  loadManifest,
} from '../manifest/manifest-reader.js';
import type { Version } from '../manifest/version.js';
import { readMode } from '../mode-file.js';
import { crashOf } from '../record-log-tail.js';
import type { LogHeader } from '../record-log.js';
import type { TableReader } from '../sst/table-reader.js';
import { recordToCut } from '../wal-recovery.js';
import { type Finding, type KeyRange, keyRangeOf } from './findings.js';
import { type Inspection, openInspection } from './open-inspection.js';
import { ALL_ENTRIES, soundEntries } from './sound-entries.js';
import { ValueLogCheck } from './value-log-check.js';
import type { WalInspection } from './wal-inspection.js';
import type { WorkdirFile } from './workdir-files.js';

export interface CheckReport {
  readonly workdir: string;
  readonly is_sound: boolean;
  readonly checked: {
    readonly files: number;
    readonly bytes: number;
    readonly manifest_edits: number;
    readonly tables: number;
    readonly table_entries: number;
    readonly wal_segments: number;
    readonly wal_records: number;
    readonly value_log_segments: number;
    readonly value_records: number;
    readonly value_pointers: number;
  };
  readonly findings: readonly Finding[];
}

export interface CheckOptions {
  /** Bytes looked at so far, and bytes in all. */
  readonly onProgress?: (bytesDone: number, bytesTotal: number) => void;
  /** Looked at between files. */
  readonly signal?: AbortSignal;
}

/** @throws NokvError NOKV_NOT_FOUND when there is nothing of a database, ChangedError, IoError */
export async function checkWorkdir(
  env: Env,
  workdir: string,
  options: CheckOptions = {},
): Promise<CheckReport> {
  const inspection = openInspection(env, workdir, { withoutCurrent: true });
  try {
    mustHoldFiles(inspection);
    return await new WorkdirCheck(inspection, options).run();
  } finally {
    inspection.close();
  }
}

class WorkdirCheck {
  readonly #inspection: Inspection;
  readonly #options: CheckOptions;
  readonly #bytesTotal: number;
  readonly #valueLog: ValueLogCheck;
  #bytesDone = 0;
  #entries = 0;
  /** Bytes read of files that are checked; the rest of the directory is only named. */
  #fileBytes = 0;
  #files = 0;

  constructor(inspection: Inspection, options: CheckOptions) {
    const { env, workdir, version } = inspection;
    this.#inspection = inspection;
    this.#options = options;
    this.#bytesTotal = bytesToCheck(inspection);
    this.#valueLog = new ValueLogCheck(inspection.findings, (fileNumber) =>
      segmentPath(env.fs, workdir, fileNumber, version.valueLog.get(fileNumber)?.bucket ?? 0),
    );
  }

  async run(): Promise<CheckReport> {
    const { tables, wals, segments, findings, version, manifest } = this.#inspection;
    this.#done(manifest.bytes);
    findings.attempt(() => readMode(this.#inspection.fs, this.#inspection.workdir));
    for (const wal of wals) this.#checkWal(wal);
    this.#checkContinuity();
    for (const segment of segments.values()) {
      await this.#turn();
      findings.attempt(() => this.#valueLog.walk(segment));
      this.#done(segment.bytes);
    }
    this.#checkLogPointers();
    for (const table of tables.values()) {
      await this.#turn();
      this.#checkTable(table);
      this.#done(table.meta.bytes);
    }
    this.#valueLog.finish();
    listStrays(this.#inspection);
    return {
      workdir: this.#inspection.workdir,
      is_sound: !findings.isDamaged,
      checked: {
        files: this.#files,
        bytes: this.#fileBytes,
        manifest_edits: manifest.edits.length,
        tables: tables.size,
        table_entries: this.#entries,
        wal_segments: wals.length,
        wal_records: wals.reduce((sum, wal) => sum + recordsOf(wal), 0),
        value_log_segments: version.valueLog.size,
        value_records: this.#valueLog.records,
        value_pointers: this.#valueLog.pointers,
      },
      findings: findings.all,
    };
  }

  /** Lets signals in between files. */
  async #turn(): Promise<void> {
    await this.#inspection.env.clock.nextTurn();
    this.#options.signal?.throwIfAborted();
  }

  #done(bytes: number): void {
    this.#files++;
    this.#fileBytes += bytes;
    this.#bytesDone += bytes;
    this.#options.onProgress?.(this.#bytesDone, this.#bytesTotal);
  }

  #checkWal(wal: WalInspection): void {
    const { findings } = this.#inspection;
    for (const at of wal.entries) {
      const start = entryKeyStart(wal.view, at);
      const length = entryKeyLength(wal.view, at);
      if (!isEncodedKey(wal.bytes, start, length)) {
        findings.add('damage', wal.path, at, 'key is no encoded key');
      }
    }
    this.#done(wal.length);
  }

  /** Each log tells how long the manifest was when it began, also one that it does not name. */
  #checkContinuity(): void {
    const { env, fs, workdir, wals, findings } = this.#inspection;
    let loaded: LoadedManifest | undefined;
    if (!findings.isDamaged) {
      findings.attempt(() => {
        loaded = loadManifest(fs, workdir, env.host.bootId);
      });
    }
    for (const { header } of wals) {
      if (header === undefined || loaded === undefined) continue;
      const manifest = loaded;
      findings.attempt(() => checkManifestContinues(manifest, header));
    }
    if (loaded === undefined) return;
    const manifest = loaded;
    const reread = (): LoadedManifest | undefined => loadManifest(fs, workdir, env.host.bootId);
    findings.attempt(() => checkLeftOverLogs({ ...env, fs }, workdir, manifest, reread));
  }

  /**
   * After a power loss recovery cuts a log at the first value that did not survive, and drops the logs behind
   * it: that is no damage, unless a later record says that it had been synced.
   */
  #checkLogPointers(): void {
    const { wals, version } = this.#inspection;
    let hasLoss = false;
    for (const wal of wals) {
      if (hasLoss) {
        this.#inspection.findings.add('tail', wal.path, 0, 'follows a log that lost records');
        continue;
      }
      const end = this.#checkWalPointers(wal);
      const successor = [...version.wals.values()].find((next) => next.previous === wal.fileNumber);
      hasLoss = successor !== undefined && end < successor.previousBytes;
    }
  }

  /** Answers where recovery will end the log. */
  #checkWalPointers(wal: WalInspection): number {
    const { view, bytes, entries, header } = wal;
    const mayBeCut = header !== undefined && this.#mayBeCut(header, wal.isSealed);
    for (const at of entries) {
      if (entryKind(view, at) !== KIND_VALUE_POINTER) continue;
      const keyStart = entryKeyStart(view, at);
      const keyLength = entryKeyLength(view, at);
      if (!isEncodedKey(bytes, keyStart, keyLength)) continue;
      const pointer = {
        ekey: bytes.slice(keyStart, keyStart + keyLength),
        seq: entrySeq(view, at),
        bytes,
        at: entryValueStart(view, at),
      };
      if (mayBeCut && !this.#valueLog.isReadable(pointer)) return this.#cutAt(wal, header, at);
      this.#valueLog.checkPointer(pointer);
    }
    return wal.validBytes;
  }

  #mayBeCut(header: LogHeader, isSealed: boolean): boolean {
    return !isSealed && crashOf(header.bootId, this.#inspection.env.host.bootId) !== 'process';
  }

  #cutAt(wal: WalInspection, header: LogHeader, entryAt: number): number {
    const { findings } = this.#inspection;
    let end = wal.validBytes;
    findings.attempt(() => {
      end = recordToCut(wal, header, entryAt);
      findings.add('tail', wal.path, end, 'a value was lost with the power');
    });
    return end;
  }

  #checkTable(table: TableReader): void {
    const { findings } = this.#inspection;
    const done = this.#bytesDone;
    const range = keyRangeOf(table.meta.lower, table.meta.upper);
    findings.attempt(() => {
      const damage = table.verify((bytes) => {
        this.#options.onProgress?.(done + bytes, this.#bytesTotal);
      });
      for (const error of damage) findings.addError(error, rangeAt(table, error.offset));
      this.#entries += table.meta.entries;
      if (table.meta.valueLog.length > 0) this.#checkPointers(table);
    }, range);
  }

  #checkPointers(table: TableReader): void {
    const { findings } = this.#inspection;
    for (const entry of soundEntries(table, ALL_ENTRIES, findings)) {
      if (entry.kind !== KIND_VALUE_POINTER) continue;
      const { keyBytes, keyStart, keyLength, seq, valueBytes, valueStart } = entry;
      const ekey = keyBytes.slice(keyStart, keyStart + keyLength);
      this.#valueLog.checkPointer({ ekey, seq, bytes: valueBytes, at: valueStart });
    }
  }
}

/** @throws NokvError NOKV_NOT_FOUND: without CURRENT and data files there is no database, nor was one */
function mustHoldFiles({ workdir, files }: Inspection): void {
  const isOurs = (file: WorkdirFile): boolean =>
    file.kind === 'current' ||
    file.kind === 'table' ||
    file.kind === 'wal' ||
    file.kind === 'valueLog';
  if (files.some(isOurs)) return;
  throw new NokvError('NOKV_NOT_FOUND', `Cannot check ${workdir}: there is no database`, {
    hint: 'Check the path of the workdir',
    details: { workdir },
  });
}

function bytesToCheck({ manifest, tables, wals, segments }: Inspection): number {
  let sum = manifest.bytes;
  for (const table of tables.values()) sum += table.meta.bytes;
  for (const wal of wals) sum += wal.length;
  for (const segment of segments.values()) sum += segment.bytes;
  return sum;
}

function recordsOf(wal: WalInspection): number {
  return wal.counts.records.reduce((sum, count) => sum + count, 0);
}

/** The keys that damage at this offset may concern: those of its block, or of the whole table. */
function rangeAt(table: TableReader, offset: number): KeyRange {
  const { lower, upper } = table.rangeAt(offset);
  return keyRangeOf(lower, upper);
}

/** Files that nothing refers to, and files that are none of ours. */
export function listStrays(inspection: Inspection): void {
  const { findings, version, manifest, files } = inspection;
  const tables = new Set(version.levels.flat().map((meta) => meta.fileNumber));
  for (const file of files) {
    if (isInUse(file, version, tables, manifest.fileNumber)) continue;
    // A file of a live writer that the manifest does not name yet.
    const isNew = file.fileNumber >= version.nextFileNumber;
    const what = isNew
      ? 'newer than the manifest: a writer at work, or an orphan'
      : 'nothing refers to it';
    if (file.kind === 'foreign')
      findings.add('foreign', file.name, 0, 'not a file of this database');
    else findings.add('orphan', file.name, 0, what);
  }
}

export function isInUse(
  file: WorkdirFile,
  version: Version,
  tables: ReadonlySet<number>,
  manifestNumber: number | undefined,
): boolean {
  switch (file.kind) {
    case 'current':
    case 'lock':
    case 'mode':
      return true;
    case 'manifest':
      return file.fileNumber === manifestNumber;
    case 'table':
      return tables.has(file.fileNumber);
    case 'wal':
      return version.wals.has(file.fileNumber);
    case 'valueLog':
      return version.valueLog.has(file.fileNumber);
    case 'temporary':
    case 'foreign':
      return false;
  }
}
