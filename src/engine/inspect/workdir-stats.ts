/**
 * The stats object of a directory: the same shape as that of a running database (stats.ts), computed from
 * files alone. What only a process knows is null.
 */
import { BlockCache } from '../cache/block-cache.js';
import { TableCache } from '../cache/table-cache.js';
import { Claims } from '../compaction/claims.js';
import { treeShape } from '../compaction/score.js';
import { entryKind, KIND_RANGE_DELETE } from '../entry.js';
import { HotRing } from '../hot/hot-ring.js';
import { resolveOptions } from '../options.js';
import { levelStats, lsmStats, replayEstimateMs, type WorkdirStats } from '../stats.js';
import {
  WAL_BATCH,
  WAL_RAFT_ENTRIES,
  WAL_RAFT_HARD_STATE,
  WAL_RAFT_SNAPSHOT,
} from '../wal/format.js';
import type { Inspection } from './open-inspection.js';
import { segmentReports } from './value-log-report.js';

const NO_TRANSACTIONS = {
  txns_active: null,
  txns_started: null,
  txns_committed: null,
  txns_conflicts: null,
  txn: {
    active_read_only: null,
    oldest_age_ms: null,
    rolled_back: null,
    failed: null,
    expired: null,
    history_entries: null,
    history_bytes: null,
    history_floor_seq: null,
  },
};

/** `inspection` has the logs open. Entries of tables that a log replaces are counted twice, as by a live one. */
export function workdirStats(inspection: Inspection): WorkdirStats {
  const { version } = inspection;
  const options = resolveOptions({});
  const levels = levelStats(version.levels, { shape: treeShape(version, options, new Claims()) });
  const lsm = lsmStats(levels);
  const logged = inspection.wals.reduce((sum, wal) => sum + countIndexed(wal), 0);
  return {
    entries: levels.reduce((sum, level) => sum + level.entries, 0) + logged,
    uptime_ms: null,
    flush: NO_FLUSH,
    compaction: {
      ...NO_COMPACTION,
      backlog: levels.filter((level) => (level.score ?? 0) >= 1).length,
      max_score: levels.reduce((max, level) => Math.max(max, level.score ?? 0), 0),
    },
    value_log: valueLogFigures(inspection, options.valueLogGcRatio),
    wal: walFigures(inspection),
    raft: NO_RAFT,
    write: NO_WRITE,
    region: { total: 0, new: 0, running: 0, removing: 0, tombstone: 0, other: 0 },
    hot: { write_keys: [], write_ring: noRing(), read_keys: [], read_ring: noRing() },
    cache: cacheFigures(),
    lsm: { ...lsm, range_filter: unknown(lsm.range_filter) },
    memtable: { kind: null, count: null, active_bytes: null, bytes: null, arena_bytes: null },
    readers: { snapshots: null, oldest_snapshot_ms: null, scans: null },
    ...NO_TRANSACTIONS,
    recovery: recoveryFigures(inspection),
  };
}

function countIndexed({ view, entries }: Inspection['wals'][number]): number {
  return entries.filter((at) => entryKind(view, at) !== KIND_RANGE_DELETE).length;
}

function valueLogFigures(inspection: Inspection, ratio: number): WorkdirStats['value_log'] {
  const segments = segmentReports(inspection, ratio);
  const sum = (pick: (segment: (typeof segments)[number]) => number): number =>
    segments.reduce((total, segment) => total + pick(segment), 0);
  const active = segments.filter((segment) => segment.verdict === 'active').at(-1);
  return {
    segments: segments.length,
    bytes: sum((segment) => segment.bytes),
    live_bytes: sum((segment) => segment.liveBytes),
    garbage_bytes: sum((segment) => segment.garbageBytes),
    pending_collects: segments.filter((segment) => segment.verdict === 'collect').length,
    pending_deletes: segments.filter((segment) => segment.verdict === 'remove').length,
    discard_queue: null,
    reads: null,
    read_bytes: null,
    heads: { '0': { fid: active?.fileNumber ?? null, offset: active?.bytes ?? null } },
    gc: {
      gc_runs: null,
      gc_scheduled: segments.filter((segment) => segment.verdict === 'collect').length,
      gc_active: null,
      gc_throttled: null,
      gc_skipped: null,
      gc_rejected: null,
      gc_parallelism: null,
      head_updates: null,
      segments_removed: null,
      bytes_moved: null,
    },
  };
}

