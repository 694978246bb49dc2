/**
 * One row of results: an engine, a workload, a round; and the median over the rounds. The table of
 * columns drives CSV and JSON, so that both have the same names: first those of the reference, in its
 * order, then ours.
 */
import type { Histogram } from '../base/histogram.js';

/** Percentiles kept for the latency curve. */
export const CURVE_PERCENTS = [
  0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.9, 99.95, 99.99, 100,
] as const;

export interface BenchRow {
  readonly engine: string;
  /** "load" or the name of a workload. */
  readonly workload: string;
  /** Durability: os or disk. */
  readonly mode: string;
  /** From 1; 0 in a median over rounds. */
  readonly round: number;
  readonly ops: number;
  readonly opsPerSec: number;
  /** Mean of the latencies themselves, not time / operations. */
  readonly avgNs: number;
  readonly p50Ns: number;
  readonly p95Ns: number;
  readonly p99Ns: number;
  readonly p999Ns: number;
  readonly maxNs: number;
  /** Load: until back pressure is gone. Workloads: until the last acknowledgement. */
  readonly durationNs: number;
  /** From the last acknowledgement until no background work is left. */
  readonly settleNs: number;
  /** Values read and values and keys written, bytes. */
  readonly dataBytes: number;
  readonly reads: number;
  readonly updates: number;
  readonly inserts: number;
  readonly scans: number;
  readonly scanItems: number;
  readonly rmw: number;
  readonly misses: number;
  /** Sizes of the prepared values, bytes. */
  readonly valAvg: number;
  readonly valP50: number;
  readonly valP95: number;
  readonly valP99: number;
  /** CPU of all threads of the process over the phase and its settling. */
  readonly cpuMs: number;
  /** Resident memory of the process: highest in the phase; before the engine was opened. */
  readonly rssPeakBytes: number;
  readonly rssBaseBytes: number;
  /** Of the database after the phase. */
  readonly diskBytes: number;
  /** Bytes to the disk per byte of keys and values written; null when nothing was written or nobody counts. */
  readonly writeAmplification: number | null;
  readonly cacheHitRate: number | null;
  /** Nanoseconds at CURVE_PERCENTS. */
  readonly curveNs: readonly number[];
}

interface Column {
  readonly name: string;
  readonly of: (row: BenchRow) => string | number | null;
}

const MEGABYTE = 1024 * 1024;

/** Exactly the CSV columns of the reference, in its order. */
const REFERENCE_COLUMNS: readonly Column[] = [
  { name: 'name', of: rowName },
  { name: 'engine', of: (row) => row.engine },
  { name: 'workload', of: (row) => row.workload },
  { name: 'ops', of: (row) => row.ops },
  { name: 'ops_per_sec', of: (row) => round(row.opsPerSec, 2) },
  { name: 'avg_ns', of: (row) => round(row.avgNs, 0) },
  { name: 'p50_ns', of: (row) => round(row.p50Ns, 0) },
  { name: 'p95_ns', of: (row) => round(row.p95Ns, 0) },
  { name: 'p99_ns', of: (row) => round(row.p99Ns, 0) },
  { name: 'duration_ns', of: (row) => round(row.durationNs, 0) },
  { name: 'data_bytes', of: (row) => round(row.dataBytes, 0) },
  { name: 'data_mb', of: (row) => round(row.dataBytes / MEGABYTE, 2) },
  { name: 'reads', of: (row) => row.reads },
  { name: 'updates', of: (row) => row.updates },
  { name: 'inserts', of: (row) => row.inserts },
  { name: 'scans', of: (row) => row.scans },
  { name: 'scan_items', of: (row) => row.scanItems },
  { name: 'rmw', of: (row) => row.rmw },
  { name: 'val_avg', of: (row) => round(row.valAvg, 2) },
  { name: 'val_p50', of: (row) => row.valP50 },
  { name: 'val_p95', of: (row) => row.valP95 },
  { name: 'val_p99', of: (row) => row.valP99 },
];

