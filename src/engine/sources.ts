/** The cursors that a scan merges: every memtable, run and level of a read state, newest first. */
import type { EntryCursor } from './iterators/entry-cursor.js';
import { RunCursor } from './iterators/run-cursor.js';
import type { ReadState } from './read-view.js';
import type { TableCursorOptions } from './sst/table-cursor.js';
import type { Level, OpenTable } from './tree-version.js';
import type { ValueSlab } from './value-slab.js';

/** Requires that the state is retained while the cursors are used. With `memory`, values of tables stay as they are. */
export function openSources(state: ReadState, memory?: ValueSlab): EntryCursor[] {
  const options = { memory };
  const sources: EntryCursor[] = [state.active.memtable.newCursor()];
  for (const memtable of state.sealed) sources.push(memtable.memtable.newCursor());
  for (const run of state.tree.runs) sources.push(run.reader.newCursor(options));
  for (const level of state.tree.levels) sources.push(cursorOver(level, options));
  return sources;
}

function cursorOver(level: Level, options: TableCursorOptions): EntryCursor {
  const { tables, metas } = level;
  return new RunCursor(metas, (index) => (tables[index] as OpenTable).reader.newCursor(options));
}
