/**
 * One run of one engine: make keys, values and operations, load, settle, then workload after
 * workload. With one load the workloads that insert come last (orderForOneLoad); with `fresh` every
 * workload has a load of its own.
 *
 * What is timed: a load from its first insert until back pressure is gone; a workload from its first
 * operation to its last acknowledgement. What background work is left is waited for after either, and
 * reported, but not counted.
 */
import { unlessAborted } from '../base/aborted.js';
import { NokvError } from '../base/errors.js';
import { Histogram } from '../base/histogram.js';
import { Prng } from '../base/prng.js';
import type { ChooserOptions } from './choosers.js';
import { type OperationStream, countInserts, drawStreams } from './draw.js';
import { type BenchEngine, type EngineOptions, hitRateBetween } from './engine.js';
import { type BenchKey, type InsertOrder, KEYS_MAX, makeKeys } from './keys.js';
import { type BenchMachine, type Progress, writtenBetween } from './machine.js';
import { type PhaseResult, type PhaseTally, runPhase } from './phase.js';
import { type BenchRow, latencyFigures } from './rows.js';
import { type ValueRing, type ValueSizes, makeRings } from './values.js';
import { INSERT, invalid, LOAD, type Workload, orderForOneLoad } from './workloads.js';

/** Everything that decides a run, as plain data. */
export interface RunSettings {
  readonly workloads: readonly Workload[];
  /** Rows loaded. */
  readonly records: number;
  /** Operations of each workload. */
  readonly operations: number;
  /** Operations before each workload that are not counted. */
  readonly warmup: number;
  readonly clients: number;
  /** Operations per second; 0 = no limit. Loads are not limited. */
  readonly rate: number;
  readonly seed: number;
  readonly insertOrder: InsertOrder;
  readonly chooser: ChooserOptions;
  readonly values: ValueSizes;
  /** Share of every value that repeats one byte, 0 to 1. */
  readonly compressibility: number;
  /** Rows of the longest scan. */
  readonly scanLengthMax: number;
  /** Load before every workload. */
  readonly fresh: boolean;
  readonly engine: EngineOptions;
}

export interface RunPlace {
  readonly machine: BenchMachine;
  readonly progress: Progress;
  /** Created by the engine; cleared before every load. The last database stays. */
  readonly directory: string;
  /** Leaves nothing of an earlier database in the directory. Default: the directory goes. */
  readonly clear?: () => void;
  /** From 1. */
  readonly round: number;
  /** Stops the run within a turn of the loop; its reason is thrown. */
  readonly signal?: AbortSignal;
}

/** Rows of the load (or loads) and of every workload, in the order they ran. The engine is closed at the end. */
export async function runEngine(
  engine: BenchEngine,
  settings: RunSettings,
  place: RunPlace,
): Promise<BenchRow[]> {
  const run = new EngineRun(engine, settings, place);
  try {
    return await run.runAll();
  } finally {
    await run.close();
  }
}

/** Of a phase, by the machine's clock and counters. */
interface Measured {
  readonly durationMs: number;
  readonly settleMs: number;
  readonly cpuMs: number;
  readonly written: number | null;
  readonly cacheHitRate: number | null;
}

class EngineRun {
  readonly #engine: BenchEngine;
  readonly #settings: RunSettings;
  readonly #place: RunPlace;
  readonly #workloads: readonly Workload[];
  readonly #keys: readonly BenchKey[];
  readonly #rings: readonly ValueRing[];
  readonly #sizes = new Histogram();
  #rssBase = 0;
  #isOpen = false;

  constructor(engine: BenchEngine, settings: RunSettings, place: RunPlace) {
    this.#engine = engine;
    this.#settings = settings;
    this.#place = place;
    this.#workloads = settings.fresh ? settings.workloads : orderForOneLoad(settings.workloads);
    this.#keys = makeKeys(this.#keyCount(), settings.insertOrder, engine.keyForm);
    this.#rings = makeRings(
      settings.clients,
      settings.values,
      settings.compressibility,
      new Prng(settings.seed),
    );
    for (const ring of this.#rings) for (const size of ring.sizes) this.#sizes.record(size);
  }

