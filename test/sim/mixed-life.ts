/**
 * One life of a database with everything in flight at once: writes and batches of both kinds of value, transactions, ingests,
 * flushes, compactions, collections, followers, while syncs end late and in any order and calls fail; until a crash at a
 * random operation, in a close, or in the next open. Deterministic by its seed.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Env } from '../../src/base/env.js';
import { CorruptionError, NokvError } from '../../src/base/errors.js';
import type { Prng } from '../../src/base/prng.js';
import { type Db, openDb } from '../../src/engine/db.js';
import { TableWriter } from '../../src/engine/external/table-writer.js';
import { startJob } from '../../src/engine/jobs.js';
import type { OpenOptions } from '../../src/engine/options.js';
import type { BatchInput } from '../../src/engine/requests.js';
import type { Snapshot } from '../../src/engine/snapshot.js';
import type { Transaction } from '../../src/engine/txn/transaction.js';
import { WriteQueue } from '../../src/engine/write-queue.js';
import { randomSteps } from '../../src/env/inline-executor.js';
import type { CrashPolicy } from '../../src/env/mem-crash.js';
import type { MemFs } from '../../src/env/mem-fs.js';
import { SIM_START_MS, SimClock } from '../../src/env/sim-clock.js';
import { createSimEnv, type SimEnv } from '../../src/env/sim-env.js';
import { WORKDIR } from '../crash/simulation.js';
import { type Content, contentOf, differences } from './content.js';
import { type Change, type Ledger, pick } from './ledger.js';
import { failAnything, failWrite } from './random-faults.js';

/** Before the time of those who look at the disk later: what expires in a life has expired for them. */
const LIFE_START_MS = SIM_START_MS - 100_000_000;
const FOREVER_MS = SIM_START_MS + 1_000_000_000_000;
const TURNS_MAX = 4000;

export interface Plan {
  readonly writes: number;
  readonly faults: 'none' | 'writes' | 'anything';
  /** One write in so many is followed by a turn of the event loop. */
  readonly pace: number;
  readonly isKill: boolean;
  readonly hasFollowers: boolean;
  readonly end: 'operation' | 'close' | 'closed' | 'now';
  /** Operations until the crash, counted from the open. */
  readonly crashAfter: number;
}

export interface Crash {
  readonly disk: MemFs;
  readonly isKill: boolean;
  readonly low: number;
  readonly high: number;
  readonly durable: number;
  readonly trace: string[];
  readonly wasClosed: boolean;
}

/** External tables: a source that is gone must have been taken in. */
export interface Ingested {
  readonly files: readonly string[];
  position: number;
}

const placing = new AsyncLocalStorage<() => void>();

const originalHold = WriteQueue.prototype.hold;
/** An ingest has its place in the order of writes when it asks for the hold. */
WriteQueue.prototype.hold = function hold(this: WriteQueue): Promise<() => void> {
  placing.getStore()?.();
  return originalHold.call(this);
};

export class MixedLife {
  readonly ingests: Ingested[] = [];
  crash: Crash | undefined;
  readonly #random: Prng;
  readonly #fs: MemFs;
  readonly #ledger: Ledger;
  readonly #options: OpenOptions;
  readonly #plan: Plan;
  readonly #policy: CrashPolicy;
  /** Later than that of the life before. */
  readonly #clock: SimClock;
  readonly #slowness: number;
  readonly #trace: string[] = [];
  readonly #transactions: Transaction[] = [];
  readonly #changesOf = new Map<Transaction, Change[]>();
  readonly #snapshots: { snapshot: Snapshot; content: Content }[] = [];
  readonly #settled: Promise<unknown>[] = [];
  #failure: unknown;
  #unchecked: Db | undefined;
  #isIngesting = 0;
  #stamp: number;
  #readers: { db: Db; low: number }[] = [];
  #crashAt = Infinity;
  #env: SimEnv | undefined;

  constructor(
    random: Prng,
    fs: MemFs,
    ledger: Ledger,
    options: OpenOptions,
    plan: Plan,
    stamp: number,
  ) {
    this.#random = random;
    this.#fs = fs;
    this.#ledger = ledger;
    this.#options = options;
    this.#plan = plan;
    this.#policy = { seed: random.u32(), tearPercent: random.below(2) * 30 };
    this.#slowness = 2 + random.below(6);
    this.#stamp = stamp * 100_000;
    this.#clock = new SimClock(LIFE_START_MS + stamp * 1_000_000);
  }

