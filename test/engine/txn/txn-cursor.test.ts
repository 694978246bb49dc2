/** Random writes, savepoints, reads and iterator moves of one transaction, against a map. */
import { expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import type { Transaction } from '../../../src/engine/txn/transaction.js';
import type { Savepoint } from '../../../src/engine/txn/write-set.js';
import { openSim, rowsOf, text, TINY } from '../db-fixture.js';

type Rows = Map<string, string>;

const KEYS = Array.from({ length: 12 }, (_, i) => String.fromCharCode(97 + i));

const sortedKeys = (rows: Rows): string[] => [...rows.keys()].sort();

class Twin {
  readonly txn: Transaction;
  rows: Rows;
  saved: { savepoint: Savepoint; rows: Rows }[];
  readonly #random: Prng;

  constructor(txn: Transaction, rows: Rows, random: Prng) {
    this.txn = txn;
    this.rows = rows;
    this.saved = [];
    this.#random = random;
  }

  key(): string {
    return KEYS[this.#random.below(KEYS.length)] as string;
  }

  write(value: string): void {
    const { txn } = this;
    const [key, kind] = [this.key(), this.#random.below(10)];
    this.rows = new Map(this.rows);
    if (kind < 5) {
      txn.put(key, value);
      this.rows.set(key, value);
    } else if (kind < 8) {
      txn.del(key);
      this.rows.delete(key);
    } else {
      const end = `${this.key()}~`;
      if (key >= end) return;
      txn.deleteRange(key, end);
      for (const one of KEYS) if (one >= key && one < end) this.rows.delete(one);
    }
  }

  savepoints(): void {
    const { txn, saved } = this;
    if (saved.length === 0 || this.#random.chance(1, 2)) {
      saved.push({ savepoint: txn.savepoint(), rows: this.rows });
      return;
    }
    const at = this.#random.below(saved.length);
    const back = saved[at] as (typeof saved)[number];
    txn.rollbackTo(back.savepoint);
    this.rows = back.rows;
    saved.length = at + 1;
  }

  checkReads(what: string): void {
    const { txn, rows } = this;
    for (const key of KEYS) {
      expect(text(txn.get(key)), `${what} get ${key}`).toBe(rows.get(key));
      expect(txn.has(key), `${what} has ${key}`).toBe(rows.has(key));
    }
    const [gte, lt] = [this.key(), this.key()];
    const inside = sortedKeys(rows).filter((key) => key >= gte && key < lt);
    const expected = inside.map((key) => `${key}=${rows.get(key) ?? ''}`);
    expect(rowsOf(txn.scan({ gte, lt })), what).toEqual(expected);
    expect(rowsOf(txn.scan({ gte, lt, reverse: true })), what).toEqual(expected.reverse());
  }

  checkMoves(what: string): void {
    const [gte, lt] = [this.key(), `${this.key()}~`];
    const iterator = this.txn.iterator({ gte, lt });
    const keys = sortedKeys(this.rows).filter((key) => key >= gte && key < lt);
    const { rows } = this;
    let at = -1;
    for (let i = 0; i < 15; i++) {
      const target = this.key();
      const move = this.#random.below(6);
      if (move === 0) at = iterator.first() ? 0 : -1;
      else if (move === 1) at = iterator.last() ? keys.length - 1 : -1;
      else if (move === 2) {
        iterator.seek(target);
        at = keys.findIndex((key) => key >= target);
      } else if (move === 3) {
        iterator.seekForPrev(target);
        at = keys.findLastIndex((key) => key <= target);
      } else if (at >= 0) {
        if (move === 4) iterator.next();
        else iterator.prev();
        at = move === 4 ? (at + 1 < keys.length ? at + 1 : -1) : at - 1;
      }
      const key = keys[at];
      expect(iterator.valid, `${what} move ${i}`).toBe(key !== undefined);
      if (key === undefined) at = -1;
      else {
        expect([text(iterator.key), text(iterator.value)], what).toEqual([key, rows.get(key)]);
      }
      // What is written meanwhile is not for an iterator that is open.
      if (this.#random.chance(1, 8)) this.write(`later${i}`);
    }
    if (this.#random.chance(1, 2)) iterator.close();
  }
}

it('a transaction reads what a map with its writes has', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new Prng(seed);
    const { db } = await openSim(TINY);
    const rows: Rows = new Map();
    for (let i = 0; i < 10; i++) {
      const key = KEYS[random.below(KEYS.length)] as string;
      rows.set(key, `old${i}`);
      await db.put(key, `old${i}`);
      if (random.chance(1, 5)) await db.flush();
    }
    const twin = new Twin(db.begin({ isolation: 'snapshot' }), rows, random);
    await db.put(twin.key(), 'of somebody else', { version: 2 ** 40 });
    for (let step = 0; step < 30; step++) {
      const what = `SEED=${seed} step ${step}`;
      const kind = random.below(5);
      if (kind < 2) twin.write(`new${step}`);
      else if (kind === 2) twin.savepoints();
      else if (kind === 3) twin.checkReads(what);
      else twin.checkMoves(what);
    }
    twin.txn.rollback();
    const again = new Twin(db.begin(), new Map(rowsOf(db.scan()).map(pairOf)), random);
    for (let step = 0; step < 10; step++) again.write(`last${step}`);
    await again.txn.commit({ version: 2 ** 41 });
    const left = sortedKeys(again.rows).map((key) => `${key}=${again.rows.get(key) ?? ''}`);
    expect(rowsOf(db.scan()), `SEED=${seed} after the commit`).toEqual(left);
    await db.close();
  }
});

function pairOf(row: string): [string, string] {
  const [key, value] = row.split('=');
  return [key as string, value as string];
}
