/**
 * Where the bytes of a workdir are, and what each action would give back. Every file is counted once, to the
 * byte: the categories add up to the size of the directory.
 *
 * Data blocks of tables are divided by the key and value bytes of the entries in them (entry-judge.ts). Of the
 * value log a record is live when a live entry of a table, or any entry of a log, points to it. Logs are
 * counted whole: a flush will judge what is in them.
 *
 * Cost: reads all keys and inline values of all tables once.
 */
import { VALUE_LOG_HEADER_BYTES } from '../vlog/format.js';
import { isInUse } from './check-workdir.js';
import { type JudgedEntries, judgeEntries } from './entry-judge.js';
import type { Finding } from './findings.js';
import type { Inspection } from './open-inspection.js';
import { segmentReports } from './value-log-report.js';
import type { WorkdirFile } from './workdir-files.js';

export type SpaceCategory =
  | 'live_data'
  | 'live_values'
  | 'old_versions'
  | 'tombstones'
  | 'value_log_garbage'
  | 'value_log_overhead'
  | 'table_overhead'
  | 'wal'
  | 'manifest'
  | 'orphans'
  | 'foreign'
  | 'unreadable'
  | 'other';

export interface SpaceReport {
  readonly workdir: string;
  /** Sum of the lengths of all files; of the categories, too. */
  readonly total_bytes: number;
  /** Bytes an ordinary user may still write to the file system; null when it does not say. */
  readonly free_bytes: number | null;
  readonly categories: readonly {
    readonly category: SpaceCategory;
    readonly bytes: number;
    readonly note: string;
  }[];
  readonly actions: readonly {
    readonly action: 'open' | 'vlog gc' | 'compact';
    readonly returns_bytes: number;
    readonly note: string;
  }[];
  readonly findings: readonly Finding[];
}

/** `inspection` has everything open. `ratio`: share of garbage from which a segment is collected. */
export function spaceReport(inspection: Inspection, ratio: number): SpaceReport {
  const judged = judgeEntries(inspection);
  const sums = new Sums();
  const tables = new Set(inspection.version.levels.flat().map((meta) => meta.fileNumber));
  for (const file of inspection.files) countFile(inspection, judged, tables, file, sums);
  divideData(judged, sums);
  return {
    workdir: inspection.workdir,
    total_bytes: inspection.files.reduce((sum, file) => sum + file.bytes, 0),
    free_bytes: inspection.fs.freeBytes(inspection.workdir) ?? null,
    categories: CATEGORIES.map(([category, note]) => ({
      category,
      bytes: sums.of(category),
      note,
    })),
    actions: actionsOf(inspection, judged, sums, ratio),
    findings: inspection.findings.all,
  };
}

const CATEGORIES: readonly (readonly [SpaceCategory, string])[] = [
  ['live_data', 'keys and inline values of tables'],
  ['live_values', 'value-log records that something points to'],
  [
    'old_versions',
    'overwritten, deleted or expired: compaction drops them unless a snapshot needs them',
  ],
  ['tombstones', 'deletes: compaction drops them at the last level'],
  ['value_log_garbage', 'records that nothing live points to'],
  ['value_log_overhead', 'headers of segments'],
  ['table_overhead', 'indexes, filters, footers'],
  ['wal', 'logs of what is not in tables yet'],
  ['manifest', 'manifest and CURRENT'],
  ['orphans', 'files that nothing refers to: the next open removes them'],
  ['foreign', 'files that are not of this database: never touched'],
  ['unreadable', 'files, or parts of files, that are damaged'],
  ['other', 'LOCK, MODE.json'],
];

class Sums {
  readonly #bytes = new Map<SpaceCategory, number>();
  /** Data blocks of readable tables, not yet divided. */
  data = 0;

  add(category: SpaceCategory, bytes: number): void {
    this.#bytes.set(category, this.of(category) + bytes);
  }

  of(category: SpaceCategory): number {
    return this.#bytes.get(category) ?? 0;
  }
}

