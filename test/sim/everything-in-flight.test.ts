/**
 * Everything in flight at once, over several lives: writes, transactions, ingests, background jobs, followers, closes; syncs
 * end late and in any order, calls fail, the process is killed or the power goes, also while a crashed disk is being
 * opened. SEED=n runs one seed, RUNS=n so many from SEED on, TRACE=file keeps the writes and the operations of the life that failed.
 */
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import { openDb } from '../../src/engine/db.js';
import { checkWorkdir } from '../../src/engine/inspect/check-workdir.js';
import { startJob } from '../../src/engine/jobs.js';
import type { OpenOptions } from '../../src/engine/options.js';
import { MemFs } from '../../src/env/mem-fs.js';
import { createSimEnv } from '../../src/env/sim-env.js';
import {
  abandon,
  filesBelow,
  fingerprint,
  namedFiles,
  openOn,
  SMALL,
  WORKDIR,
} from '../crash/simulation.js';
import { contentOf, differences } from './content.js';
import { Ledger, pick } from './ledger.js';
import { type Crash, type Ingested, MixedLife, type Plan } from './mixed-life.js';

const FIRST = Number(process.env['SEED'] ?? '1');
const RUNS = Number(process.env['RUNS'] ?? (process.env['SEED'] === undefined ? '20' : '1'));
const TRACE = process.env['TRACE'];
const LIVES = 4;

function mixedOptions(random: Prng): OpenOptions {
  return {
    ...SMALL,
    memtable: pick(random, 'art', 'skiplist'),
    memtableCount: 2 + random.below(4),
    compactionPolicy: pick(random, 'leveled', 'tiered', 'hybrid'),
    l0CompactionTrigger: pick(random, 1, 2, 4),
    valueThreshold: pick(random, 100, 300, 2000),
    valueLogGc: random.chance(3, 4),
    valueLogBuckets: pick(random, 1, 2, 4),
    valueLogFileBytes: pick(random, 65_536, 131_072),
    manifestRewriteBytes: pick(random, 4096, 8192, 65_536),
    durability: pick(random, 'os', 'disk'),
  };
}

function planOf(random: Prng, life: number): Plan {
  const isRecovery = life > 0 && random.chance(1, 3);
  const isKill = random.chance(1, 3);
  return {
    writes: isRecovery ? 3 : 20 + random.below(random.chance(1, 4) ? 300 : 80),
    pace: pick(random, 1, 1, 2, 3, 5),
    faults: pick(random, 'none', 'writes', 'anything', 'none'),
    isKill,
    hasFollowers: random.chance(1, 2),
    end: pick(random, 'operation', 'operation', 'close', 'closed', 'now'),
    crashAfter: isRecovery
      ? 1 + random.below(25)
      : random.chance(1, 4)
        ? 100_000
        : 30 + random.below(900),
  };
}

/** A read-only open, the check and an ordinary open agree, and nobody but the last one writes. */
async function checkReaders(disk: MemFs, options: OpenOptions): Promise<void> {
  const before = fingerprint(disk);
  const env = createSimEnv(7, disk.clone(), { startJob });
  const operations = env.fs.operationCount;
  if (env.fs.stat(`${WORKDIR}/CURRENT`) === undefined) return;
  const reader = await openDb(env, WORKDIR, { ...options, readOnly: true });
  const seen = contentOf(reader);
  expect(reader.refresh()).toBe(false);
  await reader.close();
  const check = await checkWorkdir(env, WORKDIR);
  expect(check.is_sound, JSON.stringify(check)).toBe(true);
  expect(env.fs.operationCount).toBe(operations);
  expect(fingerprint(env.fs)).toBe(before);
  const writer = await openDb(createSimEnv(8, disk.clone(), { startJob }), WORKDIR, options);
  const texts = differences(seen, contentOf(writer));
  expect(texts, 'a reader and a writer differ').toEqual([]);
  await writer.close();
}

/** Opens, compares, dies again, opens again, goes on and closes; how many operations were found. */
async function checkDisk(
  disk: MemFs,
  crash: Crash,
  ledger: Ledger,
  options: OpenOptions,
): Promise<number> {
  const opened = await openOn(disk.clone(), options);
  const content = contentOf(opened.db);
  const found = ledger.match(content, crash.low, crash.high);
  if (typeof found === 'string') throw new Error(found);
  if (crash.wasClosed)
    expect(opened.db.recovery.wasCleanClose || opened.db.recovery.isNew).toBe(true);
  const again = opened.env.fs.killClone();
  abandon(opened);
  const second = await openOn(again, options);
  expect(differences(content, contentOf(second.db)), 'opened twice').toEqual([]);
  await second.db.put('after', 'crash');
  await second.db.settle();
  await second.db.close();
  expect(filesBelow(again, WORKDIR).sort().join()).toBe(namedFiles(again).join());
  const third = await openOn(again, options);
  expect(third.db.recovery.wasCleanClose).toBe(true);
  const after = contentOf(third.db);
  after.delete('after');
  expect(differences(content, after), 'changed by going on').toEqual([]);
  await third.db.close();
  return found;
}

/** A source is there unless its rows are. */
function checkSources(
  disk: MemFs,
  ingests: readonly Ingested[],
  found: number,
  ledger: Ledger,
): void {
  const content = ledger.contentAfter(found);
  for (const { files, position } of ingests) {
    if (position > 0 && position <= found) continue;
    const gone = files.filter((file) => disk.stat(file) === undefined);
    if (gone.length === 0) continue;
    // The same content may be that of a later moment.
    let isLater = false;
    for (let later = position; position > 0 && later <= ledger.issued; later++)
      if (differences(ledger.contentAfter(later), content).length === 0) isLater = true;
    if (!isLater)
      throw new Error(
        `sources are gone without their rows: ${gone.join(' ')} of ${position}, found ${found}`,
      );
  }
}

async function runSeed(seed: number): Promise<void> {
  const random = new Prng(seed);
  const ledger = new Ledger();
  let fs = new MemFs({ seed });
  const lives = 1 + random.below(LIVES);
  for (let life = 0; life < lives; life++) {
    const options = mixedOptions(random);
    const plan = planOf(random, life);
    const mixed = new MixedLife(random, fs, ledger, options, plan, life + 1);
    const what = `SEED=${seed}, life ${life} of ${lives}, ${JSON.stringify(plan)}`;
    let crash: Crash | undefined;
    try {
      crash = await mixed.run();
      await checkReaders(crash.disk, options);
      const found = await checkDisk(crash.disk, crash, ledger, options);
      checkSources(crash.disk, mixed.ingests, found, ledger);
      ledger.rewind(found, crash.isKill ? crash.durable : found);
      fs = crash.disk;
    } catch (error) {
      if (TRACE !== undefined) writeFileSync(TRACE, `${ledger.describe()}\n${mixed.traceText()}`);
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`${what}: ${message}`, { cause: error });
    }
  }
}

describe('everything in flight', () => {
  it(
    'keeps its promises over crashes',
    async () => {
      const failures: string[] = [];
      for (let seed = FIRST; seed < FIRST + RUNS; seed++) {
        try {
          await runSeed(seed);
        } catch (error) {
          failures.push(error instanceof Error ? error.message : String(error));
          if (RUNS === 1) throw error;
          if (failures.length >= 8) break;
        }
      }
      expect(failures).toEqual([]);
    },
    60_000 + RUNS * 2000,
  );
});
