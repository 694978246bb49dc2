/**
 * The stats object (docs/stats.md): field names are those that operators of the Go system know. Figures
 * that only a running process has are null where a stopped directory is inspected.
 */
import { type Background, SLOWDOWN_BYTES_PER_MS } from './background.js';
import type { CompactionRunner } from './compaction-runner.js';
import { KIB } from '../base/limits.js';
import type { TreeShape } from './compaction/score.js';
import type { Core } from './core.js';
import type { LevelFlow } from './level-traffic.js';
import type { Options } from './options.js';
import type { ReadState } from './read-view.js';
import type { PruningCounters } from './scan-pruning.js';
import type { SnapshotRegistry } from './snapshot.js';
import { type TableMeta, valueLogBytes } from './table-meta.js';
import type { SegmentReport } from './vlog/gc-picker.js';
import type { Oracle } from './txn/oracle.js';
import type { WriteQueue } from './write-queue.js';

export interface StatsInput {
  readonly core: Core;
  readonly options: Options;
  readonly state: ReadState;
  readonly queue: WriteQueue | undefined;
  readonly background: Background | undefined;
  readonly compaction: CompactionRunner | undefined;
  readonly snapshots: SnapshotRegistry;
  readonly openScans: number;
  readonly oracle: Oracle;
  readonly uptimeMs: number;
  readonly wallMs: number;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
}

export interface LevelStats {
  readonly level: number;
  readonly tables: number;
  readonly size_bytes: number;
  readonly value_bytes: number;
  readonly stale_bytes: number;
  readonly entries: number;
  readonly tombstones: number;
  readonly range_tombstones: number;
  readonly score: number | null;
  readonly target_bytes: number | null;
  readonly value_density: number;
  /** Sorted runs that a read may have to look at. */
  readonly read_amp: number;
  /** Table bytes written into the level since the start of the process. */
  readonly bytes_written: number | null;
  /** The same per byte flushed; the sum over the levels is the write amplification of the tree. */
  readonly write_amp: number | null;
  /** Table bytes that came into the level and left it, moves included, since the start of the process. */
  readonly bytes_in: number | null;
  readonly bytes_out: number | null;
  /** The same per second over the last minute. */
  readonly in_per_second: number | null;
  readonly out_per_second: number | null;
  /** Of the Go system, whose tables wait in a buffer of a level before they are merged; always 0 here. */
  /** Tables that an ingest took in and no compaction has rewritten. */
  readonly external_tables: number;
  readonly ingest_tables: number;
  readonly ingest_size_bytes: number;
  readonly ingest_value_bytes: number;
  readonly ingest_value_density: number;
  readonly ingest_runs: number;
  readonly ingest_ms: number;
  readonly ingest_tables_compacted: number;
  readonly ingest_merge_runs: number;
  readonly ingest_merge_ms: number;
  readonly ingest_merge_tables: number;
}

const NO_INGEST = {
  ingest_tables: 0,
  ingest_size_bytes: 0,
  ingest_value_bytes: 0,
  ingest_value_density: 0,
  ingest_runs: 0,
  ingest_ms: 0,
  ingest_tables_compacted: 0,
  ingest_merge_runs: 0,
  ingest_merge_ms: 0,
  ingest_merge_tables: 0,
};

/** What the level figures need beside the tables; a stopped directory has no counters. */
export interface LevelSource {
  readonly shape: TreeShape;
  /** Table bytes written per level, flushes included. */
  readonly bytesWritten?: readonly number[];
  readonly flow?: (level: number) => LevelFlow;
}

/** Level figures from table metas alone. */
export function levelStats(
  levels: readonly (readonly TableMeta[])[],
  source: LevelSource | undefined,
): LevelStats[] {
  const flushed = source?.bytesWritten?.[0] ?? 0;
  return levels.map((tables, level) => {
    const sum = (pick: (meta: TableMeta) => number): number =>
      tables.reduce((total, meta) => total + pick(meta), 0);
    const sizeBytes = sum((meta) => meta.bytes);
    const flow = source?.flow?.(level);
    const valueBytes = sum(valueLogBytes);
    return {
      level,
      tables: tables.length,
      size_bytes: sizeBytes,
      value_bytes: valueBytes,
      stale_bytes: sum((meta) => meta.staleBytes),
      entries: sum((meta) => meta.entries),
      tombstones: sum((meta) => meta.tombstones),
      range_tombstones: sum((meta) => meta.rangeTombstones),
      score: source?.shape.scores[level]?.score ?? null,
      target_bytes: source?.shape.scores[level]?.target ?? null,
      value_density: sizeBytes + valueBytes === 0 ? 0 : valueBytes / (sizeBytes + valueBytes),
      read_amp: level === 0 ? tables.length : Math.min(1, tables.length),
      bytes_written: source?.bytesWritten?.[level] ?? null,
      write_amp: flushed === 0 ? null : (source?.bytesWritten?.[level] ?? 0) / flushed,
      bytes_in: flow?.bytesIn ?? null,
      bytes_out: flow?.bytesOut ?? null,
      in_per_second: flow?.inPerSecond ?? null,
      out_per_second: flow?.outPerSecond ?? null,
      external_tables: tables.filter((meta) => meta.seqBase !== undefined).length,
      ...NO_INGEST,
    };
  });
}

