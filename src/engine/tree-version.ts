/**
 * One version of the tree with open tables: what a read or a cursor holds on to. Counted: the tables a
 * version names stay open, and on disk, until the last version that names them is released.
 */
import { assert } from '../base/assert.js';
import { compareArrays, indexAbove } from '../base/bytes.js';
import type { KeyBuffer } from './key.js';
import type { Version } from './manifest/version.js';
import { RangeTombstones } from './range-tombstones.js';
import { ScanPruning } from './scan-pruning.js';
import type { TableReader } from './sst/table-reader.js';
import { dataBytes, type TableMeta } from './table-meta.js';
import { OverlappingTables, TombstoneRun } from './tombstone-run.js';

/** A table in use. `references` counts the tree versions that name it. */
export class OpenTable {
  readonly meta: TableMeta;
  readonly reader: TableReader;
  references: number;
  #tombstones: RangeTombstones | undefined;

  constructor(meta: TableMeta, reader: TableReader) {
    this.meta = meta;
    this.reader = reader;
    this.references = 0;
    this.#tombstones = undefined;
  }

  /** Its range tombstones; read and put in order once. @throws CorruptionError */
  tombstones(): RangeTombstones {
    this.#tombstones ??= new RangeTombstones(this.reader.rangeTombstones());
    return this.#tombstones;
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
    return indexAbove(this.#uppers, key, start, length);
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
  /** The range tombstones of its tables, by sorted runs; those without any left out. */
  readonly tombstones: readonly TombstoneRun[];
  /** Those of L0 among them: putting them together is not done again for every version. */
  readonly #overlapping: OverlappingTables | undefined;
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
    const known = previous === undefined ? undefined : previous.#overlapping;
    this.#overlapping = overlapping(this.runs, known);
    this.tombstones = [
      ...(this.#overlapping === undefined ? [] : [new TombstoneRun([this.#overlapping])]),
      ...tombstoneRuns(this.levels),
    ];
    this.pruning = pruning;
    this.#references = 1;
    this.#onRelease = onRelease;
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

function tombstoneRuns(levels: readonly Level[]): TombstoneRun[] {
  return levels
    .map((level) => level.tables.filter((table) => table.meta.rangeTombstones > 0))
    .filter((tables) => tables.length > 0)
    .map((tables) => new TombstoneRun(tables));
}

/** The tables of L0 with range tombstones, if any; `known` when these are the same. */
function overlapping(
  runs: readonly OpenTable[],
  known: OverlappingTables | undefined,
): OverlappingTables | undefined {
  const tables = runs.filter((table) => table.meta.rangeTombstones > 0);
  if (tables.length === 0) return undefined;
  const isKnown =
    known?.tables.length === tables.length && tables.every((table, i) => table === known.tables[i]);
  return isKnown ? known : new OverlappingTables(tables);
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
