/**
 * Reads one segment of the write-ahead log for inspection: every whole record up to the first bad one, and
 * a finding for whatever is wrong. The strict reader of recovery is wal-recovery.ts; both judge the end of
 * a segment by the same rule (record-log-tail.ts).
 */
import type { Fs } from '../../base/env.js';
import { entryKind, entrySeq, entryValueStart, KIND_VALUE_POINTER } from '../entry.js';
import type { AddWal } from '../manifest/version-edit.js';
import type { Version } from '../manifest/version.js';
import { type Crash, crashOf, judgeTail, searchBehind } from '../record-log-tail.js';
import {
  type LogHeader,
  RECORD_HEADER_BYTES,
  type RecordScanner,
  scanRecords,
} from '../record-log.js';
import { expectedEnd } from '../wal-recovery.js';
import { BatchScanner, RecordCounts, WAL_BATCH, WAL_TYPE_MAX } from '../wal/format.js';
import { type LoadedWal, loadWal } from '../wal/reader.js';
import { pointerFileNumber, pointerLength } from '../vlog/value-pointer.js';
import type { FindingList } from './findings.js';

/** A segment, its bytes included: offsets are those of the file. */
export interface WalInspection {
  readonly fileNumber: number;
  readonly path: string;
  /** undefined: a crash came while it was created, or the header is damaged. */
  readonly header: LogHeader | undefined;
  readonly bytes: Uint8Array;
  /** Length of the file. */
  readonly length: number;
  /** The part with whole records. */
  readonly validBytes: number;
  readonly counts: RecordCounts;
  /** Offsets of the entries, in log order. */
  readonly entries: readonly number[];
  readonly view: DataView;
  readonly maxSeq: number;
  /** Value-log files that pointers in here name, and the bytes of the records they lead to. */
  readonly valueLogs: ReadonlyMap<number, number>;
  readonly isSealed: boolean;
}

/** One whole record. */
export interface WalRecord {
  readonly offset: number;
  readonly bytes: number;
  readonly type: number;
  readonly syncedThrough: number;
  /** Offsets of the entries of a batch. */
  readonly entries: readonly number[];
}

export interface WalFacts {
  readonly bootId: string;
  /** undefined for a segment looked at by itself. */
  readonly version: Version | undefined;
  readonly wal: AddWal | undefined;
  readonly successor: AddWal | undefined;
}

/** Reads a segment. Damage goes to `findings`. @throws IoError when the file can not be read */
export function inspectWal(
  fs: Fs,
  path: string,
  fileNumber: number,
  facts: WalFacts,
  findings: FindingList,
): WalInspection {
  let loaded: LoadedWal | undefined;
  const isPowerLoss = facts.wal !== undefined && facts.wal.bootId !== facts.bootId;
  let kept = new Uint8Array(0);
  findings.attempt(() => {
    const allocate = (bytes: number): Uint8Array => (kept = new Uint8Array(bytes));
    const wasSynced = facts.wal?.isSynced ?? false;
    loaded = loadWal(fs, path, fileNumber, wasSynced, allocate, isPowerLoss);
  });
  const isSealed = facts.version?.sealedWals.has(fileNumber) ?? false;
  const found = new Contents(loaded?.bytes ?? kept);
  const header = loaded?.header;
  if (loaded !== undefined && header === undefined) {
    findings.add('tail', path, 0, 'segment was not finished being created');
  }
  if (loaded !== undefined && header !== undefined) {
    const scanner = scanRecords(loaded.bytes, loaded.length, header);
    for (const record of readRecords(scanner, path, findings)) found.add(record);
    listEnd(scanner, path, header, facts, findings);
    found.validBytes = scanner.end;
  }
  return {
    fileNumber,
    path,
    header,
    bytes: found.bytes,
    length: loaded?.length ?? kept.length,
    validBytes: found.validBytes,
    counts: found.counts,
    entries: found.entries,
    view: found.view,
    maxSeq: found.maxSeq,
    valueLogs: found.valueLogs,
    isSealed,
  };
}

class Contents {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly counts = new RecordCounts();
  readonly entries: number[] = [];
  readonly valueLogs = new Map<number, number>();
  maxSeq = 0;
  validBytes = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  add(record: WalRecord): void {
    const { view } = this;
    this.counts.add(record.type, record.bytes);
    for (const at of record.entries) {
      this.entries.push(at);
      this.maxSeq = Math.max(this.maxSeq, entrySeq(view, at));
      if (entryKind(view, at) !== KIND_VALUE_POINTER) continue;
      const pointerAt = entryValueStart(view, at);
      const valueLog = pointerFileNumber(this.bytes, pointerAt);
      const bytes = (this.valueLogs.get(valueLog) ?? 0) + pointerLength(this.bytes, pointerAt);
      this.valueLogs.set(valueLog, bytes);
    }
  }
}

/** The records of a segment in order. What is wrong inside one is listed, and its sound entries are kept. */
export function* readRecords(
  scanner: RecordScanner,
  path: string,
  findings: FindingList,
): Generator<WalRecord, void, void> {
  const batch = new BatchScanner(path, scanner.view);
  while (scanner.next()) {
    const { type, recordStart: offset, payloadStart, payloadLength, syncedThrough } = scanner;
    const entries: number[] = [];
    if (type > WAL_TYPE_MAX) findings.add('damage', path, offset, `unknown record type ${type}`);
    if (type === WAL_BATCH) {
      findings.attempt(() => {
        batch.reset(payloadStart, payloadLength);
        while (batch.next()) entries.push(batch.at);
      });
    }
    yield { offset, bytes: RECORD_HEADER_BYTES + payloadLength, type, syncedThrough, entries };
  }
}

/** Torn by a crash, or damaged? */
function listEnd(
  scanner: RecordScanner,
  path: string,
  header: LogHeader,
  facts: WalFacts,
  findings: FindingList,
): void {
  const { version, wal, successor, bootId } = facts;
  const crash: Crash = crashOf(header.bootId, bootId);
  const sealed =
    version === undefined || wal === undefined
      ? undefined
      : expectedEnd(version, wal, successor, crash);
  const isFine = findings.attempt(() => judgeTail(scanner, { file: path, crash, sealed }));
  if (!isFine || scanner.scanEnd === 'clean') return;
  const torn = scanner.limit - scanner.end;
  const behind = scanner.scanEnd === 'bad' ? searchBehind(scanner).count : 0;
  const rest = behind === 0 ? '' : `, ${behind} records behind it`;
  const what = scanner.scanEnd === 'bad' ? 'torn record' : 'incomplete last record';
  findings.add('tail', path, scanner.end, `${what}: ${torn} bytes${rest}`);
}
