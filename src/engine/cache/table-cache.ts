/**
 * The open tables of a database, one reader per table, and the byte budget of their indexes and filters.
 * File handles stay open; index and filter of the table least recently used (by a clock: one flag set per use)
 * leave memory when the budget is passed. The one just loaded stays, so one table always works.
 *
 * Owned by one thread. A reader lives from `open` to `close`; the caller knows which versions refer to it.
 */
import type { Fs } from '../../base/env.js';
import type { Codec } from '../sst/codec.js';
import { type IndexBudget, TableReader } from '../sst/table-reader.js';
import type { TableMeta } from '../table-meta.js';
import type { BlockCache } from './block-cache.js';

export interface TableCacheOptions {
  /** Bytes of index and filter kept in memory. */
  readonly indexBytesMax: number;
  readonly codecs?: readonly Codec[];
}

/** Plain data for metrics. */
export interface TableCacheStats {
  readonly openTables: number;
  readonly indexBytes: number;
  readonly indexBytesMax: number;
  readonly indexLoads: number;
  readonly indexDrops: number;
}

export class TableCache implements IndexBudget {
  readonly #fs: Fs;
  readonly #blocks: BlockCache;
  readonly #options: TableCacheOptions;
  readonly #readers: Map<number, TableReader>;
  /** Readers with a loaded index, in clock order. */
  readonly #loaded: TableReader[];
  #hand: number;
  #indexBytes: number;
  #loads: number;
  #drops: number;

  constructor(fs: Fs, blocks: BlockCache, options: TableCacheOptions) {
    this.#fs = fs;
    this.#blocks = blocks;
    this.#options = options;
    this.#readers = new Map();
    this.#loaded = [];
    this.#hand = 0;
    this.#indexBytes = 0;
    this.#loads = 0;
    this.#drops = 0;
  }

  /** The reader of a table, opened when it is not yet. @throws CorruptionError, IoError, FormatError */
  open(path: string, meta: TableMeta): TableReader {
    let reader = this.#readers.get(meta.fileNumber);
    if (reader === undefined) {
      const codecs = this.#options.codecs ?? [];
      reader = TableReader.open(this.#fs, path, meta, this.#blocks, { codecs, indexBudget: this });
      this.#readers.set(meta.fileNumber, reader);
    }
    return reader;
  }

  /** The reader of an open table. */
  peek(fileNumber: number): TableReader | undefined {
    return this.#readers.get(fileNumber);
  }

  /** Closes a table that no version refers to. Idempotent. */
  close(fileNumber: number): void {
    this.#readers.get(fileNumber)?.close();
    this.#readers.delete(fileNumber);
  }

  closeAll(): void {
    for (const reader of this.#readers.values()) reader.close();
    this.#readers.clear();
  }

  /** IndexBudget: makes room for the index of `reader`, which was just loaded. */
  indexLoaded(reader: TableReader): void {
    this.#loads++;
    this.#indexBytes += reader.indexBytes;
    this.#loaded.push(reader);
    reader.wasIndexUsed = true;
    while (this.#indexBytes > this.#options.indexBytesMax && this.#loaded.length > 1) {
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
    if (at >= 0) this.#loaded.splice(at, 1);
    if (at >= 0 && at < this.#hand) this.#hand--;
  }

  stats(): TableCacheStats {
    return {
      openTables: this.#readers.size,
      indexBytes: this.#indexBytes,
      indexBytesMax: this.#options.indexBytesMax,
      indexLoads: this.#loads,
      indexDrops: this.#drops,
    };
  }
}
