/**
 * Runs a program on a database in a simulated environment, and compares every answer with the expected
 * one. Jobs advance in slices between the steps, from the run's seed; wall time moves only by the program.
 *
 * The bytes given to writes are overwritten as soon as the contract allows, and those that reads
 * return as well: a database that keeps or lends its buffers is found out.
 */
import type { Prng } from '../../src/base/prng.js';
import { Prng as Random } from '../../src/base/prng.js';
import { type Db, openDb } from '../../src/engine/db.js';
import { type BatchInput, type ReadOptions } from '../../src/engine/requests.js';
import { startJob } from '../../src/engine/jobs.js';
import type { Durability, OpenOptions } from '../../src/engine/options.js';
import type { Row, Scan } from '../../src/engine/scan.js';
import type { Snapshot } from '../../src/engine/snapshot.js';
import { randomSteps } from '../../src/env/inline-executor.js';
import type { MemFs } from '../../src/env/mem-fs.js';
import { SIM_START_MS, SimClock } from '../../src/env/sim-clock.js';
import { createSimEnv, type SimEnv } from '../../src/env/sim-env.js';
import { MODEL_FAMILIES } from '../model.js';
import type { Answer } from './expected.js';
import { drawOptions } from './option-sets.js';
import {
  type Program,
  type ReadSpec,
  type Reopening,
  type ScanSpec,
  type Step,
  valueText,
  type WriteSpec,
} from './program.js';

const WORKDIR = '/db';
/** Turns of the event loop after which a call is taken to hang. */
const TURNS_MAX = 100_000;
/** Turns without an end after which timers fire. */
const PATIENCE_TURNS = 50;

/** What went wrong, at which step. */
export interface Failure {
  readonly stepIndex: number;
  readonly message: string;
  /** The options that were in force. */
  readonly options: OpenOptions;
}

/** Wall time stands still while timers fire. */
class ProgramClock extends SimClock {
  readonly #wallMs: () => number;

  constructor(wallMs: () => number) {
    super();
    this.#wallMs = wallMs;
  }

  override nowMs(): number {
    return this.#wallMs();
  }
}

/** Runs the program with option set `run`; undefined: all answers were as expected. `onStep` comes before each. */
export async function runProgram(
  program: Program,
  expected: readonly Answer[],
  run: number,
  onStep: (step: number) => void = () => undefined,
): Promise<Failure | undefined> {
  const dbRun = new DbRun(program.seed, run);
  let stepIndex = 0;
  try {
    await dbRun.start();
    for (; stepIndex < program.steps.length; stepIndex++) {
      onStep(stepIndex);
      const answer = await dbRun.answer(program.steps[stepIndex] as Step);
      const difference = differenceOf(answer, expected[stepIndex]);
      if (difference !== undefined) return dbRun.failure(stepIndex, difference);
    }
    await dbRun.end();
    return undefined;
  } catch (error) {
    return dbRun.failure(stepIndex, error instanceof Error ? describeError(error) : String(error));
  } finally {
    dbRun.abandon();
  }
}

class DbRun {
  readonly #seed: number;
  readonly #run: number;
  readonly #random: Prng;
  #nowMs: number;
  #opening: number;
  #options: OpenOptions;
  #env!: SimEnv;
  #db!: Db;
  readonly #snapshots: Map<number, Snapshot>;
  readonly #scans: Map<number, Scan>;
  /** Maintenance that was not waited for. */
  #pending: Promise<unknown>[];

  constructor(seed: number, run: number) {
    this.#seed = seed;
    this.#run = run;
    this.#random = new Random(seed * 7 + run);
    this.#nowMs = SIM_START_MS;
    this.#opening = 0;
    this.#options = {};
    this.#snapshots = new Map();
    this.#scans = new Map();
    this.#pending = [];
  }

  async start(): Promise<void> {
    this.#options = drawOptions(this.#seed, this.#run, 0);
    await this.#open(undefined);
  }

