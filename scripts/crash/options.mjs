/** Options of the database under kills: as small as they may be, so that everything happens all the time. */

/** Drawn anew at every restart. `walBytes`: the log is to grow to this size; 0: as small as may be. */
export function rollOptions(random, durability, walBytes) {
  const pick = (...choices) => choices[random.below(choices.length)];
  return {
    durability,
    memtable: pick('art', 'skiplist'),
    memtableBytes: walBytes > 0 ? Math.ceil(walBytes * 1.1) : pick(65_536, 131_072, 262_144),
    memtableCount: pick(2, 3, 4),
    tableBytes: pick(16_384, 65_536, 1_048_576),
    baseLevelBytes: pick(65_536, 262_144, 2 * 1024 ** 3),
    l0CompactionTrigger: pick(1, 2, 4),
    l0SlowdownTrigger: pick(8, 24),
    compactionPolicy: pick('leveled', 'leveled', 'tiered', 'hybrid'),
    compression: pick('none', 'lz4'),
    blockBytes: pick(256, 1024, 4096),
    valueThreshold: walBytes > 0 ? 1_048_576 : pick(64, 1024, 1024, 4096),
    valueLogFileBytes: pick(65_536, 131_072, 524_288),
    valueLogGc: random.below(3) > 0,
    valueLogGcRatio: pick(0.1, 0.3, 0.5),
    manifestRewriteBytes: pick(4096, 4096, 16_384),
    cacheBytes: pick(0, 1_048_576),
  };
}
