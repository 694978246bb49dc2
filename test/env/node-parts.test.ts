/** NodeClock, NodeRandom, NodeLog, createNodeHost, createNodeEnv. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { NodeClock } from '../../src/env/node-clock.js';
import { createNodeEnv } from '../../src/env/node-env.js';
import { createNodeHost } from '../../src/env/node-host.js';
import { NodeLog } from '../../src/env/node-log.js';
import { NodeMemory } from '../../src/env/node-memory.js';
import { NodeRandom } from '../../src/env/node-random.js';
import { bundleFixture } from './fixtures/bundle.js';
import { temporaryDirectory } from './temp-directory.js';

describe('NodeClock', () => {
  it('fires a timer once, and never a cancelled one', async () => {
    const clock = new NodeClock();
    const cancelled = vi.fn();
    clock.setTimer(1, cancelled).cancel();
    const fired = vi.fn();
    await new Promise<void>((resolve) => {
      const timer = clock.setTimer(5, () => {
        fired();
        resolve();
      });
      // Timers do not hold the process; the test does, by waiting here.
      expect(timer).toBeDefined();
    });
    expect(fired).toHaveBeenCalledTimes(1);
    expect(cancelled).not.toHaveBeenCalled();
  });

  it('waits out a delay that is longer than the platform allows', () => {
    vi.useFakeTimers();
    const fired = vi.fn();
    new NodeClock().setTimer(2 ** 31 + 1000, fired);
    vi.advanceTimersByTime(2 ** 31);
    expect(fired).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1000);
    expect(fired).toHaveBeenCalledTimes(1);
    vi.useRealTimers();
  });

  it('lets microtasks run before the next turn, and monotonic time never goes back', async () => {
    const clock = new NodeClock();
    const order: string[] = [];
    const turn = clock.nextTurn().then(() => order.push('turn'));
    queueMicrotask(() => order.push('microtask'));
    const before = clock.monotonicMs();
    await turn;
    expect(order).toEqual(['microtask', 'turn']);
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(before);
    expect(Number.isSafeInteger(clock.nowMs())).toBe(true);
  });
});

describe('A process with a pending timer and an idle worker', () => {
  it('ends by itself', () => {
    const module = bundleFixture('idle-process', temporaryDirectory());
    const worker = bundleFixture('job-worker', temporaryDirectory());
    const ended = spawnSync(process.execPath, [module, worker], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    expect(ended.signal).toBeNull();
    expect(ended.stdout).toBe('sum 5\nsum 9\n');
  });
});

describe('NodeRandom', () => {
  it('gives unsigned 32-bit numbers of every size, over many blocks', () => {
    const random = new NodeRandom();
    const seen = new Set<number>();
    let high = 0;
    for (let i = 0; i < 2000; i++) {
      const value = random.u32();
      expect(Number.isInteger(value) && value >= 0 && value < 2 ** 32).toBe(true);
      if (value >= 2 ** 31) high++;
      seen.add(value);
    }
    expect(seen.size).toBeGreaterThan(1990);
    expect(high).toBeGreaterThan(800);
    expect(high).toBeLessThan(1200);
  });
});

describe('NodeLog', () => {
  const at = Date.UTC(2024, 4, 1, 12);

  it('writes one JSON object per line, from its level up', () => {
    const lines: string[] = [];
    const log = new NodeLog({ level: 'warn', nowMs: () => at, write: (line) => lines.push(line) });
    log.write('info', 'hidden');
    log.write('warn', 'slow\nsync', { path: 'a"b', ms: 12, gone: undefined, level: 'field' });
    expect(lines).toEqual([
      '{"time":"2024-05-01T12:00:00.000Z","level":"warn","event":"slow\\nsync","path":"a\\"b","ms":12,"_level":"field"}\n',
    ]);
  });

  it('drops a line that cannot be written, and says so in the next', () => {
    const lines: string[] = [];
    let broken = true;
    const log = new NodeLog({
      nowMs: () => at,
      write: (line) => {
        if (broken) throw new Error('EPIPE');
        lines.push(line);
      },
    });
    log.write('error', 'a');
    log.write('error', 'b');
    broken = false;
    log.write('error', 'c');
    log.write('error', 'd');
    expect(
      lines.map((line) => (JSON.parse(line) as { droppedLines?: number }).droppedLines),
    ).toEqual([2, undefined]);
  });
});

describe('createNodeHost', () => {
  it('names the process and, on Linux, the boot', () => {
    const host = createNodeHost();
    expect(host.pid).toBe(process.pid);
    expect(host.name).not.toBe('');
    if (existsSync('/proc/sys/kernel/random/boot_id'))
      expect(host.bootId).toMatch(/^[\x21-\x7e]{1,64}$/);
    expect(createNodeHost()).toEqual(host);
  });
});

describe('createNodeEnv', () => {
  it('composes every part and starts nothing', async () => {
    const env = createNodeEnv({ logLevel: 'error' });
    expect(env.fs.stat('/')).toMatchObject({ isDirectory: true });
    expect(env.random.u32()).toBeGreaterThanOrEqual(0);
    await env.executor.close();
  });
});

describe('NodeMemory', () => {
  const prepare = (memory: NodeMemory, bytes: Uint8Array): Promise<void> =>
    new Promise((resolve) => memory.prepare(bytes, resolve));

  it('touches memory off this thread, and holds no descriptor after it', async () => {
    const memory = new NodeMemory();
    const descriptors = (): number => readdirSync('/dev/fd').length;
    const before = process.platform === 'linux' ? descriptors() : 0;
    const pieces = Array.from({ length: 6 }, () => new Uint8Array(256 * 1024));
    await Promise.all(pieces.map((piece) => prepare(memory, piece)));
    await prepare(memory, new Uint8Array(4096));
    if (process.platform === 'linux') expect(descriptors()).toBe(before);
  });

  it('answers in a later turn where there is nothing to read from', async () => {
    const memory = new NodeMemory('/nosuch/device');
    const bytes = new Uint8Array(4096).fill(7);
    const done = vi.fn();
    memory.prepare(bytes, done);
    expect(done).not.toHaveBeenCalled();
    await prepare(memory, bytes);
    expect(done).toHaveBeenCalledTimes(1);
    expect(bytes.every((byte) => byte === 7)).toBe(true);
  });
});
