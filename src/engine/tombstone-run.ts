/**
 * The range tombstones of tables by sorted runs: tables with disjoint ranges, a whole level of them. Each table's own
 * are put in order when a read first meets its range, and stay with it, so that a change of the tree costs nothing here,
 * however many are alive. Those of L0, which are few, are put together as one table's.
 *
 * Ownership: the tables stay open for as long as the run is used. Lookups allocate nothing. Single-threaded.
 */
import { compareArrays, compareBytes, indexAbove } from '../base/bytes.js';
import { type RangeFragment, RangeTombstones, type TombstoneSet } from './range-tombstones.js';
import type { TableMeta } from './table-meta.js';

interface Table {
  readonly meta: Pick<TableMeta, 'lower' | 'upper' | 'maxSeq' | 'maxVersion'>;
  /** Its range tombstones, all within the range of its meta. @throws CorruptionError */
  tombstones(): RangeTombstones;
}

export class TombstoneRun implements TombstoneSet {
  readonly #tables: readonly Table[];
  readonly #uppers: readonly Uint8Array[];
  /** Of all tables. */
  readonly #maxVersion: number;
  readonly #maxSeq: number;
  /** Of the last lookup: cursors ask in the order of keys. */
  #last = 0;

  /** `tables`: at least one, each with range tombstones, in order of their keys. */
  constructor(tables: readonly Table[]) {
    this.#tables = tables;
    this.#uppers = tables.map(({ meta }) => meta.upper);
    this.#maxVersion = tables.reduce((max, { meta }) => Math.max(max, meta.maxVersion), 0);
    this.#maxSeq = tables.reduce((max, { meta }) => Math.max(max, meta.maxSeq), 0);
  }

  covers(
    keyBytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    entryVersion: number,
    entrySeq: number,
    seqMax: number,
    versionMax: number,
  ): boolean {
    const newest = this.#maxVersion;
    if (newest < entryVersion || (newest === entryVersion && this.#maxSeq <= entrySeq))
      return false;
    const at = this.#find(keyBytes, keyStart, keyLength);
    if (at < 0) return false;
    const tombstones = (this.#tables[at] as Table).tombstones();
    return tombstones.covers(
      keyBytes,
      keyStart,
      keyLength,
      entryVersion,
      entrySeq,
      seqMax,
      versionMax,
    );
  }

  *clip(
    lower: Uint8Array | undefined,
    upper: Uint8Array | undefined,
  ): Generator<RangeFragment, void, void> {
    const first = lower === undefined ? 0 : indexAbove(this.#uppers, lower, 0, lower.length);
    for (let at = first; at < this.#tables.length; at++) {
      const table = this.#tables[at] as Table;
      if (upper !== undefined && compareArrays(table.meta.lower, upper) >= 0) return;
      yield* table.tombstones().clip(lower, upper);
    }
  }

  /** Index of the table whose range holds the key, or -1. */
  #find(key: Uint8Array, start: number, length: number): number {
    const { lower, upper } = (this.#tables[this.#last] as Table).meta;
    if (compareBytes(upper, 0, upper.length, key, start, length) > 0) {
      if (compareBytes(lower, 0, lower.length, key, start, length) <= 0) return this.#last;
      if (this.#last === 0) return -1;
    } else if (this.#last === this.#tables.length - 1) {
      return -1;
    }
    const at = indexAbove(this.#uppers, key, start, length);
    const table = this.#tables[at];
    if (table === undefined) return -1;
    this.#last = at;
    const from = table.meta.lower;
    return compareBytes(from, 0, from.length, key, start, length) <= 0 ? at : -1;
  }
}

/** Tables that may overlap, as one: whoever asks each of several pays for each. At least one. */
export class OverlappingTables implements Table {
  readonly meta: Table['meta'];
  readonly tables: readonly Table[];
  #tombstones: RangeTombstones | undefined;

  constructor(tables: readonly Table[]) {
    const metas = tables.map((table) => table.meta);
    this.tables = tables;
    this.meta = metas.reduce((all, meta) => ({
      lower: compareArrays(meta.lower, all.lower) < 0 ? meta.lower : all.lower,
      upper: compareArrays(meta.upper, all.upper) > 0 ? meta.upper : all.upper,
      maxSeq: Math.max(meta.maxSeq, all.maxSeq),
      maxVersion: Math.max(meta.maxVersion, all.maxVersion),
    }));
    this.#tombstones = undefined;
  }

  tombstones(): RangeTombstones {
    this.#tombstones ??= RangeTombstones.ofAll(this.tables.map((table) => table.tombstones()));
    return this.#tombstones;
  }
}