  failure(stepIndex: number, message: string): Failure {
    return { stepIndex, message, options: this.#options };
  }

  async end(): Promise<void> {
    await this.#settlePending();
    await this.#settle(this.#db.close(), 'close');
    await this.#checkAfterClose();
  }

  /** Nothing of this run goes on. */
  abandon(): void {
    this.#env.fs.halt();
    this.#env.executor.abandon();
  }

  async answer(step: Step): Promise<Answer> {
    const db = this.#db;
    switch (step.op) {
      case 'write':
        return this.#settle(this.#call([step.write], step.durability), step.op);
      case 'batch':
        return this.#settle(this.#batch(step.writes, step.durability), step.op);
      case 'burst': {
        const calls = step.calls.map((writes) => this.#call(writes, step.durability));
        await this.#settle(Promise.all(calls), step.op);
        return undefined;
      }
      case 'openSnapshot':
        this.#snapshots.get(step.slot)?.close();
        this.#snapshots.set(step.slot, db.snapshot());
        return undefined;
      case 'closeSnapshot':
        this.#snapshots.get(step.slot)?.close();
        this.#snapshots.delete(step.slot);
        return undefined;
      case 'openScan': {
        const scan = this.#scan(step.scan);
        if (scan === undefined) return undefined;
        this.#scans.get(step.slot)?.close();
        this.#scans.set(step.slot, scan);
        return undefined;
      }
      case 'closeScan':
        this.#scans.get(step.slot)?.close();
        this.#scans.delete(step.slot);
        return undefined;
      case 'maintain': {
        const work = this.#maintain(step);
        if (step.isAwaited) return this.#settle(work, step.what);
        work.catch(() => undefined); // met in #settlePending
        this.#pending.push(work);
        return undefined;
      }
      case 'turns':
        for (let i = 0; i < step.count; i++) await this.#env.clock.nextTurn();
        return undefined;
      case 'advance':
        this.#nowMs += step.ms;
        return undefined;
      case 'reopen':
        return this.#reopen(step.how, step.isChanged);
      default:
        return this.#query(step);
    }
  }

  async #query(
    step: Extract<Step, { op: 'get' | 'has' | 'getMany' | 'scan' | 'readScan' | 'checkAll' }>,
  ): Promise<Answer> {
    const db = this.#db;
    switch (step.op) {
      case 'readScan': {
        const scan = this.#scans.get(step.slot);
        return scan === undefined ? undefined : textOfRows(scan.take(step.count));
      }
      case 'scan': {
        const scan = this.#scan(step.scan);
        if (scan === undefined) return undefined;
        if (step.way === 'take') return textOfRows(scan.take(Number.POSITIVE_INFINITY));
        if (step.way === 'iterate') return textOfRows([...scan]);
        const rows: Row[] = [];
        for await (const row of scan) rows.push(row);
        return textOfRows(rows);
      }
      case 'checkAll':
        return this.#everything();
      default: {
        const read = this.#read(step.read);
        if (read === undefined) return undefined;
        if (step.op === 'has') return [String(db.has(keyOf(step.key), read))];
        if (step.op === 'get') return [textOf(db.get(keyOf(step.key), read))];
        return db.getMany(step.keys.map(keyOf), read).map(textOf);
      }
    }
  }

  /** One write or a batch, not waited for. */
  #call(writes: readonly WriteSpec[], durability: Durability | undefined): Promise<undefined> {
    const write = writes[0];
    if (write === undefined || writes.length > 1) return this.#batch(writes, durability);
    const options = {
      ...(write.family === 'default' ? {} : { columnFamily: write.family }),
      ...(write.version === 0 ? {} : { version: write.version }),
      ...(durability === undefined ? {} : { durability }),
    };
    if (write.type === 'deleteRange') {
      return done(this.#db.deleteRange(keyOf(write.start), keyOf(write.end), options));
    }
    const key = keyOf(write.key);
    if (write.type === 'del') return done(this.#db.del(key, options));
    const value = Buffer.from(valueText(write.value), 'latin1');
    const work = this.#db.put(key, value, { ...options, ...this.#expiry(write) });
    // Both are copied before the call returns.
    if (typeof key !== 'string') key.fill(0xdb);
    value.fill(0xdb);
    return done(work);
  }

  #batch(writes: readonly WriteSpec[], durability: Durability | undefined): Promise<undefined> {
    const operations = writes.map((write): BatchInput => {
      const { type, family, version } = write;
      const common = { columnFamily: family, ...(version === 0 ? {} : { version }) };
      if (type === 'deleteRange') {
        return { type, start: keyOf(write.start), end: keyOf(write.end), ...common };
      }
      if (type === 'del') return { type, key: keyOf(write.key), ...common };
      const value = Buffer.from(valueText(write.value), 'latin1');
      return { type, key: keyOf(write.key), value, ...common, ...this.#expiry(write) };
    });
    const options = durability === undefined ? {} : { durability };
    return this.#db.batch(operations, options).then(() => {
      for (const operation of operations) {
        if (operation.type === 'put') (operation.value as Buffer).fill(0xdb);
      }
      return undefined;
    });
  }

