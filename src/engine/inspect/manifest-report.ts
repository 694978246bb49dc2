/**
 * What the manifest says, as plain data: the state it adds up to, its edits one by one, and whether it is
 * sound and the files it names are there.
 */
import type { TableMeta } from '../table-meta.js';
import { valueLogBytes } from '../table-meta.js';
import type { VersionEdit } from '../manifest/version-edit.js';
import { listStrays } from './check-workdir.js';
import { type Finding, type KeyRange, keyRangeOf } from './findings.js';
import type { Inspection } from './open-inspection.js';

/** Where the next record of the log goes, as far as can be told without its writer. */
interface LogPointer {
  readonly segment: number | null;
  readonly offset: number | null;
}

interface ValueLogHead {
  readonly bucket: number;
  readonly fid: number | null;
  readonly offset: number | null;
  /** The file is there, and its header is the right one. */
  readonly valid: boolean;
}

export interface ManifestReport {
  readonly workdir: string;
  readonly manifest: {
    readonly file_number: number | null;
    readonly bytes: number;
    readonly edits: number;
  };
  readonly log_pointer: LogPointer;
  readonly next_file_number: number;
  readonly last_seq: number;
  readonly min_wal_number: number;
  readonly is_clean_close: boolean;
  /** Of each bucket the segment written to last. */
  readonly value_log_heads: readonly ValueLogHead[];
  readonly levels: readonly {
    readonly level: number;
    readonly file_count: number;
    readonly file_ids: readonly number[];
    readonly total_bytes: number;
    readonly value_bytes: number;
  }[];
  readonly value_logs: readonly (ValueLogHead & {
    readonly identity: string;
    readonly is_sealed: boolean;
    readonly discard_bytes: number;
  })[];
  readonly wals: readonly {
    readonly file_number: number;
    readonly is_sealed: boolean;
    readonly bytes: number | null;
  }[];
  readonly findings: readonly Finding[];
}

export function manifestReport(inspection: Inspection): ManifestReport {
  const { version, manifest, wals, segments } = inspection;
  const files = [...version.valueLog].sort(([a, x], [b, y]) => x.bucket - y.bucket || a - b);
  const valueLogs = files.map(([fileNumber, state]) => ({
    bucket: state.bucket,
    fid: fileNumber,
    offset: segments.get(fileNumber)?.bytes ?? null,
    valid: segments.get(fileNumber)?.file !== undefined,
    identity: state.identity,
    is_sealed: state.sealedBytes !== undefined,
    discard_bytes: state.discardBytes,
  }));
  const heads = new Map<number, ValueLogHead>();
  for (const { bucket, fid, offset, valid } of valueLogs) {
    heads.set(bucket, { bucket, fid, offset, valid });
  }
  const last = wals.at(-1);
  return {
    workdir: inspection.workdir,
    manifest: {
      file_number: manifest.fileNumber ?? null,
      bytes: manifest.bytes,
      edits: manifest.edits.length,
    },
    log_pointer: { segment: last?.fileNumber ?? null, offset: last?.validBytes ?? null },
    next_file_number: version.nextFileNumber,
    last_seq: version.lastSeq,
    min_wal_number: version.minWalNumber,
    is_clean_close: version.isCleanClose,
    value_log_heads: [...heads.values()],
    levels: version.levels.map(levelReport).filter((level) => level.file_count > 0),
    value_logs: valueLogs,
    wals: [...version.wals.keys()].map((fileNumber) => ({
      file_number: fileNumber,
      is_sealed: version.sealedWals.has(fileNumber),
      bytes: wals.find((wal) => wal.fileNumber === fileNumber)?.length ?? null,
    })),
    findings: inspection.findings.all,
  };
}

function levelReport(
  tables: readonly TableMeta[],
  level: number,
): ManifestReport['levels'][number] {
  return {
    level,
    file_count: tables.length,
    file_ids: tables.map((meta) => meta.fileNumber),
    total_bytes: tables.reduce((sum, meta) => sum + meta.bytes, 0),
    value_bytes: tables.reduce((sum, meta) => sum + valueLogBytes(meta), 0),
  };
}