  async runAll(): Promise<BenchRow[]> {
    const rows: BenchRow[] = [];
    this.#rssBase = this.#place.machine.residentBytes();
    let records = 0;
    for (const [index, workload] of this.#workloads.entries()) {
      if (index === 0 || this.#settings.fresh) {
        const load = await this.#load();
        rows.push(load.row);
        records = load.records;
      }
      if (this.#settings.warmup > 0) {
        records = (await this.#run(workload, records, this.#settings.warmup, true)).records;
      }
      const result = await this.#run(workload, records, this.#settings.operations, false);
      rows.push(result.row);
      records = result.records;
    }
    return rows;
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.#engine.close();
  }

  /** Loaded records and everything the workloads insert after them. */
  #keyCount(): number {
    const { records, operations, warmup, fresh } = this.#settings;
    const inserts = this.#workloads.map((workload) => {
      if (workload.mix.insert === 0) return 0;
      return [operations, warmup].reduce(
        (sum, count, i) => sum + countInserts(this.#draw(workload, records, count, i === 1)),
        0,
      );
    });
    const extra = fresh ? Math.max(0, ...inserts) : inserts.reduce((sum, count) => sum + count, 0);
    if (records + extra <= KEYS_MAX) return records + extra;
    throw invalid(
      `${records} records and ${extra} inserts are more keys than it can make`,
      `Give --records and --operations that come to ${KEYS_MAX} keys at most`,
    );
  }

  async #load(): Promise<{ row: BenchRow; records: number }> {
    await this.close();
    const { machine, directory, clear } = this.#place;
    if (clear === undefined) machine.removeDirectory(directory);
    else clear();
    await this.#engine.open(directory, this.#settings.engine);
    this.#isOpen = true;
    return this.#phase(LOAD, loadStreams(this.#settings), 0, '');
  }

  async #run(
    workload: Workload,
    records: number,
    operations: number,
    isWarmup: boolean,
  ): Promise<{ row: BenchRow; records: number }> {
    const streams = this.#draw(workload, records, operations, isWarmup);
    return this.#phase(workload, streams, records, isWarmup ? ' warm-up' : '');
  }

  #draw(
    workload: Workload,
    records: number,
    operations: number,
    isWarmup: boolean,
  ): OperationStream[] {
    const { clients, scanLengthMax, chooser, seed } = this.#settings;
    return drawStreams(workload, {
      ...chooser,
      clients,
      operations,
      records,
      scanLengthMax,
      seed: seedOf(seed, workload.name, isWarmup),
    });
  }

  async #phase(
    workload: Workload,
    streams: OperationStream[],
    records: number,
    suffix: string,
  ): Promise<{ row: BenchRow; records: number }> {
    const { machine, progress, round, signal } = this.#place;
    const total = streams.reduce((sum, stream) => sum + stream.count, 0);
    progress.start(`${this.#engine.name} ${workload.name}${suffix}, round ${round}`, total);
    const statsBefore = this.#engine.stats();
    const cpuBefore = machine.cpuMs();
    const writtenBefore = machine.bytesWritten();
    const result = await runPhase({
      engine: this.#engine,
      machine,
      progress,
      keys: this.#keys,
      records,
      streams,
      rings: this.#rings,
      isLatest: workload.distribution === 'latest',
      rate: workload === LOAD ? 0 : this.#settings.rate,
      signal,
    });
    const doneMs = machine.nowMs();
    await this.#unlessStopped(this.#engine.unthrottled());
    const throttledMs = machine.nowMs() - doneMs;
    await this.#unlessStopped(this.#engine.idle());
    const settleMs = machine.nowMs() - doneMs;
    progress.end();
    checkResult(this.#engine.name, workload, result);
    const written = writtenBetween(writtenBefore, machine.bytesWritten());
    const durationMs = result.durationMs + (workload === LOAD ? throttledMs : 0);
    const cpuMs = machine.cpuMs() - cpuBefore;
    const cacheHitRate = hitRateBetween(statsBefore, this.#engine.stats());
    const measured = { durationMs, settleMs, cpuMs, written, cacheHitRate };
    const row = this.#row(workload, result, measured);
    return { row, records: result.records };
  }

  /** Settling may take minutes: a signal ends the wait for it, too. */
  async #unlessStopped(settling: Promise<void>): Promise<void> {
    const { signal } = this.#place;
    await (signal === undefined ? settling : unlessAborted(settling, signal));
  }

  #row(workload: Workload, result: PhaseResult, measured: Measured): BenchRow {
    const { machine, round, directory } = this.#place;
    const { tally } = result;
    const { durationMs, settleMs, cpuMs, written, cacheHitRate } = measured;
    return {
      engine: this.#engine.name,
      workload: workload.name,
      mode: this.#settings.engine.durability,
      round,
      ops: tally.operations,
      opsPerSec: durationMs > 0 ? (tally.operations / durationMs) * 1000 : 0,
      ...latencyFigures(tally.latency),
      durationNs: durationMs * 1e6,
      settleNs: settleMs * 1e6,
      dataBytes: tally.bytesRead + tally.bytesWritten + tally.scanItems * this.#sizes.mean,
      ...operationCounts(tally),
      misses: tally.misses,
      valAvg: this.#sizes.mean,
      valP50: this.#sizes.percentile(50),
      valP95: this.#sizes.percentile(95),
      valP99: this.#sizes.percentile(99),
      cpuMs,
      rssPeakBytes: Math.max(result.residentBytesPeak, machine.residentBytes()),
      rssBaseBytes: this.#rssBase,
      diskBytes: machine.diskBytes(directory),
      writeAmplification:
        written === null || tally.bytesWritten === 0 ? null : written / tally.bytesWritten,
      cacheHitRate,
    };
  }
}

