/**
 * Micro benchmark of hot-key tracking: `npx tsx scripts/micro/hot-keys.ts`. A touch alone, and what tracking adds to
 * reads and writes of a database: two of them, with and without, take turns within one run, in an order that changes,
 * and medians are compared. Values of 100 bytes; rows are read from the row cache and, without
 * one, from blocks. `off/off` compares two databases without tracking: what is noise.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Prng } from '../../src/base/prng.js';
import type { Db } from '../../src/engine/db.js';
import { HotRing } from '../../src/engine/hot/hot-ring.js';
import { FAMILY_DEFAULT, KeyBuffer } from '../../src/engine/key.js';
import type { OpenOptions } from '../../src/engine/options.js';
import { NodeClock } from '../../src/env/node-clock.js';
import { open } from '../../src/index.js';

const KEYS = 20_000;
/** Databases made of each kind: where one lies in memory alone makes a few percent. */
const PAIRS = 6;
/** Of one pair; short turns, so that a median is free of what else the machine does. */
const ROUNDS = 200;
const OPERATIONS = 1000;
const value = new Uint8Array(100).fill(7);
const names = Array.from({ length: KEYS }, (_, i) => `user${String(i * 7919).padStart(19, '0')}`);
const random = new Prng(1);

const median = (figures: readonly number[]): number =>
  [...figures].sort((a, b) => a - b)[figures.length >> 1] as number;

/** Nanoseconds of a touch: a loop that encodes keys and touches them, less one that only encodes them. */
function touches(sampling: number, keys: number): void {
  const ring = new HotRing(new NodeClock(), { nodes: 1024, sampling, windowMs: 10_000 });
  const key = new KeyBuffer();
  const loop = (isTouched: boolean): number => {
    const start = performance.now();
    for (let i = 0; i < 500_000; i++) {
      key.encode(FAMILY_DEFAULT, names[(i * 31) % keys] as string);
      if (isTouched) ring.touch(key);
    }
    return ((performance.now() - start) * 1e6) / 500_000;
  };
  const figures: number[] = [];
  for (let round = 0; round < 9; round++) figures.push(-loop(false) + loop(true));
  const label = `touch, 1 in ${sampling}, ${keys} keys`;
  console.log(`${label.padEnd(34)} ${median(figures).toFixed(1).padStart(6)} ns`);
}

async function filled(options: OpenOptions): Promise<{ db: Db; path: string }> {
  const path = mkdtempSync(join(tmpdir(), 'nokv-hot-'));
  const db = await open(path, options);
  for (let i = 0; i < KEYS; i += 1000) {
    await Promise.all(names.slice(i, i + 1000).map((name) => db.put(name, value)));
  }
  await db.compact();
  return { db, path };
}

function order(): string[] {
  // A tenth of the keys takes most of the touches.
  return Array.from({ length: OPERATIONS }, () => {
    const below = random.chance(8, 10) ? KEYS / 10 : KEYS;
    return names[random.below(below)] as string;
  });
}

type Work = (db: Db, keys: readonly string[]) => Promise<void>;

/** Nanoseconds per operation of both sides, medians over the rounds of one pair of databases. */
async function onePair(options: readonly OpenOptions[], work: Work): Promise<number[]> {
  const databases = [];
  for (const one of options) databases.push(await filled(one));
  const figures: number[][] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    const keys = order();
    for (const side of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const { db } = databases[side] as { db: Db };
      const start = performance.now();
      await work(db, keys);
      figures[side]?.push(((performance.now() - start) * 1e6) / OPERATIONS);
    }
  }
  for (const { db, path } of databases) {
    await db.close();
    rmSync(path, { recursive: true });
  }
  return figures.map((all) => median(all.slice(ROUNDS / 10)));
}

async function pairs(label: string, options: readonly OpenOptions[], work: Work): Promise<void> {
  const before: number[] = [];
  const after: number[] = [];
  const added: number[] = [];
  for (let i = 0; i < PAIRS; i++) {
    // The one that is made first is not always the same.
    const isSwapped = i % 2 === 1;
    const found = await onePair(isSwapped ? [...options].reverse() : options, work);
    const [left, right] = (isSwapped ? found.reverse() : found) as [number, number];
    before.push(left);
    after.push(right);
    added.push(100 * (right / left - 1));
  }
  const ns = (figures: number[]): string => `${median(figures).toFixed(0).padStart(6)} ns`;
  const spread = added.map((one) => one.toFixed(1)).join(' ');
  const middle = ((median(added) + -median(added.map((one) => -one))) / 2).toFixed(1);
  console.log(
    `${label.padEnd(30)} ${ns(before)} ${ns(after)}  ${middle.padStart(5)} %  (${spread})`,
  );
}

const reads = (db: Db, keys: readonly string[]): Promise<void> => {
  for (const key of keys) db.get(key);
  return Promise.resolve();
};
const writes = async (db: Db, keys: readonly string[]): Promise<void> => {
  for (let i = 0; i < keys.length; i += 16) {
    await Promise.all(keys.slice(i, i + 16).map((key) => db.put(key, value)));
  }
};

for (const sampling of [1, 16, 64]) for (const keys of [100, KEYS]) touches(sampling, keys);
const room: OpenOptions = { memtableBytes: 128 << 20 };
const off: OpenOptions = { ...room, hotKeySampling: 0 };
const on: OpenOptions = { ...room, hotKeySampling: 64 };
const blocks: OpenOptions = { cacheBytes: 0 };
await pairs('get of rows, off/off', [off, off], reads);
await pairs('get of rows, off/on', [off, on], reads);
await pairs(
  'get without cache, off/on',
  [
    { ...off, ...blocks },
    { ...on, ...blocks },
  ],
  reads,
);
await pairs('put, off/off', [off, off], writes);
await pairs('put, off/on', [off, on], writes);
await pairs('put, off/limit', [off, { ...off, hotKeyWriteLimit: 1_000_000_000 }], writes);
