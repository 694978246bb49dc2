/**
 * Random transactions of several clients on a simulated machine, and the history they leave for the judge
 * (history-checker.ts). Values say who wrote them: "writer.write". Clients take turns at random places, syncs end
 * at random moments, so that commits stand in every order of being encoded, synced and visible.
 */
import { ConflictError } from '../../src/base/errors.js';
import { Prng } from '../../src/base/prng.js';
import { type Db, openDb } from '../../src/engine/db.js';
import { startJob } from '../../src/engine/jobs.js';
import type { OpenOptions } from '../../src/engine/options.js';
import type { Isolation, Transaction } from '../../src/engine/txn/transaction.js';
import { randomSteps } from '../../src/env/inline-executor.js';
import { createSimEnv, type SimEnv } from '../../src/env/sim-env.js';
import { text, TINY, WORKDIR } from '../engine/db-fixture.js';
import type { Found, Op, Txn } from './history-checker.js';

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];
const CLIENTS = 5;
const STEPS_PER_CLIENT = 12;

export interface Recorded {
  readonly history: readonly Txn[];
  readonly committed: number;
  readonly conflicts: number;
}

interface MutableTxn {
  readonly id: number;
  readonly ops: Op[];
  commit: number | undefined;
  snapshot: number;
  began: number;
  ended: number;
}

/** One run. All transactions that read have the isolation; others write without reading. */
export async function record(seed: number, isolation: Isolation): Promise<Recorded> {
  const run = new Run(seed, isolation);
  await run.open();
  try {
    return await run.record();
  } finally {
    await run.close();
  }
}

class Run {
  readonly #random: Prng;
  readonly #isolation: Isolation;
  readonly #env: SimEnv;
  readonly #txns: MutableTxn[];
  #db!: Db;
  #moment: number;
  #conflicts: number;
  #isPumping: boolean;

  constructor(seed: number, isolation: Isolation) {
    this.#random = new Prng(seed);
    this.#isolation = isolation;
    this.#env = createSimEnv(seed, undefined, { startJob, policy: randomSteps(seed) });
    this.#txns = [];
    this.#moment = 0;
    this.#conflicts = 0;
    this.#isPumping = false;
  }

  async open(): Promise<void> {
    const options: OpenOptions = this.#random.chance(1, 2) ? TINY : {};
    this.#db = await openDb(this.#env, WORKDIR, options);
  }

