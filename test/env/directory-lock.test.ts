/**
 * The lock of a workdir, with real processes. The cases between processes run with the native
 * package and without, with all mechanisms and with the LOCK file alone: each must do by itself.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LockedError } from '../../src/base/errors.js';
import type { Host } from '../../src/base/env.js';
import { takeLockFile } from '../../src/env/lock-file.js';
import { holderState, ownLockRecord, processStartTime } from '../../src/env/lock-record.js';
import { createNodeHost } from '../../src/env/node-host.js';
import { NodeFs } from '../../src/env/node-fs.js';
import { trySocketLock } from '../../src/env/socket-lock.js';
import { bundleFixture } from './fixtures/bundle.js';
import { temporaryDirectory } from './temp-directory.js';

/** Starts a lock holder and returns it with the first line it says. */
async function startHolder(
  directory: string,
  module: string,
  mechanisms: 'all' | 'file' = 'all',
): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(process.execPath, [module, directory, mechanisms], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  return { child, said: line.toString().trim() };
}

async function kill(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
}

function holderOf(directory: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(directory, 'LOCK'), 'utf8')) as Record<string, unknown>;
}

function lockError(call: () => unknown): LockedError {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(LockedError);
    return error as LockedError;
  }
  throw new Error('The lock was given twice');
}

describe('NodeFs.lockDirectory', () => {
  it('writes who holds the lock, and removes the file at release', () => {
    const directory = temporaryDirectory();
    const lock = new NodeFs().lockDirectory(directory);
    expect(holderOf(directory)).toMatchObject({ pid: process.pid, host: hostname() });
    expect(holderOf(directory)['startTime']).toMatch(/^\d+$/);
    lock.release();
    lock.release();
    expect(readdirSync(directory)).toEqual([]);
    new NodeFs().lockDirectory(directory).release();
  });

  it('refuses a second open in the process, also by another path', () => {
    const parent = temporaryDirectory();
    const directory = join(parent, 'db');
    mkdirSync(directory);
    symlinkSync(directory, join(parent, 'link'));
    const lock = new NodeFs().lockDirectory(directory);
    const error = lockError(() => new NodeFs().lockDirectory(join(parent, 'link')));
    expect(error.details['holder']).toContain(`pid ${process.pid} `);
    lock.release();
    new NodeFs().lockDirectory(join(parent, 'link')).release();
  });

  it('reports a directory that is not there as an I/O error', () => {
    expect(() => new NodeFs().lockDirectory('/nonexistent/db')).toThrow(
      'Cannot lock /nonexistent/db: ENOENT',
    );
  });
});

const VARIANTS = [
  { mechanisms: 'all', native: true },
  { mechanisms: 'all', native: false },
  { mechanisms: 'file', native: true },
  { mechanisms: 'file', native: false },
] as const;

describe.each(VARIANTS)(
  'The lock between processes ($mechanisms, native $native)',
  ({ mechanisms, native }) => {
    const bundle = (): string => bundleFixture('lock-holder', temporaryDirectory(), native);

    /** In this process, by the same mechanisms (the native package is always there). */
    function take(directory: string): { release(): void } {
      if (mechanisms === 'all') return new NodeFs().lockDirectory(directory);
      return takeLockFile(join(directory, 'LOCK'), directory, createNodeHost());
    }

    it('refuses while another process holds it, names that process, and works once it was released', async () => {
      const directory = temporaryDirectory();
      const { child, said } = await startHolder(directory, bundle(), mechanisms);
      expect(said).toBe('locked');
      expect(holderOf(directory)['kernelLock']).toBe(native);
      const error = lockError(() => take(directory));
      expect(error.details['holder']).toMatch(
        new RegExp(`^pid ${child.pid} \\(.*lock-holder.*\\) on ${hostname()} since \\d{4}-`),
      );
      const exited = once(child, 'exit');
      child.stdin?.write('release');
      await exited;
      expect(existsSync(join(directory, 'LOCK'))).toBe(false);
      take(directory).release();
    });

    it('refuses another process while this one holds it', async () => {
      const directory = temporaryDirectory();
      const lock = take(directory);
      const { said } = await startHolder(directory, bundle(), mechanisms);
      expect(said).toContain('refused NOKV_LOCKED');
      expect(said).toContain(`pid ${process.pid} `);
      lock.release();
    });

    it('is free at once after kill -9 of the holder, twice in a row', async () => {
      const directory = temporaryDirectory();
      const module = bundle();
      for (let round = 0; round < 2; round++) {
        const { child, said } = await startHolder(directory, module, mechanisms);
        expect(said).toBe('locked');
        await kill(child, 'SIGKILL');
        expect(existsSync(join(directory, 'LOCK'))).toBe(true);
      }
      const lock = take(directory);
      expect(readdirSync(directory)).toEqual(['LOCK']);
      lock.release();
    });

    it('is given to exactly one of several processes that start together on a dead lock', async () => {
      const directory = temporaryDirectory();
      const module = bundle();
      const first = await startHolder(directory, module, mechanisms);
      await kill(first.child, 'SIGKILL');
      const started = await Promise.all(
        [1, 2, 3].map(() => startHolder(directory, module, mechanisms)),
      );
      const winners = started.filter(({ said }) => said === 'locked');
      expect(winners.length).toBe(1);
      expect(holderOf(directory)['pid']).toBe(winners[0]?.child.pid);
      for (const { said } of started) expect(said).toMatch(/^locked$|^refused NOKV_LOCKED/);
    });
  },
);