  #expiry(write: Extract<WriteSpec, { type: 'put' }>): { ttlMs?: number; expiresAt?: number } {
    if (write.expiresIn === 0) return {};
    if (write.isAbsolute) return { expiresAt: this.#nowMs + write.expiresIn };
    return { ttlMs: write.expiresIn };
  }

  #read(spec: ReadSpec): ReadOptions | undefined {
    const snapshot = this.#snapshots.get(spec.snapshot);
    if (spec.snapshot >= 0 && snapshot === undefined) return undefined;
    return {
      ...(spec.family === 'default' ? {} : { columnFamily: spec.family }),
      ...(snapshot === undefined ? {} : { snapshot }),
      ...(spec.version === 0 ? {} : { version: spec.version }),
    };
  }

  #scan(spec: ScanSpec): Scan | undefined {
    const read = this.#read(spec);
    if (read === undefined) return undefined;
    const bounds = Object.entries(spec.range).map(
      ([name, key]) => [name, keyOf(key as string)] as const,
    );
    return this.#db.scan({
      ...read,
      ...Object.fromEntries(bounds),
      reverse: spec.reverse,
      keysOnly: spec.keysOnly,
      ...(spec.limit < 0 ? {} : { limit: spec.limit }),
    });
  }

  async #maintain(step: Extract<Step, { op: 'maintain' }>): Promise<undefined> {
    const db = this.#db;
    if (step.what === 'flush') await db.flush();
    else if (step.what === 'compact') await db.compact();
    else if (step.what === 'sync') await db.sync();
    else await db.collectValueLog({ ratio: step.ratio / 100 });
    return undefined;
  }

  #everything(): Answer {
    const db = this.#db;
    return MODEL_FAMILIES.flatMap((columnFamily) => {
      const rows = [...db.scan({ columnFamily })];
      const keys = rows.map((row) => row.key.slice());
      const forward = textOfRows(rows);
      const backward = textOfRows([...db.scan({ columnFamily, reverse: true })]);
      const values = db.getMany(keys, { columnFamily }).map(textOf);
      return [...forward, ...backward, ...values];
    });
  }

  async #reopen(how: Reopening, isChanged: boolean): Promise<undefined> {
    this.#snapshots.clear();
    this.#scans.clear();
    const { fs, executor } = this.#env;
    let disk = fs;
    if (how === 'close') {
      await this.#settlePending();
      await this.#settle(this.#db.close(), 'close');
    } else {
      if (how === 'power') await this.#settle(this.#db.sync(), 'sync');
      disk = how === 'kill' ? fs.killClone() : fs.crashClone({ seed: this.#random.u32() });
      this.#pending = [];
      fs.halt();
      executor.abandon();
    }
    this.#opening++;
    if (isChanged) this.#options = drawOptions(this.#seed, this.#run, this.#opening);
    await this.#open(disk);
    return undefined;
  }

  async #open(disk: MemFs | undefined): Promise<void> {
    const clock = new ProgramClock(() => this.#nowMs);
    const seed = this.#random.u32();
    this.#env = createSimEnv(seed, disk, {
      startJob,
      clock,
      policy: randomSteps(seed, 1 + this.#random.below(8)),
    });
    this.#db = await this.#settle(openDb(this.#env, WORKDIR, this.#options), 'open');
  }

  async #settlePending(): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    for (const work of pending) await this.#settle(work, 'maintenance');
  }

  /** A closed database says so, whatever it is asked. */
  async #checkAfterClose(): Promise<void> {
    await this.#db.put('a', 'b').then(
      () => Promise.reject(new Error('put succeeds after close')),
      () => undefined,
    );
    const pinned = this.#env.executor.inspect().filter(({ jobs }) => jobs > 0);
    if (pinned.length > 0) throw new Error(`jobs run after close: ${JSON.stringify(pinned)}`);
  }

  /** Waits, and lets timers fire when nothing else happens. @throws when it takes too long */
  async #settle<T>(work: Promise<T>, what: string): Promise<T> {
    let isSettled = false;
    const note = (): void => {
      isSettled = true;
    };
    work.then(note, note);
    for (let i = 0; i < 4 && !isSettled; i++) await Promise.resolve();
    const { clock } = this.#env;
    for (let turn = 1; !isSettled; turn++) {
      if (turn > TURNS_MAX) throw new Error(`${what} hangs`);
      await clock.nextTurn();
      if (turn % PATIENCE_TURNS === 0 && !isSettled) clock.advance(1000);
    }
    return work;
  }
}

