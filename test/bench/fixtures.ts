/** What the tests of the harness share: a machine with a clock of its own, engines that keep rows in memory. */
import type { BenchEngine, EngineStats } from '../../src/bench/engine.js';
import { NO_STATS } from '../../src/bench/engine.js';
import type { BenchMachine, WrittenBytes } from '../../src/bench/machine.js';
import type { BenchRow } from '../../src/bench/rows.js';
import type { RunSettings } from '../../src/bench/runner.js';
import { parseWorkloads } from '../../src/bench/workloads.js';

/** Time moves by `stepMs` per reading and by the whole delay of a sleep. */
export class FakeMachine implements BenchMachine {
  readonly removed: string[] = [];
  turns = 0;
  #timeMs = 1000;
  readonly #stepMs: number;

  constructor(stepMs = 0.001) {
    this.#stepMs = stepMs;
  }

  nowMs(): number {
    return (this.#timeMs += this.#stepMs);
  }

  advance(ms: number): void {
    this.#timeMs += ms;
  }

  nextTurn(): Promise<void> {
    this.turns++;
    return Promise.resolve();
  }

  sleep(delayMs: number): Promise<void> {
    this.#timeMs += delayMs;
    return Promise.resolve();
  }

  residentBytes(): number {
    return 100 * 1024 * 1024;
  }

  cpuMs(): number {
    return this.#timeMs / 2;
  }

  bytesWritten(): WrittenBytes | null {
    return null;
  }

  diskBytes(): number {
    return 4096;
  }

  removeDirectory(directory: string): void {
    this.removed.push(directory);
  }
}

/** Keeps copies of rows in a Map; answers at once, or always by a promise. */
export class MapEngine implements BenchEngine {
  readonly name = 'map';
  readonly keyForm = 'string';
  readonly isReal = true;
  readonly rows = new Map<string, Uint8Array>();
  readonly isAsync: boolean;
  opened = 0;
  closed = 0;
  idled = 0;
  reads = 0;

  constructor(isAsync: boolean) {
    this.isAsync = isAsync;
  }

  async open(): Promise<void> {
    this.rows.clear();
    this.opened++;
  }

  insert(key: string, value: Uint8Array): Promise<void> | undefined {
    if (this.rows.has(key)) throw new Error(`inserted twice: ${key}`);
    return this.#put(key, value);
  }

  update(key: string, value: Uint8Array): Promise<void> | undefined {
    if (!this.rows.has(key)) throw new Error(`update of a missing key: ${key}`);
    return this.#put(key, value);
  }

  read(key: string): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    this.reads++;
    const value = this.rows.get(key);
    return this.isAsync ? Promise.resolve(value) : value;
  }

  scan(start: string, count: number): number | Promise<number> {
    const rows = [...this.rows.keys()].filter((key) => key >= start).length;
    const found = Math.min(rows, count);
    return this.isAsync ? Promise.resolve(found) : found;
  }

  async unthrottled(): Promise<void> {}

  async idle(): Promise<void> {
    this.idled++;
  }

  stats(): EngineStats {
    return NO_STATS;
  }

  async close(): Promise<void> {
    this.closed++;
  }

  #put(key: string, value: Uint8Array): Promise<void> | undefined {
    this.rows.set(key, new Uint8Array(value));
    return this.isAsync ? Promise.resolve() : undefined;
  }
}

export function settings(changes: Partial<RunSettings> = {}): RunSettings {
  return {
    workloads: parseWorkloads('ABCDEF'),
    records: 200,
    operations: 400,
    warmup: 0,
    clients: 4,
    rate: 0,
    seed: 42,
    insertOrder: 'hashed',
    chooser: { theta: 0.99, hotRecords: 0.2, hotOperations: 0.8 },
    values: { kind: 'fixed', bytes: 100 },
    compressibility: 0,
    scanLengthMax: 20,
    fresh: false,
    engine: {
      durability: 'os',
      cacheBytes: 1 << 20,
      memtableBytes: 1 << 20,
      memtable: 'art',
      valueThreshold: 2048,
      nokv: {},
    },
    ...changes,
  };
}

export function row(changes: Partial<BenchRow> = {}): BenchRow {
  return {
    engine: 'nokv',
    workload: 'A',
    mode: 'os',
    round: 1,
    ops: 1_000_000,
    opsPerSec: 176_543.21,
    avgNs: 90_612.4,
    p50Ns: 41_000,
    p95Ns: 204_039,
    p99Ns: 307_851,
    p999Ns: 1_240_000,
    maxNs: 48_000_000,
    durationNs: 5_664_331_217,
    settleNs: 120_000_000,
    dataBytes: 1_011_500_000,
    reads: 500_123,
    updates: 499_877,
    inserts: 0,
    scans: 0,
    scanItems: 0,
    rmw: 0,
    misses: 0,
    valAvg: 1000,
    valP50: 1000,
    valP95: 1000,
    valP99: 1000,
    cpuMs: 7_421.5,
    rssPeakBytes: 891_289_600,
    rssBaseBytes: 188_743_680,
    diskBytes: 1_258_291_200,
    writeAmplification: 3.14159,
    cacheHitRate: null,
    curveNs: [
      800, 2_000, 9_000, 41_000, 90_000, 160_000, 204_039, 250_000, 307_851, 400_000, 1_240_000,
      2_000_000, 9_000_000, 48_000_000,
    ],
    ...changes,
  };
}
