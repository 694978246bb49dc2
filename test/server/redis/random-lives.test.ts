/**
 * Random commands on the embedded backend, against a plain model, over several lives of a simulated machine that end
 * by kill or power cut at any operation of the disk. After each: what is found is a state of the history, none older than
 * what was acknowledged, and the count of keys is right. SEED=n runs one seed, RUNS=n so many.
 */
import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { openDb } from '../../../src/engine/db.js';
import { startJob } from '../../../src/engine/jobs.js';
import type { MemFs } from '../../../src/env/mem-fs.js';
import { SimClock } from '../../../src/env/sim-clock.js';
import { createSimEnv, type SimEnv } from '../../../src/env/sim-env.js';
import { ALL_KEYS } from '../../../src/gateway/backend.js';
import { type EmbeddedBackend, openEmbeddedBackend } from '../../../src/server/embedded-backend.js';
import { TINY, WORKDIR } from '../../engine/db-fixture.js';

const FIRST = Number(process.env['SEED'] ?? '1');
const RUNS = Number(process.env['RUNS'] ?? (process.env['SEED'] === undefined ? '30' : '1'));
const LIVES = 4;
const COMMANDS = 120;

interface Row {
  readonly value: string;
  readonly expiresAt: number;
}
type State = ReadonlyMap<string, Row>;

function liveRows(state: State, nowMs: number): string[] {
  return [...state]
    .filter(([, { expiresAt }]) => expiresAt === 0 || expiresAt > nowMs)
    .map(([key, { value, expiresAt }]) => `${key}=${value}@${expiresAt}`)
    .sort();
}

/** What a client finds: every key with its value and expiry. */
function foundRows(backend: EmbeddedBackend): string[] | Promise<string[]> {
  return backend.update(ALL_KEYS, (view) =>
    Array.from(view.keysAfter(undefined), (key) => {
      const { bytes, expiresAt } = view.get(key) ?? { bytes: key, expiresAt: -1 };
      return `${Buffer.from(key).toString('latin1')}=${Buffer.from(bytes).toString('latin1')}@${expiresAt}`;
    }).sort(),
  );
}

/** Of rows as `liveRows` gives them: all, and those that expire. */
function countsOf(rows: readonly string[]): [number, number] {
  return [rows.length, rows.filter((row) => !row.endsWith('@0')).length];
}

function foundCounts(backend: EmbeddedBackend): [number, number] | Promise<[number, number]> {
  return backend.update(ALL_KEYS, (view) => [view.size(), view.expiring()]);
}

/** All states so far, and how far they are acknowledged. */
class History {
  readonly states: State[] = [new Map()];
  acknowledged = 0;

  get newest(): State {
    return this.states.at(-1) as State;
  }

  push(state: State): void {
    this.states.push(state);
  }

  /** The one state that is left, after a crash. */
  reset(state: State): void {
    this.states.splice(0, this.states.length, state);
    this.acknowledged = 0;
  }
}

class Life {
  readonly #backend: EmbeddedBackend;
  readonly #env: SimEnv;
  readonly #random: Prng;
  readonly #history: History;
  readonly #unanswered: Promise<unknown>[] = [];

  constructor(backend: EmbeddedBackend, env: SimEnv, random: Prng, history: History) {
    this.#backend = backend;
    this.#env = env;
    this.#random = random;
    this.#history = history;
  }

