/** Entry point of a job worker thread: runs the jobs of engine/jobs.ts on the real disk. */
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../base/assert.js';
import { jobStarter } from '../engine/jobs.js';
import { forwardingLog, serveJobs } from './job-channel.js';
import type { JobWorkerData } from './job-channel.js';
import { NodeClock } from './node-clock.js';
import { NodeFs } from './node-fs.js';
import { garbageCollection } from './worker-garbage.js';

assert(parentPort !== null, 'worker-entry: started outside a worker thread');
const { logLevel } = workerData as JobWorkerData;
const env = {
  clock: new NodeClock(),
  fs: new NodeFs(),
  log: forwardingLog(parentPort, logLevel),
};
serveJobs(parentPort, jobStarter(), env, garbageCollection());
