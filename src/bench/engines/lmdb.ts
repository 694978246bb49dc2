/**
 * LMDB through lmdb 3: synchronous get, getRange over the memory map, put collected into shared
 * transactions by the package itself. Durability os is noSync; disk waits for the package's own
 * overlapping flush. It has no cache of its own: the page cache serves it without limit.
 */
import {
  type BenchEngine,
  type EngineOptions,
  type EngineStats,
  NO_STATS,
  touch,
} from '../engine.js';
import { loadModule } from './load-module.js';

interface Lmdb {
  get(key: string): Uint8Array | undefined;
  put(key: string, value: Uint8Array): PromiseLike<boolean>;
  getRange(options: { start: string; limit: number }): Iterable<{ value: Uint8Array }>;
  close(): Promise<void>;
}
interface LmdbModule {
  open(this: void, options: Record<string, unknown>): Lmdb;
}

export class LmdbEngine implements BenchEngine {
  readonly name = 'lmdb';
  readonly keyForm = 'string';
  readonly isReal = true;
  readonly #moduleDirectory: string;
  #db!: Lmdb;
  #checksum = 0;

  constructor(moduleDirectory: string) {
    this.#moduleDirectory = moduleDirectory;
  }

  async open(directory: string, options: EngineOptions): Promise<void> {
    const { open } = (await loadModule('lmdb', this.#moduleDirectory)) as LmdbModule;
    this.#db = open({
      path: directory,
      encoding: 'binary',
      compression: false,
      cache: false,
      ...(options.durability === 'os' ? { noSync: true, overlappingSync: false } : {}),
    });
  }

  insert(key: string, value: Uint8Array): PromiseLike<boolean> {
    return this.#db.put(key, value);
  }

  update(key: string, value: Uint8Array): PromiseLike<boolean> {
    return this.#db.put(key, value);
  }

  read(key: string): Uint8Array | undefined {
    return this.#db.get(key);
  }

  scan(start: string, count: number): number {
    let rows = 0;
    let checksum = 0;
    for (const { value } of this.#db.getRange({ start, limit: count })) {
      checksum += touch(value);
      rows++;
    }
    this.#checksum += checksum;
    return rows;
  }

  /** A B+ tree has no debt, and every put was acknowledged by its commit. */
  async unthrottled(): Promise<void> {}

  async idle(): Promise<void> {}

  stats(): EngineStats {
    return NO_STATS;
  }

  close(): Promise<void> {
    return this.#db.close();
  }
}
