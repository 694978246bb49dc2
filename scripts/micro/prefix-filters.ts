/**
 * Micro benchmark of parts of keys in filters: `npx tsx scripts/micro/prefix-filters.ts`. Two databases, without and with
 * `prefixFilters`, of 40,000 users with five rows of 100 bytes each in one level, and six tables of later users in L0; scans
 * of both take turns. Prints microseconds per scan and block reads per scan, with a cache that holds all and one that does
 * not; and nanoseconds per entry of building a table.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareArrays } from '../../src/base/bytes.js';
import { Prng } from '../../src/base/prng.js';
import type { Db } from '../../src/engine/db.js';
import { KIND_PUT } from '../../src/engine/entry.js';
import { encodeKey, FAMILY_DEFAULT } from '../../src/engine/key.js';
import type { OpenOptions } from '../../src/engine/options.js';
import { prefixRulesFor } from '../../src/engine/prefix-filters.js';
import { TableBuilder } from '../../src/engine/sst/table-builder.js';
import { NodeFs } from '../../src/env/node-fs.js';
import { open } from '../../src/index.js';

const USERS = 40_000;
const ITEMS = 5;
const L0_TABLES = 6;
const L0_USERS = 1500;
const ROUNDS = 60;
const WARM_UP = 10;
const SCANS = 200;
const value = new Uint8Array(100).fill(7);

const userOf = (i: number): string => `user${String((i * 7919) % 1_000_003).padStart(8, '0')}:`;
const median = (figures: readonly number[]): number =>
  [...figures].sort((a, b) => a - b)[figures.length >> 1] as number;

interface Made {
  readonly db: Db;
  readonly path: string;
}

async function make(options: OpenOptions): Promise<Made> {
  const path = mkdtempSync(join(tmpdir(), 'nokv-prefix-'));
  const db = await open(path, { autoCompaction: false, ...options });
  const put = async (from: number, to: number): Promise<void> => {
    for (let i = from; i < to; i++) {
      const user = userOf(i);
      await Promise.all(Array.from({ length: ITEMS }, (_, j) => db.put(`${user}item${j}`, value)));
    }
    await db.flush();
  };
  await put(0, USERS);
  await db.compact();
  for (let i = 0; i < L0_TABLES; i++) await put(USERS + i * L0_USERS, USERS + (i + 1) * L0_USERS);
  return { db, path };
}

type Work = (db: Db, random: Prng) => void;

const KINDS: Readonly<Record<string, Work>> = {
  'prefix, absent': (db, random) => {
    db.scan({ prefix: userOf(500_000 + random.below(400_000)) }).take(10);
  },
  'prefix, present': (db, random) => {
    db.scan({ prefix: userOf(random.below(USERS)) }).take(10);
  },
  'range within a prefix': (db, random) => {
    const user = userOf(random.below(USERS));
    db.scan({ gte: `${user}item1`, lt: `${user}item3` }).take(10);
  },
  'range of many prefixes': (db, random) => {
    db.scan({ gte: userOf(random.below(USERS)), limit: 20 }).take(20);
  },
  get: (db, random) => {
    db.get(`${userOf(random.below(USERS))}item1`);
  },
};

const missesOf = (db: Db): number => {
  const { missesL0, missesOther } = db.stats().cache.block;
  return missesL0 + missesOther;
};

function compare(label: string, work: Work, made: readonly Made[]): void {
  const figures: number[][] = [[], []];
  const reads = [0, 0];
  for (let round = 0; round < ROUNDS; round++) {
    for (const side of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const { db } = made[side] as Made;
      const random = new Prng(round + 1);
      const missesBefore = missesOf(db);
      const start = performance.now();
      for (let i = 0; i < SCANS; i++) work(db, random);
      figures[side]?.push(((performance.now() - start) * 1000) / SCANS);
      (reads[side] as number) += missesOf(db) - missesBefore;
    }
  }
  const cells = figures.map((all, side) => {
    const us = median(all.slice(WARM_UP)).toFixed(1).padStart(6);
    return `${us} us ${((reads[side] as number) / (ROUNDS * SCANS)).toFixed(2)} reads`;
  });
  console.log(`${label.padEnd(26)} ${cells.join('   ')}`);
}

/** Nanoseconds per entry of building a table of all users, without and with parts in the filter. */
function building(): void {
  const keys = Array.from({ length: USERS * ITEMS }, (_, i) =>
    encodeKey(FAMILY_DEFAULT, `${userOf(Math.floor(i / ITEMS))}item${i % ITEMS}`),
  ).sort(compareArrays);
  const path = mkdtempSync(join(tmpdir(), 'nokv-prefix-'));
  const fs = new NodeFs();
  const rules = prefixRulesFor([{ delimiter: ':' }]);
  const figures: number[][] = [[], []];
  for (let round = 0; round < 15; round++) {
    for (const side of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const file = fs.open(join(path, `${round}-${side}.sst`), 'create');
      const builder = new TableBuilder(file, {
        fileNumber: 1,
        identity: '00112233445566aa',
        createdMs: 0,
        prefixRules: side === 0 ? undefined : rules,
      });
      const start = performance.now();
      keys.forEach((key, i) => {
        builder.add(key, 0, key.length, i + 1, i + 1, KIND_PUT, 0, value, 0, value.length);
      });
      builder.finish();
      figures[side]?.push(((performance.now() - start) * 1e6) / keys.length);
      file.close();
    }
  }
  const cells = figures.map((all) => `${median(all.slice(3)).toFixed(0).padStart(6)} ns`);
  console.log(`building, per entry        ${cells.join('            ')}`);
  rmSync(path, { recursive: true });
}

building();
for (const cacheBytes of [64 << 20, 4 << 20]) {
  console.log(`cache ${cacheBytes >> 20} MiB                without            with`);
  const made = [
    await make({ cacheBytes }),
    await make({ cacheBytes, prefixFilters: [{ delimiter: ':' }] }),
  ];
  for (const [label, work] of Object.entries(KINDS)) compare(label, work, made);
  const bytes = made.map(({ db }) =>
    db.stats().lsm.levels.reduce((sum, level) => sum + level.size_bytes, 0),
  );
  console.log(`bytes of tables            ${bytes.join('   ')}`);
  for (const { db, path } of made) {
    await db.close();
    rmSync(path, { recursive: true });
  }
}
