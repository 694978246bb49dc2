/**
 * The stats object as a page for people: the tree level by level, then value log, log, writes, background
 * work. A figure that only a running process has is `-`. The object may come from another version of
 * nokv, so that every field may be missing.
 */
import {
  formatBytes,
  formatCount,
  formatCountOf,
  formatDuration,
  formatPercent,
} from './format.js';
import type { Column, Row } from './table.js';

/** A stats object whose fields are looked up by name. */
export type ShownStats = Readonly<Record<string, unknown>>;

const NONE = '-';

export const LEVEL_COLUMNS: readonly Column[] = [
  { name: 'LEVEL' },
  ...[
    'FILES',
    'SIZE',
    'SCORE',
    'R-AMP',
    'W-AMP',
    'WRITTEN',
    'IN/s',
    'OUT/s',
    'ENTRIES',
    'DELETES',
    'STALE',
    'VALUES',
  ].map((name): Column => ({ name, align: 'right' })),
];

/** One row per level that holds tables, and a total. */
export function levelRows(stats: ShownStats): Row[] {
  const levels = listAt(stats, 'lsm.levels');
  const rows = levels.filter((level) => (numberAt(level, 'tables') ?? 0) > 0).map(levelRow);
  const sum = (name: string): number | null => {
    const known = levels.map((level) => numberAt(level, name)).filter((value) => value !== null);
    return known.length === 0 ? null : known.reduce((total, value) => total + value, 0);
  };
  const total = [
    'total',
    count(sum('tables')),
    bytes(sum('size_bytes')),
    '',
    count(sum('read_amp')),
    ratio(sum('write_amp')),
    bytes(sum('bytes_written')),
    bytes(sum('in_per_second')),
    bytes(sum('out_per_second')),
    count(sum('entries')),
    count(sum('tombstones')),
    bytes(sum('stale_bytes')),
    bytes(sum('value_bytes')),
  ];
  return [...rows, total];
}

function levelRow(level: ShownStats): Row {
  return [
    `L${numberAt(level, 'level') ?? NONE}`,
    count(numberAt(level, 'tables')),
    bytes(numberAt(level, 'size_bytes')),
    ratio(numberAt(level, 'score')),
    count(numberAt(level, 'read_amp')),
    ratio(numberAt(level, 'write_amp')),
    bytes(numberAt(level, 'bytes_written')),
    bytes(numberAt(level, 'in_per_second')),
    bytes(numberAt(level, 'out_per_second')),
    count(numberAt(level, 'entries')),
    count(numberAt(level, 'tombstones')),
    bytes(numberAt(level, 'stale_bytes')),
    bytes(numberAt(level, 'value_bytes')),
  ];
}

/** The lines below the table. */
export function statsLines(stats: ShownStats): string[] {
  const at = (path: string): number | null => numberAt(stats, path);
  const line = (label: string, ...parts: string[]): string =>
    `${label.padEnd(11)} ${parts.join(', ')}`;
  const garbage = at('value_log.garbage_bytes');
  const logBytes = at('value_log.bytes');
  return [
    line('entries', count(at('entries'))),
    line(
      'value log',
      countOf(at('value_log.segments'), 'segment'),
      bytes(logBytes),
      `${garbage === null || logBytes === null ? NONE : formatPercent(garbage, logBytes)} garbage`,
      `${count(at('value_log.pending_collects'))} to collect`,
      `${count(at('value_log.pending_deletes'))} to remove`,
    ),
    line(
      'WAL',
      countOf(at('wal.segment_count'), 'segment'),
      bytes(at('wal.bytes')),
      `replay estimate ${duration(at('wal.replay_estimate_ms'))}`,
    ),
    line(
      'memtables',
      count(at('memtable.count')),
      bytes(at('memtable.bytes')),
      `${count(at('flush.pending'))} waiting for flush`,
    ),
    line(
      'writes',
      `${count(at('write.entries_total'))} entries in ${count(at('write.batches_total'))} groups`,
      `${count(at('write.sync_count'))} syncs`,
    ),
    pressureLine(stats),
    line(
      'flush',
      `${count(at('flush.completed'))} done`,
      `last ${duration(at('flush.last_build_ms'))}`,
      `max ${duration(at('flush.max_build_ms'))}`,
      `waited ${duration(at('flush.last_wait_ms'))}`,
      `release ${duration(at('flush.last_release_ms'))}`,
    ),
    line(
      'compaction',
      `${count(at('compaction.runs'))} done`,
      `${count(at('compaction.backlog'))} levels due`,
      `max score ${ratio(at('compaction.max_score'))}`,
      `last ${duration(at('compaction.last_duration_ms'))}`,
    ),
    line(
      'cache',
      `L0 ${percent(at('cache.block_l0_hit_rate'))}`,
      `other levels ${percent(at('cache.block_l1_hit_rate'))}`,
      bytes(at('cache.block.usedBytes')),
    ),
    line(
      'readers',
      countOf(at('readers.snapshots'), 'snapshot'),
      countOf(at('readers.scans'), 'scan'),
    ),
    ...hotLines(stats, 'write'),
    ...hotLines(stats, 'read'),
    ...redisLines(stats),
    ...errorLines(stats),
  ];
}

