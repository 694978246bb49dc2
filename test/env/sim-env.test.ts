/** SimClock, InlineExecutor, createSimEnv. */
import { describe, expect, it } from 'vitest';
import { BusyError, CorruptionError } from '../../src/base/errors.js';
import {
  InlineExecutor,
  RUN_AT_ONCE,
  RUN_MANUALLY,
  randomSteps,
} from '../../src/env/inline-executor.js';
import type { StepPolicy } from '../../src/env/inline-executor.js';
import { LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import { MemFs } from '../../src/env/mem-fs.js';
import { SimClock, SIM_START_MS } from '../../src/env/sim-clock.js';
import { createSimEnv, RecordingLog } from '../../src/env/sim-env.js';

describe('SimClock', () => {
  it('fires timers in the order in which they fall due, each at its time', () => {
    const clock = new SimClock();
    const fired: string[] = [];
    const note = (name: string) => () => void fired.push(`${name}@${clock.monotonicMs()}`);
    clock.setTimer(20, note('late'));
    clock.setTimer(10, note('first'));
    clock.setTimer(10, note('second'));
    const cancelled = clock.setTimer(5, note('cancelled'));
    clock.setTimer(15, () => void clock.setTimer(2, note('nested')));
    cancelled.cancel();
    clock.advance(9);
    expect(fired).toEqual([]);
    clock.advance(11);
    expect(fired).toEqual(['first@10', 'second@10', 'nested@17', 'late@20']);
    expect(clock.pendingTimers).toBe(0);
    expect(clock.nowMs()).toBe(SIM_START_MS + 20);
  });

  it('lets promises run between timers in run', async () => {
    const clock = new SimClock();
    const order: string[] = [];
    clock.setTimer(1, () => queueMicrotask(() => order.push('promise')));
    clock.setTimer(2, () => order.push('timer'));
    await clock.run(5);
    expect(order).toEqual(['promise', 'timer']);
    expect(clock.monotonicMs()).toBe(5);
  });

  it('jumps on the wall without moving monotonic time', () => {
    const clock = new SimClock();
    clock.jumpWall(-1000);
    expect([clock.nowMs(), clock.monotonicMs()]).toEqual([SIM_START_MS - 1000, 0]);
  });
});

interface CountJob {
  readonly name: string;
  readonly steps: number;
  readonly fail?: boolean;
}

/** An executor whose jobs write a line per step, and the lines. */
function createCounting(policy: StepPolicy): { executor: InlineExecutor; lines: string[] } {
  const clock = new SimClock();
  const lines: string[] = [];
  function* startJob(job: CountJob): Generator<void, unknown, void> {
    for (let i = 1; i <= job.steps; i++) {
      lines.push(`${job.name}${i}`);
      yield;
    }
    if (job.fail === true) throw new CorruptionError('bad block', { file: 'f', offset: 1 });
    return { name: job.name };
  }
  const env = { clock, fs: new MemFs(), log: new RecordingLog(() => 0) };
  return { executor: new InlineExecutor(startJob, env, policy), lines };
}

describe('InlineExecutor', () => {
  it('runs a job at once, after the caller has gone on', async () => {
    const { executor, lines } = createCounting(RUN_AT_ONCE);
    const done = executor.run('flush', { name: 'a', steps: 3 });
    expect(lines).toEqual([]);
    expect(await done).toEqual({ name: 'a' });
    expect(lines).toEqual(['a1', 'a2', 'a3']);
  });

  it('keeps the jobs of a lane in order and lets lanes interleave', async () => {
    const alternate: StepPolicy = { pause: () => 'microtask', steps: () => 1 };
    const { executor, lines } = createCounting(alternate);
    await Promise.all([
      executor.run('flush', { name: 'a', steps: 2 }),
      executor.run('flush', { name: 'b', steps: 1 }),
      executor.run('compaction', { name: 'c', steps: 3 }),
    ]);
    expect(lines).toEqual(['a1', 'c1', 'a2', 'c2', 'c3', 'b1']);
  });

  it('interleaves foreground work the same way for the same seed', async () => {
    const history = async (seed: number): Promise<string> => {
      const { executor, lines } = createCounting(randomSteps(seed));
      const clock = new SimClock();
      const jobs = ['a', 'b'].map((name) => executor.run(name, { name, steps: 12 }));
      for (let i = 0; i < 10; i++) {
        lines.push('write');
        await (i % 3 === 0 ? clock.nextTurn() : undefined);
      }
      await Promise.all(jobs);
      return lines.join(' ');
    };
    const first = await history(1);
    expect(await history(1)).toBe(first);
    const others = await Promise.all([2, 3, 4, 5].map(history));
    expect(new Set([first, ...others]).size).toBeGreaterThan(2);
  });

  it('moves a manual job by the steps it is told', async () => {
    const { executor, lines } = createCounting(RUN_MANUALLY);
    const done = executor.run('flush', { name: 'a', steps: 3 });
    await Promise.resolve();
    expect(lines).toEqual([]);
    executor.advance('flush', 2);
    expect(lines).toEqual(['a1', 'a2']);
    expect(executor.inspect()).toEqual([{ lane: 'flush', jobs: 1 }]);
    executor.advance('flush', 2);
    expect(await done).toEqual({ name: 'a' });
    expect(executor.advance('flush')).toBe(false);
  });

  it('clones the job and the result, sharing SharedArrayBuffers, and brings errors back as their class', async () => {
    const { executor } = createCounting(RUN_AT_ONCE);
    const error = await executor
      .run('flush', { name: 'a', steps: 1, fail: true })
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(CorruptionError);
    const shared = new Uint8Array(new SharedArrayBuffer(2));
    function* touch(job: { shared: Uint8Array; own: number[] }): Generator<void, unknown, void> {
      job.shared[0] = 5;
      job.own.push(1);
      yield;
      return job.own;
    }
    const env = { clock: new SimClock(), fs: new MemFs(), log: new RecordingLog(() => 0) };
    const own: number[] = [];
    const result = await new InlineExecutor(touch, env).run('flush', { shared, own });
    expect([shared[0], own, result]).toEqual([5, [], [1]]);
    await expect(executor.run('flush', { f: () => 1 })).rejects.toThrow(/could not be cloned/);
  });

  it('close waits for the running job and rejects those behind it', async () => {
    const { executor, lines } = createCounting({ pause: () => 'turn', steps: () => 1 });
    const running = executor.run('flush', { name: 'a', steps: 3 });
    const waiting = executor.run('flush', { name: 'b', steps: 1 }).catch((error: unknown) => error);
    await executor.close();
    expect(lines).toEqual(['a1', 'a2', 'a3']);
    expect(await running).toEqual({ name: 'a' });
    expect(await waiting).toMatchObject({ code: 'NOKV_CLOSED' });
    await expect(executor.run('flush', {})).rejects.toMatchObject({ code: 'NOKV_CLOSED' });
  });

  it('takes no further step once it was abandoned', async () => {
    const { executor, lines } = createCounting({ pause: () => 'microtask', steps: () => 1 });
    const left = executor.run('flush', { name: 'a', steps: 5 });
    expect(left).toBeInstanceOf(Promise);
    await Promise.resolve();
    executor.abandon();
    await new SimClock().nextTurn();
    expect(lines).toEqual(['a1']);
    await executor.close();
  });
});

describe('createSimEnv', () => {
  it('gives every part from one seed', () => {
    const [one, same, other] = [createSimEnv(7), createSimEnv(7), createSimEnv(8)];
    const draw = (env: typeof one): number[] => [1, 2, 3].map(() => env.random.u32());
    const drawn = draw(one);
    expect(draw(same)).toEqual(drawn);
    expect(draw(other)).not.toEqual(drawn);
  });

  it('stamps files and log lines with simulated time', () => {
    const env = createSimEnv(1);
    env.clock.advance(50);
    env.fs.open('/a', 'create');
    env.log.write('info', 'made', { n: 1 });
    expect(env.fs.stat('/a')?.modifiedMs).toBe(SIM_START_MS + 50);
    expect(env.log.of('made')).toEqual([
      { timeMs: SIM_START_MS + 50, level: 'info', event: 'made', fields: { n: 1 } },
    ]);
  });

  it('tells a power loss from a kill by the boot id', () => {
    const env = createSimEnv(1);
    const killed = createSimEnv(2, env.fs.killClone());
    const cut = createSimEnv(3, env.fs.crashClone(LOSE_UNSYNCED));
    expect(killed.host.bootId).toBe(env.host.bootId);
    expect(killed.host.pid).not.toBe(env.host.pid);
    expect(cut.host.bootId).not.toBe(env.host.bootId);
  });

  it('runs given jobs on its own disk', async () => {
    function* job(
      _job: never,
      env: { fs: { list(path: string): string[] } },
    ): Generator<void, unknown, void> {
      yield;
      if (env.fs.list('/').length > 0)
        throw new BusyError('Cannot', { queue: 'q', limit: 1, backoffMs: 1 });
      return 'empty';
    }
    const env = createSimEnv(1, undefined, { startJob: job });
    expect(await env.executor.run('flush', {})).toBe('empty');
    env.fs.open('/a', 'create');
    await expect(env.executor.run('flush', {})).rejects.toBeInstanceOf(BusyError);
  });
});
