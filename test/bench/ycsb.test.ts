import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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