async function done(work: Promise<void>): Promise<undefined> {
  await work;
  return undefined;
}

/** Keys of printable bytes go in as strings, every other time. */
function keyOf(text: string): Buffer | string {
  if (text.length % 2 === 0 && /^[\x02-\x7f]*$/.test(text)) return text;
  return Buffer.from(text, 'latin1');
}

/** The bytes as text; they are spoiled then, because they belong to the receiver. */
function textOf(bytes: Uint8Array | undefined): string | null {
  if (bytes === undefined) return null;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  bytes.fill(0xdb);
  return text;
}

function textOfRows(rows: readonly Row[]): (string | null)[] {
  return rows.flatMap(({ key, value }) => [textOf(key), textOf(value)]);
}

function differenceOf(actual: Answer, expected: Answer): string | undefined {
  if (actual === undefined || expected === undefined) {
    return actual === expected ? undefined : 'an answer where none is due, or none where one is';
  }
  const length = Math.max(actual.length, expected.length);
  for (let i = 0; i < length; i++) {
    if (actual[i] === expected[i]) continue;
    const found = shorten(actual[i]);
    const wanted = shorten(expected[i]);
    const counts = `${actual.length} parts, expected ${expected.length}`;
    return `part ${i} of the answer is ${found}, expected ${wanted} (${counts})`;
  }
  return undefined;
}

/** A key or value for the eye. */
export function shorten(text: string | null | undefined): string {
  if (text === undefined) return 'missing';
  if (text === null) return 'absent';
  const shown = JSON.stringify(text.length > 40 ? text.slice(0, 40) : text);
  const escaped = shown.replace(/[\x7f-\xff]/g, (c) => `\\x${c.charCodeAt(0).toString(16)}`);
  return text.length > 40 ? `${escaped}... (${text.length} bytes)` : escaped;
}

function describeError(error: Error): string {
  const cause = error.cause instanceof Error ? `\n  caused by ${describeError(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}
