/**
 * LevelDB through classic-level 3: synchronous getSync with string keys (its fastest read), put in
 * the thread pool (there is no synchronous one), an iterator over values only read in one chunk.
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

interface ValueIterator {
  all(): Promise<Uint8Array[]>;
}
interface ClassicLevel {
  open(): Promise<void>;
  close(): Promise<void>;
  getSync(key: string): Uint8Array | undefined;
  put(key: string, value: Uint8Array, options?: { sync: boolean }): Promise<void>;
  values(options: {
    gte: string;
    limit: number;
    fillCache: boolean;
    highWaterMarkBytes: number;
  }): ValueIterator;
  getProperty(property: string): string;
}
type ClassicLevelClass = new (location: string, options: Record<string, unknown>) => ClassicLevel;

/** A whole scan of the longest usual length comes in one trip to the thread pool. */
const CHUNK_BYTES = 4 * 1024 * 1024;
/** LevelDB slows writes down at 8 files in level 0. */
const THROTTLED_L0_FILES = 8;
const POLL_MS = 20;
/** It does not say whether a compaction runs: its statistics, unchanged for so long, have to do. */
const QUIET_POLLS = 25;
const SYNCED = { sync: true };

export class ClassicLevelEngine implements BenchEngine {
  readonly name = 'classic-level';
  readonly keyForm = 'string';
  readonly isReal = true;
  readonly #machine: BenchMachine;
  readonly #moduleDirectory: string;
  #db!: ClassicLevel;
  #isSynced = false;
  #checksum = 0;

  constructor(machine: BenchMachine, moduleDirectory: string) {
    this.#machine = machine;
    this.#moduleDirectory = moduleDirectory;
  }

  async open(directory: string, options: EngineOptions): Promise<void> {
    const loaded = await loadModule('classic-level', this.#moduleDirectory);
    const { ClassicLevel } = loaded as { ClassicLevel: ClassicLevelClass };
    this.#db = new ClassicLevel(directory, {
      keyEncoding: 'utf8',
      valueEncoding: 'buffer',
      compression: false,
      cacheSize: options.cacheBytes,
      writeBufferSize: options.memtableBytes,
    });
    this.#isSynced = options.durability === 'disk';
    await this.#db.open();
  }

  insert(key: string, value: Uint8Array): Promise<void> {
    return this.#isSynced ? this.#db.put(key, value, SYNCED) : this.#db.put(key, value);
  }

  update(key: string, value: Uint8Array): Promise<void> {
    return this.insert(key, value);
  }

  read(key: string): Uint8Array | undefined {
    return this.#db.getSync(key);
  }

  async scan(start: string, count: number): Promise<number> {
    const values = await this.#db
      .values({ gte: start, limit: count, fillCache: true, highWaterMarkBytes: CHUNK_BYTES })
      .all();
    let checksum = 0;
    for (const value of values) checksum += touch(value);
    this.#checksum += checksum;
    return values.length;
  }

  async unthrottled(): Promise<void> {
    while (Number(this.#db.getProperty('leveldb.num-files-at-level0')) >= THROTTLED_L0_FILES) {
      await this.#machine.sleep(POLL_MS);
    }
  }

  async idle(): Promise<void> {
    let last = '';
    for (let quiet = 0; quiet < QUIET_POLLS; quiet++) {
      const stats = this.#db.getProperty('leveldb.stats');
      if (stats !== last) quiet = 0;
      last = stats;
      await this.#machine.sleep(POLL_MS);
    }
  }

  stats(): EngineStats {
    return NO_STATS;
  }

  close(): Promise<void> {
    return this.#db.close();
  }
}
