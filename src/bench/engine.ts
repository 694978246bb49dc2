/**
 * What the harness needs of a storage engine. An adapter uses the engine's fastest call from Node
 * for each operation and returns what that call returns: a result that is there at once is returned
 * as it is and never awaited, anything else is a promise.
 *
 * Fairness rules every adapter keeps: a read returns a value the caller may keep; a write resolves
 * when it is acknowledged at the asked durability and visible; a scan touches every value.
 */
import type { OpenOptions } from '../engine/options.js';
import type { BenchKey, KeyForm } from './keys.js';

/** os: acknowledged = survives a crash of the process. disk: acknowledged = synced. */
export type BenchDurability = 'os' | 'disk';

export interface EngineOptions {
  readonly durability: BenchDurability;
  /** Block cache, bytes, where the engine has one. */
  readonly cacheBytes: number;
  /** Write buffer, bytes. */
  readonly memtableBytes: number;
  /** nokv: index of the memtables. */
  readonly memtable: 'art' | 'skiplist';
  /** nokv: values of at least this many bytes go to the value log. */
  readonly valueThreshold: number;
  /** nokv: everything else. */
  readonly nokv: OpenOptions;
}

/** Counters of the engine itself since it was opened; null = it does not say. */
export interface EngineStats {
  readonly cache: CacheCounters | null;
}

export interface CacheCounters {
  /** Reads that looked into the cache. */
  readonly reads: number;
  /** How often the cache had what was looked for; more than once a read, where there are several caches. */
  readonly hits: number;
}

export const NO_STATS: EngineStats = { cache: null };

/** Share of the reads between two readings that the cache answered, 0 to 1; null when there were none. */
export function hitRateBetween(before: EngineStats, after: EngineStats): number | null {
  if (before.cache === null || after.cache === null) return null;
  const reads = after.cache.reads - before.cache.reads;
  return reads <= 0 ? null : Math.min(1, (after.cache.hits - before.cache.hits) / reads);
}

export interface BenchEngine {
  readonly name: string;
  /** The form of keys the engine is fastest with. */
  readonly keyForm: KeyForm;
  /** False for an engine that returns made-up values (null): reads are not checked then. */
  readonly isReal: boolean;
  /** Opens an empty database in `directory`, which is not there yet. */
  open(directory: string, options: EngineOptions): Promise<void>;
  /** Writes a key that is not there yet. */
  insert(key: BenchKey, value: Uint8Array): PromiseLike<unknown> | undefined;
  /** Overwrites a key. */
  update(key: BenchKey, value: Uint8Array): PromiseLike<unknown> | undefined;
  read(key: BenchKey): Uint8Array | undefined | PromiseLike<Uint8Array | undefined>;
  /** Reads at most `count` rows from `start` on, touches each value, returns how many there were. */
  scan(start: BenchKey, count: number): number | PromiseLike<number>;
  /** Resolves when no write would be slowed down or stopped by work left over: the end of a load. */
  unthrottled(): Promise<void>;
  /** Resolves when no background work is left, as far as the engine tells: before the next workload. */
  idle(): Promise<void>;
  stats(): EngineStats;
  close(): Promise<void>;
}

/** The part of a value a scan reads, so that no engine can hand out rows it never fetched. */
export function touch(value: Uint8Array): number {
  return (value[0] as number) + (value[value.length - 1] as number) + value.length;
}
