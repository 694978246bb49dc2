import { describe, expect, it } from 'vitest';
import { NullEngine } from '../../src/bench/engines/null-engine.js';
import { SILENT_PROGRESS } from '../../src/bench/machine.js';
import { type RunPlace, runEngine } from '../../src/bench/runner.js';
import { parseWorkloads } from '../../src/bench/workloads.js';
import { FakeMachine, MapEngine, settings } from './fixtures.js';

function place(machine = new FakeMachine()): RunPlace {
  return { machine, progress: SILENT_PROGRESS, directory: '/bench', round: 1 };
}

describe('runEngine', () => {
  it.each([false, true])('runs A to F on one load (promises: %s)', async (isAsync) => {
    const engine = new MapEngine(isAsync);
    const rows = await runEngine(engine, settings(), place());
    expect(rows.map((row) => row.workload)).toEqual(['load', 'A', 'B', 'C', 'F', 'D', 'E']);
    expect(rows[0]).toMatchObject({ ops: 200, inserts: 200, engine: 'map', mode: 'os', round: 1 });
    for (const row of rows.slice(1)) expect(row.ops).toBe(400);
    expect([engine.opened, engine.closed, engine.idled]).toEqual([1, 1, 7]);
    expect(rows[2]).toMatchObject({ misses: 0, writeAmplification: null, diskBytes: 4096 });
  });

  it('fresh: loads an empty database before every workload', async () => {
    const engine = new MapEngine(false);
    const machine = new FakeMachine();
    const workloads = parseWorkloads('DG');
    const rows = await runEngine(
      engine,
      settings({ workloads, fresh: true, warmup: 50 }),
      place(machine),
    );
    expect(rows.map((row) => row.workload)).toEqual(['load', 'D', 'load', 'G']);
    expect(engine.opened).toBe(2);
    expect(machine.removed).toEqual(['/bench', '/bench']);
    expect(engine.rows.size).toBe(200 + 50 + 400);
  });

  it('refuses more keys than can be made, before it makes them', async () => {
    const many = settings({ workloads: parseWorkloads('G'), records: 99_999_999, operations: 2 });
    await expect(runEngine(new MapEngine(false), many, place())).rejects.toMatchObject({
      code: 'NOKV_INVALID',
      message: expect.stringContaining('99999999 records and 2 inserts') as string,
    });
  });

  it('a signal ends the wait for background work, and the engine is closed', async () => {
    for (const name of ['unthrottled', 'idle'] as const) {
      const controller = new AbortController();
      const engine = new MapEngine(false);
      engine[name] = () => {
        controller.abort(new Error('enough'));
        return new Promise(() => undefined);
      };
      const run = runEngine(engine, settings(), { ...place(), signal: controller.signal });
      await expect(run).rejects.toThrow('enough');
      expect(engine.closed).toBe(1);
    }
  });

  it('the hit rate of the cache is of the phase, not of all before it', async () => {
    const engine = new MapEngine(false);
    const readings = [0, 100, 100, 300, 300, 300].map((hits, i) => ({ reads: 200 * i, hits }));
    engine.stats = () => ({ cache: readings.shift() ?? null });
    const rows = await runEngine(engine, settings({ workloads: parseWorkloads('AB') }), place());
    expect(rows.map((row) => row.cacheHitRate)).toEqual([0.5, 1, 0]);
  });

  it('counts what was written by one counter in a phase, whatever it was before', async () => {
    const MIB = 2 ** 20;
    const machine = new FakeMachine();
    // A file system that accounts for nothing, behind one that did; then pages made dirty by a memory map.
    const readings = [
      { dirtied: MIB, called: MIB },
      { dirtied: MIB + 4096, called: 3 * MIB },
      { dirtied: MIB + 4096, called: 3 * MIB },
      { dirtied: 5 * MIB + 4096, called: 3 * MIB },
    ];
    machine.bytesWritten = () => readings.shift() ?? null;
    const workloads = parseWorkloads('A');
    const [load, a] = await runEngine(
      new MapEngine(false),
      settings({ workloads }),
      place(machine),
    );
    expect(load!.writeAmplification! * 200 * 123).toBeCloseTo(2 * MIB, 0);
    expect(a!.writeAmplification! * a!.updates * 123).toBeCloseTo(4 * MIB, 0);
  });

  it('the null engine runs end to end', async () => {
    const rows = await runEngine(new NullEngine(100), settings({ rate: 0, warmup: 10 }), place());
    expect(rows).toHaveLength(7);
    for (const row of rows) {
      expect(row.opsPerSec).toBeGreaterThan(0);
      expect(row.p50Ns).toBeLessThanOrEqual(row.p99Ns);
    }
  });

  it('counts back pressure into a load; what is left after it is reported only', async () => {
    const machine = new FakeMachine();
    const engine = new MapEngine(false);
    engine.unthrottled = () => machine.sleep(5000);
    engine.idle = () => machine.sleep(3000);
    const workloads = parseWorkloads('A');
    const [load, a] = await runEngine(engine, settings({ workloads }), place(machine));
    expect(load!.durationNs).toBeGreaterThan(5e9);
    expect(load!.durationNs).toBeLessThan(6e9);
    expect(load!.settleNs).toBeGreaterThanOrEqual(8e9);
    expect(load!.opsPerSec).toBeCloseTo(200 / (load!.durationNs / 1e9), 6);
    expect(a!.durationNs).toBeLessThan(1e9);
    expect(a!.settleNs).toBeGreaterThanOrEqual(8e9);
  });

  it('refuses the figures of an engine that loses rows, and closes it', async () => {
    const engine = new MapEngine(false);
    engine.read = () => undefined;
    const run = runEngine(engine, settings({ workloads: parseWorkloads('C') }), place());
    await expect(run).rejects.toThrow('Cannot use the figures of map for workload C');
    expect(engine.closed).toBe(1);
  });

  it('the same seed gives a workload the same operations, whatever runs beside it', async () => {
    const alone = await runEngine(
      new MapEngine(false),
      settings({ workloads: parseWorkloads('A') }),
      place(),
    );
    const beside = await runEngine(
      new MapEngine(true),
      settings({ workloads: parseWorkloads('CBA') }),
      place(),
    );
    const counts = (row: { reads: number; updates: number } | undefined) => [
      row?.reads,
      row?.updates,
    ];
    expect(counts(alone.at(-1))).toEqual(counts(beside.at(-1)));
  });
});