export type Stats = ReturnType<typeof collectStats>;

/** The same object where any figure may be unknown: null, never left out. */
export type OrNull<T> = T extends number | string | boolean | null
  ? T | null
  : T extends readonly (infer Item)[]
    ? readonly OrNull<Item>[]
    : { readonly [Name in keyof T]: OrNull<T[Name]> };

/** The stats of a directory that no process answers for. */
export type WorkdirStats = OrNull<Stats>;

/** Bytes of log that recovery replays in a millisecond: half of what was measured with entries of 1 KiB. */
const REPLAY_BYTES_PER_MS = 256 * KIB;

/** How long the next open will spend on logs of this length, milliseconds. */
export function replayEstimateMs(walBytes: number): number {
  return Math.ceil(walBytes / REPLAY_BYTES_PER_MS);
}

/** Value density from which the alert is raised. */
const VALUE_DENSITY_ALERT = 0.6;

export function collectStats(input: StatsInput) {
  const { core, options, state, snapshots } = input;
  const version = state.tree.version;
  const levels = levelStats(version.levels, levelSource(input));
  const memtables = [state.active, ...state.sealed];
  const segments = input.compaction?.report(options.valueLogGcRatio) ?? [];
  return {
    entries:
      levels.reduce((sum, level) => sum + level.entries, 0) +
      memtables.reduce((sum, memtable) => sum + memtable.memtable.figures().entries, 0),
    uptime_ms: input.uptimeMs,
    flush: flushStats(input),
    compaction: compactionStats(input),
    value_log: valueLogStats(segments, input),
    wal: walStats(input),
    raft: {
      group_count: 0,
      lagging_groups: 0,
      min_log_segment: 0,
      max_log_segment: 0,
      max_lag_segments: 0,
      lag_warn_threshold: 0,
      lag_warning: false,
    },
    write: writeStats(input),
    region: { total: 0, new: 0, running: 0, removing: 0, tombstone: 0, other: 0 },
    hot: core.hotKeys.stats(),
    cache: cacheStats(input),
    lsm: lsmStats(levels, state.tree.pruning.counters),
    memtable: {
      kind: options.memtable,
      count: memtables.length,
      active_bytes: state.active.usedBytes,
      bytes: memtables.reduce((sum, memtable) => sum + memtable.usedBytes, 0),
      arena_bytes: core.pool.inspect().bytes,
    },
    readers: {
      snapshots: snapshots.count,
      oldest_snapshot_ms: snapshots.oldestMs() ?? null,
      scans: input.openScans,
    },
    ...transactionStats(input),
    recovery: core.report,
  };
}

/** The counters in the root have the names of the Go system. */
function transactionStats({ oracle, wallMs }: StatsInput) {
  const { counters } = oracle;
  const { active, readOnly, oldestMs, history } = oracle.inspect(wallMs);
  return {
    txns_active: active,
    txns_started: counters.started,
    txns_committed: counters.committed,
    txns_conflicts: counters.conflicts,
    txn: {
      active_read_only: readOnly,
      oldest_age_ms: oldestMs,
      rolled_back: counters.rolledBack,
      failed: counters.failed,
      expired: counters.expired,
      history_entries: history.rows,
      history_bytes: history.bytes,
      history_floor_seq: history.floor,
    },
  };
}

function levelSource({ core, compaction, background, nowMs }: StatsInput): LevelSource | undefined {
  if (compaction === undefined) return undefined;
  const bytesWritten = [...compaction.counters.bytesWrittenByLevel];
  bytesWritten[0] = (bytesWritten[0] ?? 0) + (background?.flushedBytes ?? 0);
  const flow = (level: number): LevelFlow => core.tree.traffic.flow(level, nowMs);
  return { shape: compaction.shape(), bytesWritten, flow };
}

