/**
 * The byte budget of indexes and filters over the open tables of a database. File handles stay open; index and
 * filter of tables not used lately (a clock: one flag set per use) leave memory when the budget is passed,
 * and are read again at the next use. The one just loaded stays, so that a read always comes through.
 *
 * Owned by one thread. Readers are opened and closed by the caller, who knows which versions refer to them; they
 * are added after opening and removed before closing.
 */
import { assert } from '../../base/assert.js';
import type { IndexBudget, TableReader } from '../sst/table-reader.js';

/** Plain data for metrics. */
export interface TableCacheStats {
  readonly tables: number;
  readonly indexBytes: number;
  readonly indexBytesMax: number;
  /** Loads since the start, first ones and repeated ones. */
  readonly indexLoads: number;
  /** Indexes dropped to make room or with their table. */
  readonly indexDrops: number;
}

export class TableCache implements IndexBudget {
  readonly #indexBytesMax: number;
  /** Readers with a loaded index, in clock order. */
  readonly #loaded: TableReader[];
  #tables: number;
  #hand: number;
  #indexBytes: number;
  #loads: number;
  #drops: number;

  /** `indexBytesMax`: bytes of index and filter kept in memory; one table's may exceed it. */
  constructor(indexBytesMax: number) {
    this.#indexBytesMax = indexBytesMax;
    this.#loaded = [];
    this.#tables = 0;
    this.#hand = 0;
    this.#indexBytes = 0;
    this.#loads = 0;
    this.#drops = 0;
  }

  /** Takes an open table into the budget. */
  add(reader: TableReader): void {
    assert(reader.indexBudget === undefined, 'table cache: table added twice');
    reader.indexBudget = this;
    this.#tables++;
    if (reader.indexBytes > 0) this.indexLoaded(reader);
  }

  /** Takes a table out; its index is dropped. Idempotent. */
  remove(reader: TableReader): void {
    if (reader.indexBudget !== this) return;
    reader.dropIndex();
    reader.indexBudget = undefined;
    this.#tables--;
  }

  /** IndexBudget: makes room for the index of `reader`, which was just loaded. */
  indexLoaded(reader: TableReader): void {
    this.#loads++;
    this.#indexBytes += reader.indexBytes;
    this.#loaded.push(reader);
    while (this.#indexBytes > this.#indexBytesMax && this.#loaded.length > 1) {
      if (this.#hand >= this.#loaded.length) this.#hand = 0;
      const candidate = this.#loaded[this.#hand] as TableReader;
      if (candidate === reader || candidate.wasIndexUsed) {
        candidate.wasIndexUsed = false;
        this.#hand++;
      } else {
        candidate.dropIndex();
      }
    }
  }

  /** IndexBudget: the index of `reader` is about to leave memory. */
  indexDropped(reader: TableReader): void {
    this.#drops++;
    this.#indexBytes -= reader.indexBytes;
    const at = this.#loaded.indexOf(reader);
    assert(at >= 0, 'table cache: dropped index is not counted');
    this.#loaded.splice(at, 1);
    if (at < this.#hand) this.#hand--;
  }

  stats(): TableCacheStats {
    return {
      tables: this.#tables,
      indexBytes: this.#indexBytes,
      indexBytesMax: this.#indexBytesMax,
      indexLoads: this.#loads,
      indexDrops: this.#drops,
    };
  }
}