  async run(): Promise<void> {
    for (let i = 0; i < COMMANDS; i++) {
      this.#command();
      if (this.#random.chance(1, 6)) await this.#env.clock.nextTurn();
      if (this.#random.chance(1, 20)) await Promise.all(this.#unanswered.splice(0));
      if (this.#random.chance(1, 10)) this.#env.clock.advance(this.#random.below(400));
    }
    await Promise.all(this.#unanswered.splice(0));
  }

  #key(): string {
    const number = this.#random.below(14);
    return number === 0 ? '' : number === 1 ? '\xff\0key' : `key${number}`;
  }

  #command(): void {
    const choice = this.#random.below(100);
    if (choice < 55) this.#set();
    else if (choice < 75) this.#delete();
    else if (choice < 80) this.#several();
    else if (choice < 82) this.#clear();
    else if (choice < 86) void this.#backend.expireSome();
    else if (choice < 93) this.#checkSize();
    else this.#checkRows();
  }

  /** Runs a change of the store, and of the model. */
  #change(
    rows: (state: Map<string, Row>) => void,
    body: Parameters<EmbeddedBackend['update']>[1],
  ): void {
    const state = new Map(this.#history.newest);
    rows(state);
    const done = this.#backend.update(ALL_KEYS, body);
    this.#history.push(state);
    const index = this.#history.states.length - 1;
    const acknowledge = (): void => {
      this.#history.acknowledged = Math.max(this.#history.acknowledged, index);
    };
    if (done instanceof Promise) this.#unanswered.push(done.then(acknowledge));
  }

  #put(state: Map<string, Row>, key: string, row: Row): void {
    const isLive = row.expiresAt === 0 || row.expiresAt > this.#env.clock.nowMs();
    if (isLive) state.set(key, row);
    else state.delete(key);
  }

  #row(): Row {
    const value = String(this.#random.u32()).repeat(1 + this.#random.below(20));
    const hasExpiry = this.#random.chance(1, 2);
    // Some are over already.
    const expiresAt = this.#env.clock.nowMs() + this.#random.below(600) - 10;
    return { value, expiresAt: hasExpiry ? expiresAt : 0 };
  }

  #set(): void {
    const key = this.#key();
    const row = this.#row();
    this.#change(
      (state) => this.#put(state, key, row),
      (view) => view.set(Buffer.from(key, 'latin1'), Buffer.from(row.value), row.expiresAt),
    );
  }

  #delete(): void {
    const key = this.#key();
    this.#change(
      (state) => state.delete(key),
      (view) => view.delete(Buffer.from(key, 'latin1')),
    );
  }

  #several(): void {
    const rows = Array.from({ length: 4 }, () => [this.#key(), this.#row()] as const);
    this.#change(
      (state) => {
        for (const [key, row] of rows) this.#put(state, key, row);
      },
      (view) => {
        for (const [key, { value, expiresAt }] of rows) {
          view.set(Buffer.from(key, 'latin1'), Buffer.from(value), expiresAt);
        }
      },
    );
  }

  #clear(): void {
    this.#change(
      (state) => state.clear(),
      (view) => view.clear(),
    );
  }

  #checkSize(): void {
    const wanted = countsOf(liveRows(this.#history.newest, this.#env.clock.nowMs()));
    const found = foundCounts(this.#backend);
    this.#unanswered.push(Promise.resolve(found).then((counts) => expect(counts).toEqual(wanted)));
  }

  #checkRows(): void {
    const wanted = liveRows(this.#history.newest, this.#env.clock.nowMs());
    const found = Promise.resolve(foundRows(this.#backend));
    this.#unanswered.push(found.then((rows) => expect(rows).toEqual(wanted)));
  }
}

interface Crash {
  readonly disk: MemFs;
  readonly acknowledged: number;
}

/** Lives until the crash, or to its end; gives the disk as it is then. */
async function live(
  env: SimEnv,
  random: Prng,
  history: History,
  isPowerCut: boolean,
): Promise<Crash> {
  let crash: Crash | undefined;
  const copy = (): Crash => ({
    disk: isPowerCut ? env.fs.crashClone({ seed: random.u32() }) : env.fs.killClone(),
    acknowledged: history.acknowledged,
  });
  const crashAt = env.fs.operationCount + 1 + random.below(220);
  env.fs.onOperation = ({ index }, when) => {
    if (when === 'before' && index === crashAt) crash = copy();
  };
  const db = await openDb(env, WORKDIR, { ...TINY, durability: isPowerCut ? 'disk' : 'os' });
  const backend = await openEmbeddedBackend(env, db);
  await new Life(backend, env, random, history).run();
  crash ??= copy();
  await backend.close();
  await db.close();
  return crash;
}

/** Opens what the crash left, finds the state it is in, and leaves the history with that one. */
async function check(env: SimEnv, history: History, acknowledged: number): Promise<void> {
  const db = await openDb(env, WORKDIR, TINY);
  const backend = await openEmbeddedBackend(env, db);
  const nowMs = env.clock.nowMs();
  const found = await foundRows(backend);
  const candidates = history.states.slice(acknowledged);
  const state = candidates.find((one) => liveRows(one, nowMs).join('|') === found.join('|'));
  expect(state, `found ${found.join(' ')}`).toBeDefined();
  expect(await foundCounts(backend)).toEqual(countsOf(found));
  history.reset(state as State);
  await backend.close();
  await db.close();
}

describe('random commands over several lives', () => {
  it.each(Array.from({ length: RUNS }, (_, i) => FIRST + i))('seed %i', async (seed) => {
    const random = new Prng(seed);
    const history = new History();
    const clock = new SimClock();
    const process = (disk?: MemFs): SimEnv => createSimEnv(seed, disk, { startJob, clock });
    let env = process();
    for (let life = 0; life < LIVES; life++) {
      const isPowerCut = random.chance(1, 3);
      const { disk, acknowledged } = await live(env, random, history, isPowerCut);
      env = process(disk);
      await check(env, history, acknowledged);
      env = process(env.fs);
    }
  });
});
