/**
 * Background jobs in worker threads: one long-lived worker per lane, made when the lane is first
 * used. A lane posts one job at a time, so a worker that dies takes exactly one job with it; the
 * next job gets a new worker. An idle worker does not keep the process alive, a running job does.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Executor, Log, LogLevel } from '../base/env.js';
import { SILENT_LOG } from '../base/env.js';
import { ClosedError, errorFromPlain, NokvError } from '../base/errors.js';
import type { JobLogLine, JobReply, JobRequest, JobWorkerData } from './job-channel.js';

/**
 * V8 lets the young generation of a thread grow to 48 MiB, and gives nothing back. Jobs work on buffers and make few
 * objects: they are as fast with little.
 */
const YOUNG_GENERATION_MIB = 2;

export interface NodeExecutorOptions {
  /** Takes the log lines of the jobs. Default: none. */
  readonly log?: Log;
  /** Job log lines below this level are discarded in the worker. Default 'info'. */
  readonly logLevel?: LogLevel;
  /** The compiled worker-entry module. Default: the one of this build. */
  readonly workerUrl?: URL;
}

interface Task {
  readonly job: unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class NodeExecutor implements Executor {
  readonly #log: Log;
  readonly #logLevel: LogLevel;
  readonly #workerUrl: URL | undefined;
  readonly #lanes: Map<string, Lane>;
  #closing: Promise<void> | undefined;

  constructor(options: NodeExecutorOptions = {}) {
    this.#log = options.log ?? SILENT_LOG;
    this.#logLevel = options.logLevel ?? 'info';
    this.#workerUrl = options.workerUrl;
    this.#lanes = new Map();
    this.#closing = undefined;
  }

  run(lane: string, job: unknown): Promise<unknown> {
    if (this.#closing !== undefined) return Promise.reject(new ClosedError('run a background job'));
    let found = this.#lanes.get(lane);
    if (found === undefined) {
      found = new Lane(lane, this.#log, () => this.#startWorker(lane));
      this.#lanes.set(lane, found);
    }
    return found.run(job);
  }

  /** Jobs that were not yet started are rejected with ClosedError. */
  close(): Promise<void> {
    this.#closing ??= Promise.all([...this.#lanes.values()].map((lane) => lane.close())).then(
      () => undefined,
    );
    return this.#closing;
  }

  /** Flags of the process (loaders, inspectors) are not for the worker, which runs plain JavaScript. */
  #startWorker(lane: string): Worker {
    const workerData: JobWorkerData = { logLevel: this.#logLevel };
    const url = this.#workerUrl ?? findWorkerEntry(import.meta.url);
    return new Worker(url, {
      workerData,
      name: `nokv-${lane}`,
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
    });
  }
}

/** The queue of a lane and its worker. At most one task runs. */
class Lane {
  readonly #name: string;
  readonly #log: Log;
  readonly #startWorker: () => Worker;
  readonly #queue: Task[];
  #running: Task | undefined;
  #worker: Worker | undefined;
  /** Set by close; called when the running task has ended. */
  #onIdle: (() => void) | undefined;
  #closed: boolean;

  constructor(name: string, log: Log, startWorker: () => Worker) {
    this.#name = name;
    this.#log = log;
    this.#startWorker = startWorker;
    this.#queue = [];
    this.#running = undefined;
    this.#worker = undefined;
    this.#onIdle = undefined;
    this.#closed = false;
  }

  run(job: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, resolve, reject });
      this.#startNext();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const task of this.#queue.splice(0)) task.reject(new ClosedError('run a background job'));
    if (this.#running !== undefined) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  #startNext(): void {
    while (this.#running === undefined) {
      const task = this.#queue.shift();
      if (task === undefined) return;
      this.#start(task);
    }
  }

  /** A task that cannot be started (no worker file, a job that cannot be cloned) is rejected at once. */
  #start(task: Task): void {
    try {
      this.#worker ??= this.#adopt(this.#startWorker());
      const request: JobRequest = { job: task.job };
      this.#worker.postMessage(request);
      this.#worker.ref();
      this.#running = task;
    } catch (error) {
      task.reject(error);
    }
  }

  #adopt(worker: Worker): Worker {
    let failure: unknown;
    worker.unref();
    worker.on('message', (message: JobReply | JobLogLine) => this.#onMessage(worker, message));
    worker.on('error', (error) => (failure = error));
    worker.on('messageerror', (error) => {
      failure = error;
      // 'exit' follows, also when this fails.
      worker.terminate().catch(() => undefined);
    });
    worker.on('exit', (exitCode) => this.#onExit(worker, exitCode, failure));
    return worker;
  }

  #onMessage(worker: Worker, message: JobReply | JobLogLine): void {
    if (message.kind === 'log') {
      this.#log.write(message.level, message.event, message.fields);
      return;
    }
    const task = this.#running;
    if (worker !== this.#worker || task === undefined) return;
    worker.unref();
    if (message.kind === 'result') task.resolve(message.result);
    else task.reject(errorFromPlain(message.error));
    this.#finish();
  }

  /** Node reports an uncaught exception by 'error' first, then by 'exit'. */
  #onExit(worker: Worker, exitCode: number, failure: unknown): void {
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    const task = this.#running;
    if (task === undefined) return;
    task.reject(
      new NokvError('NOKV_IO', 'Cannot finish a background job: its worker thread stopped', {
        hint: 'See the cause; the job is started again by the next attempt',
        outcome: 'unknown',
        retryable: true,
        details: { op: 'job', lane: this.#name, exitCode },
        ...(failure === undefined ? {} : { cause: failure }),
      }),
    );
    this.#finish();
  }

  #finish(): void {
    this.#running = undefined;
    if (this.#closed) this.#onIdle?.();
    else this.#startNext();
  }
}

/** Where the compiled worker entry may be, seen from this module: built, bundled, or run from source. */
const BESIDE = ['./worker-entry.js', './env/worker-entry.js', '../env/worker-entry.js'];
const FROM_SOURCE = ['../../dist/env/worker-entry.js'];

/**
 * The compiled worker entry for a module at `moduleUrl`.
 * @throws NokvError NOKV_NOT_FOUND when the build is absent.
 */
export function findWorkerEntry(moduleUrl: string): URL {
  const candidates = (moduleUrl.endsWith('.ts') ? FROM_SOURCE : BESIDE).map(
    (path) => new URL(path, moduleUrl),
  );
  const found = candidates.find((url) => existsSync(url));
  if (found !== undefined) return found;
  throw new NokvError(
    'NOKV_NOT_FOUND',
    'Cannot start a background worker: its compiled code is missing',
    {
      hint: 'Run "npm run build"',
      details: { path: fileURLToPath(candidates[0] as URL) },
    },
  );
}
