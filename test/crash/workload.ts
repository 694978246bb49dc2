/**
 * Workloads for the simulated disk. A step is plain data; `runSteps` runs them on a history. The reference
 * workload passes through everything that changes files: rotation of logs and value logs, flush, compaction,
 * value-log collection, manifest rewrite, range deletes, close and reopen; shortly, or over and over.
 */
import type { Prng } from '../../src/base/prng.js';
import { NokvError } from '../../src/base/errors.js';
import type { Db } from '../../src/engine/db.js';
import type { Durability } from '../../src/engine/options.js';
import type { History, Write } from './history.js';

export type Step =
  /** Operations issued together: they share a group. */
  | {
      readonly step: 'write';
      readonly operations: readonly (readonly Write[])[];
      readonly durability: Durability;
    }
  | { readonly step: 'flush' | 'compact' | 'collect' | 'sync' | 'settle' | 'reopen' };

export interface Host {
  db: Db;
  reopen: () => Promise<void>;
  /** Called after each step. */
  between: () => Promise<void>;
  /** How a step is waited for; by default as long as it takes. */
  wait?: <T>(what: string, promise: Promise<T>) => Promise<T>;
}

/** Runs steps; errors of the database are handed to `onError`, everything else is thrown. */
export async function runSteps(
  host: Host,
  history: History,
  steps: readonly Step[],
  onError: (error: NokvError, step: Step) => void = (error) => {
    throw error;
  },
): Promise<void> {
  for (const step of steps) {
    try {
      const run = runStep(host, history, step, onError);
      await (host.wait === undefined ? run : host.wait(step.step, run));
    } catch (error) {
      if (!(error instanceof NokvError)) throw error;
      onError(error, step);
    }
    await host.between();
  }
}

async function runStep(
  host: Host,
  history: History,
  step: Step,
  onError: (error: NokvError, step: Step) => void,
): Promise<void> {
  const { db } = host;
  switch (step.step) {
    case 'write': {
      const writes = step.operations.map((writes) => history.write(db, writes, step.durability));
      for (const error of await Promise.all(writes)) if (error !== undefined) onError(error, step);
      return;
    }
    case 'flush':
      return db.flush();
    case 'compact':
      return db.compact();
    case 'collect':
      await db.collectValueLog();
      return;
    case 'sync': {
      const end = history.beginSync();
      await db.sync();
      end();
      return;
    }
    case 'settle':
      return db.settle();
    case 'reopen':
      return host.reopen();
  }
}

type MakePut = (key: string, bytes: number) => Write;

/** Puts whose values all differ. */
function newPut(): MakePut {
  let stamp = 0;
  return (key, bytes) => ({ type: 'put', key, value: Buffer.alloc(bytes, `${stamp++}.`) });
}

const del = (key: string): Write => ({ type: 'del', key });
const range = (start: string, end: string): Write => ({ type: 'deleteRange', start, end });
const write = (durability: Durability, ...operations: (readonly Write[])[]): Step => ({
  step: 'write',
  operations,
  durability,
});

/** Rounds of the reference workload: one pass through everything, and more than 2,000 file operations. */
export const ROUNDS_SHORT = 3;
export const ROUNDS_LONG = 12;

