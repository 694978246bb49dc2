/** The machines that the conformance suite runs on: the simulated one, and the real disk with jobs inline. */
import { join } from 'node:path';
import type { Clock, Env } from '../../src/base/env.js';
import { type Db, openDb } from '../../src/engine/db.js';
import { startJob } from '../../src/engine/jobs.js';
import type { OpenOptions } from '../../src/engine/options.js';
import { InlineExecutor } from '../../src/env/inline-executor.js';
import { createNodeEnv } from '../../src/env/node-env.js';
import { createSimEnv } from '../../src/env/sim-env.js';
import { temporaryDirectory } from '../env/temp-directory.js';

/** One workdir on one machine. */
export interface Machine {
  /** Opens the workdir, or another one below it, as a new process would. */
  open(options?: OpenOptions, directory?: string): Promise<Db>;
  /** Moves wall time on. */
  advance(ms: number): void;
  nowMs(): number;
}

export const MACHINES: readonly (readonly [string, () => Machine])[] = [
  ['the simulated machine', simulatedMachine],
  ['the real disk', realMachine],
];

function simulatedMachine(): Machine {
  const first = createSimEnv(1, undefined, { startJob });
  const { clock, fs } = first;
  return {
    open: (options, directory = '/db') =>
      openDb(createSimEnv(1, fs, { startJob, clock }), directory, options),
    advance: (ms) => clock.advance(ms),
    nowMs: () => clock.nowMs(),
  };
}

function realMachine(): Machine {
  const root = temporaryDirectory();
  let offsetMs = 0;
  const makeEnv = (): Env => {
    const env = createNodeEnv();
    const real = env.clock;
    const clock: Clock = {
      nowMs: () => real.nowMs() + offsetMs,
      monotonicMs: () => real.monotonicMs(),
      setTimer: (delayMs, callback) => real.setTimer(delayMs, callback),
      sleep: (delayMs) => real.sleep(delayMs),
      nextTurn: () => real.nextTurn(),
    };
    const { fs, log } = env;
    return { ...env, clock, executor: new InlineExecutor(startJob, { clock, fs, log }) };
  };
  return {
    open: (options, directory = 'db') => openDb(makeEnv(), join(root, directory), options),
    advance: (ms) => {
      offsetMs += ms;
    },
    nowMs: () => makeEnv().clock.nowMs(),
  };
}