const OWN_COLUMNS: readonly Column[] = [
  { name: 'mode', of: (row) => row.mode },
  { name: 'round', of: (row) => row.round },
  { name: 'p999_ns', of: (row) => round(row.p999Ns, 0) },
  { name: 'max_ns', of: (row) => round(row.maxNs, 0) },
  { name: 'settle_ns', of: (row) => round(row.settleNs, 0) },
  { name: 'misses', of: (row) => row.misses },
  { name: 'cpu_ms', of: (row) => round(row.cpuMs, 1) },
  { name: 'rss_peak_bytes', of: (row) => row.rssPeakBytes },
  { name: 'rss_base_bytes', of: (row) => row.rssBaseBytes },
  { name: 'disk_bytes', of: (row) => row.diskBytes },
  { name: 'write_amplification', of: (row) => orNull(row.writeAmplification, 3) },
  { name: 'cache_hit_rate', of: (row) => orNull(row.cacheHitRate, 4) },
];

export const COLUMNS: readonly Column[] = [...REFERENCE_COLUMNS, ...OWN_COLUMNS];

/** A row as it stands in JSON output; `curve` pairs percentiles with nanoseconds. */
export type JsonRow = Readonly<
  Record<string, string | number | null | readonly (readonly number[])[]>
>;

export function toJsonRow(row: BenchRow): JsonRow {
  const json: Record<string, JsonRow[string]> = {};
  for (const column of COLUMNS) json[column.name] = column.of(row);
  json['curve'] = CURVE_PERCENTS.map((percent, i) => [percent, round(row.curveNs[i] ?? 0, 0)]);
  return json;
}

/** "YCSB-A", "YCSB-LOAD". */
export function rowName(row: Pick<BenchRow, 'workload'>): string {
  return `YCSB-${row.workload.toUpperCase()}`;
}

/** Latency figures of a histogram of nanoseconds. */
export function latencyFigures(
  latency: Histogram,
): Pick<BenchRow, 'avgNs' | 'p50Ns' | 'p95Ns' | 'p99Ns' | 'p999Ns' | 'maxNs' | 'curveNs'> {
  return {
    avgNs: latency.mean,
    p50Ns: latency.percentile(50),
    p95Ns: latency.percentile(95),
    p99Ns: latency.percentile(99),
    p999Ns: latency.percentile(99.9),
    maxNs: latency.max,
    curveNs: CURVE_PERCENTS.map((percent) => latency.percentile(percent)),
  };
}

/**
 * One row per engine and workload, in order of first appearance: the median of every figure over the
 * rounds, each by itself (the mean of the middle two when their number is even).
 */
export function medianRows(rows: readonly BenchRow[]): BenchRow[] {
  const groups = new Map<string, BenchRow[]>();
  for (const row of rows) {
    const key = JSON.stringify([row.engine, row.workload]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return [...groups.values()].map(medianRow);
}

function medianRow(rows: readonly BenchRow[]): BenchRow {
  const first = rows[0] as BenchRow;
  const result: Record<string, unknown> = { ...first, round: 0 };
  for (const name of Object.keys(first) as (keyof BenchRow)[]) {
    if (name === 'round' || typeof first[name] === 'string') continue;
    if (name === 'curveNs') {
      result[name] = first.curveNs.map((_, i) =>
        median(rows.map((row) => row.curveNs[i] as number)),
      );
      continue;
    }
    const known = rows.map((row) => row[name]).filter((value) => typeof value === 'number');
    result[name] = known.length === 0 ? null : median(known);
  }
  return result as unknown as BenchRow;
}

/** Requires at least one value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >>> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

function round(value: number, digits: number): number {
  const unit = 10 ** digits;
  return Math.round(value * unit) / unit;
}

function orNull(value: number | null, digits: number): number | null {
  return value === null ? null : round(value, digits);
}