function flushStats({ background }: StatsInput) {
  const counters = background?.counters;
  return {
    pending: background?.sealedCount ?? 0,
    queue_length: background?.sealedCount ?? 0,
    active: background?.isFlushing === true ? 1 : 0,
    wait_ms: counters?.flushWaitMs ?? 0,
    last_wait_ms: counters?.lastFlushWaitMs ?? 0,
    max_wait_ms: counters?.maxFlushWaitMs ?? 0,
    build_ms: counters?.flushMs ?? 0,
    last_build_ms: counters?.lastFlushMs ?? 0,
    max_build_ms: counters?.maxFlushMs ?? 0,
    release_ms: counters?.releaseMs ?? 0,
    last_release_ms: counters?.lastReleaseMs ?? 0,
    max_release_ms: counters?.maxReleaseMs ?? 0,
    completed: counters?.flushes ?? 0,
    failed: counters?.flushFailures ?? 0,
  };
}

function compactionStats({ background, compaction }: StatsInput) {
  const counters = background?.counters;
  const scores = compaction?.shape().scores ?? [];
  const error = background?.failure;
  return {
    backlog: scores.filter((level) => level.score >= 1).length,
    max_score: scores.reduce((max, level) => Math.max(max, level.score), 0),
    active: background?.isCompacting === true ? 1 : 0,
    runs: counters?.compactions ?? 0,
    failed: counters?.compactionFailures ?? 0,
    total_ms: counters?.compactionMs ?? 0,
    last_duration_ms: counters?.lastCompactionMs ?? 0,
    max_duration_ms: counters?.maxCompactionMs ?? 0,
    last_error: error instanceof Error ? error.message : null,
    ingest_runs: 0,
    ingest_merge_runs: 0,
    ingest_ms: 0,
    ingest_merge_ms: 0,
    ingest_tables: 0,
    ingest_merge_tables: 0,
    value_weight: 0,
    value_weight_suggested: 0,
    bytes_read: compaction?.counters.bytesRead ?? 0,
    bytes_written: compaction?.counters.bytesWritten ?? 0,
    dropped_shadowed: compaction?.counters.droppedShadowed ?? 0,
    dropped_covered: compaction?.counters.droppedCovered ?? 0,
    dropped_expired: compaction?.counters.droppedExpired ?? 0,
    dropped_tombstones: compaction?.counters.droppedTombstones ?? 0,
    moves: compaction?.counters.moves ?? 0,
    by_reason: compaction?.counters.byReason ?? {},
  };
}

function valueLogStats(
  segments: readonly SegmentReport[],
  { core, compaction, background }: StatsInput,
) {
  return {
    segments: segments.length,
    bytes: segments.reduce((sum, segment) => sum + segment.bytes, 0),
    live_bytes: segments.reduce((sum, segment) => sum + segment.liveBytes, 0),
    garbage_bytes: segments.reduce((sum, segment) => sum + segment.garbageBytes, 0),
    pending_collects: segments.filter((segment) => segment.verdict === 'collect').length,
    pending_deletes: segments.filter((segment) => segment.verdict === 'remove').length,
    discard_queue: 0,
    reads: core.tree.valueLog.reads,
    read_bytes: core.tree.valueLog.readBytes,
    heads: {
      '0': { fid: core.valueLog.activeNumber ?? null, offset: core.valueLog.activeBytes },
    },
    gc: {
      gc_runs: compaction?.counters.gcRuns ?? 0,
      gc_scheduled: segments.filter((segment) => segment.verdict === 'collect').length,
      gc_active: background?.isCollecting === true ? 1 : 0,
      gc_throttled: 0,
      gc_skipped: 0,
      gc_rejected: 0,
      gc_parallelism: 1,
      head_updates: core.valueLog.segmentsStarted,
      segments_removed: compaction?.counters.gcSegmentsRemoved ?? 0,
      bytes_moved: compaction?.counters.valueLogBytesWritten ?? 0,
    },
  };
}

