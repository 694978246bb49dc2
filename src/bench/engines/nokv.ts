/**
 * nokv through its public API: synchronous get and scan, put with group commit. Nothing here that a
 * user could not write.
 */
import { type Db, open } from '../../index.js';
import { type BenchEngine, type EngineOptions, type EngineStats, touch } from '../engine.js';

export class NokvEngine implements BenchEngine {
  readonly name: string;
  readonly keyForm = 'string';
  readonly isReal = true;
  readonly #memtable: 'art' | 'skiplist' | undefined;
  #db!: Db;
  #checksum = 0;

  /** `memtable` overrides the run's choice (engines nokv-art and nokv-skiplist). */
  constructor(name: string, memtable?: 'art' | 'skiplist') {
    this.name = name;
    this.#memtable = memtable;
  }

  async open(directory: string, options: EngineOptions): Promise<void> {
    this.#db = await open(directory, {
      ...options.nokv,
      cacheBytes: options.cacheBytes,
      memtableBytes: options.memtableBytes,
      memtable: this.#memtable ?? options.memtable,
      durability: options.durability,
      valueThreshold: options.valueThreshold,
    });
  }

  insert(key: string, value: Uint8Array): Promise<void> {
    return this.#db.put(key, value);
  }

  update(key: string, value: Uint8Array): Promise<void> {
    return this.#db.put(key, value);
  }

  read(key: string): Uint8Array | undefined {
    return this.#db.get(key);
  }

  scan(start: string, count: number): number {
    let rows = 0;
    let checksum = 0;
    for (const { value } of this.#db.scan({ gte: start, limit: count })) {
      checksum += touch(value);
      rows++;
    }
    this.#checksum += checksum;
    return rows;
  }

  unthrottled(): Promise<void> {
    return this.#db.untilUnthrottled();
  }

  idle(): Promise<void> {
    return this.#db.settle();
  }

  stats(): EngineStats {
    const { rows, block } = this.#db.stats().cache;
    // A read that misses the rows looks for a block: the answers of both are the cache's.
    const hits = rows.hits + block.hitsL0 + block.hitsOther;
    return { cache: { reads: rows.hits + rows.misses, hits } };
  }

  close(): Promise<void> {
    return this.#db.close();
  }
}
