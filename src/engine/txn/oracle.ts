/**
 * The oracle of transactions: gives out snapshots, decides which commits are in order, knows who is open.
 *
 * Why a commit's validation is exact. All writes of the database, transactional or not, get their sequence numbers
 * in WriteQueue, in the order in which they are encoded into the log; that order is the order of versions. A
 * transaction T reads at S, the highest number visible when it began.
 *
 * 1. Every write above S that was encoded before T's commit is in `recent`. Those encoded while a transaction is
 *    open are noted as they get their number, visible or not. Those that were encoded before the first one began,
 *    but are not visible yet (their group is open, or on its way to the disk with durability `disk`), lie above S,
 *    too: `queue.track` notes them when noting begins. Writes that wait for room have no number yet; they are noted
 *    when they get one. `recent` forgets numbers up to the oldest open S only.
 * 2. Validation runs when there is room for T's batch, in the same turn as its encoding (BatchGuard): nothing comes
 *    between. So what was validated is all that precedes T, and what T missed comes behind T and is checked against T:
 *    T's own entries are noted like all others.
 * 3. A write that T conflicts with may still fail on its way to the disk. T is refused then although nothing
 *    happened. The other way round cannot be: what T read was visible, and so durable as asked, at its begin; groups
 *    become visible in their order, so that T is never acknowledged before what it was validated against.
 *
 * So a serializable transaction behaves as if it had run at its place in the log, and one that only reads as if it
 * had run at S: serial order is the order of the numbers. A snapshot transaction validates its writes only.
 *
 * What counts as a conflict is a write to the key, whatever it wrote; a range delete writes every key of its range.
 * Expiry is no write: it is judged at the time of begin.
 *
 * Cost: nothing for reads; for a write one branch while no transaction that writes is open, else its key is copied.
 */
import { NokvError, type TransactionEnd } from '../../base/errors.js';
import type { Timer } from '../../base/env.js';
import type { BatchGuard, BatchOperation } from '../batch.js';
import type { KeyBuffer } from '../key.js';
import type { Durability } from '../options.js';
import { checkNames, checkVersion } from '../requests.js';
import type { Snapshot } from '../snapshot.js';
import type { WriteTracker } from '../write-group.js';
import { findConflict, findNewerVersion } from './conflicts.js';
import { RecentWrites } from './recent-writes.js';
import {
  type Isolation,
  Transaction,
  type TransactionHost,
  type TransactionParts,
  type TransactionSettings,
} from './transaction.js';

export interface BeginOptions {
  /** Refuses writes, needs no validation, and never conflicts. Default false. */
  readonly readOnly?: boolean;
  /** Default `serializable`. */
  readonly isolation?: Isolation;
  /** Ends it when it is open for longer; 0: never. Default: the option `transactionTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Reads see the newest entry of at most this version (managed writes); default: any. */
  readonly readVersion?: number;
  /** false: commits without validation; the last writer wins. Default true. */
  readonly detectConflicts?: boolean;
}

export interface TransactionCounters {
  started: number;
  committed: number;
  conflicts: number;
  rolledBack: number;
  failed: number;
  expired: number;
}

/** Of the write queue (write-queue.ts), what commits need. */
export interface CommitQueue {
  writeBatch(
    operations: readonly BatchOperation[],
    key: KeyBuffer,
    durability: Durability,
    guard: BatchGuard,
  ): Promise<void>;
  track(tracker: WriteTracker): void;
}

/** What the database does for the oracle. */
export interface OracleHost extends TransactionParts {
  /** @throws ClosedError, ReadOnlyError */
  mustWrite(call: string): CommitQueue;
  /** Pins the present. @throws ClosedError */
  snapshot(): Snapshot;
  /** Ends the noting of writes. */
  untrack(): void;
}

