/** The environment of a job under test: a simulated disk with a directory that starts empty. */
import type { JobEnv } from '../../../src/base/env.js';
import type { MemFs } from '../../../src/env/mem-fs.js';
import { createSimEnv } from '../../../src/env/sim-env.js';

export interface JobTestEnv extends JobEnv {
  readonly fs: MemFs;
  readonly directory: string;
  fileNames(): string[];
}

export function createJobEnv(): JobTestEnv {
  const { clock, fs, log } = createSimEnv(1);
  const directory = '/db';
  fs.makeDirectory(directory);
  fs.syncAll();
  return { clock, fs, log, directory, fileNames: () => fs.list(directory) };
}

/** Runs a job to its end. */
export function finish<Result>(job: Generator<void, Result, void>): Result {
  for (;;) {
    const step = job.next();
    if (step.done === true) return step.value;
  }
}