/** What is known of hot keys: nothing when nobody counts them. */
function hotLines(stats: ShownStats, kind: 'write' | 'read'): string[] {
  const at = (name: string): number | null => numberAt(stats, `hot.${kind}_ring.${name}`);
  const slots = at('window_slots');
  const slotMs = at('window_slot_duration');
  if (slots === null || slotMs === null) return [];
  const refused = kind === 'write' ? `, ${count(at('clamps'))} refused` : '';
  const figures = `${count(at('nodes'))} of ${countOf(at('node_cap'), 'counter')}`;
  const window = `window ${formatDuration(slots * slotMs)}, 1 in ${count(at('sampling'))}`;
  const lines = [
    `${`hot ${kind}s`.padEnd(11)} ${count(at('touches'))} touched, ${figures}, ${window}${refused}`,
  ];
  const keys = listAt(stats, `hot.${kind}_keys`);
  if (keys.length > 0) lines.push(kind === 'write' ? 'WriteHotKeys:' : 'ReadHotKeys:');
  for (const key of keys) lines.push(hotKeyLine(key));
  return lines;
}

function hotKeyLine(key: ShownStats): string {
  const family = valueAt(key, 'column_family');
  const shown = typeof family === 'string' && family !== 'default' ? ` family=${family}` : '';
  const rate = numberAt(key, 'per_second');
  return (
    `- key=${JSON.stringify(valueAt(key, 'key') ?? NONE)}${shown} count=${numberAt(key, 'count') ?? NONE}` +
    ` error=${numberAt(key, 'error') ?? NONE} rate=${rate === null ? NONE : rate.toFixed(1)}/s`
  );
}

/** Of a process that serves Redis clients. */
function redisLines(stats: ShownStats): string[] {
  const at = (name: string): string => String(numberAt(stats, `redis.${name}`) ?? NONE);
  if (valueAt(stats, 'redis') === undefined) return [];
  return [
    `Redis.Gateway commands=${at('commands_total')} errors=${at('errors_total')} ` +
      `active_conn=${at('connections_active')} accepted_conn=${at('connections_accepted')}`,
  ];
}

/** "SLOWDOWN L0 tables 9/8, 3 stalls, 1.4 s in all": why writers wait. */
function pressureLine(stats: ShownStats): string {
  const mode = valueAt(stats, 'write.throttle_mode');
  const reason = valueAt(stats, 'write.throttle_reason');
  const shown = typeof mode === 'string' ? (mode === 'none' ? mode : mode.toUpperCase()) : NONE;
  const why = typeof reason === 'string' && reason !== '' ? ` ${reason}` : '';
  const stalls = countOf(numberAt(stats, 'write.stall_count'), 'stall');
  const time = duration(numberAt(stats, 'write.stall_ms'));
  return `${'pressure'.padEnd(11)} ${shown}${why}, ${stalls}, ${time} in all`;
}

function errorLines(stats: ShownStats): string[] {
  const lines: string[] = [];
  const error = valueAt(stats, 'compaction.last_error');
  if (typeof error === 'string') lines.push(`${'failure'.padEnd(11)} ${error}`);
  if (valueAt(stats, 'write.is_failed') === true) {
    lines.push(
      `${'failure'.padEnd(11)} writes stopped after a failure of the disk: reopen the database`,
    );
  }
  return lines;
}

function valueAt(from: unknown, path: string): unknown {
  let value = from;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

function numberAt(from: unknown, path: string): number | null {
  const value = valueAt(from, path);
  return typeof value === 'number' ? value : null;
}

function listAt(from: unknown, path: string): ShownStats[] {
  const value = valueAt(from, path);
  return Array.isArray(value) ? (value as ShownStats[]) : [];
}

function count(value: number | null): string {
  return value === null ? NONE : formatCount(value);
}

function countOf(value: number | null, one: string): string {
  return value === null ? `${NONE} ${one}s` : formatCountOf(value, one);
}

function bytes(value: number | null): string {
  return value === null ? NONE : formatBytes(value);
}

function ratio(value: number | null): string {
  return value === null ? NONE : value.toFixed(2);
}

function duration(value: number | null): string {
  return value === null ? NONE : formatDuration(value);
}

function percent(value: number | null): string {
  return value === null ? NONE : formatPercent(value, 1);
}
