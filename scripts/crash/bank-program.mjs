/**
 * The bank of `crash.mjs --workload bank`: accounts, and transfers that leave a receipt in their transaction. A transfer
 * is a pure function of (seed, generation, client, number), so that a receipt can be checked by its name.
 *
 * The first accounts may be used by anybody and must not be overdrawn. The others come in pairs: a pair together must
 * not be overdrawn, which only serializable transactions can promise (else write skew does it).
 */
import { randomFrom } from './program.mjs';

export const CLIENTS = 8;
export const START = 1000;
/** Single accounts, then those in pairs. Few, so that transfers collide. */
const SINGLES = 12;
export const ACCOUNTS = SINGLES + 8;
export const TOTAL = ACCOUNTS * START;

const number = (index) => String(index).padStart(2, '0');
export const accountKey = (index) => `account:${number(index)}`;
/** The balance that the receipts start from. */
export const openingKey = (index) => `opening:${number(index)}`;
export const RECEIPTS = 'receipt:';
/** The end of the receipts' range. */
export const RECEIPTS_END = 'receipt;';
export const receiptKey = (generation, client, i) => `${RECEIPTS}${generation}.${client}.${i}`;

export const balanceOf = (value) => Number(Buffer.from(value).toString());

/** The other one of the pair; undefined for a single account. */
const partnerOf = (account) =>
  account < SINGLES ? undefined : SINGLES + ((account - SINGLES) ^ 1);

export function transferOf(seed, generation, client, i) {
  const random = randomFrom(seed, generation, client, i);
  const from = random.below(ACCOUNTS);
  const to = (from + 1 + random.below(ACCOUNTS - 1)) % ACCOUNTS;
  const partner = partnerOf(from);
  const isPaddedMuch = random.below(4) === 0;
  return {
    from,
    to,
    partner,
    amount: 1 + random.below(random.below(4) === 0 ? 1500 : 100),
    isolation: partner !== undefined || random.below(2) === 0 ? 'serializable' : 'snapshot',
    durability: random.below(8) === 0 ? 'disk' : 'os',
    /** Begin, read, wait a turn, write and commit by hand, else by db.transaction. */
    isByHand: random.below(2) === 0,
    padding: random.below(isPaddedMuch ? 5000 : 200),
  };
}

export function receiptOf({ from, to, amount, padding }) {
  return `${from} ${to} ${amount}|${'.'.repeat(padding)}`;
}

/** { from, to, amount } of a receipt found, when it is the one that was meant; else undefined. */
export function readReceipt(key, value, seed) {
  const [generation, client, i] = key.slice(RECEIPTS.length).split('.').map(Number);
  const transfer = transferOf(seed, generation, client, i);
  return value === receiptOf(transfer) ? transfer : undefined;
}

/** What is wrong with these balances, undefined when nothing is. */
export function judgeBalances(balances) {
  const sum = balances.reduce((total, one) => total + one, 0);
  if (sum !== TOTAL) return `the accounts hold ${sum}, not ${TOTAL}: ${balances.join(' ')}`;
  for (let account = 0; account < ACCOUNTS; account++) {
    const partner = partnerOf(account);
    const held = balances[account] + (partner === undefined ? 0 : balances[partner]);
    if (held < 0) return `account ${account} is overdrawn: ${balances.join(' ')}`;
  }
  return undefined;
}
