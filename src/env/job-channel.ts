/**
 * What the main thread and a job worker say to each other, and the worker's side of it. Messages
 * are plain data (structured clone; SharedArrayBuffers are shared).
 *
 *   main -> worker   JobRequest, one at a time
 *   worker -> main   any number of JobLogLine, then one JobReply
 */
import type { JobEnv, Log, LogFields, LogLevel } from '../base/env.js';
import { errorToPlain } from '../base/errors.js';
import type { PlainError } from '../base/errors.js';

/** workerData of a job worker. */
export interface JobWorkerData {
  /** Lines below this level are not sent to the main thread. */
  readonly logLevel: LogLevel;
}

export interface JobRequest {
  readonly job: unknown;
}

export interface JobLogLine {
  readonly kind: 'log';
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: LogFields | undefined;
}

export type JobReply =
  | { readonly kind: 'result'; readonly result: unknown }
  | { readonly kind: 'error'; readonly error: PlainError };

/** Starts a job; the generator's return value is the result. engine/jobs.ts `startJob` is the real one. */
export type StartJob = (job: never, env: JobEnv) => Generator<void, unknown, void>;

/** The worker's end of the channel: a MessagePort, as far as it is used. */
export interface JobPort {
  postMessage(message: JobReply | JobLogLine): void;
  on(event: 'message', listener: (request: JobRequest) => void): unknown;
}

/** Steps of a job between two calls of `collectGarbage`: some megabytes of input. */
const STEPS_PER_COLLECTION = 100;

/**
 * Runs every job that arrives, each to its end. `collectGarbage` is called now and then and when a reply is on the
 * way. The port keeps the thread alive.
 */
export function serveJobs(
  port: JobPort,
  startJob: StartJob,
  env: JobEnv,
  collectGarbage: () => void = () => undefined,
): void {
  port.on('message', (request) => {
    const reply = runJob(request.job, startJob, env, collectGarbage);
    try {
      port.postMessage(reply);
    } catch (error) {
      // The result cannot be cloned: a bug of the job, told like any other error of it.
      port.postMessage({ kind: 'error', error: errorToPlain(error) });
    }
    collectGarbage();
  });
}

function runJob(
  job: unknown,
  startJob: StartJob,
  env: JobEnv,
  collectGarbage: () => void,
): JobReply {
  try {
    const run = startJob(job as never, env);
    let step = run.next();
    for (let steps = 1; step.done !== true; steps++) {
      if (steps % STEPS_PER_COLLECTION === 0) collectGarbage();
      step = run.next();
    }
    return { kind: 'result', result: step.value };
  } catch (error) {
    return { kind: 'error', error: errorToPlain(error) };
  }
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

/** A log whose lines are written by the main thread. */
export function forwardingLog(port: JobPort, level: LogLevel): Log {
  return {
    write(lineLevel, event, fields): void {
      if (RANK[lineLevel] < RANK[level]) return;
      port.postMessage({ kind: 'log', level: lineLevel, event, fields });
    },
  };
}
