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
import { checkNames } from '../requests.js';
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

/** Calls `fn` in a read-only transaction, which ends when `fn` returns, or when the promise it returns settles. */
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

/** Calls `fn` in a transaction and commits it, again after a conflict. What `fn` throws rolls back and is thrown on. */
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
  for (let attempt = 0; ; attempt++) {
    const transaction = oracle.begin(begin);
    const result = await callIn(transaction, fn);
    try {
      // fn may have ended it itself.
      if (transaction.isOpen)
        await transaction.commit(durability === undefined ? {} : { durability });
      return result;
    } catch (error) {
      if (!(error instanceof ConflictError) || attempt === retries) throw error;
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

async function callIn<T>(
  transaction: Transaction,
  fn: (transaction: Transaction) => T | Promise<T>,
): Promise<T> {
  try {
    return await fn(transaction);
  } catch (error) {
    if (transaction.isOpen) transaction.rollback();
    throw error;
  }
}

/** Between half and the whole of what the attempt allows. */
function backoffMs({ env }: RunHost, attempt: number): number {
  const longest = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(attempt - 1, 10));
  return Math.ceil(longest / 2 + (env.random.u32() / 2 ** 32) * (longest / 2));
}
