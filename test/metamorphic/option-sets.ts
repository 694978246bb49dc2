/** Option sets for programs: small limits, so that a short program rotates, flushes, compacts and collects. */
import { Prng } from '../../src/base/prng.js';
import type { OpenOptions } from '../../src/engine/options.js';
import { KIB, MIB } from '../../src/base/limits.js';

/** The least there is. */
const SHORT_HISTORY_BYTES = 64 * KIB;

/** The options of the `opening`-th opening (from 0) in run `run` of a program. */
export function drawOptions(seed: number, run: number, opening: number): OpenOptions {
  const random = new Prng(seed * 1009 + run * 31 + opening);
  const oneOf = <T>(...choices: T[]): T => choices[random.below(choices.length)] as T;
  const l0CompactionTrigger = oneOf(1, 2, 4);
  const autoCompaction = random.chance(7, 8);
  const l0SlowdownTrigger = autoCompaction
    ? Math.max(2, l0CompactionTrigger + oneOf(0, 1, 8))
    : 999;
  return {
    durability: oneOf('os', 'os', 'disk'),
    memtable: oneOf('art', 'skiplist'),
    memtableBytes: oneOf(64, 64, 100, 1024) * KIB,
    memtableCount: oneOf(2, 3, 4),
    cacheBytes: oneOf(0, 32 * KIB, 1024 * KIB),
    indexCacheBytes: oneOf(0, 64 * KIB, 1024 * KIB),
    blockBytes: oneOf(256, 1024, 4096),
    filterBitsPerKey: oneOf(0, 10),
    compression: oneOf('none', 'lz4'),
    tableBytes: oneOf(16, 32, 256) * KIB,
    baseLevelBytes: oneOf(64, 256, 4096) * KIB,
    compactionPolicy: oneOf('leveled', 'tiered', 'hybrid'),
    autoCompaction,
    l0CompactionTrigger,
    l0SlowdownTrigger,
    l0StopTrigger: autoCompaction ? l0SlowdownTrigger + oneOf(1, 8) : 1999,
    valueThreshold: oneOf(0, 32, 2048),
    ...(random.chance(1, 4) ? { valuePolicies: drawPolicies(random) } : {}),
    valueLogFileBytes: oneOf(64, 200) * KIB,
    valueLogBuckets: oneOf(1, 2, 4),
    valueLogGcRatio: oneOf(0.05, 0.5, 0.9),
    valueLogGc: random.chance(3, 4),
    manifestRewriteBytes: oneOf(4, 64) * KIB,
    transactionHistoryBytes: oneOf(SHORT_HISTORY_BYTES, 64 * MIB),
    ...(random.chance(1, 2) ? { prefixFilters: drawPrefixFilters(random) } : {}),
    hotKeySampling: oneOf(0, 1, 64),
    hotKeyNodes: oneOf(64, 1024),
  };
}

/** May a transaction be refused because it is too old? */
export function hasShortHistory(options: OpenOptions): boolean {
  return options.transactionHistoryBytes === SHORT_HISTORY_BYTES;
}

function drawPolicies(random: Prng): NonNullable<OpenOptions['valuePolicies']> {
  return [
    { columnFamily: 'lock', strategy: 'inline' },
    { prefix: random.chance(1, 2) ? 'a' : Uint8Array.of(0xff), strategy: 'offload' },
    { columnFamily: 'write', strategy: 'threshold', threshold: 100 },
  ];
}

/** Keys of programs are short, and begin alike. */
function drawPrefixFilters(random: Prng): NonNullable<OpenOptions['prefixFilters']> {
  if (random.chance(1, 2)) return [{ length: 1 + random.below(3) }];
  return [
    { prefix: 'a', length: 2 },
    { prefix: 'b', delimiter: random.chance(1, 2) ? 'a' : 'b' },
    { prefix: Uint8Array.of(0), length: 1 },
  ];
}
