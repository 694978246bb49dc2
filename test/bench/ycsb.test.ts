import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NokvError } from '../../src/base/errors.js';
import { ClassicLevelEngine } from '../../src/bench/engines/classic-level.js';
import { LmdbEngine } from '../../src/bench/engines/lmdb.js';
import { RocksDbEngine } from '../../src/bench/engines/rocksdb.js';
import type { BenchEngine } from '../../src/bench/engine.js';
import { checkInstalled, type EngineName } from '../../src/bench/engines.js';
import { loadModule, runsHere } from '../../src/bench/engines/load-module.js';
import { SILENT_PROGRESS } from '../../src/bench/machine.js';
import { runEngine } from '../../src/bench/runner.js';
import { parseWorkloads } from '../../src/bench/workloads.js';
import { type YcsbRun, besideWorkdir, runHere, runYcsb } from '../../src/bench/ycsb.js';
import { ProcessMeter } from '../../src/env/process-meter.js';
import { open } from '../../src/index.js';
import { row, settings } from './fixtures.js';

const never = new AbortController().signal;
let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'nokv-bench-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('runYcsb', () => {
  const request = (): Parameters<typeof runYcsb>[0] => ({
    settings: settings({ workloads: parseWorkloads('A') }),
    engines: ['nokv', 'lmdb', 'null'],
    rounds: 2,
    workdir: join(directory, 'db'),
    moduleDirectory: directory,
  });

  it('alternates the engines; rivals work beside the workdir', async () => {
    const runs: YcsbRun[] = [];
    const rows = await runYcsb(request(), async (run) => {
      runs.push(run);
      return [row({ engine: run.engine, round: run.round })];
    });
    expect(rows.map((found) => `${found.engine} ${found.round}`)).toEqual([
      'nokv 1',
      'lmdb 1',
      'null 1',
      'nokv 2',
      'lmdb 2',
      'null 2',
    ]);
    const workdir = join(directory, 'db');
    expect(runs[0]?.directory).toBe(workdir);
    expect(runs[1]?.directory).toBe(`${workdir}.rivals/lmdb`);
  });

  it('removes what rivals wrote, after a failure too', async () => {
    const run = runYcsb({ ...request(), engines: ['lmdb'] }, async (one) => {
      await runHere(one, SILENT_PROGRESS, never);
      throw new Error('stop');
    });
    await expect(run).rejects.toThrow('stop');
    expect(readdirSync(directory)).toEqual([]);
  });

  it('the null engine runs end to end in this process', async () => {
    const rows = await runYcsb({ ...request(), engines: ['null'] }, (run) =>
      runHere(run, SILENT_PROGRESS, never),
    );
    expect(rows.map((found) => `${found.workload} ${found.round}`)).toEqual([
      'load 1',
      'A 1',
      'load 2',
      'A 2',
    ]);
    expect(rows[1]?.reads).toBe(rows[3]?.reads);
  });

  it('a signal stops the run with its reason', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    const run = runYcsb({ ...request(), engines: ['null'] }, (one) =>
      runHere(one, SILENT_PROGRESS, signal),
    );
    await expect(run).rejects.toThrow('enough');
  });

  describe('takes no directory of somebody else', () => {
    const runs = (
      engines: readonly EngineName[],
      isOverwriting = false,
    ): Promise<readonly unknown[]> =>
      runYcsb({ ...request(), engines, isOverwriting }, (one) =>
        runHere(one, SILENT_PROGRESS, never),
      );
    const file = (name: string, text: string): string => {
      const path = join(directory, name);
      mkdirSync(join(path, '..'), { recursive: true });
      writeFileSync(path, text);
      return path;
    };

    it('refuses a workdir that is open, marked or not: its writes stay what they are', async () => {
      const workdir = join(directory, 'db');
      for (const isOverwriting of [false, true]) {
        await runs(['nokv']);
        const db = await open(workdir);
        await db.put('acknowledged', 'yes', { durability: 'disk' });
        await expect(runs(['nokv'], isOverwriting)).rejects.toMatchObject({ code: 'NOKV_LOCKED' });
        await db.put('later', 'yes', { durability: 'disk' });
        await db.close();
        const again = await open(workdir, { readOnly: true });
        expect([again.has('acknowledged'), again.has('later')]).toEqual([true, true]);
        await again.close();
      }
    });

    it('also when it is opened between two rounds', async () => {
      const held: { db?: Awaited<ReturnType<typeof open>> } = {};
      const run = runYcsb({ ...request(), engines: ['nokv'] }, async (one) => {
        if (one.round === 2) held.db = await open(one.directory);
        return runHere(one, SILENT_PROGRESS, never);
      });
      await expect(run).rejects.toMatchObject({ code: 'NOKV_LOCKED' });
      await held.db?.put('later', 'yes', { durability: 'disk' });
      await held.db?.close();
      const again = await open(join(directory, 'db'), { readOnly: true });
      expect(again.has('later')).toBe(true);
      await again.close();
    });

    it('refuses a workdir with other data, and leaves it as it is', async () => {
      const thesis = file('db/thesis.txt', 'precious');
      await expect(runs(['nokv'])).rejects.toMatchObject({ code: 'NOKV_INVALID' });
      expect(readdirSync(join(directory, 'db'))).toEqual(['thesis.txt']);
      expect(readFileSync(thesis, 'utf8')).toBe('precious');
      await runs(['nokv'], true);
      expect(existsSync(thesis)).toBe(false);
    });

    it('is marked from its first load on, and the next run takes it', async () => {
      const marker = join(directory, 'db', 'BENCH.json');
      const run = runYcsb({ ...request(), engines: ['nokv'] }, () => {
        expect(existsSync(marker)).toBe(true);
        return Promise.reject(new Error('stop'));
      });
      await expect(run).rejects.toThrow('stop');
      expect(existsSync(marker)).toBe(true);
      file('db/old.sst', 'of the earlier one');
      await runs(['nokv']);
      expect(existsSync(marker)).toBe(true);
      expect(existsSync(join(directory, 'db', 'old.sst'))).toBe(false);
    });

    it('lets WORKDIR.rivals be when no rival runs', async () => {
      const thesis = file('db.rivals/thesis.txt', 'precious');
      const nothing = file('db.rivals/null/void.txt', 'precious');
      await runs(['nokv', 'null']);
      expect([existsSync(thesis), existsSync(nothing)]).toEqual([true, true]);
    });

    it('refuses WORKDIR.rivals with other data before anything is run', async () => {
      const thesis = file('db.rivals/thesis.txt', 'precious');
      await expect(runs(['nokv', 'lmdb'])).rejects.toMatchObject({
        code: 'NOKV_INVALID',
        message: expect.stringContaining('db.rivals') as string,
      });
      expect(existsSync(thesis)).toBe(true);
      expect(existsSync(join(directory, 'db'))).toBe(false);
      await runs(['lmdb'], true);
      expect(existsSync(join(directory, 'db.rivals'))).toBe(false);
    });

    it('takes WORKDIR.rivals that a killed run left, and not one that runs', async () => {
      file('db.rivals/lmdb/data.mdb', 'half');
      file('db.rivals/BENCH.json', '{}');
      const codes: unknown[] = [];
      await runYcsb({ ...request(), engines: ['lmdb'], rounds: 1 }, async (one) => {
        await runs(['lmdb']).catch((error: unknown) => codes.push((error as NokvError).code));
        return runHere(one, SILENT_PROGRESS, never);
      });
      expect(codes).toEqual(['NOKV_LOCKED']);
      expect(existsSync(join(directory, 'db.rivals'))).toBe(false);
    });
  });

  it('besideWorkdir ignores separators at the end', () => {
    expect(besideWorkdir('/data/db//')).toBe('/data/db.rivals');
  });
});

