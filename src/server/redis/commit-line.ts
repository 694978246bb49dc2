/**
 * Sends batches of pending writes to the database, one after another. A batch waits for the end of the event loop's
 * turn, so that what all connections sent in it shares one record of the log and one sync; while one is on its way,
 * the next one fills.
 *
 * Every batch ends with the counts of keys. So the count is right after a crash at any moment, and its own sequence
 * number says whether anybody else has written since (stored-count.ts).
 */
import type { Clock } from '../../base/env.js';
import { KEY_BYTES_MAX } from '../../base/limits.js';
import type { BatchOperation } from '../../engine/batch.js';
import type { Db } from '../../engine/db.js';
import { FAMILY_DEFAULT, FAMILY_SYSTEM } from '../../engine/key.js';
import type { Durability } from '../../engine/options.js';
import {
  COUNT_KEY,
  EMPTY_KEY,
  encodeCount,
  EXPIRY_END,
  EXPIRY_PREFIX,
  type KeyCounts,
} from './layout.js';
import { deleteOf, putOf, rangeDeleteOf } from './operations.js';
import type { PendingBatch, PendingWrites } from './pending.js';

const FIRST_KEY = new Uint8Array(1);
/** Behind all but very strange keys. */
const USUAL_END = new Uint8Array(64).fill(0xff);

export class CommitLine {
  /** Of the batches sent from now on. */
  durability: Durability;
  /** The last batch failed. */
  hasFailed: boolean;
  readonly #db: Db;
  readonly #clock: Clock;
  readonly #pending: PendingWrites;
  readonly #nowMs: () => number;
  /** Called when nothing that was pending will ever be there. */
  readonly #onFailure: () => void;
  /** Of the database. */
  #committed: KeyCounts;
  #isScheduled: boolean;
  #isSending: boolean;

  constructor(
    parts: { db: Db; clock: Clock; pending: PendingWrites; nowMs: () => number },
    onFailure: () => void,
  ) {
    this.durability = parts.db.options.durability;
    this.hasFailed = false;
    this.#db = parts.db;
    this.#clock = parts.clock;
    this.#pending = parts.pending;
    this.#nowMs = parts.nowMs;
    this.#onFailure = onFailure;
    this.#committed = { keys: parts.pending.count, expiring: parts.pending.expiring };
    this.#isScheduled = false;
    this.#isSending = false;
  }

  /** There is something to send. */
  schedule(): void {
    if (this.#isScheduled || this.#isSending) return;
    this.#isScheduled = true;
    void this.#clock.nextTurn().then(() => {
      this.#isScheduled = false;
      this.#sendNext();
    });
  }

  /** Resolves when everything that is pending now has been committed, or has failed. */
  async settled(): Promise<void> {
    await this.#pending.batches.at(-1)?.promise.catch(() => undefined);
  }

  #sendNext(): void {
    const batch = this.#pending.batches[0];
    if (batch === undefined || this.#isSending) return;
    this.#isSending = true;
    batch.isSent = true;
    this.#db.commit(this.#operationsOf(batch), this.durability).then(
      () => this.#onCommitted(batch),
      (error: unknown) => this.#failed(error),
    );
  }

  #onCommitted(batch: PendingBatch): void {
    this.#isSending = false;
    this.hasFailed = false;
    this.#committed = batch.counts;
    this.#pending.committed();
    batch.resolve();
    this.#sendNext();
  }

  /** Later batches were decided on what this one would have changed: none of them may happen. */
  #failed(error: unknown): void {
    this.#isSending = false;
    this.hasFailed = true;
    this.#pending.fail(error, this.#committed);
    this.#onFailure();
  }

  #operationsOf(batch: PendingBatch): BatchOperation[] {
    const operations: BatchOperation[] = batch.isClearing ? this.#clearing() : [];
    for (const write of batch.writes.values()) operations.push(write);
    const value = encodeCount(batch.counts, this.#nowMs());
    operations.push(putOf(FAMILY_SYSTEM, COUNT_KEY, value));
    return operations;
  }

  /** Deletes everything that is in the database; no other batch is on its way. */
  #clearing(): BatchOperation[] {
    const operations = [
      deleteOf(FAMILY_SYSTEM, EMPTY_KEY),
      rangeDeleteOf(FAMILY_SYSTEM, EXPIRY_PREFIX, EXPIRY_END),
    ];
    const iterator = this.#db.iterator();
    const last = iterator.last() ? iterator.key : FIRST_KEY;
    iterator.close();
    let end: Uint8Array = USUAL_END;
    if (Buffer.compare(last, USUAL_END) >= 0) {
      // A range ends before a key, and the longest keys have no successor.
      if (last.length === KEY_BYTES_MAX) {
        operations.push(deleteOf(FAMILY_DEFAULT, last));
        end = last;
      } else {
        end = new Uint8Array(last.length + 1);
        end.set(last);
      }
    }
    operations.push(rangeDeleteOf(FAMILY_DEFAULT, FIRST_KEY, end));
    return operations;
  }
}
