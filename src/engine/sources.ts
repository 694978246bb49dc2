/** The cursors that a scan merges: every memtable, run and level of a read state that may have something, newest first. */
import type { EntryCursor } from './iterators/entry-cursor.js';
import { RunCursor } from './iterators/run-cursor.js';
import type { ReadState } from './read-view.js';
import type { ScanSpan } from './scan-span.js';
import type { TableCursorOptions } from './sst/table-cursor.js';
import { dataBytes } from './table-meta.js';
import type { Level, OpenTable } from './tree-version.js';
import type { ValueSlab } from './value-slab.js';

/**
 * Requires that the state is retained while the cursors are used, and that they are used for the entries of `span` only,
 * when there is one. With `memory`, values of tables stay as they are. At most `rows` of them are wanted. Where it fails
 * nothing stays open.
 * @throws CorruptionError, IoError
 */
export function openSources(
  state: ReadState,
  span?: ScanSpan,
  memory?: ValueSlab,
  rows = Number.POSITIVE_INFINITY,
): EntryCursor[] {
  const { runs, disjointRuns, levels, pruning, entries } = state.tree;
  // As if the rows were spread over the tables by their size.
  const optionsFor = (bytes: number): TableCursorOptions => ({
    memory,
    expectedBytes: rows < Number.POSITIVE_INFINITY ? (rows * bytes) / entries : undefined,
  });
  const sources: EntryCursor[] = [state.active.memtable.newCursor()];
  try {
    for (const memtable of state.sealed) sources.push(memtable.memtable.newCursor());
    // As one run they are opened one after the other, and only as far as the cursor comes.
    const sorted = disjointRuns === undefined ? levels : [disjointRuns, ...levels];
    for (const run of disjointRuns === undefined ? runs : []) {
      if (span === undefined || pruning.mayHold(run, span))
        sources.push(run.reader.newCursor(optionsFor(dataBytes(run.meta))));
    }
    for (const level of sorted) {
      if (span === undefined || pruning.levelMayHold(level, span))
        sources.push(cursorOver(level, optionsFor(level.dataBytes)));
    }
    return sources;
  } catch (error) {
    // Each holds the index of its table until it is closed, and nobody else knows of it.
    for (const source of sources) source.close();
    throw error;
  }
}

function cursorOver(level: Level, options: TableCursorOptions): EntryCursor {
  const { tables, metas } = level;
  return new RunCursor(metas, (index) => (tables[index] as OpenTable).reader.newCursor(options));
}
