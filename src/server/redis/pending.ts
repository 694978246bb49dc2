/**
 * Changes that are decided and not yet committed. Commands run one after another in memory; what they change is seen
 * by the next one at once, through this overlay, and goes to the engine in batches: each is one atomic record of the
 * log, and only one is on its way at any time, so that what fails takes with it everything that was decided on top.
 *
 *   command -> open batch -> (end of the turn, or the batch before it is done) -> engine -> answered
 *
 * Of writes to the same key only the last one of a batch is written.
 *
 * A body's changes are in one batch, and can be taken back until it is over.
 */
import { BATCH_BYTES_MAX, MIB } from '../../base/limits.js';
import type { BatchOperation } from '../../engine/batch.js';
import type { CommitSignal, CommitWaiter } from '../../gateway/backend.js';
import { RedisError } from '../../gateway/reply.js';
import type { KeyCounts } from './layout.js';

/** One write. Its key, value and place are not altered; the engine takes it as it is. */
export class PendingWrite implements BatchOperation {
  readonly kind: number;
  readonly family: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly expiresAt: number;
  readonly version: number;
  readonly name: string;
  /** The write of the same key and batch that it replaces; known until the body is over. */
  previous: PendingWrite | undefined;

  constructor(
    kind: number,
    family: number,
    key: Uint8Array,
    value: Uint8Array,
    expiresAt: number,
    name: string,
    previous: PendingWrite | undefined,
  ) {
    this.kind = kind;
    this.family = family;
    this.key = key;
    this.value = value;
    this.expiresAt = expiresAt;
    this.version = 0;
    this.name = name;
    this.previous = previous;
  }
}

/** What is committed at once. */
export class PendingBatch implements CommitSignal {
  /** Later batches have greater ones. */
  readonly order: number;
  /** Handed to the engine; takes no more writes. */
  isSent: boolean;
  /** The last write of every key, by name. */
  writes: Map<string, PendingWrite>;
  /** Everything that was there before is deleted first. */
  isClearing: boolean;
  /** It holds nothing but the index entries of expired keys, deleted: no answer tells of it. */
  isForgetting: boolean;
  /** Keys and values, about. */
  bytes: number;
  /** Keys when all of it is done. */
  counts: KeyCounts;
  readonly promise: Promise<void>;
  #resolvePromise!: () => void;
  #rejectPromise!: (error: unknown) => void;
  readonly #waiters: CommitWaiter[];
  #lastResult: unknown;
  #lastAnswer: Promise<unknown> | undefined;

  constructor(order: number) {
    this.order = order;
    this.isSent = false;
    this.writes = new Map();
    this.isClearing = false;
    this.isForgetting = true;
    this.bytes = 0;
    this.counts = { keys: 0, expiring: 0 };
    this.promise = new Promise<void>((resolve, reject) => {
      this.#resolvePromise = resolve;
      this.#rejectPromise = reject;
    });
    this.#waiters = [];
    // Who has asked for an answer learns of the failure by that.
    this.promise.catch(() => undefined);
    this.#lastResult = undefined;
    this.#lastAnswer = undefined;
  }

  get isEmpty(): boolean {
    return this.writes.size === 0 && !this.isClearing;
  }

  notify(waiter: CommitWaiter): void {
    this.#waiters.push(waiter);
  }

