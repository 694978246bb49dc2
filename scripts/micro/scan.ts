/**
 * Micro benchmark of scans: `npx tsx scripts/micro/scan.ts`. A database of 200,000 rows of 1000 bytes in one level, every
 * 25th of them newer and in the memtable; scans from random keys on, with a limit. Prints microseconds per scan, medians,
 * with a cache that holds all and with one that holds a quarter; blocks read and taken from the cache per scan.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Prng } from '../../src/base/prng.js';
import { type Db, open } from '../../src/index.js';

const ROWS = 200_000;
const NEWER_EVERY = 25;
const ROUNDS = 15;
const SCANS = 500;
const value = new Uint8Array(1000).fill(7);

const keyOf = (n: number): string => `user${String(n).padStart(12, '0')}`;
const median = (figures: readonly number[]): number =>
  [...figures].sort((a, b) => a - b)[figures.length >> 1] as number;

async function put(db: Db, step: number): Promise<void> {
  let puts: Promise<void>[] = [];
  for (let i = 0; i < ROWS; i += step) {
    puts.push(db.put(keyOf(i), value));
    if (puts.length < 1000) continue;
    await Promise.all(puts);
    puts = [];
  }
  await Promise.all(puts);
}

function readsOf(db: Db): readonly [number, number] {
  const { block, readahead } = db.stats().cache;
  return [readahead.blocks, block.hitsL0 + block.hitsOther];
}

function measure(db: Db, label: string, work: (from: string) => void): void {
  const random = new Prng(1);
  const figures: number[] = [];
  let before = readsOf(db);
  for (let round = -2; round < ROUNDS; round++) {
    if (round === 0) before = readsOf(db);
    const start = performance.now();
    for (let i = 0; i < SCANS; i++) work(keyOf(random.below(ROWS)));
    if (round >= 0) figures.push(((performance.now() - start) * 1000) / SCANS);
  }
  const [read, cached] = readsOf(db).map((n, i) => (n - (before[i] as number)) / ROUNDS / SCANS);
  const blocks = `${(read as number).toFixed(1)} blocks read, ${(cached as number).toFixed(1)} cached`;
  console.log(`${label.padEnd(34)} ${median(figures).toFixed(1).padStart(7)} us  ${blocks}`);
}

for (const cacheMb of [512, 64]) {
  const path = mkdtempSync(join(tmpdir(), 'nokv-scan-'));
  const db = await open(path, { cacheBytes: cacheMb << 20 });
  await put(db, 1);
  await db.compact();
  await put(db, NEWER_EVERY);
  console.log(`scan, ${cacheMb} MiB cache`);
  for (const limit of [1, 10, 50, 100]) {
    measure(db, `  ${limit} rows`, (gte) => {
      for (const row of db.scan({ gte, limit })) if (row.value.length !== 1000) throw new Error();
    });
  }
  measure(db, '  50 rows, in reverse', (lte) => {
    db.scan({ lte, limit: 50, reverse: true }).take(50);
  });
  measure(db, '  50 rows, keys only', (gte) => {
    db.scan({ gte, limit: 50, keysOnly: true }).take(50);
  });
  measure(db, '  50 rows, without a limit', (gte) => {
    db.scan({ gte }).take(50);
  });
  await db.close();
  rmSync(path, { recursive: true });
}
