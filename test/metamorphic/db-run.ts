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
import { TableWriter } from '../../src/engine/external/table-writer.js';
import { startJob } from '../../src/engine/jobs.js';
import type { Durability, OpenOptions } from '../../src/engine/options.js';
import type { DbIterator } from '../../src/engine/db-iterator.js';
import type { Row } from '../../src/engine/iterators/row-batch.js';
import type { Scan } from '../../src/engine/scan.js';
import type { Snapshot } from '../../src/engine/snapshot.js';
import { randomSteps } from '../../src/env/inline-executor.js';
import type { MemFs } from '../../src/env/mem-fs.js';
import { SIM_START_MS, SimClock } from '../../src/env/sim-clock.js';
import { createSimEnv, type SimEnv } from '../../src/env/sim-env.js';
import { MODEL_FAMILIES } from '../model.js';
import { type Answer, keyOf, moved, textOf, textOfRows, textOfStored } from './answers.js';
import { type Burst, DbTransactions } from './db-transactions.js';
import { ModelRun } from './model-run.js';
import { drawOptions, hasShortHistory } from './option-sets.js';
import {
  type Program,
  type ReadSpec,
  type ScanSpec,
  type Step,
  valueText,
  type WriteSpec,
} from './program.js';
import { isTransactionStep } from './transaction-steps.js';

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
  run: number,
  onStep: (step: number) => void = () => undefined,
): Promise<Failure | undefined> {
  const model = new ModelRun();
  const dbRun = new DbRun(program.seed, run, model);
  let stepIndex = 0;
  try {
    await dbRun.start();
    for (; stepIndex < program.steps.length; stepIndex++) {
      onStep(stepIndex);
      const step = program.steps[stepIndex] as Step;
      const answer = await dbRun.answer(step);
      const difference = model.judge(step)(answer);
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
  readonly #iterators: Map<number, DbIterator>;
  readonly #transactions: DbTransactions;
  /** Another process on the same disk. */
  #reader: Db | undefined;
  /** The model beside this run, one step behind: only its count of writes is used. */
  readonly #model: ModelRun;
  /** Writes that were promised to survive a power loss. */
  #durableSeq: number;
  /** All that is written by the end of this step survives a power loss; the model sees the step only then. */
  #isStepDurable: boolean;
  /** Maintenance that was not waited for. */
  #pending: Promise<unknown>[];
  #ingests: number;

  constructor(seed: number, run: number, model: ModelRun) {
    this.#seed = seed;
    this.#run = run;
    this.#random = new Random(seed * 7 + run);
    this.#nowMs = SIM_START_MS;
    this.#opening = 0;
    this.#options = {};
    this.#snapshots = new Map();
    this.#scans = new Map();
    this.#iterators = new Map();
    this.#transactions = new DbTransactions(this.#transactionsHost());
    this.#reader = undefined;
    this.#model = model;
    this.#durableSeq = 0;
    this.#isStepDurable = false;
    this.#pending = [];
    this.#ingests = 0;
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
    await this.#reader?.close();
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
    if (this.#isStepDurable) this.#durableSeq = this.#model.seq;
    this.#isStepDurable = false;
    if (isTransactionStep(step)) return this.#transactions.answer(step);
    switch (step.op) {
      case 'write':
        await this.#settle(this.#call([step.write], step.durability), step.op);
        return this.#noteDurable([step.write], step.durability);
      case 'batch':
        await this.#settle(this.#batch(step.writes, step.durability), step.op);
        return this.#noteDurable(step.writes, step.durability);
      case 'burst': {
        const calls = step.calls.map((writes) => this.#call(writes, step.durability));
        await this.#settle(Promise.all(calls), step.op);
        return this.#noteDurable(step.calls.flat(), step.durability);
      }
      case 'race':
        return this.#race(step);
      case 'ingest':
        return this.#ingest(step);
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
      case 'openIterator': {
        const iterator = this.#iterator(step.scan);
        if (iterator === undefined) return undefined;
        this.#iterators.get(step.slot)?.close();
        this.#iterators.set(step.slot, iterator);
        return undefined;
      }
      case 'closeIterator':
        this.#iterators.get(step.slot)?.close();
        this.#iterators.delete(step.slot);
        return undefined;
      case 'openReader':
      case 'refreshReader':
      case 'readReader':
      case 'checkReader':
      case 'closeReader':
        return this.#follow(step);
      case 'maintain': {
        const work = this.#maintain(step);
        if (step.isAwaited) {
          await this.#settle(work, step.what);
          if (step.what === 'sync' || step.what === 'flush') this.#durableSeq = this.#model.seq;
          return undefined;
        }
        work.catch(() => undefined); // met in #settlePending
        this.#pending.push(work);
        return undefined;
      }
      case 'turns':
        await this.#turns(step.count);
        return undefined;
      case 'advance':
        this.#nowMs += step.ms;
        return undefined;
      case 'reopen':
        return this.#reopen(step);
      default:
        return this.#query(step);
    }
  }

  async #query(
    step: Extract<
      Step,
      {
        op:
          | 'get'
          | 'has'
          | 'getMany'
          | 'scan'
          | 'readScan'
          | 'moveIterator'
          | 'storedEntries'
          | 'checkAll';
      }
    >,
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
      case 'moveIterator': {
        const iterator = this.#iterators.get(step.slot);
        return iterator && step.moves.flatMap((one) => moved(iterator, one));
      }
      case 'storedEntries':
        return [...db.storedEntries()].flatMap(textOfStored);
      case 'checkAll':
        return everything(db);
      default: {
        const read = this.#read(step.read);
        if (read === undefined) return undefined;
        if (step.op === 'has') return [String(db.has(keyOf(step.key), read))];
        if (step.op === 'get') return [textOf(db.get(keyOf(step.key), read))];
        return db.getMany(step.keys.map(keyOf), read).map(textOf);
      }
    }
  }

  /** An ingest is durable, and everything before it with it. */
  async #ingest(step: Extract<Step, { op: 'ingest' }>): Promise<undefined> {
    const { move, verify, tableBytes, writes } = step;
    const name = `t${++this.#ingests}`;
    const writer = new TableWriter(this.#env, '/in', { name, tableBytes });
    for (const write of writes) {
      const options = { columnFamily: write.family };
      if (write.type === 'deleteRange') {
        writer.deleteRange(keyOf(write.start), keyOf(write.end), options);
      } else if (write.type === 'del') writer.del(keyOf(write.key), options);
      else {
        const value = Buffer.from(valueText(write.value), 'latin1');
        writer.put(keyOf(write.key), value, { ...options, ...this.#expiry(write) });
        value.fill(0xdb);
      }
    }
    const tables = await this.#settle(writer.finish(), 'finish');
    const files = tables.map(({ file }) => file);
    await this.#settle(this.#db.ingest(files, { move, verify }), step.op);
    this.#durableSeq = this.#model.seqAfterIngest(writes);
    return undefined;
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

  #iterator(spec: ScanSpec): DbIterator | undefined {
    const read = this.#read(spec);
    if (read === undefined) return undefined;
    const bounds = Object.entries(spec.range).map(
      ([name, key]) => [name, keyOf(key as string)] as const,
    );
    return this.#db.iterator({ ...read, ...Object.fromEntries(bounds) });
  }

  /** Writes that the model has not seen yet were acknowledged. */
  #noteDurable(
    writes: readonly { version: number }[],
    durability = this.#options.durability,
  ): undefined {
    if (durability === 'disk') this.#durableSeq = this.#model.seqAfter(writes);
    return undefined;
  }

  async #race(step: Extract<Step, { op: 'race' }>): Promise<Answer> {
    const keys = step.keys.map(keyOf);
    const burst = this.#issue(step.calls, step.durability);
    const answer: (string | null)[] = [];
    const look = (): void => {
      const values = this.#db.getMany(keys, { columnFamily: step.family });
      answer.push(String(burst.acknowledged), ...values.map(textOf));
    };
    look();
    for (let i = 0; i < step.turns; i++) {
      await (i % 2 === 0 ? Promise.resolve() : this.#env.clock.nextTurn());
      look();
    }
    await this.#settle(burst.all, step.op);
    look();
    this.#noteDurable(step.calls.flat(), step.durability);
    return answer;
  }

  #transactionsHost(): ConstructorParameters<typeof DbTransactions>[0] {
    const db = (): Db => this.#db;
    return {
      get db() {
        return db();
      },
      issue: (calls, durability) => this.#issue(calls, durability),
      expiry: (write) => this.#expiry(write),
      turns: (count) => this.#turns(count),
      settle: (work, what) => this.#settle(work, what),
      noteWritten: (durability = this.#options.durability) => {
        this.#isStepDurable = durability === 'disk';
      },
    };
  }

  async #turns(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.#env.clock.nextTurn();
  }

  #issue(calls: readonly (readonly WriteSpec[])[], durability: Durability | undefined): Burst {
    const issued = calls.map((writes) => this.#call(writes, durability));
    return this.#burst(issued, calls);
  }

  /** `calls`: what each of the promises writes. */
  #burst(issued: readonly Promise<unknown>[], calls: readonly (readonly unknown[])[]): Burst {
    const burst = { acknowledged: 0, all: Promise.all(issued) };
    burst.all.catch(() => undefined); // the crash may come first
    issued.forEach((call, i) => {
      // A batch of nothing waits for nobody.
      if (calls[i]?.length === 0) return;
      const note = (): void => {
        burst.acknowledged = Math.max(burst.acknowledged, i + 1);
      };
      call.then(note, () => undefined);
    });
    return burst;
  }

  async #follow(
    step: Extract<
      Step,
      { op: 'openReader' | 'refreshReader' | 'readReader' | 'checkReader' | 'closeReader' }
    >,
  ): Promise<Answer> {
    if (step.op === 'openReader') {
      await this.#reader?.close();
      const { fs, clock, host } = this.#env;
      const env = { ...createSimEnv(this.#random.u32(), fs, { startJob, clock }), host };
      const open = openDb(env, WORKDIR, { ...this.#options, readOnly: true });
      this.#reader = await this.#settle(open, step.op);
      return undefined;
    }
    const reader = this.#reader;
    if (reader === undefined) return undefined;
    switch (step.op) {
      case 'refreshReader':
        reader.refresh();
        return undefined;
      case 'readReader':
        return reader.getMany(step.keys.map(keyOf), { columnFamily: step.family }).map(textOf);
      case 'checkReader':
        return everything(reader);
      case 'closeReader':
        this.#reader = undefined;
        await this.#settle(reader.close(), step.op);
        return undefined;
    }
  }

  async #maintain(step: Extract<Step, { op: 'maintain' }>): Promise<undefined> {
    const db = this.#db;
    if (step.what === 'flush') await db.flush();
    else if (step.what === 'compact') await db.compact();
    else if (step.what === 'sync') await db.sync();
    else await db.collectValueLog({ ratio: step.ratio / 100 });
    return undefined;
  }

  /** The answer: how many writes must be there, how many are, the batch that was being committed, and everything. */
  async #reopen(step: Extract<Step, { op: 'reopen' }>): Promise<Answer> {
    const { how, isChanged } = step;
    this.#snapshots.clear();
    this.#scans.clear();
    this.#iterators.clear();
    let promised = this.#model.seq;
    let order: string | null = null;
    let disk = this.#env.fs;
    if (how === 'close') {
      await this.#settlePending();
      await this.#settle(this.#db.close(), 'close');
    } else {
      ({ promised, order } = await this.#crash(step));
      disk = how === 'kill' ? disk.killClone() : disk.crashClone({ seed: this.#random.u32() });
      this.#pending = [];
      this.#reader = undefined;
      this.abandon();
    }
    this.#transactions.clear();
    this.#opening++;
    if (isChanged) this.#options = drawOptions(this.#seed, this.#run, this.#opening);
    await this.#open(disk);
    const snapshot = this.#db.snapshot();
    const found = snapshot.seq;
    snapshot.close();
    // What an open has found is durable when it has ended.
    this.#durableSeq = found;
    return [String(promised), String(found), order, ...everything(this.#db)];
  }

  /** What comes right before a crash. `promised`: how many writes must survive it. */
  async #crash(
    step: Extract<Step, { op: 'reopen' }>,
  ): Promise<{ promised: number; order: string | null }> {
    const { how, turns } = step;
    if (how === 'power') {
      await this.#settle(this.#db.sync(), 'sync');
      return { promised: this.#model.seq, order: null };
    }
    const commit = this.#startCommit(step.commit);
    const issued: Promise<unknown>[] = commit === undefined ? [] : [commit.done];
    const written = commit === undefined ? step.calls : [commit.writes, ...step.calls];
    for (const writes of step.calls) issued.push(this.#call(writes, undefined));
    const burst = this.#burst(issued, written);
    await this.#turns(turns);
    const acknowledged = written.slice(0, burst.acknowledged).flat();
    if (how === 'cut' && acknowledged.length > 0) this.#noteDurable(acknowledged);
    const promised = how === 'kill' ? this.#model.seqAfter(acknowledged) : this.#durableSeq;
    return { promised, order: commit?.order ?? null };
  }

  /** A commit whose end nobody will hear of: only of one that is sure to succeed. */
  #startCommit(slot: number): ReturnType<DbTransactions['commit']> | undefined {
    const isSure = this.#model.forecast(slot) === 'commit' && !hasShortHistory(this.#options);
    return isSure ? this.#transactions.commit(slot, undefined) : undefined;
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

/** All rows of all families in both directions, then key by key. */
function everything(db: Db): (string | null)[] {
  return MODEL_FAMILIES.flatMap((columnFamily) => {
    const rows = [...db.scan({ columnFamily })];
    const keys = rows.map((row) => row.key.slice());
    const forward = textOfRows(rows);
    const backward = textOfRows([...db.scan({ columnFamily, reverse: true })]);
    const values = db.getMany(keys, { columnFamily }).map(textOf);
    return [...forward, ...backward, ...values];
  });
}

async function done(work: Promise<void>): Promise<undefined> {
  await work;
  return undefined;
}

function describeError(error: Error): string {
  const cause = error.cause instanceof Error ? `\n  caused by ${describeError(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}
