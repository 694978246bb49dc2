import { aborted } from '../base/aborted.js';
import { BaseCommand } from '../cli/base-command.js';
import { optionsFlag, workdirFlag } from '../cli/flags.js';
import { formatBytes, formatCount, formatCountOf, formatDuration } from '../cli/format.js';
import { startProgress } from '../cli/progress.js';
import { tableLines, type Column } from '../cli/table.js';
import type { Db, Stats } from '../index.js';
import { openWorkdir } from '../server/open-workdir.js';

/** Between two looks at how far it is. */
const POLL_MS = 200;

const COLUMNS: readonly Column[] = [
  { name: '' },
  { name: 'before', align: 'right' },
  { name: 'after', align: 'right' },
];

/** What a tree takes. */
interface Figures {
  tables: number;
  table_bytes: number;
  entries: number;
  tombstones: number;
  value_log_bytes: number;
  value_log_garbage_bytes: number;
}

/** The result, as --json prints it. */
interface CompactSummary {
  before: Figures;
  after: Figures;
  bytes_read: number;
  bytes_written: number;
  dropped: { shadowed: number; covered: number; expired: number; tombstones: number };
  elapsed_ms: number;
}

export default class Compact extends BaseCommand<typeof Compact> {
  static override summary =
    'Rewrite the tables until nothing shadowed, deleted or expired is left.';
  static override description = `Flushes what is in memory, then compacts every level into the last one, and shows what the tree took
before and after. Value-log segments that nothing points into any more are removed. Interrupted, it stops between
two steps: a compaction is installed whole or not at all.`;
  static override examples = [
    '<%= config.bin %> compact --workdir ./data',
    '<%= config.bin %> compact --workdir ./data --json --quiet',
  ];
  static override flags = { workdir: workdirFlag, options: optionsFlag };

  override async run(): Promise<CompactSummary> {
    const { workdir, options } = this.flags;
    const db = await openWorkdir(workdir, options, { createIfMissing: false });
    try {
      const startMs = performance.now();
      const start = db.stats();
      await this.#compact(db);
      const summary = summaryOf(start, db.stats(), performance.now() - startMs);
      await this.#print(summary);
      return summary;
    } finally {
      await db.close();
    }
  }

  async #compact(db: Db): Promise<void> {
    const { signal } = this;
    const progress = await startProgress({
      label: 'Compacting',
      format: (bytes) => `${formatBytes(bytes)} read`,
      isQuiet: this.flags.quiet,
    });
    const poll = setInterval(() => progress.update(db.stats().compaction.bytes_read), POLL_MS);
    try {
      await Promise.race([db.compact(), aborted(signal)]);
    } finally {
      clearInterval(poll);
      progress.stop();
    }
  }

  async #print({ before, after, dropped, ...work }: CompactSummary): Promise<void> {
    const rows = [
      ['tables', formatCount(before.tables), formatCount(after.tables)],
      ['table bytes', formatBytes(before.table_bytes), formatBytes(after.table_bytes)],
      ['entries', formatCount(before.entries), formatCount(after.entries)],
      ['tombstones', formatCount(before.tombstones), formatCount(after.tombstones)],
      ['value log', formatBytes(before.value_log_bytes), formatBytes(after.value_log_bytes)],
      [
        'garbage in it',
        formatBytes(before.value_log_garbage_bytes),
        formatBytes(after.value_log_garbage_bytes),
      ],
    ];
    for await (const line of tableLines(COLUMNS, rows)) this.log(line);
    const count = Object.values(dropped).reduce((sum, entries) => sum + entries, 0);
    this.log(
      `\nread ${formatBytes(work.bytes_read)}, wrote ${formatBytes(work.bytes_written)}, ` +
        `dropped ${formatCountOf(count, 'entry', 'entries')}, ${formatDuration(work.elapsed_ms)}`,
    );
  }
}

function figuresOf({ lsm, entries, value_log }: Stats): Figures {
  const sum = (of: (level: Stats['lsm']['levels'][number]) => number): number =>
    lsm.levels.reduce((total, level) => total + of(level), 0);
  return {
    tables: sum((level) => level.tables),
    table_bytes: sum((level) => level.size_bytes),
    entries,
    tombstones: sum((level) => level.tombstones + level.range_tombstones),
    value_log_bytes: value_log.bytes,
    value_log_garbage_bytes: value_log.garbage_bytes,
  };
}

function summaryOf(start: Stats, end: Stats, elapsedMs: number): CompactSummary {
  const done = end.compaction;
  const early = start.compaction;
  return {
    before: figuresOf(start),
    after: figuresOf(end),
    bytes_read: done.bytes_read - early.bytes_read,
    bytes_written: done.bytes_written - early.bytes_written,
    dropped: {
      shadowed: done.dropped_shadowed - early.dropped_shadowed,
      covered: done.dropped_covered - early.dropped_covered,
      expired: done.dropped_expired - early.dropped_expired,
      tombstones: done.dropped_tombstones - early.dropped_tombstones,
    },
    elapsed_ms: Math.round(elapsedMs),
  };
}
