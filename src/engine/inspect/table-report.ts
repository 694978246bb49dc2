/** Tables as plain data: what one says of itself for `sst inspect`, its entries for `sst dump`. */
import { checksumName } from '../../base/checksum.js';
import type { Env } from '../../base/env.js';
import { BlockCache } from '../cache/block-cache.js';
import { KIND_RANGE_DELETE, NO_EXPIRY } from '../entry.js';
import { TableReader } from '../sst/table-reader.js';
import type { TableMeta } from '../table-meta.js';
import { type Finding, FindingList, type KeyRange, keyRangeOf } from './findings.js';
import type { Inspection } from './open-inspection.js';
import { ReadOnlyFs } from './read-only-fs.js';
import { type EntryRange, soundEntries } from './sound-entries.js';
import { type DumpedEntry, dumpEntry } from './stored-entry.js';
import { mustBeFile, splitPath } from './wal-report.js';

export interface ReportedTable {
  readonly file_number: number;
  /** null for a table looked at by itself. */
  readonly level: number | null;
  readonly bytes: number;
  readonly identity: string;
  readonly key_range: KeyRange;
  readonly entries: number;
  readonly tombstones: number;
  readonly range_tombstones: number;
  readonly min_seq: number;
  readonly max_seq: number;
  readonly max_version: number;
  readonly raw_bytes: number;
  readonly stale_bytes: number;
  readonly earliest_expiry_ms: number | null;
  readonly value_log: readonly {
    readonly fid: number;
    readonly bytes: number;
    readonly count: number;
  }[];
  readonly created_ms: number;
  /** Made outside of a database; looked at by itself, its sequence numbers are relative. */
  readonly is_external: boolean;
  /** What the stored sequence numbers of an ingested table count from; null for others, and for one by itself. */
  readonly seq_base: number | null;
  /** Of its blocks; null when it can not be opened. */
  readonly checksum: 'crc32' | 'xxh64' | null;
  readonly blocks: {
    readonly count: number;
    /** Stored bytes of the data blocks, trailers included, and their payload restored. */
    readonly bytes: number;
    readonly payload_bytes: number;
  } | null;
  /** What the builder was told. */
  readonly options: Readonly<Record<string, unknown>> | null;
}

export interface TablesReport {
  readonly tables: readonly ReportedTable[];
  readonly findings: readonly Finding[];
}

/** Every table of a workdir, by level. Reads every block. */
export function tablesReport({ version, tables, findings }: Inspection): TablesReport {
  const reports: ReportedTable[] = [];
  version.levels.forEach((metas, level) => {
    for (const meta of metas) {
      const table = tables.get(meta.fileNumber);
      reports.push(reportOf(meta, level, table, findings));
    }
  });
  return { tables: reports, findings: findings.all };
}

/** One table by itself. @throws NokvError NOKV_NOT_FOUND, CorruptionError when it can not be opened at all */
export function inspectTableFile(env: Env, path: string): TablesReport {
  const { table, findings } = openTableFile(env, path);
  try {
    return { tables: [reportOf(table.meta, null, table, findings)], findings: findings.all };
  } finally {
    table.close();
  }
}

function openTableFile(env: Env, path: string): { table: TableReader; findings: FindingList } {
  const fs = new ReadOnlyFs(env.fs);
  mustBeFile(fs, path);
  const table = TableReader.openAlone(fs, path, new BlockCache(0));
  return { table, findings: new FindingList(fs, splitPath(path).directory) };
}

function reportOf(
  meta: TableMeta,
  level: number | null,
  table: TableReader | undefined,
  findings: FindingList,
): ReportedTable {
  const keyRange = keyRangeOf(meta.lower, meta.upper);
  let blocks: ReportedTable['blocks'] = null;
  let options: ReportedTable['options'] = null;
  findings.attempt(() => {
    if (table === undefined) return;
    options = { ...table.properties().options };
    const sums = { count: 0, bytes: 0, payload_bytes: 0 };
    for (const block of table.blocks()) {
      sums.count++;
      sums.bytes += block.size;
      sums.payload_bytes += block.payloadBytes;
    }
    blocks = sums;
  }, keyRange);
  return {
    file_number: meta.fileNumber,
    level,
    bytes: meta.bytes,
    identity: meta.identity,
    key_range: keyRange,
    entries: meta.entries,
    tombstones: meta.tombstones,
    range_tombstones: meta.rangeTombstones,
    min_seq: meta.minSeq,
    max_seq: meta.maxSeq,
    max_version: meta.maxVersion,
    raw_bytes: meta.rawBytes,
    stale_bytes: meta.staleBytes,
    earliest_expiry_ms: meta.earliestExpiry === NO_EXPIRY ? null : meta.earliestExpiry,
    value_log: meta.valueLog.map(({ fileNumber, bytes, count }) => ({
      fid: fileNumber,
      bytes,
      count,
    })),
    created_ms: meta.createdMs,
    is_external: table?.isExternal ?? meta.seqBase !== undefined,
    seq_base: meta.seqBase ?? null,
    checksum: table === undefined ? null : checksumName(table.checksumType),
    blocks,
    options,
  };
}

export interface TableDump {
  /** Range tombstones first, then the entries in internal order. */
  readonly entries: Iterable<DumpedEntry>;
  /** Filled by the time the entries have been taken. */
  readonly findings: readonly Finding[];
  close(): void;
}

/** The caller closes it. @throws as inspectTableFile */
export function dumpTableFile(
  env: Env,
  path: string,
  range: EntryRange,
  isKeyOnly: boolean,
): TableDump {
  const { table, findings } = openTableFile(env, path);
  return {
    entries: entriesOf(table, range, isKeyOnly, findings),
    findings: findings.all,
    close: () => table.close(),
  };
}

function* entriesOf(
  table: TableReader,
  range: EntryRange,
  isKeyOnly: boolean,
  findings: FindingList,
): Generator<DumpedEntry, void, void> {
  let tombstones: DumpedEntry[] = [];
  findings.attempt(() => {
    tombstones = table.rangeTombstones().map(({ lower, upper, version, seq }) =>
      dumpEntry(
        {
          kind: KIND_RANGE_DELETE,
          seq,
          version,
          expiresAt: NO_EXPIRY,
          keyBytes: lower,
          keyStart: 0,
          keyLength: lower.length,
          valueBytes: upper,
          valueStart: 0,
          valueLength: upper.length,
        },
        false,
      ),
    );
  });
  yield* tombstones;
  for (const cursor of soundEntries(table, range, findings)) yield dumpEntry(cursor, isKeyOnly);
}