  async record(): Promise<Recorded> {
    this.#isPumping = true;
    this.#env.fs.syncMode = 'manual';
    const pump = this.#pump();
    await Promise.all(Array.from({ length: CLIENTS }, () => this.#client()));
    this.#isPumping = false;
    await pump;
    const committed = this.#txns.filter(({ commit }) => commit !== undefined).length;
    return { history: this.#txns, committed, conflicts: this.#conflicts };
  }

  async close(): Promise<void> {
    this.#env.fs.syncMode = 'microtask';
    this.#env.fs.completeSyncs();
    await this.#db.close();
  }

  /** Ends syncs, one by one, after random numbers of turns. */
  async #pump(): Promise<void> {
    while (this.#isPumping) {
      await this.#env.clock.nextTurn();
      for (const pending of [...this.#env.fs.pendingSyncs])
        if (this.#random.chance(1, 3)) pending.complete();
    }
  }

  async #client(): Promise<void> {
    for (let i = 0; i < STEPS_PER_CLIENT; i++) {
      await this.#pause();
      if (this.#random.chance(1, 5)) await this.#writeBlindly();
      else if (this.#random.chance(1, 20)) await this.#db.flush();
      else await this.#transact();
    }
  }

  async #pause(): Promise<void> {
    const turns = this.#random.below(4);
    if (turns === 1) await Promise.resolve();
    for (let i = 1; i < turns; i++) await this.#env.clock.nextTurn();
  }

  #begin(): MutableTxn {
    const began = ++this.#moment;
    const txn = {
      id: this.#txns.length + 1,
      ops: [],
      commit: undefined,
      snapshot: 0,
      began,
      ended: Number.POSITIVE_INFINITY,
    };
    this.#txns.push(txn);
    return txn;
  }

  /** A batch, or a put; by a transaction without checks, which is the same way and tells the number. */
  async #writeBlindly(): Promise<void> {
    const txn = this.#begin();
    const inner = this.#db.begin({ detectConflicts: false });
    const count = 1 + this.#random.below(2);
    for (let i = 0; i < count; i++) this.#write(txn, inner);
    await this.#finish(txn, inner);
  }

  async #transact(): Promise<void> {
    const txn = this.#begin();
    const readOnly = this.#random.chance(1, 6);
    const inner = this.#db.begin({ readOnly, isolation: this.#isolation });
    txn.snapshot = inner.snapshot.seq;
    const count = 1 + this.#random.below(5);
    for (let i = 0; i < count; i++) {
      if (this.#random.chance(1, 3)) await this.#pause();
      if (!readOnly && this.#random.chance(2, 5)) this.#write(txn, inner);
      else this.#read(txn, inner);
    }
    if (this.#random.chance(1, 10)) {
      inner.rollback();
      txn.ended = ++this.#moment;
      return;
    }
    await this.#finish(txn, inner);
  }

  async #finish(txn: MutableTxn, inner: Transaction): Promise<void> {
    try {
      await inner.commit({ durability: this.#random.chance(1, 2) ? 'os' : 'disk' });
      // One that only read stands where its snapshot is: behind it nothing depends on it.
      txn.commit = inner.commitSeq === 0 ? txn.snapshot + 0.5 : inner.commitSeq;
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      this.#conflicts++;
    }
    txn.ended = ++this.#moment;
  }

  #key(): string {
    return KEYS[this.#random.below(KEYS.length)] as string;
  }

  #write(txn: MutableTxn, inner: Transaction): void {
    const [key, write] = [this.#key(), txn.ops.length];
    const kind = this.#random.below(12);
    if (kind < 9) {
      inner.put(key, `${txn.id}.${write}`);
      txn.ops.push({ type: 'write', key, write });
    } else if (kind < 11) {
      inner.del(key);
      txn.ops.push({ type: 'write', key, write, isDelete: true });
    } else {
      const at = this.#random.below(KEYS.length - 1);
      inner.deleteRange(KEYS[at] as string, KEYS[at + 2] ?? 'z');
      for (const one of KEYS.slice(at, at + 2))
        txn.ops.push({ type: 'write', key: one, write, isDelete: true });
    }
  }

  #read(txn: MutableTxn, inner: Transaction): void {
    const key = this.#key();
    const kind = this.#random.below(6);
    if (kind < 3) {
      txn.ops.push({ type: 'read', key, found: foundIn(inner.get(key)) });
    } else if (kind < 5) {
      this.#scan(txn, inner, key);
    } else {
      this.#seek(txn, inner, key);
    }
  }

  /** A scan, perhaps cut short: then it has looked up to its last row. */
  #scan(txn: MutableTxn, inner: Transaction, from: string): void {
    const upper = KEYS[KEYS.indexOf(from) + 1 + this.#random.below(4)] ?? 'z';
    const limit = this.#random.chance(1, 2) ? 1 + this.#random.below(2) : 100;
    const reverse = this.#random.chance(1, 2);
    const rows = new Map<string, Found>();
    let last: string | undefined;
    for (const { key, value } of inner.scan({ gte: from, lt: upper, reverse, limit })) {
      last = text(key) ?? '';
      rows.set(last, foundIn(value) as Found);
    }
    const isCut = rows.size === limit && last !== undefined;
    txn.ops.push({
      type: 'range',
      lower: isCut && reverse ? (last as string) : from,
      upper: isCut && !reverse ? `${last as string}\0` : upper,
      rows,
    });
  }

  #seek(txn: MutableTxn, inner: Transaction, from: string): void {
    const iterator = inner.iterator();
    const isThere = iterator.seek(from);
    const rows = new Map<string, Found>();
    if (isThere) rows.set(text(iterator.key) as string, foundIn(iterator.value) as Found);
    txn.ops.push({
      type: 'range',
      lower: from,
      upper: isThere ? `${text(iterator.key) as string}\0` : '~',
      rows,
    });
    if (this.#random.chance(1, 2)) iterator.close();
  }
}

function foundIn(value: Uint8Array | undefined): Found | undefined {
  if (value === undefined) return undefined;
  const [writer, write] = (text(value) as string).split('.');
  return { writer: Number(writer), write: Number(write) };
}
