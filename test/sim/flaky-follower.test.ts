/**
 * A follower beside a writer whose log writes fail now and then, while opens and reads of the follower fail, too: it always
 * shows a moment of the database, none before one that it has shown, and after a refresh that went well none before
 * that. SEED=n runs one seed, RUNS=n so many from SEED on.
 */
import { describe, expect, it } from 'vitest';
import type { Env, FsFile, OpenMode } from '../../src/base/env.js';
import { CorruptionError, IoError, NokvError } from '../../src/base/errors.js';
import { Prng } from '../../src/base/prng.js';
import { type Db, openDb } from '../../src/engine/db.js';
import { startJob } from '../../src/engine/jobs.js';
import type { OpenOptions } from '../../src/engine/options.js';
import { randomSteps } from '../../src/env/inline-executor.js';
import { MemFs } from '../../src/env/mem-fs.js';
import { createSimEnv } from '../../src/env/sim-env.js';
import { History, readContent } from '../crash/history.js';
import { abandon, openOn, SMALL, WORKDIR } from '../crash/simulation.js';
import { randomWrites } from './random-writes.js';

const FIRST = Number(process.env['SEED'] ?? '1');
const RUNS = Number(process.env['RUNS'] ?? (process.env['SEED'] === undefined ? '20' : '1'));
const STEPS = 120;

function member(target: object, name: string | symbol): unknown {
  const found: unknown = Reflect.get(target, name, target);
  return typeof found === 'function' ? (found.bind(target) as unknown) : found;
}

/** The same disk, on which an open or a read fails whenever `fails` says so. */
function flaky(fs: MemFs, fails: () => boolean): MemFs {
  const failing = (file: FsFile): FsFile =>
    new Proxy(file, {
      get: (target, name) => {
        if (name !== 'read') return member(target, name);
        return (...args: Parameters<FsFile['read']>): number => {
          if (fails()) throw new IoError({ op: 'read', path: file.path, errno: 'EIO' });
          return target.read(...args);
        };
      },
    });
  return new Proxy(fs, {
    get: (target, name) => {
      if (name !== 'open') return member(target, name);
      return (path: string, mode: OpenMode): FsFile => {
        if (fails()) throw new IoError({ op: 'open', path, errno: 'EMFILE' });
        return failing(target.open(path, mode));
      };
    },
  });
}

/** True when it went well. Anything but a typed error, or one of damage, is thrown on. */
function tryRefresh(reader: Db): boolean {
  try {
    reader.refresh();
    return true;
  } catch (error) {
    if (!(error instanceof NokvError) || error instanceof CorruptionError) throw error;
    return false;
  }
}

async function runSeed(seed: number): Promise<void> {
  const random = new Prng(seed);
  const fs = new MemFs({ seed });
  const history = new History();
  const options: OpenOptions = {
    ...SMALL,
    memtableCount: 2 + random.below(4),
    valueThreshold: random.chance(1, 3) ? 2000 : 100,
  };
  const opened = await openOn(fs, options, random.u32(), randomSteps(random.u32()));
  let isFlaky = false;
  const env: Env = {
    ...createSimEnv(9, fs, { startJob, clock: opened.env.clock }),
    host: opened.env.host,
    fs: flaky(fs, () => isFlaky && random.chance(1, 25)),
  };
  const reader = await openDb(env, WORKDIR, { ...options, memtableCount: 2, readOnly: true });
  const inFlight: Promise<unknown>[] = [];
  let low = 0;
  for (let i = 0; i < STEPS; i++) {
    if (random.chance(1, 15)) {
      const path = random.chance(2, 3) ? '.wal' : '.vlog';
      fs.injectFault({ op: 'write', path, errno: 'ENOSPC', nth: 1 + random.below(2) });
    }
    const durability = random.chance(1, 4) ? 'disk' : 'os';
    inFlight.push(history.write(opened.db, randomWrites(random, i), durability));
    if (random.chance(1, 20)) inFlight.push(opened.db.flush().catch(() => undefined));
    if (random.chance(1, 2)) continue;
    // What failed is known to have failed.
    await new Promise(setImmediate);
    const { acknowledged } = history;
    isFlaky = random.chance(1, 2);
    if (tryRefresh(reader)) low = acknowledged;
    isFlaky = false;
    const found = history.match(readContent(reader), { low, operations: history.issued });
    expect(found, `SEED=${seed}, step ${i}: ${found}`).toBeTypeOf('number');
    low = Math.max(low, found as number);
  }
  await Promise.allSettled(inFlight);
  await reader.close();
  abandon(opened);
}

describe('a follower with a flaky disk', () => {
  it(
    'shows moments of the database, each later than the one before',
    async () => {
      for (let seed = FIRST; seed < FIRST + RUNS; seed++) await runSeed(seed);
    },
    60_000 + RUNS * 1000,
  );
});
