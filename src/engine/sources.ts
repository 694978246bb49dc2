/** The cursors that a scan merges: every memtable, run and level of a read state, newest first. */
import type { EntryCursor } from './iterators/entry-cursor.js';
import { RunCursor } from './iterators/run-cursor.js';
import { RangeTombstones } from './range-tombstones.js';
import type { ReadState } from './read-view.js';
import type { OpenTable } from './tree-version.js';

/** Requires that the state is retained while the cursors are used. */
export function openSources(state: ReadState): EntryCursor[] {
  const sources: EntryCursor[] = [state.active.memtable.newCursor()];
  for (const memtable of state.sealed) sources.push(memtable.memtable.newCursor());
  for (const run of state.tree.runs) sources.push(run.reader.newCursor());
  for (const level of state.tree.levels) sources.push(cursorOver(level.tables));
  return sources;
}

function cursorOver(tables: readonly OpenTable[]): EntryCursor {
  const readers = new Map(tables.map((table) => [table.meta, table.reader]));
  return new RunCursor(
    tables.map((table) => table.meta),
    (meta) => (readers.get(meta) as OpenTable['reader']).newCursor(),
  );
}

/** All range tombstones that a scan of this state sees. */
export function tombstonesOf(state: ReadState): RangeTombstones {
  const memtables = [state.active, ...state.sealed].filter(
    (memtable) => memtable.memtable.rangeTombstones.length > 0,
  );
  if (memtables.length === 0) return state.tree.rangeTombstones;
  return RangeTombstones.merge([
    ...memtables.map((memtable) => memtable.rangeTombstones()),
    state.tree.rangeTombstones,
  ]);
}
