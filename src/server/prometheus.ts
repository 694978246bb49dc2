/**
 * The stats object as Prometheus text: one metric per figure, named by its path (`nokv_flush_completed`), the
 * levels with a label. Booleans are 0 or 1; what is unknown or a text is left out.
 */

/** Figures that only rise while the process lives; all others are gauges. */
const COUNTERS: readonly RegExp[] = [
  /^flush_(completed|failed|wait_ms|build_ms|release_ms)$/,
  /^compaction_(runs|failed|total_ms|moves|bytes_\w+|dropped_\w+|by_reason_\w+)$/,
  /^write_(batches_total|entries_total|bytes_total|sync_count|stall_count|stall_ms|delayed_ms|hot_key_limited)$/,
  /^hot_(write|read)_ring_(touches|sample_drops|inserts|removes|clamps|decay_runs)$/,
  /^value_log_(reads|read_bytes)$/,
  /^value_log_gc_(gc_(runs|throttled|skipped|rejected)|head_updates|segments_removed|bytes_moved)$/,
  /^wal_segments_removed$/,
  /^cache_block_(hits_\w+|misses_\w+|inserts|evictions|rejected|chunks_moved)$/,
  /^cache_rows_(hits|misses|inserts|evictions)$/,
  /^cache_index_index_(loads|drops)$/,
  /^cache_readahead_\w+$/,
  /^lsm_level_bytes_(written|in|out)$/,
  /^lsm_range_filter_\w+$/,
  /^txns_(started|committed|conflicts)$/,
  /^txn_(rolled_back|failed|expired)$/,
  /^redis_(commands_total|errors_total|connections_(accepted|refused)|bytes_(in|out))$/,
  /^redis_(slow_commands|expired_keys|auth_failures|commands_per_operation_\w+)$/,
];

export function prometheusText(stats: object): string {
  const samples = new Map<string, string[]>();
  collect(samples, '', '', stats);
  let text = '';
  for (const [name, lines] of samples) {
    const type = COUNTERS.some((pattern) => pattern.test(name)) ? 'counter' : 'gauge';
    text += `# TYPE nokv_${name} ${type}\n${lines.join('')}`;
  }
  return text;
}

function collect(
  samples: Map<string, string[]>,
  name: string,
  labels: string,
  value: unknown,
): void {
  if (typeof value === 'number' || typeof value === 'boolean') {
    const lines = samples.get(name) ?? [];
    samples.set(name, lines);
    lines.push(`nokv_${name}${labels} ${Number(value)}\n`);
  } else if (Array.isArray(value)) {
    if (name === 'lsm_levels') for (const level of value) collectLevel(samples, level as object);
  } else if (typeof value === 'object' && value !== null) {
    for (const [field, inner] of Object.entries(value)) {
      collect(samples, name === '' ? safe(field) : `${name}_${safe(field)}`, labels, inner);
    }
  }
}

function collectLevel(samples: Map<string, string[]>, level: object): void {
  const { level: number, ...figures } = level as { level?: unknown };
  collect(samples, 'lsm_level', `{level="${String(number)}"}`, figures);
}

/** Metric names have letters, digits and underscores; camel case becomes snake case. */
function safe(field: string): string {
  return field
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[^a-zA-Z0-9]+/g, '_')
    .toLowerCase();
}
