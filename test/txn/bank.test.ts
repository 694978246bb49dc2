/**
 * Money in accounts, moved by concurrent transactions, on machines that are killed or lose power at any operation of
 * the disk, several lives each. Each transfer leaves a receipt in the same transaction. After every crash the total is
 * what it was, the balances are those that the receipts found explain, and no acknowledged transfer is missing.
 * RUNS=n runs so many seeds, SEED=n one.
 */
import { describe, expect, it } from 'vitest';
import { NokvError } from '../../src/base/errors.js';
import { Prng } from '../../src/base/prng.js';
import type { Db } from '../../src/engine/db.js';
import { randomSteps } from '../../src/env/inline-executor.js';
import { MemFs } from '../../src/env/mem-fs.js';
import { abandon, openOn, SMALL } from '../crash/simulation.js';
import { text } from '../engine/db-fixture.js';

const FIRST = Number(process.env['SEED'] ?? '1');
const RUNS = Number(process.env['RUNS'] ?? (process.env['SEED'] === undefined ? '40' : '1'));
const LIVES = 3;
const ACCOUNTS = 6;
const START = 100;
const CLIENTS = 4;
const TRANSFERS = 12;

const accountKey = (account: number): string => `account${account}`;

interface Crash {
  readonly disk: MemFs;
  /** Transfers that were acknowledged, as durable as the crash asks, before it. */
  readonly promised: ReadonlySet<string>;
  readonly what: string;
}

class Life {
  readonly #random: Prng;
  readonly #fs: MemFs;
  readonly #name: string;
  readonly #isKill: boolean;
  readonly #promised: Set<string>;
  #crash: Crash | undefined;

  constructor(random: Prng, fs: MemFs, name: string) {
    this.#random = random;
    this.#fs = fs;
    this.#name = name;
    this.#isKill = random.chance(1, 2);
    this.#promised = new Set();
    this.#crash = undefined;
  }

  async live(): Promise<Crash> {
    const random = this.#random;
    const opened = await openOn(this.#fs, SMALL, random.u32(), randomSteps(random.u32()));
    await this.#openAccounts(opened.db);
    const crashAt = this.#fs.operationCount + 1 + random.below(120);
    this.#fs.onOperation = ({ index }, when) => {
      if (when === 'before' && index === crashAt) this.#strike();
    };
    const clients = Array.from({ length: CLIENTS }, (_, i) => this.#client(opened.db, i));
    await Promise.all(clients);
    this.#fs.onOperation = undefined;
    if (this.#crash === undefined) this.#strike();
    abandon(opened);
    return this.#crash as unknown as Crash;
  }

  /** The machine as it is at this moment, and what it had promised by then. */
  #strike(): void {
    const policy = { seed: this.#random.u32(), tearPercent: 20 };
    const disk = this.#isKill ? this.#fs.killClone() : this.#fs.crashClone(policy);
    const what = `${this.#name}, ${this.#isKill ? 'kill' : `power cut ${JSON.stringify(policy)}`}`;
    this.#crash = { disk, promised: new Set(this.#promised), what };
  }

  async #openAccounts(db: Db): Promise<void> {
    if (db.has(accountKey(0))) return;
    await db.transaction(
      (txn) => {
        for (let i = 0; i < ACCOUNTS; i++) txn.put(accountKey(i), String(START));
      },
      { durability: 'disk' },
    );
  }

  async #client(db: Db, client: number): Promise<void> {
    const random = this.#random;
    for (let i = 0; i < TRANSFERS && this.#crash === undefined; i++) {
      const durability = random.chance(1, 2) ? 'os' : 'disk';
      const receipt = `receipt ${this.#name} ${client}-${i}`;
      const [from, to] = [random.below(ACCOUNTS), random.below(ACCOUNTS)];
      const amount = 1 + random.below(30);
      const pause = random.chance(1, 2);
      const txn = db.begin({ isolation: random.chance(1, 2) ? 'snapshot' : 'serializable' });
      const balance = Number(text(txn.get(accountKey(from))));
      txn.put(accountKey(from), String(balance - amount));
      if (pause) await new Promise(setImmediate);
      const target = Number(text(txn.get(accountKey(to))));
      txn.put(accountKey(to), String(target + amount));
      // Some receipts are large enough for the value log.
      txn.put(receipt, `${from} ${to} ${amount} ${'.'.repeat(random.below(500))}`);
      try {
        await txn.commit({ durability });
      } catch (error) {
        if (!(error instanceof NokvError) || error.code !== 'NOKV_CONFLICT') throw error;
        continue;
      }
      if (this.#crash === undefined && (this.#isKill || durability === 'disk'))
        this.#promised.add(receipt);
    }
  }
}

function checkBank(db: Db, promised: ReadonlySet<string>, what: string): void {
  const balances = Array.from({ length: ACCOUNTS }, () => START);
  const receipts = new Set<string>();
  for (const { key, value } of db.scan({ prefix: 'receipt' })) {
    receipts.add(text(key) as string);
    const [from, to, amount] = (text(value) as string).split(' ').map(Number) as [
      number,
      number,
      number,
    ];
    balances[from] = (balances[from] as number) - amount;
    balances[to] = (balances[to] as number) + amount;
  }
  const found = balances.map((_, i) => Number(text(db.get(accountKey(i)))));
  expect(
    found.reduce((sum, one) => sum + one, 0),
    what,
  ).toBe(ACCOUNTS * START);
  expect(found, what).toEqual(balances);
  expect(
    [...promised].filter((receipt) => !receipts.has(receipt)),
    what,
  ).toEqual([]);
}

async function runSeed(seed: number): Promise<number> {
  const random = new Prng(seed);
  const promised = new Set<string>();
  let fs = new MemFs({ seed });
  for (let life = 0; life < LIVES; life++) {
    const crash = await new Life(random, fs, `SEED=${seed} life ${life}`).live();
    for (const receipt of crash.promised) promised.add(receipt);
    fs = crash.disk;
    const { db } = await openOn(fs.clone(), SMALL);
    checkBank(db, promised, crash.what);
    await db.close();
    // What a kill left may still go in a power cut, except what was synced: the next life starts from all of it on disk.
    fs.syncAll();
  }
  return promised.size;
}

describe('a bank', () => {
  it(
    'keeps its total, its books and its word over kills and power cuts',
    async () => {
      let promised = 0;
      for (let seed = FIRST; seed < FIRST + RUNS; seed++) promised += await runSeed(seed);
      expect(promised).toBeGreaterThan(10 * RUNS);
    },
    60_000 + RUNS * 1000,
  );
});