  /** Gives the disk as it was found after the crash. @throws what the database must not do */
  async run(): Promise<Crash> {
    const [fs, plan, random] = [this.#fs, this.#plan, this.#random];
    fs.syncMode = 'manual';
    fs.onOperation = ({ index, op, path }, when) => {
      if (when !== 'before') return;
      if (this.#trace.length < 20_000) this.#trace.push(`${index} ${op} ${path}`);
      if (index >= this.#crashAt && this.crash === undefined) this.#crashNow(false);
    };
    this.#crashAt = fs.operationCount + plan.crashAfter;
    // What is found is durable once the open has ended.
    const endOpen = this.#ledger.beginSync();
    const db = await this.#open();
    if (db === undefined) return this.#end();
    endOpen();
    await this.#work(db);
    if (this.crash !== undefined) return this.#end();
    if (plan.end === 'now' || plan.end === 'operation') this.#crashNow(false);
    else {
      this.#crashAt = plan.end === 'close' ? fs.operationCount + 1 + random.below(40) : Infinity;
      this.#log('close');
      const end = this.#ledger.beginSync();
      let isClean = true;
      await this.#until(
        db.close().then(
          () => undefined,
          (error: unknown) => {
            isClean = false;
            this.#mustBeTyped(error);
          },
        ),
      );
      this.#log(`closed ${String(isClean)}`);
      if (isClean && this.crash === undefined) end();
      if (this.crash === undefined) this.#crashNow(isClean);
    }
    return this.#end();
  }

  /** An open that meets a failing call is tried again; `undefined` after a crash. */
  async #open(): Promise<Db | undefined> {
    const random = this.#random;
    const isFaulty = this.#plan.faults === 'anything' && random.chance(1, 2);
    for (let attempt = 0; ; attempt++) {
      if (isFaulty && attempt < 3) failAnything(this.#fs, random);
      const env = createSimEnv(random.u32(), this.#fs, {
        startJob,
        policy: randomSteps(random.u32()),
        clock: this.#clock,
      });
      this.#env = env;
      try {
        return await this.#until(openDb(env, WORKDIR, this.#options));
      } catch (error) {
        this.#log(`open failed ${String(error)}`);
        const isExpected = error instanceof NokvError && !(error instanceof CorruptionError);
        if (!isExpected || !isFaulty || attempt > 12) throw error;
      }
    }
  }

  traceText(): string {
    return this.#trace.join('\n');
  }

  #end(): Crash {
    const { crash } = this;
    if (this.#failure !== undefined) throw this.#failure;
    if (crash === undefined) throw new Error('no crash');
    return crash;
  }

  #crashNow(wasClosed: boolean): void {
    const fs = this.#fs;
    const { isKill } = this.#plan;
    const disk = isKill ? fs.killClone() : fs.crashClone(this.#policy);
    disk.syncMode = 'microtask';
    const { acknowledged, durable, issued } = this.#ledger;
    this.#ledger.freeze();
    const low = isKill ? acknowledged : durable;
    this.crash = { disk, isKill, low, high: issued, durable, trace: this.#trace, wasClosed };
    this.#log(`CRASH ${isKill ? 'kill' : 'power'}`);
    fs.onOperation = undefined;
    this.#env?.executor.abandon();
    fs.halt();
    fs.syncMode = 'microtask';
    fs.completeSyncs();
  }

  #log(text: string): void {
    this.#trace.push(`-- ${text}`);
  }

  async #work(db: Db): Promise<void> {
    const random = this.#random;
    for (
      let i = 0;
      i < this.#plan.writes && this.crash === undefined && this.#failure === undefined;
      i++
    ) {
      this.#maybeFail();
      this.#step(db);
      if (!random.chance(1, this.#plan.pace)) continue;
      await this.#turn();
      if (this.#plan.hasFollowers && random.chance(1, 3)) await this.#follow();
    }
  }

  /** One turn of the event loop, in which some syncs end. */
  async #turn(): Promise<void> {
    await new Promise(setImmediate);
    if (this.crash !== undefined) return;
    // Who was refused has been told by now.
    if (this.#unchecked !== undefined) this.#checkNow(this.#unchecked);
    for (const sync of [...this.#fs.pendingSyncs])
      if (this.#random.chance(1, this.#slowness)) sync.complete();
    this.#clock.advance(this.#random.chance(1, 20) ? 600 : 2);
  }

  /** Until it has ended, or everybody is dead. */
  async #until<T>(promise: Promise<T>): Promise<T | undefined> {
    let state: 'pending' | 'done' | 'failed' = 'pending';
    let result: T | undefined;
    let failure: unknown;
    promise.then(
      (value) => {
        state = 'done';
        result = value;
      },
      (error: unknown) => {
        state = 'failed';
        failure = error;
      },
    );
    for (let turn = 0; state === 'pending' && this.crash === undefined; turn++) {
      if (turn > TURNS_MAX) throw new Error('hangs');
      await this.#turn();
    }
    if (this.crash !== undefined) return undefined;
    if ((state as string) === 'failed') {
      throw failure;
    }
    return result;
  }

  #maybeFail(): void {
    const random = this.#random;
    const { faults } = this.#plan;
    if (faults === 'writes' && random.chance(1, 12)) failWrite(this.#fs, random);
    if (faults === 'anything' && random.chance(1, 8)) failAnything(this.#fs, random);
  }

  #step(db: Db): void {
    const random = this.#random;
    const kind = random.below(100);
    if (kind < 60) this.#write(db);
    else if (kind < 72) this.#transact(db);
    else if (kind < 78) this.#ingest(db);
    else if (kind < 84) this.#quietly('flush', db.flush());
    else if (kind < 87) this.#quietly('compact', db.compact());
    else if (kind < 90)
      this.#quietly('collect', db.collectValueLog({ ratio: pick(random, 0.05, 0.3) }));
    else if (kind < 95) this.#sync(db);
    else if (kind < 98) this.#snapshot(db);
    else this.#unchecked = db;
  }

  #write(db: Db): void {
    const random = this.#random;
    const count = random.chance(1, 4) ? pick(random, 2, 3, 5, 50) : 1;
    const changes: Change[] = [];
    const operations: BatchInput[] = [];
    for (let i = 0; i < count; i++)
      this.#drawChange(changes, operations, count > 10 ? 600 : 40_000);
    const durability = random.chance(1, 2) ? 'disk' : 'os';
    const [only] = operations;
    const call = (): Promise<void> => {
      if (
        operations.length > 1 ||
        only === undefined ||
        only.type === 'deleteRange' ||
        random.chance(1, 4)
      )
        return db.batch(operations, { durability });
      const { type, key, ...rest } = only as BatchInput & { key: string; value?: Buffer };
      return type === 'put'
        ? db.put(key, (rest as { value: Buffer }).value, { ...without(rest, 'value'), durability })
        : db.del(key, { ...rest, durability });
    };
    this.#log(`write ${operations.length} ${durability}`);
    this.#keep(
      this.#ledger.run(
        changes,
        `write ${operations.length} ${durability}`,
        durability === 'disk',
        call,
      ),
    );
  }

  #drawChange(changes: Change[], operations: BatchInput[], bytesMax: number): void {
    const random = this.#random;
    const key = `${pick(random, 'a', 'b', 'v', 'm')}${random.below(8)}`;
    const isManaged = key.startsWith('m');
    // Rising versions: then the latest write is the one that shows, as it is for ordinary ones.
    const version = isManaged ? { version: 1_000_000_000_000 + ++this.#stamp } : {};
    if (random.chance(1, 10)) {
      changes.push({ type: 'del', key });
      operations.push({ type: 'del', key, ...version });
    } else if (random.chance(1, 25)) {
      const start = `${key[0] as string}${random.below(4)}`;
      const end = `${key[0] as string}${4 + random.below(5)}`;
      changes.push({ type: 'deleteRange', start, end });
      operations.push({ type: 'deleteRange', start, end, ...version });
    } else {
      const value = this.#value(key, bytesMax);
      const expiry = random.below(12);
      const isGone = expiry === 0;
      changes.push({ type: 'put', key, value, isGone });
      const expiresAt = isGone ? this.#clock.nowMs() + 1 : FOREVER_MS;
      operations.push({
        type: 'put',
        key,
        value,
        ...version,
        ...(expiry < 2 ? { expiresAt } : {}),
      });
    }
  }

  #value(key: string, bytesMax: number): Buffer {
    const bytes = Math.min(bytesMax, pick(this.#random, 3, 150, 400, 700, 5000, 30_000));
    return Buffer.alloc(bytes, `${key}-${++this.#stamp}.`);
  }

  #transact(db: Db): void {
    const random = this.#random;
    const open = this.#transactions;
    if (open.length === 0 || (open.length < 3 && random.chance(1, 3))) {
      try {
        const transaction = db.begin({ isolation: pick(random, 'serializable', 'snapshot') });
        open.push(transaction);
        this.#changesOf.set(transaction, []);
      } catch (error) {
        this.#mustBeTyped(error);
      }
      return;
    }
    const at = random.below(open.length);
    const transaction = open[at] as Transaction;
    const changes = this.#changesOf.get(transaction) as Change[];
    try {
      if (random.chance(1, 2)) {
        const key = `${pick(random, 'a', 'b', 'v')}${random.below(8)}`;
        if (random.chance(1, 3)) transaction.get(key);
        if (random.chance(1, 6)) {
          transaction.del(key);
          changes.push({ type: 'del', key });
        } else {
          const value = this.#value(key, 5000);
          transaction.put(key, value);
          changes.push({ type: 'put', key, value });
        }
        return;
      }
      open.splice(at, 1);
      // Without writes it promises nothing.
      if (changes.length === 0 || random.chance(1, 6)) transaction.rollback();
      else {
        const durability = pick(random, 'os', 'disk');
        this.#log(`commit ${changes.length} ${durability}`);
        this.#keep(
          this.#ledger.run(changes, `commit ${durability}`, durability === 'disk', () =>
            transaction.commit({ durability }),
          ),
        );
      }
    } catch (error) {
      this.#mustBeTyped(error);
    }
  }

