/** NodeExecutor with real worker threads. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ResourceLimits } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CorruptionError, NokvError } from '../../src/base/errors.js';
import { findWorkerEntry, NodeExecutor } from '../../src/env/node-executor.js';
import { RecordingLog } from '../../src/env/sim-env.js';
import { bundleFixture } from './fixtures/bundle.js';
import type { TestJob } from './fixtures/job-worker.js';
import { temporaryDirectory } from './temp-directory.js';

function start(log?: RecordingLog): {
  run(lane: string, job: TestJob): Promise<unknown>;
  executor: NodeExecutor;
} {
  const workerUrl = pathToFileURL(bundleFixture('job-worker', temporaryDirectory()));
  const executor = new NodeExecutor(log === undefined ? { workerUrl } : { workerUrl, log });
  onTestFinished(() => executor.close());
  return { run: (lane, job) => executor.run(lane, job), executor };
}

describe('NodeExecutor', () => {
  it('runs jobs, a lane in one worker, lanes in different ones', async () => {
    const { run } = start();
    expect(await run('flush', { kind: 'sum', values: [1, 2, 3] })).toBe(6);
    const first = await run('flush', { kind: 'thread' });
    expect(await run('flush', { kind: 'thread' })).toBe(first);
    expect(await run('compaction', { kind: 'thread' })).not.toBe(first);
  });

  it('gives a worker a small young generation, and the usual old one', async () => {
    const { run } = start();
    const limits = (await run('flush', { kind: 'limits' })) as ResourceLimits;
    expect(limits.maxYoungGenerationSizeMb).toBeLessThanOrEqual(4);
    expect(limits.maxOldGenerationSizeMb).toBeGreaterThan(500);
  });

  it('runs the jobs of a lane in order', async () => {
    const { run } = start();
    const path = join(temporaryDirectory(), 'order');
    const texts = ['a', 'b', 'c', 'd', 'e'];
    await Promise.all(texts.map((text) => run('flush', { kind: 'append', path, text })));
    expect(readFileSync(path, 'utf8')).toBe('abcde');
  });

  it('shares a SharedArrayBuffer with the job', async () => {
    const { run } = start();
    const shared = new Uint8Array(new SharedArrayBuffer(4));
    await run('flush', { kind: 'fill', shared });
    expect([...shared]).toEqual([7, 7, 7, 7]);
  });

  it('brings errors back as their class, and goes on', async () => {
    const { run } = start();
    const error = await run('flush', { kind: 'corrupt' }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CorruptionError);
    expect(error).toMatchObject({ file: '/db/7.sst', offset: 42, code: 'NOKV_CORRUPTION' });
    await expect(run('flush', { kind: 'bug' })).rejects.toThrow(TypeError);
    await expect(run('flush', { kind: 'uncloneable' })).rejects.toThrow(/could not be cloned/);
    expect(await run('flush', { kind: 'sum', values: [1] })).toBe(1);
  });

  it('rejects a job that cannot be cloned, and goes on', async () => {
    const { run, executor } = start();
    await expect(executor.run('flush', { kind: 'sum', values: () => 1 })).rejects.toThrow(
      /could not be cloned/,
    );
    expect(await run('flush', { kind: 'sum', values: [1] })).toBe(1);
  });

  it('rejects the job whose worker died, runs those behind it in a new one', async () => {
    const { run } = start();
    const before = await run('flush', { kind: 'thread' });
    const dying = run('flush', { kind: 'exit' }).catch((thrown: unknown) => thrown);
    const behind = run('flush', { kind: 'thread' });
    const error = (await dying) as NokvError;
    expect(error).toBeInstanceOf(NokvError);
    expect(error).toMatchObject({ code: 'NOKV_IO', outcome: 'unknown', retryable: true });
    expect(error.details).toMatchObject({ lane: 'flush', exitCode: 9 });
    expect(await behind).not.toBe(before);
  });

  it('recovers from an uncaught exception in a worker', async () => {
    const { run } = start();
    // The result is a promise, which cannot be cloned; the thread dies afterwards, while idle.
    await expect(run('flush', { kind: 'throw-later' })).rejects.toThrow();
    let sum: unknown = undefined;
    while (sum === undefined) {
      sum = await run('flush', { kind: 'sum', values: [4] }).catch((error: unknown) => {
        expect(error).toMatchObject({
          code: 'NOKV_IO',
          cause: { message: 'uncaught in the worker' },
        });
        return undefined;
      });
    }
    expect(sum).toBe(4);
  });

  it('passes the log lines of a job on, from the level up', async () => {
    const log = new RecordingLog(() => 0);
    const { run } = start(log);
    await run('flush', { kind: 'log' });
    expect(log.lines).toEqual([{ timeMs: 0, level: 'warn', event: 'seen', fields: { table: 7 } }]);
  });

  it('close waits for the running job, rejects the waiting ones and later calls', async () => {
    const { run, executor } = start();
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const running = run('flush', { kind: 'wait', flag });
    const waiting = run('flush', { kind: 'thread' }).catch((thrown: unknown) => thrown);
    const closed = executor.close();
    expect(await waiting).toMatchObject({ code: 'NOKV_CLOSED' });
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
    expect(await running).toBe('woken');
    await closed;
    await executor.close();
    await expect(run('flush', { kind: 'thread' })).rejects.toMatchObject({ code: 'NOKV_CLOSED' });
  });
});

describe('findWorkerEntry', () => {
  it('says what to do when the build is absent', () => {
    const source = pathToFileURL(join(temporaryDirectory(), 'src', 'env', 'node-executor.ts')).href;
    expect(() => findWorkerEntry(source)).toThrow(NokvError);
    try {
      findWorkerEntry(source);
    } catch (error) {
      expect(error).toMatchObject({ code: 'NOKV_NOT_FOUND', hint: 'Run "npm run build"' });
    }
  });
});
