/**
 * Background jobs by name. A job is plain data; running it is a synchronous generator that yields
 * now and then, so that the inline executor of the tests can interleave it with foreground
 * writes, and a worker can look at its cancel flag. Runs inside a worker thread in production.
 */
import { unreachable } from '../base/assert.js';
import type { JobEnv } from '../base/env.js';

export interface Job {
  readonly kind: string;
}

/** Starts a job; the generator's return value is the job's result (plain data). */
export function startJob(job: Job, _env: JobEnv): Generator<void, unknown, void> {
  return unreachable(`jobs: unknown kind ${job.kind}`);
}