  /** It is committed. */
  resolve(): void {
    this.#resolvePromise();
    for (const waiter of this.#waiters) waiter.onCommitted();
  }

  reject(error: unknown): void {
    this.#rejectPromise(error);
    for (const waiter of this.#waiters) waiter.onCommitFailed(error);
  }

  /** `result`, when the batch is committed. Many commands answer the same OK: they share a promise. */
  answer<T>(result: T): Promise<T> {
    if (this.#lastAnswer === undefined || this.#lastResult !== result) {
      this.#lastResult = result;
      this.#lastAnswer = this.promise.then(() => result);
    }
    return this.#lastAnswer as Promise<T>;
  }
}

/** What a batch was before a body deleted everything. */
interface Cleared {
  readonly writes: Map<string, PendingWrite>;
  readonly isClearing: boolean;
  readonly undo: PendingWrite[];
}

/** Another batch is begun when one has so much. */
const BATCH_BYTES_FULL = 16 * MIB;
const BATCH_WRITES_FULL = 64 * 1024;
/** What a write takes beside key and value, about. */
const WRITE_BYTES = 64;
/** Somewhat below that of the engine, which counts exactly. */
const BATCH_BYTES_LIMIT = BATCH_BYTES_MAX - 2 * BATCH_BYTES_FULL;

export class PendingWrites {
  /** Keys that are there, as of the last body; its owner counts. */
  count: number;
  /** Entries of the index of expiring keys, likewise. */
  expiring: number;
  /** Not committed, oldest first; the first may be on its way. */
  readonly batches: PendingBatch[];
  /** The newest batch that a read of the current body depends on. */
  met: PendingBatch | undefined;
  /** Where the current body writes; undefined before its first change. */
  #current: PendingBatch | undefined;
  /** The writes of the current body. */
  #undo: PendingWrite[];
  #cleared: Cleared | undefined;
  #countBefore: number;
  #expiringBefore: number;
  #lastOrder: number;

  constructor({ keys, expiring }: KeyCounts) {
    this.count = keys;
    this.expiring = expiring;
    this.batches = [];
    this.met = undefined;
    this.#current = undefined;
    this.#undo = [];
    this.#cleared = undefined;
    this.#countBefore = keys;
    this.#expiringBefore = expiring;
    this.#lastOrder = 0;
  }

  /** Everything is in the database: a read need not ask here. */
  get isEmpty(): boolean {
    return this.batches.length === 0;
  }

  /** Nothing of the database is seen any more, only what is here. */
  get isCleared(): boolean {
    for (const batch of this.batches) if (batch.isClearing) return true;
    return false;
  }

  /** Before each body. */
  begin(): void {
    this.met = undefined;
    this.#current = undefined;
    this.#countBefore = this.count;
    this.#expiringBefore = this.expiring;
  }

  /** The newest write of a key, or undefined: then the database knows, unless `isCleared`. Notes what was met. */
  find(name: string): PendingWrite | undefined {
    const { batches } = this;
    for (let i = batches.length - 1; i >= 0; i--) {
      const batch = batches[i] as PendingBatch;
      const write = batch.writes.get(name);
      if (write === undefined && !batch.isClearing) continue;
      if (this.met === undefined || batch.order > this.met.order) this.met = batch;
      return write;
    }
    return undefined;
  }

  /** As `find`, for what is no matter of an answer: notes nothing. */
  peek(name: string): PendingWrite | undefined {
    const { met } = this;
    const write = this.find(name);
    this.met = met;
    return write;
  }

  /** The newest write of every key, by name. */
  newest(): ReadonlyMap<string, PendingWrite> {
    const [first, ...later] = this.batches;
    if (first === undefined || later.length === 0) return first?.writes ?? new Map();
    const merged = new Map(first.writes);
    for (const { isClearing, writes } of later) {
      if (isClearing) merged.clear();
      for (const [name, write] of writes) merged.set(name, write);
    }
    return merged;
  }

  /** The current body has looked at every key. */
  meetAll(): void {
    const { batches } = this;
    let last = batches.length - 1;
    while (last >= 0 && (batches[last] as PendingBatch).isForgetting) last--;
    this.met = batches[last];
  }

  /** Keeps key and value, which are the receiver's from now on. @throws RedisError when it is too much at once */
  write(
    kind: number,
    family: number,
    key: Uint8Array,
    value: Uint8Array,
    expiresAt: number,
    name: string,
  ): void {
    const batch = this.#open();
    const bytes = key.length + value.length + WRITE_BYTES;
    if (batch.bytes + bytes > BATCH_BYTES_LIMIT) {
      throw new RedisError('ERR too much is written at once: the limit is 1 GiB');
    }
    const previous = batch.writes.get(name);
    const write = new PendingWrite(kind, family, key, value, expiresAt, name, previous);
    batch.writes.set(name, write);
    batch.bytes += bytes;
    this.#undo.push(write);
  }

  /** Deletes everything. */
  clear(): void {
    const batch = this.#open();
    const { writes, isClearing } = batch;
    this.#cleared ??= { writes, isClearing, undo: this.#undo };
    this.#undo = [];
    batch.writes = new Map();
    batch.isClearing = true;
    this.count = 0;
    this.expiring = 0;
  }

  /** The batch that the current body changed; undefined: it changed nothing. `isForgetting`: no key but expired ones. */
  end(isForgetting: boolean): PendingBatch | undefined {
    const batch = this.#current;
    if (batch === undefined) return undefined;
    if (!isForgetting) batch.isForgetting = false;
    const undo = this.#undo;
    for (let write = undo.pop(); write !== undefined; write = undo.pop()) {
      write.previous = undefined;
    }
    this.#cleared = undefined;
    batch.counts = { keys: this.count, expiring: this.expiring };
    return batch;
  }

  /** Takes back what the current body did; false when it did nothing. */
  rollback(): boolean {
    const batch = this.#current;
    if (batch === undefined) return false;
    const cleared = this.#cleared;
    if (cleared !== undefined) {
      batch.writes = cleared.writes;
      batch.isClearing = cleared.isClearing;
      this.#undo = cleared.undo;
      this.#cleared = undefined;
    }
    for (let write = this.#undo.pop(); write !== undefined; write = this.#undo.pop()) {
      if (write.previous === undefined) batch.writes.delete(write.name);
      else batch.writes.set(write.name, write.previous);
    }
    this.count = this.#countBefore;
    this.expiring = this.#expiringBefore;
    // It was begun for this body, and nobody waits for it.
    if (batch.isEmpty) this.batches.pop();
    return true;
  }

  /** The oldest batch is in the database. */
  committed(): void {
    this.batches.shift();
  }

  /** Nothing of what is here will be in the database, which has `counts` of keys. */
  fail(error: unknown, { keys, expiring }: KeyCounts): void {
    for (const batch of this.batches.splice(0)) batch.reject(error);
    this.count = keys;
    this.expiring = expiring;
  }

  /** The batch of the current body. */
  #open(): PendingBatch {
    if (this.#current !== undefined) return this.#current;
    let batch = this.batches.at(-1);
    if (batch === undefined || isClosed(batch)) {
      batch = new PendingBatch(++this.#lastOrder);
      this.batches.push(batch);
    }
    this.#current = batch;
    return batch;
  }
}

function isClosed(batch: PendingBatch): boolean {
  return batch.isSent || batch.bytes >= BATCH_BYTES_FULL || batch.writes.size >= BATCH_WRITES_FULL;
}
