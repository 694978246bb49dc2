import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import { drawStreams } from '../../src/bench/draw.js';
import type { BenchEngine } from '../../src/bench/engine.js';
import { NullEngine } from '../../src/bench/engines/null-engine.js';
import { makeKeys } from '../../src/bench/keys.js';
import { SILENT_PROGRESS } from '../../src/bench/machine.js';
import { type PhaseInput, runPhase } from '../../src/bench/phase.js';
import { makeRings } from '../../src/bench/values.js';
import { type Distribution, parseMix } from '../../src/bench/workloads.js';
import { FakeMachine, MapEngine } from './fixtures.js';

const RECORDS = 100;

interface Given {
  readonly mix: string;
  readonly distribution?: Distribution;
  readonly operations?: number;
  readonly clients?: number;
  readonly rate?: number;
  readonly machine?: FakeMachine;
}

function input(engine: BenchEngine, given: Given): PhaseInput {
  const { mix, distribution = 'uniform', operations = 1000, clients = 3 } = given;
  const streams = drawStreams(
    { name: 'test', mix: parseMix(mix), distribution },
    {
      clients,
      operations,
      records: RECORDS,
      scanLengthMax: 10,
      seed: 1,
      theta: 0.99,
      hotRecords: 0.2,
      hotOperations: 0.8,
    },
  );
  return {
    engine,
    machine: given.machine ?? new FakeMachine(),
    progress: SILENT_PROGRESS,
    keys: makeKeys(RECORDS + operations, 'hashed', 'string'),
    records: RECORDS,
    streams,
    rings: makeRings(clients, { kind: 'fixed', bytes: 16 }, 0, new Prng(1)),
    isLatest: distribution === 'latest',
    rate: given.rate ?? 0,
  };
}

/** An engine with the records that a phase expects. */
function loaded(isAsync: boolean): MapEngine {
  const engine = new MapEngine(isAsync);
  const [ring] = makeRings(1, { kind: 'fixed', bytes: 16 }, 0, new Prng(2));
  makeKeys(RECORDS, 'hashed', 'string').forEach((key, record) => {
    engine.rows.set(key as string, new Uint8Array(ring!.take(record)));
  });
  return engine;
}

describe.each([false, true])('runPhase, engine with promises: %s', (isAsync) => {
  it('does every drawn operation once and checks every value', async () => {
    const engine = loaded(isAsync);
    const mix = 'read=30,update=20,insert=20,scan=10,rmw=20';
    const { tally, records } = await runPhase(input(engine, { mix }));
    expect(tally.operations).toBe(1000);
    expect(tally.latency.count).toBe(1000);
    expect([tally.misses, tally.mismatches]).toEqual([0, 0]);
    expect(engine.reads).toBe(tally.reads + tally.readModifyWrites);
    expect(engine.rows.size).toBe(RECORDS + tally.inserts);
    expect(records).toBe(RECORDS + tally.inserts);
    expect(tally.bytesWritten).toBe((tally.updates + tally.inserts + tally.readModifyWrites) * 39);
    expect(tally.bytesRead).toBe((tally.reads + tally.readModifyWrites) * 16);
  });

  it('latest reads only acknowledged records', async () => {
    const engine = loaded(isAsync);
    const given = { mix: 'read=50,insert=50', distribution: 'latest' as const };
    const { tally } = await runPhase(input(engine, given));
    expect([tally.misses, tally.mismatches]).toEqual([0, 0]);
    expect(tally.reads + tally.inserts).toBe(1000);
  });

  it('counts missing rows and rows mixed up', async () => {
    const engine = loaded(isAsync);
    const [first, second, third] = makeKeys(3, 'hashed', 'string') as string[];
    engine.rows.delete(first!);
    engine.rows.set(second!, engine.rows.get(third!)!);
    const { tally } = await runPhase(input(engine, { mix: 'read=1', distribution: 'sequential' }));
    expect([tally.misses, tally.mismatches]).toEqual([10, 10]);
  });

  it('the first failure stops all clients and is thrown', async () => {
    const engine = loaded(isAsync);
    engine.update = () => {
      throw new Error('disk on fire');
    };
    await expect(runPhase(input(engine, { mix: 'read=90,update=10' }))).rejects.toThrow(
      'disk on fire',
    );
    expect(engine.reads).toBeLessThan(500);
  });
});

describe('runPhase', () => {
  it('gives the loop a turn after a bounded run of an engine that answers at once', async () => {
    const machine = new FakeMachine();
    await runPhase(input(new NullEngine(16), { mix: 'read=1', operations: 64 * 30, machine }));
    expect(machine.turns).toBeGreaterThanOrEqual(28);
    expect(machine.turns).toBeLessThanOrEqual(33);
  });

  it('a fixed rate holds the rate and charges a stall to what it delayed', async () => {
    const machine = new FakeMachine(0.0001);
    const engine = new NullEngine(16);
    let count = 0;
    const stalling: BenchEngine = Object.assign(Object.create(engine) as BenchEngine, {
      name: 'stalling',
      isReal: false,
      read: () => {
        // One stall of 100 ms in the middle of a second.
        if (++count === 500) machine.advance(100);
        return new Uint8Array(16);
      },
    });
    const given = { mix: 'read=1', operations: 1000, clients: 1, rate: 1000, machine };
    const { tally, durationMs } = await runPhase(input(stalling, given));
    expect(durationMs).toBeGreaterThan(990);
    expect(durationMs).toBeLessThan(1010);
    // 100 operations were due during the stall: their latencies fall from 100 ms to nothing.
    const late = tally.latency.percentile(95) / 1e6;
    expect(late).toBeGreaterThan(40);
    expect(late).toBeLessThan(60);
    expect(tally.latency.max / 1e6).toBeGreaterThan(99);
    expect(tally.latency.percentile(80) / 1e6).toBeLessThan(1);
  });

  it('without a rate a stall is charged to one operation only', async () => {
    const machine = new FakeMachine(0.0001);
    const engine = loaded(false);
    const read = engine.read.bind(engine);
    let count = 0;
    engine.read = (key) => {
      if (++count === 500) machine.advance(100);
      return read(key);
    };
    const { tally } = await runPhase(input(engine, { mix: 'read=1', clients: 1, machine }));
    expect(tally.latency.max / 1e6).toBeGreaterThan(99);
    expect(tally.latency.percentile(99.8) / 1e6).toBeLessThan(1);
  });
});
