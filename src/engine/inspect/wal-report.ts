/** Log segments as plain data: a line per segment for `wal check`, a record at a time for `wal dump`. */
import type { Env, Fs } from '../../base/env.js';
import { NokvError } from '../../base/errors.js';
import {
  entryExpiresAt,
  entryKeyLength,
  entryKeyStart,
  entryKind,
  entrySeq,
  entryValueLength,
  entryValueStart,
  entryVersion,
} from '../entry.js';
import { parseFileName } from '../file-names.js';
import { scanRecords } from '../record-log.js';
import { walTypeName } from '../wal/format.js';
import { type Finding, FindingList } from './findings.js';
import type { Inspection } from './open-inspection.js';
import { ReadOnlyFs } from './read-only-fs.js';
import { type DumpedEntry, dumpEntry } from './stored-entry.js';
import { inspectWal, readRecords, type WalInspection } from './wal-inspection.js';

export interface ReportedWal {
  readonly file_number: number;
  readonly bytes: number;
  /** The part with whole records. */
  readonly valid_bytes: number;
  readonly torn_bytes: number;
  readonly is_sealed: boolean;
  readonly records: readonly {
    readonly type: string;
    readonly records: number;
    readonly bytes: number;
  }[];
  readonly entries: number;
  readonly max_seq: number;
}

export interface WalCheck {
  readonly is_sound: boolean;
  readonly segments: readonly ReportedWal[];
  readonly findings: readonly Finding[];
}

/** The segments of a workdir. */
export function walCheck({ wals, findings }: Inspection): WalCheck {
  return checkOf(wals, findings);
}

/** One segment by itself. @throws NokvError NOKV_INVALID when its name is not that of a segment, IoError */
export function checkWalFile(env: Env, path: string): WalCheck {
  const { wal, findings } = openWalFile(env, path);
  return checkOf([wal], findings);
}

function checkOf(wals: readonly WalInspection[], findings: FindingList): WalCheck {
  return {
    is_sound: !findings.isDamaged,
    segments: wals.map((wal) => ({
      file_number: wal.fileNumber,
      bytes: wal.length,
      valid_bytes: wal.validBytes,
      torn_bytes: wal.length - wal.validBytes,
      is_sealed: wal.isSealed,
      records: wal.counts.toRows(),
      entries: wal.entries.length,
      max_seq: wal.maxSeq,
    })),
    findings: findings.all,
  };
}

function openWalFile(env: Env, path: string): { wal: WalInspection; findings: FindingList } {
  const fs = new ReadOnlyFs(env.fs);
  mustBeFile(fs, path);
  const { directory, name } = splitPath(path);
  const parsed = parseFileName(name);
  if (parsed?.kind !== 'wal') {
    throw new NokvError('NOKV_INVALID', `Cannot read ${path}: it is not named like a log segment`, {
      hint: 'A segment is called NNNNN.wal',
    });
  }
  const findings = new FindingList(fs, directory);
  const facts = {
    bootId: env.host.bootId,
    version: undefined,
    wal: undefined,
    successor: undefined,
  };
  return { wal: inspectWal(fs, path, parsed.fileNumber, facts, findings), findings };
}

/** @throws NokvError NOKV_NOT_FOUND; NOKV_INVALID for a directory */
export function mustBeFile(fs: Fs, path: string): void {
  const stat = fs.stat(path);
  if (stat?.isDirectory === false) return;
  if (stat !== undefined) {
    throw new NokvError('NOKV_INVALID', `Cannot read ${path}: it is a directory`, {
      hint: 'Name a file; a workdir is given by --workdir',
      details: { path },
    });
  }
  throw new NokvError('NOKV_NOT_FOUND', `Cannot read ${path}: there is no such file`, {
    hint: 'Check the path',
    details: { path },
  });
}

/** The parts of a path, whatever the platform's separator is. */
export function splitPath(path: string): { directory: string; name: string } {
  const at = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'));
  return { directory: at < 0 ? '.' : path.slice(0, at + 1), name: path.slice(at + 1) };
}

export interface DumpedRecord {
  readonly file_number: number;
  readonly offset: number;
  readonly bytes: number;
  readonly type: string;
  /** Bytes of the file known durable when the record was written. */
  readonly synced_through: number;
  readonly entries: readonly DumpedEntry[];
}

export interface WalDump {
  readonly records: Iterable<DumpedRecord>;
  /** Filled by the time the records have been taken. */
  readonly findings: readonly Finding[];
}

/** Every record of the segments of a workdir. */
export function dumpWals({ wals, findings }: Inspection, isKeyOnly: boolean): WalDump {
  return { records: recordsOf(wals, findings, isKeyOnly), findings: findings.all };
}

/** @throws as checkWalFile */
export function dumpWalFile(env: Env, path: string, isKeyOnly: boolean): WalDump {
  const { wal, findings } = openWalFile(env, path);
  return { records: recordsOf([wal], findings, isKeyOnly), findings: findings.all };
}

function* recordsOf(
  wals: readonly WalInspection[],
  findings: FindingList,
  isKeyOnly: boolean,
): Generator<DumpedRecord, void, void> {
  for (const wal of wals) {
    if (wal.header === undefined) continue;
    const scanner = scanRecords(wal.bytes, wal.length, wal.header);
    for (const record of readRecords(scanner, wal.path, findings)) {
      yield {
        file_number: wal.fileNumber,
        offset: record.offset,
        bytes: record.bytes,
        type: walTypeName(record.type),
        synced_through: record.syncedThrough,
        entries: record.entries.map((at) => entryAt(wal, at, isKeyOnly)),
      };
    }
  }
}

function entryAt({ view, bytes }: WalInspection, at: number, isKeyOnly: boolean): DumpedEntry {
  const raw = {
    kind: entryKind(view, at),
    seq: entrySeq(view, at),
    version: entryVersion(view, at),
    expiresAt: entryExpiresAt(view, at),
    keyBytes: bytes,
    keyStart: entryKeyStart(view, at),
    keyLength: entryKeyLength(view, at),
    valueBytes: bytes,
    valueStart: entryValueStart(view, at),
    valueLength: entryValueLength(view, at),
  };
  return dumpEntry(raw, isKeyOnly);
}