function countFile(
  inspection: Inspection,
  judged: JudgedEntries,
  tables: ReadonlySet<number>,
  file: WorkdirFile,
  sums: Sums,
): void {
  const { version, manifest } = inspection;
  if (file.kind === 'foreign') return sums.add('foreign', file.bytes);
  if (!isInUse(file, version, tables, manifest.fileNumber)) return sums.add('orphans', file.bytes);
  switch (file.kind) {
    case 'table':
      return countTable(inspection, judged, file, sums);
    case 'valueLog':
      return countSegment(inspection, judged, file, sums);
    case 'wal':
      return sums.add('wal', file.bytes);
    case 'manifest':
    case 'current':
      return sums.add('manifest', file.bytes);
    case 'lock':
    case 'mode':
    case 'temporary':
      return sums.add('other', file.bytes);
  }
}

function countTable(
  { tables }: Inspection,
  judged: JudgedEntries,
  file: WorkdirFile,
  sums: Sums,
): void {
  const table = tables.get(file.fileNumber);
  if (table === undefined || judged.unreadable.has(file.fileNumber)) {
    sums.add('unreadable', file.bytes);
    return;
  }
  const { data, tombstones } = table.partBytes;
  const tombstoneBytes = table.meta.rangeTombstones > 0 ? tombstones : 0;
  sums.data += data;
  sums.add('tombstones', tombstoneBytes);
  sums.add('table_overhead', file.bytes - data - tombstoneBytes);
}

function countSegment(
  inspection: Inspection,
  judged: JudgedEntries,
  file: WorkdirFile,
  sums: Sums,
): void {
  if (inspection.segments.get(file.fileNumber)?.file === undefined) {
    sums.add('unreadable', file.bytes);
    return;
  }
  const overhead = Math.min(file.bytes, VALUE_LOG_HEADER_BYTES);
  const live = Math.min(file.bytes - overhead, liveValueBytes(inspection, judged, file.fileNumber));
  sums.add('value_log_overhead', overhead);
  sums.add('live_values', live);
  sums.add('value_log_garbage', file.bytes - overhead - live);
}

function liveValueBytes({ wals }: Inspection, judged: JudgedEntries, fileNumber: number): number {
  const logged = wals.reduce((sum, wal) => sum + (wal.valueLogs.get(fileNumber) ?? 0), 0);
  return logged + (judged.liveValues.get(fileNumber) ?? 0);
}

/** Block bytes go by the bytes of the entries; what rounding leaves is live. */
function divideData({ live, old, tombstones }: JudgedEntries, sums: Sums): void {
  const whole = live + old + tombstones;
  const share = (part: number): number =>
    whole === 0 ? 0 : Math.floor((sums.data * part) / whole);
  sums.add('old_versions', share(old));
  sums.add('tombstones', share(tombstones));
  sums.add('live_data', sums.data - share(old) - share(tombstones));
}

/** An estimate of each action by itself. */
function actionsOf(
  inspection: Inspection,
  judged: JudgedEntries,
  sums: Sums,
  ratio: number,
): SpaceReport['actions'] {
  const segments = segmentReports(inspection, ratio);
  const known = segments.reduce((sum, { verdict, bytes, garbageBytes }) => {
    if (verdict === 'remove') return sum + bytes;
    return verdict === 'collect' ? sum + garbageBytes : sum;
  }, 0);
  const afterCompaction = segments.reduce((sum, { fileNumber, bytes }) => {
    const live = liveValueBytes(inspection, judged, fileNumber);
    const records = Math.max(0, bytes - VALUE_LOG_HEADER_BYTES);
    if (live === 0) return sum + bytes;
    return (records - live) / records >= ratio ? sum + records - live : sum;
  }, 0);
  return [
    {
      action: 'open',
      returns_bytes: sums.of('orphans'),
      note: 'the next open for writing removes orphans',
    },
    {
      action: 'vlog gc',
      returns_bytes: known,
      note: `segments of which tables no longer refer to ${Math.round(ratio * 100)} %`,
    },
    {
      action: 'compact',
      returns_bytes: sums.of('old_versions') + sums.of('tombstones') + afterCompaction,
      note: 'old versions and tombstones, and the value-log segments that they keep',
    },
  ];
}