  #ingest(db: Db): void {
    if (this.#isIngesting > 1) return;

    this.#isIngesting++;
    const run = this.#ingestNow(db).finally(() => {
      this.#isIngesting--;
    });
    this.#keep(run);
  }

  async #ingestNow(db: Db): Promise<void> {
    const random = this.#random;
    const directory = `/in-${++this.#stamp}`;
    const changes: Change[] = [];
    const files: string[] = [];
    try {
      const builder = createSimEnv(3, this.#fs, { clock: this.#clock });
      const writer = new TableWriter(builder, directory, { tableBytes: 4096 });
      const start = random.below(6);
      if (random.chance(1, 3)) {
        const [from, to] = [`a${start}`, `a${start + 2}`];
        writer.deleteRange(from, to);
        changes.push({ type: 'deleteRange', start: from, end: to });
      }
      // Managed ones are those of ingests alone, one at a time: their versions rise in the order of their places.
      const letters = pick(random, 'ab', 'abv', 'v', 'bnv', 'a');
      for (const letter of this.#isIngesting > 1 ? 'ab' : letters) {
        for (let i = start; i < 8; i++) {
          const key = `${letter}${i}`;
          if (random.chance(1, 3)) continue;
          const version = letter === 'n' ? { version: 1_000_000_000_000 + ++this.#stamp } : {};
          if (random.chance(1, 8)) {
            writer.del(key, version);
            changes.push({ type: 'del', key });
          } else {
            const value = this.#value(key, 3000);
            writer.put(key, value, version);
            changes.push({ type: 'put', key, value });
          }
        }
      }
      if (changes.length === 0) {
        await writer.abort();
        return;
      }
      files.push(...(await writer.finish()).map(({ file }) => file));
    } catch (error) {
      this.#mustBeTyped(error);
      return;
    }
    if (this.crash !== undefined) return;
    const move = random.chance(1, 2);
    const ingested: Ingested = { files, position: 0 };
    this.ingests.push(ingested);
    let operation: ReturnType<Ledger['begin']>;
    this.#log(`ingest ${files.length} ${move ? 'move' : 'copy'}`);
    try {
      await placing.run(
        () => {
          operation = this.#ledger.begin(changes, `ingest ${move ? 'move' : 'copy'}`);
          ingested.position = operation?.position ?? 0;
          this.#log(`ingest placed at ${ingested.position}`);
        },
        () => db.ingest(files, { move, verify: random.chance(1, 2) }),
      );
      this.#log(`ingested ${ingested.position}`);
      this.#ledger.done(operation, true);
    } catch (error) {
      this.#log(`ingest failed ${String(error)}`);
      this.#ledger.failed(operation, error);
    }
  }

  #sync(db: Db): void {
    const end = this.#ledger.beginSync();
    this.#quietly('sync', db.sync().then(end));
  }

  /** What it shows stays. */
  #snapshot(db: Db): void {
    const random = this.#random;
    if (this.#snapshots.length > 0 && random.chance(1, 2)) {
      const { snapshot, content } = this.#snapshots.splice(
        random.below(this.#snapshots.length),
        1,
      )[0] as { snapshot: Snapshot; content: Content };
      const found = this.#tryRead(() => contentOf(db, snapshot));
      const texts = found === undefined ? [] : differences(content, found);
      if (texts.length > 0) throw new Error(`a snapshot changed: ${texts.slice(0, 3).join('; ')}`);
      snapshot.close();
      return;
    }
    const snapshot = db.snapshot();
    const content = this.#tryRead(() => contentOf(db, snapshot));
    if (content !== undefined) this.#snapshots.push({ snapshot, content });
    else snapshot.close();
  }

  /** Reads show all that is acknowledged, and nothing but what was written. */
  #checkNow(db: Db): void {
    this.#unchecked = undefined;
    this.#clock.advance(3);
    const found = this.#tryRead(() => contentOf(db));
    if (found === undefined) return;
    const { acknowledged } = this.#ledger;
    const position = this.#ledger.match(found, acknowledged);
    if (typeof position === 'string') throw new Error(`in the running process: ${position}`);
  }

  #tryRead<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      this.#mustBeTyped(error);
      if (this.crash === undefined && error instanceof CorruptionError) throw error;
      return undefined;
    }
  }

  /** Another process beside the one that writes. */
  async #follow(): Promise<void> {
    if (this.crash !== undefined) return;
    const random = this.#random;
    const { acknowledged } = this.#ledger;
    this.#clock.advance(3);
    const env: Env = {
      ...createSimEnv(9, this.#fs, { startJob, clock: this.#clock }),
      host: (this.#env as SimEnv).host,
    };
    try {
      if (this.#readers.length === 0 || (this.#readers.length < 3 && random.chance(1, 4))) {
        const db = await openDb(env, WORKDIR, {
          ...this.#options,
          memtableCount: 2,
          readOnly: true,
        });
        if (this.crash !== undefined) return;
        this.#readers.push({ db, low: acknowledged });
        this.#checkReader(this.#readers.length - 1, 'opened');
        return;
      }
      const at = random.below(this.#readers.length);
      const reader = this.#readers[at] as { db: Db; low: number };
      reader.db.refresh();
      reader.low = Math.max(reader.low, acknowledged);
      this.#checkReader(at, 'refreshed');
    } catch (error) {
      if (this.crash !== undefined) return;
      if (
        !(error instanceof NokvError) ||
        error instanceof CorruptionError ||
        this.#plan.faults === 'none' ||
        this.#plan.faults === 'writes'
      )
        throw error;
    }
  }

  #checkReader(at: number, what: string): void {
    const reader = this.#readers[at] as { db: Db; low: number };
    let found: Content;
    try {
      found = contentOf(reader.db);
    } catch (error) {
      if (error instanceof NokvError && !(error instanceof CorruptionError)) return;
      throw error;
    }
    const position = this.#ledger.match(found, reader.low);
    if (typeof position === 'string') throw new Error(`follower ${at} ${what}: ${position}`);
    reader.low = position;
  }

  #quietly(what: string, promise: Promise<unknown>): void {
    this.#log(what);
    this.#keep(
      promise.then(
        () => this.#log(`${what} done`),
        (error: unknown) => {
          this.#log(`${what} failed ${String(error)}`);
          this.#mustBeTyped(error);
        },
      ),
    );
  }

  #keep(promise: Promise<unknown>): void {
    this.#settled.push(
      promise.catch((error: unknown) => {
        if (this.crash === undefined) this.#failure ??= error;
      }),
    );
  }

  #mustBeTyped(error: unknown): void {
    if (this.crash !== undefined) return;
    const all: unknown[] = error instanceof AggregateError ? (error.errors as unknown[]) : [error];
    for (const one of all) if (!(one instanceof NokvError)) throw one;
  }
}

function without(object: object, name: string): object {
  return Object.fromEntries(Object.entries(object).filter(([key]) => key !== name));
}