const BEGIN_NAMES = new Set([
  'readOnly',
  'isolation',
  'timeoutMs',
  'readVersion',
  'detectConflicts',
]);
/** Timers hold no longer delays. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

export class Oracle implements TransactionHost {
  readonly counters: TransactionCounters;
  readonly #host: OracleHost;
  /** Not over; oldest first. */
  readonly #open: Map<Transaction, Timer | undefined>;
  /** Those that are to be validated, oldest first: their snapshots never descend. */
  readonly #watching: Set<Transaction>;
  readonly #recent: RecentWrites;

  constructor(host: OracleHost) {
    this.counters = {
      started: 0,
      committed: 0,
      conflicts: 0,
      rolledBack: 0,
      failed: 0,
      expired: 0,
    };
    this.#host = host;
    this.#open = new Map();
    this.#watching = new Set();
    this.#recent = new RecentWrites(host.options.transactionHistoryBytes);
  }

  /** @throws ClosedError, ReadOnlyError, TypeError, RangeError */
  begin(options: BeginOptions = {}): Transaction {
    checkNames(options, BEGIN_NAMES);
    const settings = settingsOf(options);
    const timeoutMs = timeoutOf(options.timeoutMs ?? this.#host.options.transactionTimeoutMs);
    const queue = settings.isReadOnly ? undefined : this.#host.mustWrite('begin');
    const snapshot = this.#host.snapshot();
    const transaction = new Transaction(this.#host, this, snapshot, settings);
    if (queue !== undefined && settings.detectsConflicts) {
      if (this.#watching.size === 0) queue.track(this.#recent);
      this.#watching.add(transaction);
    }
    const timer =
      timeoutMs === 0
        ? undefined
        : this.#host.env.clock.setTimer(timeoutMs, () => transaction.end('expired'));
    this.#open.set(transaction, timer);
    this.counters.started++;
    return transaction;
  }

  write(transaction: Transaction, version: number, durability: Durability): Promise<void> {
    const queue = this.#host.mustWrite('commit');
    return queue.writeBatch(transaction.writes.operations(version), this.#host.key, durability, {
      validate: () => this.validate(transaction),
      placed: (lastSeq) => {
        transaction.placed(lastSeq);
        this.unpin(transaction);
      },
    });
  }

  /** Requires that it is not unpinned. @throws ConflictError */
  validate(transaction: Transaction): void {
    const { settings, snapshot, writes, reads } = transaction;
    if (!settings.detectsConflicts) return;
    const { readVersion } = settings;
    const state = this.#host.state();
    let conflict = findConflict(this.#recent, snapshot.seq, writes, reads);
    if (conflict === undefined && readVersion !== undefined && state !== undefined)
      conflict = findNewerVersion(state, snapshot.seq, readVersion, writes, reads);
    if (conflict === undefined) return;
    this.counters.conflicts++;
    throw conflict;
  }

  unpin(transaction: Transaction): void {
    transaction.snapshot.close();
    if (!this.#watching.delete(transaction)) return;
    const oldest = this.#watching.values().next().value;
    if (oldest !== undefined) {
      this.#recent.forget(oldest.snapshot.seq);
      return;
    }
    this.#host.untrack();
    this.#recent.clear();
  }

  ended(transaction: Transaction, end: TransactionEnd): void {
    this.#open.get(transaction)?.cancel();
    this.#open.delete(transaction);
    if (end === 'committed') this.counters.committed++;
    else if (end === 'failed') this.counters.failed++;
    else if (end === 'expired') this.counters.expired++;
    else this.counters.rolledBack++;
  }

  /** Ends all that are open; those being committed go on. */
  closeAll(): void {
    for (const transaction of [...this.#open.keys()]) transaction.end('closed');
  }

  /** Open scans and iterators of transactions. */
  get openScans(): number {
    let count = 0;
    for (const transaction of this.#open.keys()) count += transaction.openScans;
    return count;
  }

  inspect(nowMs: number): {
    active: number;
    readOnly: number;
    oldestMs: number | null;
    history: { rows: number; bytes: number; floor: number };
  } {
    const open = [...this.#open.keys()];
    const oldest = open[0];
    return {
      active: open.length,
      readOnly: open.filter((one) => one.settings.isReadOnly).length,
      oldestMs: oldest === undefined ? null : Math.max(0, nowMs - oldest.snapshot.createdMs),
      history: this.#recent.inspect(),
    };
  }
}

function settingsOf(options: BeginOptions): TransactionSettings {
  const { readOnly = false, isolation = 'serializable', detectConflicts = true } = options;
  if (typeof readOnly !== 'boolean' || typeof detectConflicts !== 'boolean') {
    throw new TypeError('Cannot begin: readOnly and detectConflicts must be true or false');
  }
  if (isolation !== 'snapshot' && isolation !== 'serializable') {
    throw new RangeError(
      `Cannot begin: isolation must be snapshot or serializable, not ${isolation as string}`,
    );
  }
  const readVersion = checkVersion(options.readVersion);
  return { isReadOnly: readOnly, isolation, detectsConflicts: detectConflicts, readVersion };
}

function timeoutOf(timeoutMs: number): number {
  if (Number.isInteger(timeoutMs) && timeoutMs >= 0 && timeoutMs <= TIMEOUT_MS_MAX)
    return timeoutMs;
  throw new NokvError(
    'NOKV_INVALID',
    `Cannot begin: timeoutMs must be an integer from 0 to ${TIMEOUT_MS_MAX}`,
  );
}
