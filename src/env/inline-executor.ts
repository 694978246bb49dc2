/**
 * Background jobs in the calling thread, for tests: a job advances by a few yields at a time, and a
 * policy says how many and how soon, so that foreground writes fall between the steps of a job the
 * same way in every run. What crosses the border is cloned as it is for a worker.
 */
import type { Executor, JobEnv } from '../base/env.js';
import { ClosedError, errorFromPlain, errorToPlain } from '../base/errors.js';
import { Prng } from '../base/prng.js';
import type { StartJob } from './job-channel.js';

/** When a job goes on: after the pending microtasks, in a later turn, or when the test calls `advance`. */
export type Pause = 'microtask' | 'turn' | 'manual';

/** Asked before each slice of a job. */
export interface StepPolicy {
  /** How long to wait before the slice. */
  pause(lane: string): Pause;
  /** Yields of the job in the slice, at least 1; Infinity runs it to its end. */
  steps(lane: string): number;
}

/** A job runs to its end in one microtask. */
export const RUN_AT_ONCE: StepPolicy = { pause: () => 'microtask', steps: () => Infinity };

/** A job moves only when the test says so. */
export const RUN_MANUALLY: StepPolicy = { pause: () => 'manual', steps: () => 1 };

/** Short slices with microtasks and turns between them, drawn from a seed. */
export function randomSteps(seed: number, stepsMax = 4): StepPolicy {
  const random = new Prng(seed);
  return {
    pause: () => (random.chance(1, 4) ? 'turn' : 'microtask'),
    steps: () => 1 + random.below(stepsMax),
  };
}

interface Task {
  readonly lane: string;
  readonly job: unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  run: Generator<void, unknown, void> | undefined;
}

/** `env.clock.nextTurn` is what a turn is. */
export class InlineExecutor implements Executor {
  readonly #startJob: StartJob;
  readonly #env: JobEnv;
  readonly #policy: StepPolicy;
  /** Per lane the running task, then those that wait. */
  readonly #lanes: Map<string, Task[]>;
  #closed: boolean;
  #abandoned: boolean;
  #onIdle: (() => void)[];

  constructor(startJob: StartJob, env: JobEnv, policy: StepPolicy = RUN_AT_ONCE) {
    this.#startJob = startJob;
    this.#env = env;
    this.#policy = policy;
    this.#lanes = new Map();
    this.#closed = false;
    this.#abandoned = false;
    this.#onIdle = [];
  }

  run(lane: string, job: unknown): Promise<unknown> {
    if (this.#closed) return Promise.reject(new ClosedError('run a background job'));
    return new Promise((resolve, reject) => {
      const task = { lane, job: structuredClone(job), resolve, reject, run: undefined };
      const tasks = this.#lanes.get(lane) ?? [];
      this.#lanes.set(lane, tasks);
      tasks.push(task);
      if (tasks.length === 1) this.#schedule(task);
    });
  }

  /** Jobs that run or wait, by lane, in the order in which lanes were first used. */
  inspect(): { lane: string; jobs: number }[] {
    return [...this.#lanes].map(([lane, tasks]) => ({ lane, jobs: tasks.length }));
  }

  /** Manual policy: moves the lane's running job by up to `steps` yields; false when there is none. */
  advance(lane: string, steps = 1): boolean {
    const task = this.#lanes.get(lane)?.[0];
    if (task === undefined || this.#abandoned) return false;
    this.#slice(task, steps);
    return true;
  }

  /** The process is dead: no job takes another step, and no promise settles any more. */
  abandon(): void {
    this.#closed = true;
    this.#abandoned = true;
  }

  /** Jobs that were not yet started are rejected with ClosedError; a manual job must still be advanced. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const tasks of this.#lanes.values()) {
      for (const task of tasks.splice(1)) task.reject(new ClosedError('run a background job'));
    }
    while (!this.#abandoned && this.#isBusy()) {
      await new Promise<void>((resolve) => this.#onIdle.push(resolve));
    }
  }

  #isBusy(): boolean {
    for (const tasks of this.#lanes.values()) if (tasks.length > 0) return true;
    return false;
  }

  #schedule(task: Task): void {
    const pause = this.#policy.pause(task.lane);
    if (pause === 'manual') return;
    const step = (): void => {
      if (this.#abandoned) return;
      this.#slice(task, this.#policy.steps(task.lane));
      if (this.#lanes.get(task.lane)?.[0] === task) this.#schedule(task);
    };
    if (pause === 'microtask') queueMicrotask(step);
    else this.#env.clock.nextTurn().then(step).catch(task.reject);
  }

  #slice(task: Task, steps: number): void {
    try {
      task.run ??= this.#startJob(task.job as never, this.#env);
      for (let i = 0; i < steps; i++) {
        const step = task.run.next();
        if (step.done !== true) continue;
        const result: unknown = structuredClone(step.value);
        this.#finish(task);
        task.resolve(result);
        return;
      }
    } catch (error) {
      this.#finish(task);
      task.reject(errorFromPlain(errorToPlain(error)));
    }
  }

  #finish(task: Task): void {
    const tasks = this.#lanes.get(task.lane) as Task[];
    tasks.shift();
    const next = tasks[0];
    if (next !== undefined) this.#schedule(next);
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }
}