function walFigures({ wals }: Inspection): WorkdirStats['wal'] {
  const records = (type: number): number =>
    wals.reduce((sum, wal) => sum + (wal.counts.records[type] ?? 0), 0);
  const bytes = wals.reduce((sum, wal) => sum + wal.length, 0);
  const active = wals.at(-1);
  return {
    bytes,
    replay_estimate_ms: replayEstimateMs(bytes),
    active_segment: active?.fileNumber ?? null,
    segment_count: wals.length,
    active_size: active?.length ?? 0,
    segments_removed: null,
    record_counts: {
      entries: records(WAL_BATCH),
      raft_entries: records(WAL_RAFT_ENTRIES),
      raft_states: records(WAL_RAFT_HARD_STATE),
      raft_snapshots: records(WAL_RAFT_SNAPSHOT),
      other: 0,
    },
    segments_with_raft_records: 0,
    removable_raft_segments: 0,
    typed_record_ratio: 0,
    typed_record_warning: false,
    typed_record_reason: '',
    auto_gc_runs: null,
    auto_gc_removed: null,
    auto_gc_last_unix: null,
  };
}

const NO_FLUSH: WorkdirStats['flush'] = {
  pending: null,
  queue_length: null,
  active: null,
  wait_ms: null,
  last_wait_ms: null,
  max_wait_ms: null,
  build_ms: null,
  last_build_ms: null,
  max_build_ms: null,
  release_ms: null,
  last_release_ms: null,
  max_release_ms: null,
  completed: null,
  failed: null,
};

const NO_COMPACTION: WorkdirStats['compaction'] = {
  backlog: null,
  max_score: null,
  active: null,
  runs: null,
  failed: null,
  total_ms: null,
  last_duration_ms: null,
  max_duration_ms: null,
  last_error: null,
  ingest_runs: null,
  ingest_merge_runs: null,
  ingest_ms: null,
  ingest_merge_ms: null,
  ingest_tables: null,
  ingest_merge_tables: null,
  value_weight: 0,
  value_weight_suggested: 0,
  bytes_read: null,
  bytes_written: null,
  dropped_shadowed: null,
  dropped_covered: null,
  dropped_expired: null,
  dropped_tombstones: null,
  moves: null,
  by_reason: {},
};

const NO_RAFT: WorkdirStats['raft'] = {
  group_count: 0,
  lagging_groups: 0,
  min_log_segment: 0,
  max_log_segment: 0,
  max_lag_segments: 0,
  lag_warn_threshold: 0,
  lag_warning: false,
};

const NO_WRITE: WorkdirStats['write'] = {
  queue_depth: null,
  queue_entries: null,
  queue_bytes: null,
  batches_total: null,
  entries_total: null,
  bytes_total: null,
  avg_batch_entries: null,
  avg_batch_bytes: null,
  sync_count: null,
  avg_request_wait_ms: null,
  avg_vlog_ms: null,
  avg_apply_ms: null,
  avg_sync_ms: null,
  avg_sync_batch: null,
  throttle_active: null,
  slowdown_active: null,
  throttle_mode: null,
  throttle_reason: null,
  throttle_pressure_permille: null,
  throttle_rate_bytes_per_sec: null,
  stall_count: null,
  stall_ms: null,
  delayed_ms: null,
  hot_key_limited: null,
  is_failed: null,
};

/** A directory has no hot keys: the names of the figures, none of them known. */
function noRing(): WorkdirStats['hot']['write_ring'] {
  const clock = { monotonicMs: () => 0 };
  const ring = new HotRing(clock, { nodes: 8, sampling: 1, windowMs: 1000 });
  return unknown({ ...ring.figures(), clamps: 0, last_decay_unix: 0 });
}

/** The names of the figures, none of them known. */
function cacheFigures(): WorkdirStats['cache'] {
  return {
    block_l0_hit_rate: null,
    block_l1_hit_rate: null,
    index_hit_rate: null,
    iterator_reused: null,
    row_hit_rate: null,
    block: unknown(new BlockCache(0).stats()),
    rows: unknown(new BlockCache(0).rows.stats()),
    index: unknown(new TableCache(0).stats()),
    readahead: { reads: null, blocks: null, blocksAhead: null },
  };
}

function unknown<T extends object>(figures: T): { [Name in keyof T]: null } {
  const names = Object.keys(figures).map((name) => [name, null]);
  return Object.fromEntries(names) as { [Name in keyof T]: null };
}

/** What the next open will meet. */
function recoveryFigures({ version, manifest, wals }: Inspection): WorkdirStats['recovery'] {
  const sum = (pick: (wal: Inspection['wals'][number]) => number): number =>
    wals.reduce((total, wal) => total + pick(wal), 0);
  const last = manifest.edits.at(-1);
  return {
    isNew: false,
    wasCleanClose: version.isCleanClose,
    manifestEdits: manifest.edits.length,
    manifestTornBytes: last === undefined ? null : manifest.bytes - last.offset - last.bytes,
    tables: version.levels.flat().length,
    walSegments: wals.length,
    walBytes: sum((wal) => wal.length),
    walRecords: sum((wal) => wal.counts.records.reduce((total, count) => total + count, 0)),
    walEntries: sum((wal) => wal.entries.length),
    walTornBytes: sum((wal) => wal.length - wal.validBytes),
    walLostSegments: null,
    valueLogSegments: version.valueLog.size,
    orphansRemoved: null,
    steps: [],
  };
}