/** Records 0, 1, 2, ... dealt to the clients in turn. */
function loadStreams(settings: RunSettings): OperationStream[] {
  const streams: OperationStream[] = [];
  for (let client = 0; client < settings.clients; client++) {
    const count = Math.ceil(Math.max(0, settings.records - client) / settings.clients);
    streams.push({
      count,
      kinds: new Uint8Array(count).fill(INSERT),
      records: new Uint32Array(0),
      scanLengths: new Uint32Array(0),
    });
  }
  return streams;
}

function operationCounts(
  tally: PhaseTally,
): Pick<BenchRow, 'reads' | 'updates' | 'inserts' | 'scans' | 'scanItems' | 'rmw'> {
  return {
    reads: tally.reads,
    updates: tally.updates,
    inserts: tally.inserts,
    scans: tally.scans,
    scanItems: tally.scanItems,
    rmw: tally.readModifyWrites,
  };
}

/** A fast wrong answer is not a result. Beside racing inserts a miss may be a matter of snapshots. */
function checkResult(engine: string, workload: Workload, result: PhaseResult): void {
  const { misses, mismatches } = result.tally;
  const isMissing = misses > 0 && workload.mix.insert === 0;
  if (!isMissing && mismatches === 0) return;
  throw new NokvError(
    'NOKV_UNHEALTHY',
    `Cannot use the figures of ${engine} for workload ${workload.name}: it lost or mixed up rows`,
    { details: { engine, workload: workload.name, misses, mismatches } },
  );
}

/** The same workload draws the same operations in every run, whatever else the run does. */
function seedOf(seed: number, workload: string, isWarmup: boolean): number {
  let mixed = seed >>> 0;
  for (let i = 0; i < workload.length; i++) {
    mixed = (Math.imul(mixed, 31) + workload.charCodeAt(i)) >>> 0;
  }
  return isWarmup ? mixed + 0x1_0000_0000 : mixed;
}
