/**
 * RocksDB through the legacy rocksdb 5 addon. Every call of it goes through the thread pool and a
 * callback; the callbacks are wrapped by hand, without the levelup layers above. Its iterator
 * fetches about 16 KB per trip by default; the limit is raised so that a scan is one trip.
 */
import {
  type BenchEngine,
  type EngineOptions,
  type EngineStats,
  NO_STATS,
  touch,
} from '../engine.js';
import type { BenchMachine } from '../machine.js';
import { loadModule } from './load-module.js';

type Callback<Result> = (error: Error | null, result?: Result) => void;
interface RocksIterator {
  next(callback: (error: Error | null, key?: unknown, value?: Uint8Array) => void): unknown;
  end(callback: Callback<void>): void;
}
interface RocksDb {
  open(options: Record<string, unknown>, callback: Callback<void>): void;
  close(callback: Callback<void>): void;
  get(key: string, callback: Callback<Uint8Array>): void;
  put(key: string, value: Uint8Array, options: { sync: boolean }, callback: Callback<void>): void;
  iterator(options: Record<string, unknown>): RocksIterator;
  getProperty(property: string): string;
}
type RocksDbFunction = (location: string) => RocksDb;

const CHUNK_BYTES = 4 * 1024 * 1024;
const POLL_MS = 20;
/** All are 0 when writes are neither stopped nor slowed down. */
const THROTTLES = ['rocksdb.is-write-stopped', 'rocksdb.actual-delayed-write-rate'];
/** All are 0 when nothing is left to do in the background. */
const BACKGROUND = [
  'rocksdb.mem-table-flush-pending',
  'rocksdb.num-running-flushes',
  'rocksdb.compaction-pending',
  'rocksdb.num-running-compactions',
];

export class RocksDbEngine implements BenchEngine {
  readonly name = 'rocksdb';
  readonly keyForm = 'string';
  readonly isReal = true;
  readonly #machine: BenchMachine;
  readonly #moduleDirectory: string;
  #db!: RocksDb;
  #write = { sync: false };
  #checksum = 0;

  constructor(machine: BenchMachine, moduleDirectory: string) {
    this.#machine = machine;
    this.#moduleDirectory = moduleDirectory;
  }

  async open(directory: string, options: EngineOptions): Promise<void> {
    const loaded = await loadModule('rocksdb', this.#moduleDirectory);
    const rocksdb = (loaded as { default: RocksDbFunction }).default;
    this.#db = rocksdb(directory);
    this.#write = { sync: options.durability === 'disk' };
    await promised<void>((callback) =>
      this.#db.open(
        {
          compression: false,
          cacheSize: options.cacheBytes,
          writeBufferSize: options.memtableBytes,
        },
        callback,
      ),
    );
  }

  insert(key: string, value: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#db.put(key, value, this.#write, (error) => (error ? reject(error) : resolve()));
    });
  }

  update(key: string, value: Uint8Array): Promise<void> {
    return this.insert(key, value);
  }

  read(key: string): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      this.#db.get(key, (error, value) => {
        if (!error) resolve(value);
        else if (/notfound/i.test(error.message)) resolve(undefined);
        else reject(error);
      });
    });
  }

  scan(start: string, count: number): Promise<number> {
    const iterator = this.#db.iterator({
      gte: start,
      limit: count,
      keys: false,
      fillCache: true,
      highWaterMark: CHUNK_BYTES,
    });
    return new Promise((resolve, reject) => {
      let rows = 0;
      const step = (error: Error | null, _key?: unknown, value?: Uint8Array): void => {
        if (error) {
          iterator.end(() => reject(error));
        } else if (value === undefined) {
          iterator.end((failure) => (failure ? reject(failure) : resolve(rows)));
        } else {
          this.#checksum += touch(value);
          if (++rows < count) iterator.next(step);
          else iterator.end((failure) => (failure ? reject(failure) : resolve(rows)));
        }
      };
      iterator.next(step);
    });
  }

  unthrottled(): Promise<void> {
    return this.#untilZero(THROTTLES);
  }

  idle(): Promise<void> {
    return this.#untilZero([...THROTTLES, ...BACKGROUND]);
  }

  async #untilZero(properties: readonly string[]): Promise<void> {
    while (properties.some((name) => Number(this.#db.getProperty(name)) > 0)) {
      await this.#machine.sleep(POLL_MS);
    }
  }

  stats(): EngineStats {
    return NO_STATS;
  }

  close(): Promise<void> {
    return promised<void>((callback) => this.#db.close(callback));
  }
}

function promised<Result>(call: (callback: Callback<Result>) => void): Promise<Result> {
  return new Promise((resolve, reject) => {
    call((error, result) => (error ? reject(error) : resolve(result as Result)));
  });
}
