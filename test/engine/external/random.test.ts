/**
 * A random program of writes, range deletes, ingests, exports, snapshots, compactions, kills and reopens against a sorted map,
 * with background jobs cut into small steps between the writes.
 */
import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { type Db, openDb } from '../../../src/engine/db.js';
import { TableWriter } from '../../../src/engine/external/table-writer.js';
import { startJob } from '../../../src/engine/jobs.js';
import type { OpenOptions } from '../../../src/engine/options.js';
import type { Snapshot } from '../../../src/engine/snapshot.js';
import { randomSteps } from '../../../src/env/inline-executor.js';
import type { MemFs } from '../../../src/env/mem-fs.js';
import { createSimEnv, type SimEnv } from '../../../src/env/sim-env.js';
import { rowsOf, text, TINY, WORKDIR } from '../db-fixture.js';

const SEEDS = 12;
const STEPS = 120;
const KEYS = 60;

const OPTIONS: OpenOptions = { ...TINY, valueThreshold: 200, l0CompactionTrigger: 3 };

type Rows = Map<string, string>;

const linesOf = (rows: Rows): string[] =>
  [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => `${key}=${value}`);

const keyAt = (i: number): string => `k${String(i).padStart(3, '0')}`;

class Program {
  readonly random: Prng;
  rows: Rows = new Map();
  snapshots: { snapshot: Snapshot; rows: Rows }[] = [];
  db!: Db;
  env!: SimEnv;
  #fs: MemFs | undefined;
  #processes = 0;
  #tables = 0;
  readonly counts = { ingests: 0, kills: 0, exports: 0, levels: new Set<number>() };

  constructor(readonly seed: number) {
    this.random = new Prng(seed);
  }

  async open(): Promise<void> {
    this.#processes++;
    const seed = this.seed * 1000 + this.#processes;
    this.env = createSimEnv(seed, this.#fs, { startJob, policy: randomSteps(seed) });
    this.db = await openDb(this.env, WORKDIR, OPTIONS);
  }

  async run(): Promise<void> {
    await this.open();
    for (let step = 0; step < STEPS; step++) {
      await this.#step(this.random.below(100));
      this.#check(step);
    }
    for (const { snapshot } of this.snapshots.splice(0)) snapshot.close();
    await this.db.compact();
    this.#check(STEPS);
    await this.db.close();
  }

  async #step(choice: number): Promise<void> {
    if (choice < 35) await this.#write();
    else if (choice < 65) await this.#ingest();
    else if (choice < 72) await this.#deleteRange();
    else if (choice < 78) this.#pin();
    else if (choice < 84) this.#unpin();
    else if (choice < 89) await this.db.flush();
    else if (choice < 92) await this.db.compact();
    else if (choice < 96) await this.#exportAndIngest();
    else await this.#reopen(choice < 98);
  }

  async #write(): Promise<void> {
    const writes: Promise<void>[] = [];
    for (let i = 0; i < 1 + this.random.below(20); i++) writes.push(this.#put());
    await Promise.all(writes);
  }

  #put(): Promise<void> {
    const key = keyAt(this.random.below(KEYS));
    if (this.random.chance(1, 4)) {
      this.rows.delete(key);
      return this.db.del(key);
    }
    const value = `${this.random.below(1000)}${'x'.repeat(this.random.below(400))}`;
    this.rows.set(key, value);
    return this.db.put(key, value);
  }

  async #deleteRange(): Promise<void> {
    const from = this.random.below(KEYS - 1);
    const to = from + 1 + this.random.below(20);
    this.#clear(this.rows, keyAt(from), keyAt(to));
    await this.db.deleteRange(keyAt(from), keyAt(to));
  }

  #clear(rows: Rows, from: string, to: string): void {
    for (const key of [...rows.keys()]) if (key >= from && key < to) rows.delete(key);
  }

  /** Writes are in flight when it begins, and more come while it runs: these may only follow it. */
  async #ingest(): Promise<void> {
    const before = this.random.chance(1, 2) ? this.#put() : undefined;
    const { paths, apply } = await this.#build();
    const move = this.random.chance(1, 2);
    const ingest = this.db.ingest(paths, { move, verify: this.random.chance(1, 2) });
    apply(this.rows);
    const result = await ingest;
    await before;
    this.counts.ingests++;
    for (const { level } of result.tables) this.counts.levels.add(level);
    for (const path of paths) expect(this.env.fs.stat(path) === undefined).toBe(move);
  }

  async #build(): Promise<{ paths: string[]; apply: (rows: Rows) => void }> {
    const { random } = this;
    const name = `t${++this.#tables}`;
    const writer = new TableWriter(this.env, '/in', {
      name,
      tableBytes: 4096 + random.below(4096),
    });
    const changes: ((rows: Rows) => void)[] = [];
    let at = random.below(KEYS - 10);
    for (const end = Math.min(KEYS, at + 1 + random.below(40)); at < end; at++) {
      const key = keyAt(at);
      if (random.chance(1, 12)) {
        const to = keyAt(at + 1 + random.below(20));
        writer.deleteRange(key, to);
        // What the database held; rows of the tables come behind.
        changes.unshift((rows) => this.#clear(rows, key, to));
      }
      if (random.chance(1, 5)) {
        writer.del(key);
        changes.push((rows) => rows.delete(key));
      } else {
        const value = `i${random.below(1000)}${'y'.repeat(random.below(600))}`;
        writer.put(key, value);
        changes.push((rows) => rows.set(key, value));
      }
    }
    const tables = await writer.finish();
    return {
      paths: tables.map(({ file }) => file),
      apply: (rows) => {
        for (const change of changes) change(rows);
      },
    };
  }

  #pin(): void {
    this.snapshots.push({ snapshot: this.db.snapshot(), rows: new Map(this.rows) });
  }

  #unpin(): void {
    this.snapshots.shift()?.snapshot.close();
  }

  /** Of everything stored: nothing may change by it. */
  async #exportAndIngest(): Promise<void> {
    const name = `e${++this.#tables}`;
    const allVersions = this.random.chance(1, 2);
    const tables = await this.db.exportTables({}, '/out', { name, allVersions, tableBytes: 4096 });
    await this.db.ingest(tables.map(({ file }) => file));
    this.counts.exports++;
  }

  async #reopen(isKill: boolean): Promise<void> {
    this.snapshots = [];
    if (isKill) {
      this.counts.kills++;
      this.#fs = this.env.fs.killClone();
      this.env.fs.halt();
      this.env.executor.abandon();
    } else {
      await this.db.close();
      this.#fs = this.env.fs;
    }
    await this.open();
  }

  #check(step: number): void {
    const what = `seed ${this.seed}, step ${step}`;
    expect(rowsOf(this.db.scan()), what).toEqual(linesOf(this.rows));
    const key = keyAt(this.random.below(KEYS));
    expect(text(this.db.get(key)), `${what}, ${key}`).toBe(this.rows.get(key));
    for (const { snapshot, rows } of this.snapshots) {
      expect(rowsOf(this.db.scan({ snapshot })), what).toEqual(linesOf(rows));
      expect(text(this.db.get(key, { snapshot })), what).toBe(rows.get(key));
    }
  }
}

describe('ingests among everything else', () => {
  it('end as a sorted map does', async () => {
    const levels = new Set<number>();
    let ingests = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const program = new Program(seed);
      await program.run();
      ingests += program.counts.ingests;
      for (const level of program.counts.levels) levels.add(level);
    }
    expect(ingests).toBeGreaterThan(10 * SEEDS);
    expect(levels.size).toBeGreaterThan(3);
  }, 60_000);
});
