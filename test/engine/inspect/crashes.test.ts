/** What an inspector says of a crashed workdir is what the next open makes of it. */
import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { openDb } from '../../../src/engine/db.js';
import { checkWorkdir } from '../../../src/engine/inspect/check-workdir.js';
import { startJob } from '../../../src/engine/jobs.js';
import type { MemFs } from '../../../src/env/mem-fs.js';
import { createSimEnv } from '../../../src/env/sim-env.js';
import { openSim, rowsOf, TINY, WORKDIR } from '../db-fixture.js';
import { diskOf } from './disk-state.js';

const SEEDS = [1, 2, 3, 4];
const STEPS = 60;

/** Opens a copy for writing and answers its rows, or the code of the error. */
async function rowsAfterOpen(fs: MemFs): Promise<string[] | string> {
  return rowsBy(fs.killClone(), false);
}

async function rowsBy(fs: MemFs, readOnly: boolean): Promise<string[] | string> {
  try {
    const db = await openDb(createSimEnv(7, fs, { startJob }), WORKDIR, { ...TINY, readOnly });
    const rows = rowsOf(db.scan());
    await db.close();
    return rows;
  } catch (error) {
    return String((error as { code?: string }).code ?? error);
  }
}

async function expectAgreement(fs: MemFs, what: string): Promise<void> {
  const before = diskOf(fs, WORKDIR);
  const report = await checkWorkdir(createSimEnv(7, fs), WORKDIR);
  const read = await rowsBy(fs, true);
  expect(diskOf(fs, WORKDIR), what).toEqual(before);
  const opened = await rowsAfterOpen(fs);
  expect(read, what).toEqual(opened);
  expect(report.is_sound, `${what}: ${JSON.stringify(report.findings)}`).toBe(
    Array.isArray(opened),
  );
}

describe('a read-only open and a check of a crashed workdir', () => {
  it.each(SEEDS)('agree with the open that comes after, seed %i', async (seed) => {
    const prng = new Prng(seed);
    const { db, env } = await openSim({ ...TINY, valueThreshold: 300 });
    for (let step = 0; step < STEPS; step++) {
      const writes: Promise<void>[] = [];
      for (let i = 0; i < 1 + (prng.u32() % 30); i++) {
        const key = `k${prng.u32() % 200}`;
        const durability = prng.u32() % 8 === 0 ? 'disk' : 'os';
        const value = `${step}`.repeat(1 + (prng.u32() % 400));
        if (prng.u32() % 6 === 0) writes.push(db.del(key, { durability }));
        else writes.push(db.put(key, value, { durability }));
      }
      if (step % 2 === 0) await Promise.all(writes);
      if (step > 2) {
        const what = `seed ${seed} step ${step}`;
        await expectAgreement(env.fs.killClone(), `${what}, killed`);
        const policy = { seed: seed * 1000 + step, tearPercent: step % 3 === 0 ? 20 : 0 };
        await expectAgreement(env.fs.crashClone(policy), `${what}, power lost`);
      }
      await Promise.all(writes);
      if (step % 20 === 19) await db.compact();
    }
    await db.close();
  });
});
