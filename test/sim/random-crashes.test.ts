/**
 * Random workloads with jobs in random slices, crashing at random operations by kill or power cut, each
 * history over several lives of the database. SEED=n runs one seed, RUNS=n so many from SEED on.
 */
import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import type { OpenOptions } from '../../src/engine/options.js';
import { randomSteps as randomSlices } from '../../src/env/inline-executor.js';
import type { CrashPolicy } from '../../src/env/mem-crash.js';
import { MemFs } from '../../src/env/mem-fs.js';
import { checkCrashed } from '../crash/crash-check.js';
import { History, readContent } from '../crash/history.js';
import { abandon, type Opened, openOn, SMALL } from '../crash/simulation.js';
import { type Host, randomSteps, runSteps } from '../crash/workload.js';

const FIRST = Number(process.env['SEED'] ?? '1');
const RUNS = Number(process.env['RUNS'] ?? (process.env['SEED'] === undefined ? '30' : '1'));
const LIVES = 4;
const STEPS = 25;

function pick<T>(random: Prng, ...choices: readonly T[]): T {
  return choices[random.below(choices.length)] as T;
}

function randomOptions(random: Prng): OpenOptions {
  return {
    ...SMALL,
    memtable: pick(random, 'art', 'skiplist'),
    memtableCount: pick(random, 2, 3, 4),
    compactionPolicy: pick(random, 'leveled', 'tiered', 'hybrid'),
    compression: pick(random, 'none', 'lz4'),
    l0CompactionTrigger: pick(random, 1, 2, 4),
    valueThreshold: pick(random, 100, 300, 2000),
    valueLogGc: random.chance(3, 4),
    valueLogBuckets: pick(random, 1, 2, 4),
  };
}

interface Taken {
  readonly disk: MemFs;
  readonly promised: { readonly low: number; readonly operations: number };
  readonly isKill: boolean;
  /** Operations that a power loss could not have taken. */
  readonly durable: number;
  readonly how: string;
}

/** Thrown out of the workload when its process is dead. */
class Dead extends Error {}

/** Ends syncs after random numbers of turns, so that groups, rotations and jobs fall into them. */
function startPump(fs: MemFs, seed: number): () => void {
  const random = new Prng(seed);
  let isRunning = true;
  fs.syncMode = 'manual';
  const pump = async (): Promise<void> => {
    while (isRunning) {
      await new Promise(setImmediate);
      for (const pending of [...fs.pendingSyncs]) if (random.chance(1, 3)) pending.complete();
    }
  };
  void pump();
  return () => {
    isRunning = false;
    fs.syncMode = 'microtask';
    fs.completeSyncs();
  };
}

/** Lives until the crash; gives the disk as it was found then. */
async function live(
  random: Prng,
  fs: MemFs,
  history: History,
  options: OpenOptions,
): Promise<Taken> {
  const durability = pick(random, 'os', 'disk');
  const isKill = random.chance(1, 2);
  const policy: CrashPolicy = { seed: random.u32(), tearPercent: random.below(2) * 30 };
  const crashAt = fs.operationCount + 1 + random.below(250);
  let taken: Taken | undefined;
  const copy = (): MemFs => {
    const disk = isKill ? fs.killClone() : fs.crashClone(policy);
    disk.syncMode = 'microtask';
    return disk;
  };
  const take = (): Taken => ({
    disk: copy(),
    promised: isKill ? history.promisedAfterKill() : history.promisedAfterPowerLoss(),
    isKill,
    durable: history.promisedAfterPowerLoss().low,
    how: isKill ? 'kill' : `power cut ${JSON.stringify(policy)}`,
  });
  fs.onOperation = ({ index }, when) => {
    if (when === 'before' && index === crashAt) taken = take();
  };
  const stopPump = random.chance(1, 2) ? startPump(fs, random.u32()) : () => undefined;
  const open = (): Promise<Opened> =>
    openOn(fs, { ...options, durability }, random.u32(), randomSlices(random.u32()));
  const endOpen = history.beginSync();
  let opened = await open();
  endOpen();
  const host: Host = {
    db: opened.db,
    async reopen() {
      const end = history.beginSync();
      await host.db.close();
      end();
      opened = await open();
      host.db = opened.db;
    },
    async between() {
      if (taken !== undefined) throw new Dead();
    },
  };
  try {
    await runSteps(host, history, randomSteps(random, STEPS, durability));
  } catch (error) {
    if (!(error instanceof Dead)) throw error;
  }
  fs.onOperation = undefined;
  const result = taken ?? take();
  stopPump();
  abandon(opened);
  return result;
}

async function runSeed(seed: number): Promise<void> {
  const random = new Prng(seed);
  const history = new History();
  let fs = new MemFs({ seed });
  for (let life = 0; life < LIVES; life++) {
    const { disk, promised, isKill, durable, how } = await live(
      random,
      fs,
      history,
      randomOptions(random),
    );
    try {
      // What was written after the crash never happened: the history ends at what is found.
      const found = await checkCrashed({ fs: disk.clone(), promised, what: how }, history, SMALL);
      history.rewind(found, isKill ? durable : found);
    } catch (error) {
      const what = `life ${life}, ${how}: ${error instanceof Error ? error.message : String(error)}`;
      throw new Error(`SEED=${seed}: ${what}`, { cause: error });
    }
    fs = disk;
  }
  const { db } = await openOn(fs, SMALL);
  const exactly = { low: history.issued, operations: history.issued };
  expect(history.match(readContent(db), exactly), `SEED=${seed}`).toBe(history.issued);
  await db.close();
}

describe('random workloads', () => {
  it(
    'keep their promises over crashes and restarts',
    async () => {
      for (let seed = FIRST; seed < FIRST + RUNS; seed++) await runSeed(seed);
    },
    60_000 + RUNS * 1000,
  );
});
