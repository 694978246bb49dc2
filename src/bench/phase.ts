/**
 * One timed phase: N clients walk their drawn streams against an engine, each with one operation
 * under way. Everything runs on one thread; a client gives the loop a turn after a bounded run, so
 * that an engine that answers at once starves neither its own background messages nor the others.
 *
 * Time per operation: closed loop, from the end of the client's last one (one clock reading per
 * operation); at a fixed rate, from the moment the operation was due, whether or not it could start
 * then, so a stall is charged to every operation it delayed (no coordinated omission).
 *
 * Reads go to acknowledged records only. A record counts as acknowledged when it and all before it are.
 */
import { assert } from '../base/assert.js';
import { Histogram } from '../base/histogram.js';
import type { OperationStream } from './draw.js';
import { type BenchEngine, touch } from './engine.js';
import { type BenchKey, KEY_BYTES } from './keys.js';
import type { BenchMachine, Progress } from './machine.js';
import { type ValueRing, isValueOf } from './values.js';
import { INSERT, READ, READ_MODIFY_WRITE, SCAN, UPDATE } from './workloads.js';

/** Operations of one client between two turns of the event loop. */
const RUN_OPERATIONS = 64;
/** Memory is sampled about this often. */
const SAMPLE_MS = 50;
/** At a fixed rate: sleep when an operation is due later than this, else turn the loop until it is. */
const SLEEP_ABOVE_MS = 3;

export interface PhaseInput {
  readonly engine: BenchEngine;
  readonly machine: BenchMachine;
  readonly progress: Progress;
  /** Keys of all records, present and to be inserted. */
  readonly keys: readonly BenchKey[];
  /** Records present at the start. */
  readonly records: number;
  readonly streams: readonly OperationStream[];
  /** One per stream. */
  readonly rings: readonly ValueRing[];
  /** Stream records are distances back from the newest record. */
  readonly isLatest: boolean;
  /** Operations per second of all clients; 0 = as fast as they go. */
  readonly rate: number;
  /** Stops every client at its next turn of the loop; its reason is thrown. */
  readonly signal?: AbortSignal | undefined;
}

/** What happened; merged over the clients. */
export class PhaseTally {
  /** Nanoseconds. */
  readonly latency = new Histogram();
  reads = 0;
  updates = 0;
  inserts = 0;
  scans = 0;
  scanItems = 0;
  readModifyWrites = 0;
  /** Reads of a record that was acknowledged and not found; scans that found nothing. */
  misses = 0;
  /** Reads that returned the value of another record. */
  mismatches = 0;
  /** Keys and values written, bytes. */
  bytesWritten = 0;
  /** Values read, bytes, scans excluded. */
  bytesRead = 0;
  /** Of values touched; only there so that reading them cannot be optimised away. */
  checksum = 0;

  get operations(): number {
    return this.reads + this.updates + this.inserts + this.scans + this.readModifyWrites;
  }
}

export interface PhaseResult {
  readonly tally: PhaseTally;
  /** From the first operation to the last acknowledgement. */
  readonly durationMs: number;
  readonly residentBytesPeak: number;
  /** Records present at the end. */
  readonly records: number;
}

/** Runs all streams to their end. The first failure stops every client and is thrown. */
export async function runPhase(input: PhaseInput): Promise<PhaseResult> {
  assert(input.streams.length === input.rings.length, 'phase: one ring per client');
  const shared = new Shared(input);
  const clients = input.streams.map((_, index) => new Client(shared, input, index));
  const startMs = input.machine.nowMs();
  await Promise.all(clients.map((client) => client.run(startMs)));
  const durationMs = input.machine.nowMs() - startMs;
  shared.sample();
  if (shared.failure !== undefined) throw shared.failure.error;
  return {
    tally: shared.tally,
    durationMs,
    residentBytesPeak: shared.residentBytesPeak,
    records: shared.acknowledged,
  };
}

/** What the clients of a phase have in common. */
class Shared {
  readonly tally = new PhaseTally();
  /** Wrapped, because anything can be thrown. */
  failure: { readonly error: unknown } | undefined = undefined;
  residentBytesPeak = 0;
  /** All records below are acknowledged. */
  acknowledged: number;
  nextRecord: number;
  readonly #isDone: Uint8Array;
  readonly #records: number;
  readonly #machine: BenchMachine;
  readonly #progress: Progress;
  readonly #signal: AbortSignal | undefined;
  #sampledMs = -Infinity;

