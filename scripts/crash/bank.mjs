/**
 * `crash.mjs --workload bank`: kills the bank (bank-writer.mjs) at any moment, over and over on the same workdir, and
 * checks after each kill that the money is all there, that the receipts found explain every balance, so that every
 * transfer is there whole or not at all, and that no acknowledged one is missing.
 *
 * Every other check is made on a copy, so that the next life recovers a crash of a recovery. When there are many
 * receipts, the checker takes them into the opening balances, in one transaction.
 */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDb } from '../../dist/engine/db.js';
import { createNodeEnv } from '../../dist/env/node-env.js';
import { NodeExecutor } from '../../dist/env/node-executor.js';
import {
  accountKey,
  ACCOUNTS,
  balanceOf,
  judgeBalances,
  openingKey,
  readReceipt,
  RECEIPTS,
  RECEIPTS_END,
} from './bank-program.mjs';
import { rollOptions } from './options.mjs';
import { randomFrom } from './program.mjs';

/** A life ends so many milliseconds after it opened, at most; or so many after it began, before it has opened. */
const LIFE_MS = 300;
const OPENING_MS = 120;
/** Of the lives, one in so many is to end before the bank is open. */
const EARLY_ONE_IN = 8;
const RECEIPTS_MAX = 2000;

/** One life. Resolves when it is dead: { acknowledged, conflicts, errors }. */
function live(writer, given, random) {
  const child = spawn(process.execPath, [writer, JSON.stringify(given)], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  const life = { acknowledged: [], conflicts: 0, errors: [] };
  const kill = () => child.kill('SIGKILL');
  let timer =
    random.below(EARLY_ONE_IN) === 0 ? setTimeout(kill, random.below(OPENING_MS)) : undefined;
  const afterMs = random.below(LIFE_MS);
  const onLine = (line) => {
    const text = line.slice(2);
    if (line[0] === 'A') life.acknowledged.push(RECEIPTS + text);
    else if (line[0] === 'K') life.conflicts = Number(text);
    else if (line[0] === 'O') timer ??= setTimeout(kill, afterMs);
    else life.errors.push(text);
  };
  return new Promise((resolve) => {
    let rest = '';
    child.stdio[3].setEncoding('utf8').on('data', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) onLine(line);
    });
    child.stderr.setEncoding('utf8').on('data', (text) => life.errors.push(text));
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (signal !== 'SIGKILL') life.errors.push(`the bank ended by itself: ${code}, ${signal}`);
      resolve(life);
    });
  });
}

/** The transfers on the disk, by receipt. @throws when one is not what its name says */
function readReceipts(db, seed) {
  const receipts = new Map();
  for (const { key, value } of db.scan({ prefix: RECEIPTS })) {
    const name = Buffer.from(key).toString();
    const transfer = readReceipt(name, Buffer.from(value).toString(), seed);
    if (transfer === undefined) throw new Error(`${name} is not the receipt that was written`);
    receipts.set(name, transfer);
  }
  return receipts;
}

/** What is on the disk against what was promised; the receipts. @throws when something is wrong */
function checkBooks(db, seed, promised) {
  const balances = [];
  const explained = [];
  for (let account = 0; account < ACCOUNTS; account++) {
    const [value, opening] = db.getMany([accountKey(account), openingKey(account)]);
    if ((value === undefined) !== (db.get(accountKey(0)) === undefined) || !value !== !opening)
      throw new Error(`the opening of the bank is torn at account ${account}`);
    if (value === undefined) continue;
    balances.push(balanceOf(value));
    explained.push(balanceOf(opening));
  }
  const receipts = readReceipts(db, seed);
  const lost = promised.filter((name) => !receipts.has(name));
  if (lost.length > 0)
    throw new Error(`${lost.length} acknowledged transfers are gone: ${lost[0]}`);
  if (balances.length === 0) {
    if (receipts.size > 0) throw new Error('there are receipts without a bank');
    return receipts;
  }
  const wrong = judgeBalances(balances);
  if (wrong !== undefined) throw new Error(wrong);
  for (const { from, to, amount } of receipts.values()) {
    explained[from] -= amount;
    explained[to] += amount;
  }
  for (let account = 0; account < ACCOUNTS; account++) {
    if (balances[account] === explained[account]) continue;
    const found = `${balances[account]}, its receipts come to ${explained[account]}`;
    throw new Error(`account ${account} holds ${found}`);
  }
  return receipts;
}

