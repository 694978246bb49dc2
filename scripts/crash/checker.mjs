/**
 * Opens what a kill left and compares it with the model: the content must be that after some operation k of
 * the generation, at least the last acknowledged one, and nothing else. Operations are written in the order
 * in which they were issued, so that a batch that is torn, a write that is missing and one that was never
 * made all fail to match every k.
 */
import { openDb } from '../../dist/engine/db.js';
import { createNodeEnv } from '../../dist/env/node-env.js';
import { NodeExecutor } from '../../dist/env/node-executor.js';
import { apply, issue, KEY_COUNT, keyName, rowBytes, WINDOW } from './program.mjs';

const silent = { write: () => undefined };
/** Operations written after a check, so that the reopened database is seen to work. */
const RUN_ON = 20;

export class Violation extends Error {}

/** Every row by scan, compared with get and a reverse scan. */
function readAll(db) {
  const forward = db.scan().take(KEY_COUNT + 1);
  const backward = db
    .scan({ reverse: true })
    .take(KEY_COUNT + 1)
    .reverse();
  if (forward.length !== backward.length) {
    throw new Violation(`scan finds ${forward.length} rows, reverse scan ${backward.length}`);
  }
  const found = new Map();
  forward.forEach(({ key, value }, i) => {
    const name = Buffer.from(key).toString();
    const other = backward[i];
    if (Buffer.compare(other.key, key) !== 0 || Buffer.compare(other.value, value) !== 0) {
      throw new Violation(`scan and reverse scan differ at ${name}`);
    }
    found.set(name, Buffer.from(value));
  });
  for (let key = 0; key < KEY_COUNT; key++) {
    const name = keyName(key);
    const got = db.get(name);
    const scanned = found.get(name);
    if (got === undefined ? scanned !== undefined : scanned?.equals(got) !== true) {
      throw new Violation(`get and scan differ at ${name}`);
    }
  }
  return found;
}

const isRight = (found, row) =>
  row === undefined ? found === undefined : found !== undefined && rowBytes(row).equals(found);

/**
 * Finds k and brings the model to it. `acknowledged` is the highest operation that the parent heard of: what
 * was acknowledged behind it, and what was in flight then, is at most a window each.
 */
export function matchPrefix(found, model, seed, generation, acknowledged) {
  for (let n = 1; n <= acknowledged; n++) apply(model, seed, generation, n);
  const wrong = new Set();
  const judge = (key) => {
    if (isRight(found.get(keyName(key)), model[key])) wrong.delete(key);
    else wrong.add(key);
  };
  for (let key = 0; key < KEY_COUNT; key++) judge(key);
  let expected = '';
  for (const name of found.keys()) if (!/^k\d{3}$/.test(name)) expected = name;
  if (expected !== '') throw new Violation(`a key that was never written: ${expected}`);
  let closest = { k: acknowledged, wrong: KEY_COUNT + 1, text: '' };
  for (let k = acknowledged; ; k++) {
    if (wrong.size === 0) return k;
    if (wrong.size < closest.wrong) {
      const text = [...wrong]
        .slice(0, 5)
        .map((key) => describe(key, found, model))
        .join('; ');
      closest = { k, wrong: wrong.size, text };
    }
    if (k === acknowledged + 2 * WINDOW) break;
    for (const key of apply(model, seed, generation, k + 1)) judge(key);
  }
  throw new Violation(
    `content matches no operation from ${acknowledged} on; closest is ${closest.k} with ` +
      `${closest.wrong} wrong keys: ${closest.text}`,
  );
}

function describe(key, found, model) {
  const value = found.get(keyName(key));
  const seen =
    value === undefined ? 'absent' : `${value.length} bytes "${value.subarray(0, 16).toString()}"`;
  const row = model[key];
  return `${keyName(key)} is ${seen}, was ${row === undefined ? 'absent' : `${row.length} bytes "${row.tag}|"`}`;
}

/** Keeps its workers from one check to the next: starting them takes longer than the check. */
export class Checker {
  #executor = new NodeExecutor({});

  /**
   * Opens, compares, with `runOn` (a generation) goes on writing, closes in order. Brings `model` to what is
   * on the disk then. Returns { k, openMs, recovery }.
   */
  async check(workdir, options, model, life, runOn) {
    const { seed, generation, acknowledged } = life;
    const executor = {
      run: (lane, job) => this.#executor.run(lane, job),
      close: async () => undefined,
    };
    const env = { ...createNodeEnv({ log: silent }), executor };
    const start = performance.now();
    const db = await openDb(env, workdir, options);
    const openMs = performance.now() - start;
    try {
      const k = matchPrefix(readAll(db), model, seed, generation, acknowledged);
      if (runOn !== undefined) await goOn(db, model, seed, runOn);
      return { k, openMs, recovery: db.recovery };
    } finally {
      await db.close();
    }
  }

  close() {
    return this.#executor.close();
  }
}

async function goOn(db, model, seed, generation) {
  const writes = [];
  for (let n = 1; n <= RUN_ON; n++) writes.push(issue(db, seed, generation, n));
  await Promise.all(writes);
  const k = matchPrefix(readAll(db), model, seed, generation, RUN_ON);
  if (k !== RUN_ON) throw new Violation('content after going on differs');
}