  constructor(input: PhaseInput) {
    this.#records = input.records;
    this.#machine = input.machine;
    this.#progress = input.progress;
    this.#signal = input.signal;
    this.acknowledged = input.records;
    this.nextRecord = input.records;
    this.#isDone = new Uint8Array(input.keys.length - input.records);
  }

  acknowledge(record: number): void {
    const isDone = this.#isDone;
    isDone[record - this.#records] = 1;
    while (isDone[this.acknowledged - this.#records] === 1) this.acknowledged++;
  }

  /** Between two turns of the loop: progress, a look at the signal, and memory now and then. */
  pause(nowMs: number): void {
    this.#progress.advance(this.tally.operations);
    if (this.#signal?.aborted === true) this.failure ??= { error: this.#signal.reason as unknown };
    if (nowMs - this.#sampledMs >= SAMPLE_MS) {
      this.#sampledMs = nowMs;
      this.sample();
    }
  }

  sample(): void {
    const bytes = this.#machine.residentBytes();
    if (bytes > this.residentBytesPeak) this.residentBytesPeak = bytes;
  }
}

class Client {
  readonly #shared: Shared;
  readonly #tally: PhaseTally;
  readonly #engine: BenchEngine;
  readonly #machine: BenchMachine;
  readonly #keys: readonly BenchKey[];
  readonly #stream: OperationStream;
  readonly #ring: ValueRing;
  readonly #index: number;
  readonly #records: number;
  readonly #isLatest: boolean;
  readonly #isChecked: boolean;
  /** Milliseconds between two operations of this client; 0 = closed loop. */
  readonly #intervalMs: number;
  readonly #offsetMs: number;
  /** Record of the operation under way. */
  #record = 0;
  /** The operation under way is a read-modify-write whose read has not come back. */
  #isReading = false;

  constructor(shared: Shared, input: PhaseInput, index: number) {
    this.#shared = shared;
    this.#tally = shared.tally;
    this.#engine = input.engine;
    this.#machine = input.machine;
    this.#keys = input.keys;
    this.#stream = input.streams[index] as OperationStream;
    this.#ring = input.rings[index] as ValueRing;
    this.#index = index;
    this.#records = input.records;
    this.#isLatest = input.isLatest;
    this.#isChecked = input.engine.isReal;
    const perOperation = input.rate > 0 ? 1000 / input.rate : 0;
    this.#intervalMs = perOperation * input.streams.length;
    this.#offsetMs = perOperation * index;
  }

  /** Never rejects: the first failure of the phase is kept in `shared`. */
  async run(startMs: number): Promise<void> {
    try {
      if (this.#intervalMs > 0) await this.#runPaced(startMs);
      else await this.#runClosed();
    } catch (error) {
      this.#shared.failure ??= { error };
    }
  }

  async #runClosed(): Promise<void> {
    const { count } = this.#stream;
    const shared = this.#shared;
    let startMs = this.#machine.nowMs();
    let left = this.#firstRun();
    for (let i = 0; i < count && shared.failure === undefined; i++) {
      const pending = this.#begin(i);
      if (pending !== undefined) await this.#complete(i, pending);
      startMs = this.#time(startMs);
      if (--left === 0) {
        left = RUN_OPERATIONS;
        await this.#machine.nextTurn();
        startMs = this.#machine.nowMs();
        shared.pause(startMs);
      }
    }
  }

  async #runPaced(phaseStartMs: number): Promise<void> {
    const { count } = this.#stream;
    const shared = this.#shared;
    let left = this.#firstRun();
    for (let i = 0; i < count && shared.failure === undefined; i++) {
      const dueMs = phaseStartMs + this.#offsetMs + i * this.#intervalMs;
      if (this.#machine.nowMs() < dueMs) {
        await this.#waitUntil(dueMs);
        left = RUN_OPERATIONS;
      } else if (--left === 0) {
        left = RUN_OPERATIONS;
        await this.#machine.nextTurn();
        shared.pause(this.#machine.nowMs());
      }
      const pending = this.#begin(i);
      if (pending !== undefined) await this.#complete(i, pending);
      this.#time(dueMs);
    }
  }

  /** Clients take their first turns at different times, so that they do not stop all at once. */
  #firstRun(): number {
    return 1 + ((this.#index * 7) % RUN_OPERATIONS);
  }

  async #waitUntil(dueMs: number): Promise<void> {
    for (;;) {
      const nowMs = this.#machine.nowMs();
      this.#shared.pause(nowMs);
      if (nowMs >= dueMs || this.#shared.failure !== undefined) return;
      if (dueMs - nowMs > SLEEP_ABOVE_MS)
        await this.#machine.sleep(dueMs - nowMs - SLEEP_ABOVE_MS + 1);
      else await this.#machine.nextTurn();
    }
  }

  /** Counts the time since `startMs`; returns the time now. */
  #time(startMs: number): number {
    const nowMs = this.#machine.nowMs();
    this.#tally.latency.record((nowMs - startMs) * 1e6);
    return nowMs;
  }

  /** Starts operation `i`. Returns undefined when it is over already. */
  #begin(i: number): PromiseLike<unknown> | undefined {
    const kind = this.#stream.kinds[i] as number;
    if (kind === INSERT) return this.#beginInsert();
    const record = this.#resolve(this.#stream.records[i] as number);
    const key = this.#keys[record] as BenchKey;
    this.#record = record;
    switch (kind) {
      case READ:
      case READ_MODIFY_WRITE: {
        const value = this.#engine.read(key);
        if (value !== undefined && !(value instanceof Uint8Array)) {
          this.#isReading = true;
          return value;
        }
        this.#sawValue(value);
        if (kind === READ_MODIFY_WRITE) return this.#beginUpdate(kind);
        this.#tally.reads++;
        return undefined;
      }
      case UPDATE:
        return this.#beginUpdate(kind);
      default: {
        assert(kind === SCAN, 'phase: unknown operation');
        const rows = this.#engine.scan(key, this.#stream.scanLengths[i] as number);
        if (typeof rows !== 'number') return rows;
        this.#sawRows(rows);
        return undefined;
      }
    }
  }

  #beginInsert(): PromiseLike<unknown> | undefined {
    const record = this.#shared.nextRecord++;
    this.#record = record;
    const value = this.#ring.take(record);
    this.#tally.bytesWritten += KEY_BYTES + value.length;
    const pending = this.#engine.insert(this.#keys[record] as BenchKey, value);
    if (pending === undefined) this.#wrote(INSERT);
    return pending;
  }

  #beginUpdate(kind: number): PromiseLike<unknown> | undefined {
    const record = this.#record;
    const value = this.#ring.take(record);
    this.#tally.bytesWritten += KEY_BYTES + value.length;
    const pending = this.#engine.update(this.#keys[record] as BenchKey, value);
    if (pending === undefined) this.#wrote(kind);
    return pending;
  }

  /** Waits for the rest of an operation that `#begin` left open. */
  async #complete(i: number, pending: PromiseLike<unknown>): Promise<void> {
    const kind = this.#stream.kinds[i] as number;
    const result = await pending;
    if (this.#isReading) {
      this.#isReading = false;
      this.#sawValue(result as Uint8Array | undefined);
      if (kind === READ) {
        this.#tally.reads++;
        return;
      }
      const write = this.#beginUpdate(kind);
      if (write === undefined) return;
      await write;
      this.#wrote(kind);
    } else if (kind === SCAN) {
      this.#sawRows(result as number);
    } else {
      this.#wrote(kind);
    }
  }

  #wrote(kind: number): void {
    if (kind === UPDATE) {
      this.#tally.updates++;
    } else if (kind === INSERT) {
      this.#tally.inserts++;
      this.#shared.acknowledge(this.#record);
    } else {
      this.#tally.readModifyWrites++;
    }
  }

  #sawValue(value: Uint8Array | undefined): void {
    const tally = this.#tally;
    if (value === undefined) {
      tally.misses++;
      return;
    }
    tally.bytesRead += value.length;
    tally.checksum += touch(value);
    if (this.#isChecked && !isValueOf(value, this.#record)) tally.mismatches++;
  }

  #sawRows(rows: number): void {
    this.#tally.scans++;
    this.#tally.scanItems += rows;
    if (rows === 0) this.#tally.misses++;
  }

  /** A drawn record as one that is there: see OperationStream.records. */
  #resolve(drawn: number): number {
    const { acknowledged } = this.#shared;
    if (this.#isLatest) return Math.max(0, acknowledged - 1 - drawn);
    return drawn < acknowledged ? drawn : drawn % this.#records;
  }
}