describe('holderState', () => {
  it('takes a process for dead that its parent has not collected yet', async () => {
    if (process.platform !== 'linux') return;
    const host = createNodeHost();
    // The shell turns into a program that never waits for its child; only then the child is killed.
    const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void parent.kill('SIGKILL'));
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    while (readFileSync(`/proc/${parent.pid}/comm`, 'utf8') !== 'sleep\n') await turn();
    process.kill(pid, 'SIGKILL');
    while (processStartTime(pid) !== 'dead') await turn();
    const record = { ...ownLockRecord(host, false), pid };
    expect(holderState({ ...record, startTime: '' }, host)).toBe('dead');
    expect(holderState({ ...record, startTime: '77' }, host)).toBe('dead');
    expect(holderState(ownLockRecord(host, false), host)).toBe('alive');
  });
});

describe('NodeFs.lockDirectory within a process', () => {
  it('says since when the directory is held, not when it was asked', () => {
    const directory = temporaryDirectory();
    const lock = new NodeFs().lockDirectory(directory);
    const since = '2001-02-03T04:05:06.000Z';
    writeFileSync(join(directory, 'LOCK'), JSON.stringify({ ...holderOf(directory), since }));
    const error = lockError(() => new NodeFs().lockDirectory(directory));
    expect(error.message).toContain(`since ${since}`);
    lock.release();
  });
});

describe('trySocketLock', () => {
  it('is held by one at a time, and free again as soon as it was closed', () => {
    const first = trySocketLock('/some/where');
    if (first === 'unavailable') return;
    expect(trySocketLock('/some/where')).toBe('held');
    if (typeof first !== 'string') first.close();
    const again = trySocketLock('/some/where');
    expect(typeof again).toBe('object');
    if (typeof again !== 'string') again.close();
  });
});

describe('takeLockFile', () => {
  const host: Host = createNodeHost();

  function withRecord(change: Record<string, unknown>): string {
    const path = join(temporaryDirectory(), 'LOCK');
    const lock = takeLockFile(path, 'db', host);
    const record = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    lock.release();
    writeFileSync(path, JSON.stringify({ ...record, kernelLock: false, ...change }));
    return path;
  }

  it('replaces the file of a process that is gone', () => {
    const path = withRecord({ pid: 2 ** 22 + 1 });
    takeLockFile(path, 'db', host).release();
    expect(existsSync(path)).toBe(false);
  });

  it('replaces the file of an earlier process with the same pid', () => {
    takeLockFile(withRecord({ startTime: '1' }), 'db', host).release();
  });

  it('replaces the file of an earlier boot', () => {
    takeLockFile(withRecord({ bootId: 'another' }), 'db', host).release();
  });

  it('replaces the file of another machine only under the kernel lock', async () => {
    const path = withRecord({ host: 'elsewhere' });
    const directory = join(path, '..');
    const withoutNative = bundleFixture('lock-holder', temporaryDirectory());
    const { said } = await startHolder(directory, withoutNative, 'file');
    expect(said).toMatch(/^refused NOKV_LOCKED .* on elsewhere since/);
    takeLockFile(path, 'db', host).release();
    expect(existsSync(path)).toBe(false);
  });

  it('replaces the file of a living process that lost its kernel lock (a copied workdir)', () => {
    takeLockFile(withRecord({ kernelLock: true }), 'db', host).release();
  });

  it('refuses the file of a living process that has no kernel lock', () => {
    const error = lockError(() => takeLockFile(withRecord({}), 'db', host));
    expect(error.details['holder']).toContain(`pid ${process.pid}`);
  });

  it('respects a file that is just being written, and replaces one torn long ago', () => {
    const path = withRecord({});
    writeFileSync(path, '{"pid": 12');
    lockError(() => takeLockFile(path, 'db', host));
    const past = Date.now() / 1000 - 60;
    utimesSync(path, past, past);
    takeLockFile(path, 'db', host).release();
  });

  it('leaves a file alone at release that is no longer its own', () => {
    const path = join(temporaryDirectory(), 'LOCK');
    const lock = takeLockFile(path, 'db', host);
    const other = `${path}.other`;
    writeFileSync(other, 'x');
    new NodeFs().rename(other, path);
    lock.release();
    expect(readFileSync(path, 'utf8')).toBe('x');
  });

  it('takes over from a process that died in the middle of a take-over', () => {
    const path = withRecord({ pid: 2 ** 22 + 1 });
    writeFileSync(`${path}.takeover`, readFileSync(path));
    takeLockFile(path, 'db', host).release();
    expect(readdirSync(join(path, '..'))).toEqual([]);
  });
});