/** A table in an edit, with the keys as users know them. */
export interface DumpedTable {
  readonly level: number;
  readonly file_number: number;
  readonly bytes: number;
  readonly entries: number;
  readonly key_range: KeyRange;
  /** What the numbers of an ingested table count from; null for others. */
  readonly seq_base: number | null;
}

export interface DumpedEdit {
  /** Offset of its record in the manifest. */
  readonly offset: number;
  /** Whole record. */
  readonly bytes: number;
  /** Wall milliseconds. */
  readonly time_ms: number;
  readonly reason: string;
  readonly is_snapshot: boolean;
  readonly is_clean_close: boolean;
  readonly next_file_number: number | null;
  readonly last_seq: number | null;
  readonly min_wal_number: number | null;
  readonly add_tables: readonly DumpedTable[];
  readonly remove_tables: readonly { readonly level: number; readonly file_number: number }[];
  readonly add_wals: readonly number[];
  readonly seal_wals: readonly { readonly file_number: number; readonly bytes: number }[];
  readonly add_value_logs: readonly { readonly file_number: number; readonly bucket: number }[];
  readonly seal_value_logs: readonly { readonly file_number: number; readonly bytes: number }[];
  readonly remove_value_logs: readonly number[];
  readonly discards: readonly { readonly file_number: number; readonly bytes: number }[];
}

export interface ManifestDump {
  readonly file: string | null;
  readonly edits: readonly DumpedEdit[];
  readonly findings: readonly Finding[];
}

export function dumpManifest({ manifest, findings }: Inspection): ManifestDump {
  return {
    file: manifest.path === undefined ? null : findings.nameOf(manifest.path),
    edits: manifest.edits.map(({ offset, bytes, edit }) => dumpedEdit(offset, bytes, edit)),
    findings: findings.all,
  };
}

function dumpedEdit(offset: number, bytes: number, edit: VersionEdit): DumpedEdit {
  const numbered = (item: { readonly fileNumber: number; readonly bytes: number }) => ({
    file_number: item.fileNumber,
    bytes: item.bytes,
  });
  return {
    offset,
    bytes,
    time_ms: edit.timeMs,
    reason: edit.reason,
    is_snapshot: edit.snapshot === true,
    is_clean_close: edit.cleanClose === true,
    next_file_number: edit.nextFileNumber ?? null,
    last_seq: edit.lastSeq ?? null,
    min_wal_number: edit.minWalNumber ?? null,
    add_tables: (edit.addTables ?? []).map(({ level, meta }) => ({
      level,
      file_number: meta.fileNumber,
      bytes: meta.bytes,
      entries: meta.entries,
      key_range: keyRangeOf(meta.lower, meta.upper),
      seq_base: meta.seqBase ?? null,
    })),
    remove_tables: (edit.removeTables ?? []).map(({ level, fileNumber }) => ({
      level,
      file_number: fileNumber,
    })),
    add_wals: (edit.addWal ?? []).map(({ fileNumber }) => fileNumber),
    seal_wals: (edit.sealWal ?? []).map(numbered),
    add_value_logs: (edit.addValueLog ?? []).map(({ fileNumber, bucket }) => ({
      file_number: fileNumber,
      bucket,
    })),
    seal_value_logs: (edit.sealValueLog ?? []).map(numbered),
    remove_value_logs: edit.removeValueLog ?? [],
    discards: (edit.discard ?? []).map(numbered),
  };
}

export interface ManifestCheck {
  readonly is_sound: boolean;
  readonly edits: number;
  readonly bytes: number;
  readonly files_named: number;
  readonly findings: readonly Finding[];
}

/** `inspection` has every file open: what could not be opened is among the findings. */
export function checkManifest(inspection: Inspection): ManifestCheck {
  const { version, manifest, findings } = inspection;
  listStrays(inspection);
  return {
    is_sound: !findings.isDamaged,
    edits: manifest.edits.length,
    bytes: manifest.bytes,
    files_named: version.levels.flat().length + version.wals.size + version.valueLog.size,
    findings: findings.all,
  };
}
