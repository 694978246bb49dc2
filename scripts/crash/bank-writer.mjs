/**
 * The process that is killed under `crash.mjs --workload bank`: clients move money between accounts in concurrent
 * transactions, and an auditor adds it up. Tells the parent over descriptor 3, one line each:
 *
 *   O            open, and the accounts are there
 *   A id         a transfer is acknowledged: generation.client.number
 *   K n          so many commits were refused so far
 *   X text       something is wrong
 *
 * argv[2] is JSON: { workdir, seed, generation, options }.
 */
import { writeSync } from 'node:fs';
import { openDb } from '../../dist/engine/db.js';
import { createNodeEnv } from '../../dist/env/node-env.js';
import {
  accountKey,
  ACCOUNTS,
  balanceOf,
  CLIENTS,
  judgeBalances,
  openingKey,
  receiptKey,
  receiptOf,
  START,
  transferOf,
} from './bank-program.mjs';

const CHANNEL = 3;
/** Commits refused between two lines about them. */
const REPORT_CONFLICTS = 5;

const { workdir, seed, generation, options } = JSON.parse(process.argv[2]);
const announce = (line) => writeSync(CHANNEL, `${line}\n`);

function complain(what, error) {
  announce(`X ${what}: ${String(error?.stack ?? error).replaceAll('\n', ' ')}`);
  process.exit(3);
}

process.on('unhandledRejection', (error) => complain('unhandled rejection', error));

const nextTurn = () => new Promise(setImmediate);
let conflicts = 0;

/** Reads, then writes both accounts and the receipt; false when there is not enough. */
function move(txn, transfer, id) {
  const { from, to, partner, amount } = transfer;
  const balance = balanceOf(txn.get(accountKey(from)));
  const reserve = partner === undefined ? 0 : balanceOf(txn.get(accountKey(partner)));
  if (balance + reserve < amount) return false;
  txn.put(accountKey(from), String(balance - amount));
  txn.put(accountKey(to), String(balanceOf(txn.get(accountKey(to))) + amount));
  txn.put(id, receiptOf(transfer));
  return true;
}

/** Is the transfer acknowledged? */
async function transferOnce(db, transfer, id) {
  const { isolation, durability } = transfer;
  if (!transfer.isByHand) {
    return db.transaction((txn) => move(txn, transfer, id), { isolation, durability, retries: 3 });
  }
  const txn = db.begin({ isolation });
  txn.get(accountKey(transfer.from));
  await nextTurn(); // others come in between
  const isMoved = move(txn, transfer, id);
  await txn.commit({ durability });
  return isMoved;
}

async function client(db, number) {
  for (let i = 1; ; i++) {
    try {
      const id = receiptKey(generation, number, i);
      const transfer = transferOf(seed, generation, number, i);
      if (await transferOnce(db, transfer, id)) announce(`A ${generation}.${number}.${i}`);
    } catch (error) {
      if (error?.code !== 'NOKV_CONFLICT') complain(`transfer ${number}.${i}`, error);
      if (++conflicts % REPORT_CONFLICTS === 0) announce(`K ${conflicts}`);
    }
    await nextTurn();
  }
}

/** At any moment, in this process too, the money is all there. */
async function audit(db) {
  for (;;) {
    const wrong = db.view((txn) =>
      judgeBalances(
        Array.from({ length: ACCOUNTS }, (_, account) => balanceOf(txn.get(accountKey(account)))),
      ),
    );
    if (wrong !== undefined) complain('audit', wrong);
    await nextTurn();
  }
}

const env = createNodeEnv({ log: { write: () => undefined } });
const db = await openDb(env, workdir, options);
if (!db.has(accountKey(0))) {
  await db.transaction((txn) => {
    for (let account = 0; account < ACCOUNTS; account++) {
      txn.put(accountKey(account), String(START));
      txn.put(openingKey(account), String(START));
    }
  });
}
announce('O');
await Promise.all([
  ...Array.from({ length: CLIENTS }, (_, number) => client(db, number)),
  audit(db),
]);
