/** Tables that a command made, as --json prints them, and as a list. */
import { formatBytes, formatCount } from './format.js';
import { formatKey, type KeyFormat } from './key-format.js';
import type { Column } from './table.js';

/** What the library says of a table. */
interface Built {
  readonly file: string;
  readonly bytes: number;
  readonly columnFamily: string;
  readonly first: Uint8Array;
  readonly last: Uint8Array;
  readonly entries: number;
  readonly deletes: number;
  readonly rangeDeletes: number;
}

export interface ReportedBuild {
  file: string;
  bytes: number;
  column_family: string;
  first: Uint8Array;
  last: Uint8Array;
  entries: number;
  deletes: number;
  range_deletes: number;
}

export const BUILT_COLUMNS: readonly Column[] = [
  { name: 'FILE' },
  { name: 'SIZE', align: 'right' },
  { name: 'ENTRIES', align: 'right' },
  { name: 'FAMILY' },
  { name: 'KEYS' },
];

export function reportedBuild(table: Built): ReportedBuild {
  const { file, bytes, columnFamily, first, last, entries, deletes, rangeDeletes } = table;
  return {
    file,
    bytes,
    column_family: columnFamily,
    first,
    last,
    entries,
    deletes,
    range_deletes: rangeDeletes,
  };
}

export function builtRow(
  { file, bytes, entries, column_family, first, last }: ReportedBuild,
  format: KeyFormat,
  isTerminal: boolean,
): string[] {
  const key = (one: Uint8Array): string => formatKey(one, format, isTerminal);
  const keys = `${key(first)} .. ${key(last)}`;
  return [file, formatBytes(bytes), formatCount(entries), column_family, keys];
}
