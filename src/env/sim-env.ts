/** The simulated environment: the whole database in one thread, from one seed. */
import { unreachable } from '../base/assert.js';
import type { Clock, Env, Host, Log, LogFields, LogLevel, Memory } from '../base/env.js';
import { Prng } from '../base/prng.js';
import { InlineExecutor, RUN_AT_ONCE } from './inline-executor.js';
import type { StepPolicy } from './inline-executor.js';
import type { StartJob } from './job-channel.js';
import { MemFs } from './mem-fs.js';
import { SimClock } from './sim-clock.js';

export interface LogLine {
  /** Simulated wall time, milliseconds. */
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly event: string;
  readonly fields: LogFields;
}

/** Keeps every line. */
export class RecordingLog implements Log {
  readonly lines: LogLine[];
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.lines = [];
    this.#nowMs = nowMs;
  }

  write(level: LogLevel, event: string, fields: LogFields = {}): void {
    this.lines.push({ timeMs: this.#nowMs(), level, event, fields });
  }

  /** The lines of one event, oldest first. */
  of(event: string): LogLine[] {
    return this.lines.filter((line) => line.event === event);
  }
}

/** Takes its time, and leaves what nobody takes for data: who uses memory too early loses what was there. */
export class SimMemory implements Memory {
  prepared: number;
  readonly #clock: Pick<Clock, 'nextTurn'>;

  constructor(clock: Pick<Clock, 'nextTurn'>) {
    this.prepared = 0;
    this.#clock = clock;
  }

  prepare(bytes: Uint8Array, done: () => void): void {
    void this.#clock.nextTurn().then(() => {
      bytes.fill(0xdb);
      this.prepared++;
      done();
    });
  }
}

/** An Env whose parts a test can reach. */
export interface SimEnv extends Env {
  readonly clock: SimClock;
  readonly random: Prng;
  readonly fs: MemFs;
  readonly executor: InlineExecutor;
  readonly log: RecordingLog;
  readonly memory: SimMemory;
}

export interface SimEnvOptions {
  /** How jobs advance. Default: each to its end in one microtask. */
  readonly policy?: StepPolicy;
  /** `startJob` of engine/jobs.ts, or the jobs of a test; src/env does not import the engine. Default: no jobs. */
  readonly startJob?: StartJob;
  /** Shared by the processes of one history. Default: a new clock. */
  readonly clock?: SimClock;
}

/**
 * A process on a simulated machine. `fs` is a new disk, or one that an earlier process left
 * (killClone, crashClone): the host's boot id and pid follow from it.
 */
export function createSimEnv(seed: number, fs?: MemFs, options: SimEnvOptions = {}): SimEnv {
  const clock = options.clock ?? new SimClock();
  const disk = fs ?? new MemFs({ seed, nowMs: () => clock.nowMs() });
  const log = new RecordingLog(() => clock.nowMs());
  const executor = new InlineExecutor(
    options.startJob ?? noJobs,
    { clock, fs: disk, log },
    options.policy ?? RUN_AT_ONCE,
  );
  const memory = new SimMemory(clock);
  return { clock, random: new Prng(seed), fs: disk, executor, log, host: hostOf(disk), memory };
}

const noJobs: StartJob = () => unreachable('sim-env: a job was run, pass startJob to createSimEnv');

function hostOf(disk: MemFs): Host {
  return { bootId: `sim-boot-${disk.bootCount}`, pid: 100 + disk.processCount, name: 'sim' };
}