/** `durability` is what writes ask for; some ask for `disk` in any case. */
export function referenceSteps(durability: Durability, rounds = ROUNDS_SHORT): Step[] {
  const steps: Step[] = [];
  const put = newPut();
  const add = (...more: Step[]): void => {
    steps.push(...more);
  };
  for (let round = 0; round < rounds; round++) {
    // Later rounds sync more often: every order of what is unsynced is tried, and that grows with its third power.
    const sync: Step[] = round < ROUNDS_SHORT ? [] : [{ step: 'sync' }];
    add(write(durability, [put('a1', 20)], [put('v1', 700)]));
    add(write(durability, [put('a2', 40), put('v2', 900), del('a0')]));
    add(write(durability, [put('b1', 9000)], [put('c1', 30)]));
    add(write('disk', [put('a3', 10)]));
    add(write(durability, [range('a2', 'a4'), put('a4', 5)]));
    if (round > 0) add({ step: 'flush' });
    add(write(durability, [put('v3', 20_000)], [put('v1', 500)], [put('a5', 0)]));
    add(...sync, write(durability, [del('v2')], [range('c', 'd')]));
    if (round === 1) add({ step: 'reopen' });
    add(
      write(durability, [put('v4', 30_000)]),
      write(durability, [put('v5', 25_000), put('a6', 60)]),
    );
    if (round === 1) add({ step: 'sync' });
    add(...sync);
    // Two of these fill the memtable: the log rotates by itself.
    add(write(durability, [put('b2', 28_000)]), write(durability, [put('b3', 24_000)]));
    add(
      write(durability, [put('v3', 400)]),
      write(durability, [put('b4', 15_000)], [put('a7', 33)]),
    );
    add(...sync, { step: 'settle' });
    if (round % 4 === 3) {
      add({ step: 'collect' }, write(durability, [range('a', 'b')], [put('v9', 1200)]));
      add({ step: round % 8 === 3 ? 'compact' : 'flush' }, write(durability, [put('a9', round)]));
      add({ step: 'reopen' });
    }
  }
  add(write(durability, [del('v4')], [put('v6', 800)]), { step: 'flush' }, { step: 'collect' });
  add(write(durability, [put('a8', 8)], [put('v1', 600)]), { step: 'compact' });
  add(write(durability, [put('v7', 350)], [del('a7')]), { step: 'reopen' });
  add(
    write(durability, [put('v8', 310), put('a9', 9)]),
    { step: 'sync' },
    write(durability, [del('a1')]),
  );
  return steps;
}

/** A shorter one for runs by the hundred; it rotates, flushes, compacts, collects and reopens once. */
export function faultSteps(durability: Durability): Step[] {
  const put = newPut();
  return [
    write(durability, [put('a1', 20)], [put('v1', 700)]),
    write(durability, [put('v2', 20_000), put('a2', 30)]),
    write('disk', [put('v3', 25_000)]),
    { step: 'flush' },
    write(durability, [put('v4', 24_000)], [del('a2')]),
    write(durability, [put('b1', 30_000)]),
    write(durability, [put('b2', 30_000)]),
    write(durability, [range('v1', 'v2'), put('a3', 3)]),
    write(durability, [put('b3', 20_000)], [put('v3', 400)]),
    { step: 'settle' },
    write(durability, [put('v2', 350)], [put('a1', 21)]),
    { step: 'collect' },
    write('disk', [put('a4', 4)]),
    { step: 'reopen' },
    write(durability, [put('v5', 900), put('a5', 5)]),
    { step: 'sync' },
    { step: 'compact' },
    write(durability, [del('v4')], [put('a6', 6)]),
  ];
}

/** Steps drawn from a seed. */
export function randomSteps(random: Prng, count: number, durability: Durability): Step[] {
  const steps: Step[] = [];
  const put = newPut();
  for (let i = 0; i < count; i++) {
    const kind = random.below(100);
    if (kind < 3) steps.push({ step: 'flush' });
    else if (kind < 5) steps.push({ step: 'compact' });
    else if (kind < 7) steps.push({ step: 'collect' });
    else if (kind < 10) steps.push({ step: 'sync' });
    else if (kind < 12) steps.push({ step: 'settle' });
    else if (kind < 14) steps.push({ step: 'reopen' });
    else steps.push(randomWrite(random, durability, put));
  }
  return steps;
}

function randomWrite(random: Prng, durability: Durability, put: MakePut): Step {
  const operations = Array.from({ length: 1 + random.below(4) }, () => {
    const size = random.chance(1, 4) ? 2 + random.below(5) : 1;
    return Array.from({ length: size }, () => randomPart(random, put));
  });
  const asked = durability === 'disk' || random.chance(1, 10) ? 'disk' : 'os';
  return { step: 'write', operations, durability: asked };
}

const KEYS = 24;
const keyOf = (index: number): string =>
  `${'abcv'[index % 4] as string}${String(index >> 2).padStart(2, '0')}`;

function randomPart(random: Prng, put: MakePut): Write {
  const key = keyOf(random.below(KEYS));
  const kind = random.below(20);
  if (kind < 3) return del(key);
  if (kind === 3) {
    const end = keyOf(random.below(KEYS));
    return key < end ? range(key, end) : range(key, `${key}z`);
  }
  return put(key, randomBytes(random));
}

function randomBytes(random: Prng): number {
  const kind = random.below(20);
  if (kind < 9) return random.below(200);
  if (kind < 16) return 300 + random.below(3000);
  return 5000 + random.below(25_000);
}
