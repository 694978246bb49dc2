/**
 * Functions run inside a transaction: begin, call, commit; again on a conflict.
 *
 * Before an attempt is repeated, everything that was written when it failed becomes visible: otherwise the next one
 * would begin before the write it had lost to. From the second repetition on it waits, longer each time, with
 * jitter, so that rivals part.
 */
import { ConflictError } from '../../base/errors.js';
import type { Env } from '../../base/env.js';
import type { Durability } from '../options.js';
import { checkNames, durabilityOf } from '../requests.js';
import type { BeginOptions, Oracle } from './oracle.js';
import type { Transaction } from './transaction.js';

export interface UpdateOptions extends Omit<BeginOptions, 'readOnly'> {
  /** Of the commit. Default: the database's. */
  readonly durability?: Durability;
}

export interface TransactionOptions extends UpdateOptions {
  /** Repetitions after a ConflictError of the commit, 0 to 1000. Default 10. */
  readonly retries?: number;
}

const RETRIES_DEFAULT = 10;
const RETRIES_MAX = 1000;
/** Longest wait before the second repetition; doubles up to BACKOFF_MS_MAX. */
const BACKOFF_MS_MIN = 2;
const BACKOFF_MS_MAX = 128;

const RUN_NAMES = new Set([
  'isolation',
  'timeoutMs',
  'readVersion',
  'detectConflicts',
  'durability',
  'retries',
]);

/** What a run needs beside the oracle. */
export interface RunHost {
  readonly env: Pick<Env, 'clock' | 'random'>;
  /** Resolves when everything written so far is visible. */
  untilVisible(): Promise<void>;
}

/**
 * Calls `fn` in a read-only transaction, which ends when `fn` returns, or when the promise it returns settles. Nothing is
 * committed: that it ended before matters to its reads only, which throw then.
 */
export function runView<T>(
  oracle: Oracle,
  fn: (transaction: Transaction) => T,
  options: Omit<BeginOptions, 'readOnly' | 'isolation'>,
): T {
  checkBody(fn);
  const transaction = oracle.begin({ ...options, readOnly: true });
  let isPending = false;
  try {
    const result = fn(transaction);
    if (!(result instanceof Promise)) return result;
    isPending = true;
    return result.finally(() => transaction.rollback()) as T;
  } finally {
    if (!isPending) transaction.rollback();
  }
}

/**
 * Calls `fn` in a transaction and commits it, again after a conflict. What `fn` throws rolls back and is thrown on.
 * Resolves only when the transaction is committed, or `fn` rolled it back: one that expired, that ended with the
 * database, or whose commit by `fn` fails rejects as that commit does, awaited by `fn` or not.
 */
export async function runTransaction<T>(
  oracle: Oracle,
  host: RunHost,
  fn: (transaction: Transaction) => T | Promise<T>,
  options: TransactionOptions,
): Promise<T> {
  checkBody(fn);
  checkNames(options, RUN_NAMES);
  const { retries = RETRIES_DEFAULT, durability, ...begin } = options;
  if (!Number.isInteger(retries) || retries < 0 || retries > RETRIES_MAX) {
    throw new RangeError(
      `Cannot run transaction: retries must be an integer from 0 to ${RETRIES_MAX}`,
    );
  }
  const how = durability === undefined ? {} : { durability };
  durabilityOf(how, 'os');
  for (let attempt = 0; ; attempt++) {
    const transaction = oracle.begin(begin);
    transaction.run();
    try {
      const result = await fn(transaction);
      await transaction.conclude(how);
      return result;
    } catch (error) {
      if (transaction.isOpen) transaction.rollback();
      // A commit that fn left may be under way; its outcome is not what fn threw.
      else await transaction.conclude(how).catch(() => undefined);
      if (!(error instanceof ConflictError) || attempt === retries) throw error;
      // One of another transaction is fn's.
      if (!transaction.hasFailedWith(error)) throw error;
    }
    await host.untilVisible();
    if (attempt > 0) await host.env.clock.sleep(backoffMs(host, attempt));
  }
}

function checkBody(fn: unknown): void {
  if (typeof fn !== 'function') {
    throw new TypeError('Cannot run transaction: what is to run in it must be a function');
  }
}

/** Between half and the whole of what the attempt allows. */
function backoffMs({ env }: RunHost, attempt: number): number {
  const longest = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(attempt - 1, 10));
  return Math.ceil(longest / 2 + (env.random.u32() / 2 ** 32) * (longest / 2));
}
