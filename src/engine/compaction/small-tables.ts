/**
 * Which neighbours in a level should become one table. Tables that come down one by one, such as those of a process that
 * opens, writes little and closes, stay as small as they came: each costs a file, an index and time at every open.
 */
import { compareArrays } from '../../base/bytes.js';
import { GIB } from '../../base/limits.js';
import type { TableMeta } from '../table-meta.js';

/** Tables that one merge takes. */
const GROUP_MAX = 64;
/** What an entry may take in a table beside its key and value, bytes. */
const ENTRY_OVERHEAD_MAX = 48;

/** Of tables that are merged into one, wherever it is not cut. */
const MERGED_BYTES_MAX = 3 * GIB;

export interface JoinRule {
  /** Tables that make a group. */
  readonly countMin: number;
  /** The share of the group that one of them may have. */
  readonly largestMax: number;
}

/** A byte goes along only into a table of twice the size: it is rewritten as often as its table can double. */
export const WORTH_IT: JoinRule = { countMin: 8, largestMax: 0.5 };
/** Asked for. */
export const ALL: JoinRule = { countMin: 2, largestMax: 1 };

/**
 * Groups of neighbours of `tables`, which are sorted and of one level, that fit one table of `tableBytes`. Each is as
 * long as the rule allows from where it starts; groups may overlap. The tables of `below`, the deeper levels, that lie
 * between members come to no more than one table: apart, the members would pass them by on their way down; the joined
 * table meets them, and what it meets is written again.
 */
export function* smallNeighbours(
  tables: readonly TableMeta[],
  below: readonly (readonly TableMeta[])[],
  tableBytes: number,
  { countMin, largestMax }: JoinRule,
): Generator<TableMeta[], void, void> {
  // Of most levels, whose tables are full, nobody asks for them.
  let gaps: number[][] | undefined;
  for (let first = 0; first + countMin <= tables.length; first++) {
    let bytes = 0;
    let gapBytes = 0;
    let largest = 0;
    let end = first;
    for (let i = first; i < Math.min(tables.length, first + GROUP_MAX); i++) {
      const size = bytesAtMost(tables[i] as TableMeta);
      bytes += size;
      if (bytes > tableBytes) break;
      if (i > first) {
        gaps ??= below.map((level) => gapsBefore(tables, level));
        for (const gap of gaps) gapBytes += gap[i] as number;
      }
      if (gapBytes > tableBytes) break;
      largest = Math.max(largest, size);
      if (largest <= largestMax * bytes) end = i + 1;
    }
    if (end - first >= countMin) yield tables.slice(first, end);
  }
}

/** Of each table: bytes of the tables of `below` that lie between it and the one before it and meet neither. */
function gapsBefore(tables: readonly TableMeta[], below: readonly TableMeta[]): number[] {
  let at = 0;
  return tables.map(({ lower }, i) => {
    const end = tables[i - 1]?.upper;
    let bytes = 0;
    for (let next = below[at]; next !== undefined; next = below[++at]) {
      if (compareArrays(next.upper, lower) > 0) break;
      if (end !== undefined && compareArrays(end, next.lower) <= 0) bytes += next.bytes;
    }
    return bytes;
  });
}

/** May they become one table, whatever is dropped on the way? A table ends at 3.5 GiB, filter and index included. */
export function fitOneTable(tables: readonly TableMeta[]): boolean {
  return tables.reduce((sum, table) => sum + bytesAtMost(table), 0) <= MERGED_BYTES_MAX;
}

/** Also when it is written again with less compression: what is joined is not cut, and should not be far above a full table. */
function bytesAtMost(table: TableMeta): number {
  const entries = table.entries + table.rangeTombstones;
  return Math.max(table.bytes, table.rawBytes + ENTRY_OVERHEAD_MAX * entries);
}