function walStats({ core, state }: StatsInput) {
  const bytes = [state.active, ...state.sealed].reduce((sum, table) => sum + table.cursor, 0);
  return {
    bytes,
    replay_estimate_ms: replayEstimateMs(bytes),
    active_segment: state.active.logNumber,
    segment_count: core.tree.manifest.version.wals.size,
    active_size: state.active.wal?.bytes ?? 0,
    segments_removed: core.segmentsDeleted,
    record_counts: {
      entries: state.active.wal?.counts.records[1] ?? 0,
      raft_entries: 0,
      raft_states: 0,
      raft_snapshots: 0,
      other: 0,
    },
    segments_with_raft_records: 0,
    removable_raft_segments: 0,
    typed_record_ratio: 0,
    typed_record_warning: false,
    typed_record_reason: '',
    auto_gc_runs: 0,
    auto_gc_removed: 0,
    auto_gc_last_unix: 0,
  };
}

function writeStats({ core, queue, background }: StatsInput) {
  const counters = queue?.counters;
  const pressure = background?.pressure();
  const groups = Math.max(1, counters?.groups ?? 0);
  return {
    queue_depth: queue?.waiting ?? 0,
    queue_entries: queue?.waiting ?? 0,
    queue_bytes: queue?.waitingBytes ?? 0,
    batches_total: counters?.groups ?? 0,
    entries_total: counters?.entries ?? 0,
    bytes_total: counters?.bytes ?? 0,
    avg_batch_entries: (counters?.entries ?? 0) / groups,
    avg_batch_bytes: (counters?.bytes ?? 0) / groups,
    sync_count: counters?.syncs ?? 0,
    avg_request_wait_ms: ((counters?.stallMs ?? 0) + (counters?.delayedMs ?? 0)) / groups,
    avg_vlog_ms: 0,
    avg_apply_ms: 0,
    avg_sync_ms: (counters?.syncMs ?? 0) / Math.max(1, counters?.syncs ?? 0),
    avg_sync_batch: (counters?.groupsSynced ?? 0) / Math.max(1, counters?.syncs ?? 0),
    throttle_active: pressure !== undefined && pressure.mode !== 'none',
    slowdown_active: pressure?.mode === 'slowdown',
    throttle_mode: pressure?.mode ?? 'none',
    throttle_reason: pressure?.reason ?? '',
    throttle_pressure_permille: pressure?.permille ?? 0,
    throttle_rate_bytes_per_sec: pressure?.mode === 'slowdown' ? 1000 * SLOWDOWN_BYTES_PER_MS : 0,
    stall_count: counters?.stalls ?? 0,
    stall_ms: counters?.stallMs ?? 0,
    delayed_ms: counters?.delayedMs ?? 0,
    hot_key_limited: core.hotKeys.writes?.refused ?? 0,
    is_failed: queue?.isFailed ?? false,
  };
}

function cacheStats({ core }: StatsInput) {
  const cache = core.blockCache.stats();
  const rows = core.blockCache.rows.stats();
  const rate = (hits: number, misses: number): number =>
    hits + misses === 0 ? 0 : hits / (hits + misses);
  return {
    block_l0_hit_rate: rate(cache.hitsL0, cache.missesL0),
    block_l1_hit_rate: rate(cache.hitsOther, cache.missesOther),
    index_hit_rate: indexHitRate(cache, core.tableCache.stats().indexLoads),
    iterator_reused: 0,
    row_hit_rate: rate(rows.hits, rows.misses),
    block: cache,
    rows,
    index: core.tableCache.stats(),
    readahead: { ...core.blockCache.buffers.cursorReads },
  };
}

/** Every block is found by its index: the share of blocks asked for whose index was in memory. */
function indexHitRate(cache: ReturnType<Core['blockCache']['stats']>, loads: number): number {
  const uses = cache.hitsL0 + cache.hitsOther + cache.missesL0 + cache.missesOther;
  return uses === 0 ? 0 : Math.max(0, 1 - loads / uses);
}

/** `pruning`: what cursors with bounds passed by. */
export function lsmStats(levels: readonly LevelStats[], pruning?: PruningCounters) {
  const densest = levels.reduce((max, level) => Math.max(max, level.value_density), 0);
  return {
    levels,
    value_bytes_total: levels.reduce((sum, level) => sum + level.value_bytes, 0),
    value_density_max: densest,
    value_density_alert: densest > VALUE_DENSITY_ALERT,
    range_filter: {
      point_candidates: 0,
      point_pruned: 0,
      bounded_candidates: pruning?.candidates ?? 0,
      bounded_pruned: pruning?.pruned ?? 0,
      filter_candidates: pruning?.filterCandidates ?? 0,
      filter_pruned: pruning?.filterPruned ?? 0,
      fallbacks: pruning?.fallbacks ?? 0,
    },
  };
}
