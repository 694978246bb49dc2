/**
 * Many writes in flight while syncs end late and in any order, with log writes or anything failing, then a kill or a power cut. What a
 * writer that awaits each write never meets: values that come while others are being synced, logs that rotate meanwhile.
 * Everybody who looks at the crashed disk must see the same. SEED=n runs one seed, RUNS=n so many from SEED on.
 */
import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import { openDb } from '../../src/engine/db.js';
import { checkWorkdir } from '../../src/engine/inspect/check-workdir.js';
import { startJob } from '../../src/engine/jobs.js';
import type { OpenOptions } from '../../src/engine/options.js';
import { randomSteps } from '../../src/env/inline-executor.js';
import type { CrashPolicy } from '../../src/env/mem-crash.js';
import { MemFs } from '../../src/env/mem-fs.js';
import { createSimEnv } from '../../src/env/sim-env.js';
import { checkCrashed } from '../crash/crash-check.js';
import { History, readContent } from '../crash/history.js';
import { abandon, fingerprint, openOn, SMALL, WORKDIR } from '../crash/simulation.js';
import { failAnything, failWrite } from './random-faults.js';
import { randomWrites } from './random-writes.js';

const FIRST = Number(process.env['SEED'] ?? '1');
const RUNS = Number(process.env['RUNS'] ?? (process.env['SEED'] === undefined ? '90' : '1'));

interface Crashed {
  readonly disk: MemFs;
  readonly promised: { readonly low: number; readonly operations: number };
}

class Life {
  readonly random: Prng;
  readonly fs: MemFs;
  readonly history = new History();
  readonly options: OpenOptions;
  readonly isKill: boolean;
  readonly #policy: CrashPolicy;
  #crashed: Crashed | undefined;

  constructor(seed: number) {
    this.random = new Prng(seed);
    this.fs = new MemFs({ seed });
    this.options = {
      ...SMALL,
      memtableCount: 2 + this.random.below(4),
      valueThreshold: this.random.chance(1, 3) ? 2000 : 100,
    };
    this.isKill = this.random.chance(1, 3);
    this.#policy = { seed: this.random.u32(), tearPercent: this.random.below(2) * 30 };
  }

  /** Until the crash, which is at the latest when all is written; the disk as it was then. */
  async run(): Promise<Crashed> {
    const { random, fs, options } = this;
    const opened = await openOn(fs, options, random.u32(), randomSteps(random.u32()));
    const crashAt = fs.operationCount + 1 + random.below(300);
    fs.onOperation = ({ index, op }, when) => {
      // Before a log is cut back its last record is there, and the write has not failed yet.
      if (when === 'before' && index >= crashAt && op !== 'truncate')
        this.#crashed ??= this.#crash();
    };
    fs.syncMode = 'manual';
    const faults = random.below(3);
    const slowness = 2 + random.below(6);
    const writes = 30 + random.below(60);
    const inFlight: Promise<unknown>[] = [];
    for (let i = 0; i < writes && this.#crashed === undefined; i++) {
      if (faults === 1 && random.chance(1, 12)) failWrite(fs, random);
      if (faults === 2 && random.chance(1, 8)) failAnything(fs, random);
      const durability = random.chance(1, 2) ? 'disk' : 'os';
      inFlight.push(this.history.write(opened.db, randomWrites(random, i), durability));
      if (random.chance(1, 15)) inFlight.push(opened.db.flush().catch(() => undefined));
      if (!random.chance(1, 3)) continue;
      await new Promise(setImmediate);
      for (const sync of [...fs.pendingSyncs]) if (random.chance(1, slowness)) sync.complete();
    }
    const crashed = this.#crashed ?? this.#crash();
    fs.onOperation = undefined;
    abandon(opened);
    fs.syncMode = 'microtask';
    fs.completeSyncs();
    void Promise.allSettled(inFlight);
    return crashed;
  }

  #crash(): Crashed {
    const { fs, history } = this;
    const disk = this.isKill ? fs.killClone() : fs.crashClone(this.#policy);
    disk.syncMode = 'microtask';
    const { low, operations } = this.isKill
      ? history.promisedAfterKill()
      : history.promisedAfterPowerLoss();
    return { disk, promised: { low, operations: Math.max(low, operations) } };
  }
}

function contentOf(db: Parameters<typeof readContent>[0]): [string, string][] {
  return [...readContent(db)].map(([key, value]) => [key, value.toString('latin1')]);
}

/** A read-only open, its refresh, the check and an ordinary open agree, and nobody but the last one writes. */
async function checkReaders({ disk }: Crashed, options: OpenOptions): Promise<void> {
  const before = fingerprint(disk);
  const env = createSimEnv(7, disk.clone(), { startJob });
  const operations = env.fs.operationCount;
  const reader = await openDb(env, WORKDIR, { ...options, readOnly: true });
  const seen = contentOf(reader);
  expect(reader.refresh()).toBe(false);
  expect(contentOf(reader)).toEqual(seen);
  await reader.close();
  expect((await checkWorkdir(env, WORKDIR)).is_sound).toBe(true);
  expect(env.fs.operationCount).toBe(operations);
  expect(fingerprint(env.fs)).toBe(before);
  const writer = await openDb(createSimEnv(8, disk.clone(), { startJob }), WORKDIR, options);
  expect(contentOf(writer)).toEqual(seen);
  await writer.close();
}

async function runSeed(seed: number): Promise<void> {
  const life = new Life(seed);
  const crashed = await life.run();
  const what = `SEED=${seed}, ${life.isKill ? 'kill' : 'power cut'}`;
  try {
    await checkReaders(crashed, life.options);
    const { disk, promised } = crashed;
    await checkCrashed({ fs: disk, promised, what }, life.history, life.options);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${what}: ${message}`, { cause: error });
  }
}

describe('writes in flight', () => {
  it(
    'keep their promises over a crash',
    async () => {
      for (let seed = FIRST; seed < FIRST + RUNS; seed++) await runSeed(seed);
    },
    60_000 + RUNS * 1000,
  );
});
