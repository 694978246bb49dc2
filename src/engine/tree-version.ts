/**
 * One version of the tree with open tables: what a read or a cursor holds on to. Counted: the tables a
 * version names stay open, and on disk, until the last version that names them is released.
 */
import { assert } from '../base/assert.js';
import { compareArrays, compareBytes } from '../base/bytes.js';
import type { KeyBuffer } from './key.js';
import type { Version } from './manifest/version.js';
import { RangeTombstones } from './range-tombstones.js';
import { ScanPruning } from './scan-pruning.js';
import type { TableReader } from './sst/table-reader.js';
import { dataBytes, type TableMeta } from './table-meta.js';

/** A table in use. `references` counts the tree versions that name it. */
export class OpenTable {
  readonly meta: TableMeta;
  readonly reader: TableReader;
  references: number;

  constructor(meta: TableMeta, reader: TableReader) {
    this.meta = meta;
    this.reader = reader;
    this.references = 0;
  }
}

/** A sorted run of tables with disjoint ranges: one level below L0. */
export class Level {
  readonly number: number;
  readonly tables: readonly OpenTable[];
  /** Of the tables, in their order. */
  readonly metas: readonly TableMeta[];
  readonly maxVersion: number;
  /** Of all its tables. */
  readonly dataBytes: number;
  readonly #uppers: readonly Uint8Array[];

  constructor(number: number, tables: readonly OpenTable[]) {
    for (const table of tables) table.reader.setLevel(number);
    this.number = number;
    this.tables = tables;
    this.metas = tables.map((table) => table.meta);
    this.#uppers = tables.map((table) => table.meta.upper);
    this.maxVersion = tables.reduce((max, table) => Math.max(max, table.meta.maxVersion), 0);
    this.dataBytes = tables.reduce((sum, table) => sum + dataBytes(table.meta), 0);
  }

  /** Index of the first table whose upper bound is above the key; tables.length when there is none. */
  indexFor(key: Uint8Array, start: number, length: number): number {
    const uppers = this.#uppers;
    let low = 0;
    let high = uppers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const upper = uppers[middle] as Uint8Array;
      if (compareBytes(upper, 0, upper.length, key, start, length) > 0) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The one table that can hold the key, or undefined. */
  tableFor(key: KeyBuffer): OpenTable | undefined {
    return this.tables[this.indexFor(key.bytes, 0, key.length)];
  }
}

export class TreeVersion {
  readonly version: Version;
  /** Newest first. */
  readonly runs: readonly OpenTable[];
  /** The same tables in order of their keys when no two of them overlap, as with keys that ascend with time. */
  readonly disjointRuns: Level | undefined;
  /** Levels below L0 that hold tables, upper ones first. */
  readonly levels: readonly Level[];
  /** Highest version in any table: a read that holds a newer entry need not look here. */
  readonly maxVersion: number;
  /** Of all tables. */
  readonly entries: number;
  /** Of the tree, for cursors with bounds. */
  readonly pruning: ScanPruning;
  /** The tables with range tombstones, and these together; made when a read first asks for them. */
  readonly #tombstoneTables: readonly OpenTable[];
  #tombstones: RangeTombstones | undefined;
  #references: number;
  readonly #onRelease: (version: TreeVersion) => void;

  /** The creator holds one reference. `tables` finds the open table of every meta; `previous` is what this one follows. */
  constructor(
    version: Version,
    tables: ReadonlyMap<number, OpenTable>,
    onRelease: (version: TreeVersion) => void,
    previous?: TreeVersion,
    pruning = new ScanPruning(),
  ) {
    const openOf = (meta: TableMeta): OpenTable => {
      const table = tables.get(meta.fileNumber);
      assert(table !== undefined, 'tree version: table is not open');
      table.references++;
      return table;
    };
    this.version = version;
    this.runs = (version.levels[0] ?? []).map(openOf);
    for (const run of this.runs) run.reader.setLevel(0);
    this.disjointRuns = disjointLevel(this.runs);
    this.levels = version.levels
      .slice(1)
      .map((metas, i) => new Level(i + 1, metas.map(openOf)))
      .filter((level) => level.tables.length > 0);
    const all = this.tables();
    this.maxVersion = all.reduce((max, table) => Math.max(max, table.meta.maxVersion), 0);
    this.entries = all.reduce((sum, table) => sum + table.meta.entries, 0);
    this.#tombstoneTables = all.filter((table) => table.meta.rangeTombstones > 0);
    this.#tombstones = previous?.tombstonesFor(this.#tombstoneTables);
    this.pruning = pruning;
    this.#references = 1;
    this.#onRelease = onRelease;
  }

  /** Of all tables together. @throws CorruptionError */
  get rangeTombstones(): RangeTombstones {
    this.#tombstones ??= combinedTombstones(this.#tombstoneTables);
    return this.#tombstones;
  }

  /** What is made of these tables' range tombstones, if it was made: most changes of the tree leave them as they are. */
  tombstonesFor(tables: readonly OpenTable[]): RangeTombstones | undefined {
    const own = this.#tombstoneTables;
    const isSame = own.length === tables.length && own.every((table, i) => table === tables[i]);
    return isSame ? this.#tombstones : undefined;
  }

  /** Every table, upper levels first. */
  tables(): OpenTable[] {
    return [...this.runs, ...this.levels.flatMap((level) => level.tables)];
  }

  retain(): void {
    assert(this.#references > 0, 'tree version: retained after its release');
    this.#references++;
  }

  release(): void {
    this.#references--;
    assert(this.#references >= 0, 'tree version: released twice');
    if (this.#references > 0) return;
    for (const table of this.tables()) table.references--;
    this.#onRelease(this);
  }
}

function combinedTombstones(tables: readonly OpenTable[]): RangeTombstones {
  return new RangeTombstones(tables.flatMap((table) => table.reader.rangeTombstones()));
}

/** Tables of L0 as one sorted run, or undefined when two of them overlap. */
function disjointLevel(runs: readonly OpenTable[]): Level | undefined {
  if (runs.length < 2) return undefined;
  const tables = [...runs].sort((a, b) => compareArrays(a.meta.lower, b.meta.lower));
  for (let i = 1; i < tables.length; i++) {
    const before = tables[i - 1] as OpenTable;
    const table = tables[i] as OpenTable;
    if (compareArrays(before.meta.upper, table.meta.lower) > 0) return undefined;
  }
  return new Level(0, tables);
}