describe('rivals', () => {
  const meter = new ProcessMeter();

  it.each<[EngineName, () => BenchEngine]>([
    ['classic-level', () => new ClassicLevelEngine(meter, '/')],
    ['lmdb', () => new LmdbEngine('/')],
    ['rocksdb', () => new RocksDbEngine(meter, '/')],
  ])('%s runs every operation and loses nothing', async (name, make) => {
    if (!runsHere(name)) {
      await expect(checkInstalled([name], '/')).rejects.toThrow('ends the process on this Node');
      return;
    }
    await checkInstalled([name], '/');
    const rows = await runEngine(make(), settings({ workloads: parseWorkloads('AEF') }), {
      machine: meter,
      progress: SILENT_PROGRESS,
      directory: join(directory, name),
      round: 1,
    });
    expect(rows.map((found) => found.workload)).toEqual(['load', 'A', 'F', 'E']);
    expect(rows.every((found) => found.misses === 0)).toBe(true);
    expect(rows[3]?.scanItems).toBeGreaterThan(rows[3]!.scans);
    expect(rows[0]?.diskBytes).toBeGreaterThan(0);
  });

  it('a package that is not there is named, with status 1', async () => {
    await expect(loadModule('no-such-engine', directory)).rejects.toMatchObject({
      code: 'NOKV_IO',
      message: 'Cannot run engine no-such-engine: the package does not load',
    });
  });
});