/** Balances become opening balances, and receipts go. */
async function closeBooks(db) {
  await db.transaction((txn) => {
    for (let account = 0; account < ACCOUNTS; account++)
      txn.put(openingKey(account), txn.get(accountKey(account)));
    txn.deleteRange(RECEIPTS, RECEIPTS_END);
  });
}

/** Resolves with the summary. `settings`: { cycles, seed, durability, workdir, writer }. */
export async function runBank({ cycles, seed, durability, workdir: given, writer }) {
  const base = given ?? mkdtempSync(join(tmpdir(), 'nokv-bank-'));
  mkdirSync(base, { recursive: true });
  const workdir = join(base, 'bank');
  const executor = new NodeExecutor({});
  const lane = { run: (name, job) => executor.run(name, job), close: async () => undefined };
  const env = { ...createNodeEnv({ log: { write: () => undefined } }), executor: lane };
  const totals = { kills: 0, acknowledged: 0, beyond: 0, conflicts: 0 };
  /** Receipts that must be there. */
  let promised = [];
  let where = '';
  let violation = null;
  try {
    for (let i = 1; i <= cycles; i++) {
      const random = randomFrom(seed, i);
      const options = rollOptions(random, durability, 0);
      where = `cycle ${i}, options ${JSON.stringify(options)}`;
      const life = await live(writer, { workdir, seed, generation: i, options }, random);
      if (life.errors.length > 0) throw new Error(`the bank reports: ${life.errors.join(' | ')}`);
      totals.kills++;
      totals.acknowledged += life.acknowledged.length;
      totals.conflicts += life.conflicts;
      promised.push(...life.acknowledged);
      const isCopy = existsSync(workdir) && random.below(2) === 0;
      const checked = isCopy ? `${workdir}.copy` : workdir;
      if (isCopy) cpSync(workdir, checked, { recursive: true });
      where += isCopy ? ', copy' : ', in place';
      const db = await openDb(env, checked, rollOptions(random, durability, 0));
      const receipts = checkBooks(db, seed, promised);
      const heardOf = new Set(promised);
      for (const name of receipts.keys())
        if (name.startsWith(`${RECEIPTS}${i}.`) && !heardOf.has(name)) totals.beyond++;
      const isFull = !isCopy && receipts.size > RECEIPTS_MAX;
      if (isFull) await closeBooks(db);
      if (isFull) checkBooks(db, seed, (promised = []));
      await db.close();
      if (isCopy) rmSync(checked, { recursive: true, force: true });
    }
  } catch (error) {
    violation = String(error?.stack ?? error);
  }
  await executor.close();
  const ok = violation === null;
  if (ok) rmSync(given === undefined ? base : workdir, { recursive: true, force: true });
  return { ok, workload: 'bank', seed, durability, ...totals, violation, where, workdir };
}

export function printBank(result) {
  const { kills, acknowledged, beyond, conflicts, seed, durability } = result;
  console.log(`bank: ${kills} kills, durability ${durability}, seed ${seed}`);
  console.log(
    `transfers acknowledged ${acknowledged}, found beyond ${beyond}, commits refused ${conflicts} and more`,
  );
  if (result.ok) return;
  console.log(`VIOLATION: ${result.violation}`);
  console.log(`at ${result.where}`);
  console.log(`kept: ${result.workdir} (and what lies beside it)`);
}
