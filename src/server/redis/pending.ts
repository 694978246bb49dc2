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
import { BATCH_BYTES_MAX } from '../../base/limits.js';
import type { BatchOperation } from '../../engine/batch.js';
import { RedisError } from '../../gateway/reply.js';

/** One write. Its key, value and place are not altered; the engine takes it as it is. */
export class PendingWrite implements BatchOperation {
  readonly kind: number;
  readonly family: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly expiresAt: number;
  readonly version: number;
  readonly name: string;
  readonly batch: PendingBatch;
  /** What it hides in the overlay; known until the body is over. */
  previous: PendingWrite | undefined;
  /** A later one of the same batch writes the key. */
  isSuperseded: boolean;

  constructor(
    kind: number,
    family: number,
    key: Uint8Array,
    value: Uint8Array,
    expiresAt: number,
    name: string,
    batch: PendingBatch,
    previous: PendingWrite | undefined,
  ) {
    this.kind = kind;
    this.family = family;
    this.key = key;
    this.value = value;
    this.expiresAt = expiresAt;
    this.version = 0;
    this.name = name;
    this.batch = batch;
    this.previous = previous;
    this.isSuperseded = false;
  }
}

/** What is committed at once. */
export class PendingBatch {
  /** Later batches have greater ones. */
  readonly order: number;
  /** Handed to the engine; takes no more writes. */
  isSent: boolean;
  /** In the order of arrival. */
  writes: PendingWrite[];
  /** Everything that was there before is deleted first. */
  isClearing: boolean;
  /** Keys and values, about. */
  bytes: number;
  /** Keys when all of it is done. */
  count: number;
  readonly promise: Promise<void>;
  resolve!: () => void;
  reject!: (error: unknown) => void;
  #lastResult: unknown;
  #lastAnswer: Promise<unknown> | undefined;

  constructor(order: number) {
    this.order = order;
    this.isSent = false;
    this.writes = [];
    this.isClearing = false;
    this.bytes = 0;
    this.count = 0;
    this.promise = new Promise<void>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Who has asked for an answer learns of the failure by that.
    this.promise.catch(() => undefined);
    this.#lastResult = undefined;
    this.#lastAnswer = undefined;
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

/** What the overlay was before a body deleted everything. */
interface Cleared {
  readonly overlay: Map<string, PendingWrite>;
  readonly clearing: PendingBatch | undefined;
  readonly writes: PendingWrite[];
  readonly wasClearing: boolean;
  readonly undo: PendingWrite[];
}

/** Another batch is begun when one has so much. */
const BATCH_BYTES_FULL = 16 * 1024 * 1024;
const BATCH_WRITES_FULL = 64 * 1024;
/** What a write takes beside key and value, about. */
const WRITE_BYTES = 64;
/** Somewhat below that of the engine, which counts exactly. */
const BATCH_BYTES_LIMIT = BATCH_BYTES_MAX - 2 * BATCH_BYTES_FULL;

/** The overlay: the newest write of every key that is not committed. */
export class PendingWrites {
  /** Keys that are there, as of the last body; its owner counts. */
  count: number;
  /** Not committed, oldest first; the first may be on its way. */
  readonly batches: PendingBatch[];
  /** The newest batch that a read of the current body depends on. */
  met: PendingBatch | undefined;
  #overlay: Map<string, PendingWrite>;
  /** The newest batch that deletes everything: what is not in the overlay is gone. */
  #clearing: PendingBatch | undefined;
  /** Where the current body writes; undefined before its first change. */
  #current: PendingBatch | undefined;
  /** The writes of the current body. */
  #undo: PendingWrite[];
  #cleared: Cleared | undefined;
  #countBefore: number;
  #lastOrder: number;

  constructor(count: number) {
    this.count = count;
    this.batches = [];
    this.met = undefined;
    this.#overlay = new Map();
    this.#clearing = undefined;
    this.#current = undefined;
    this.#undo = [];
    this.#cleared = undefined;
    this.#countBefore = count;
    this.#lastOrder = 0;
  }

  /** Everything is in the database: a read need not ask here. */
  get isEmpty(): boolean {
    return this.#overlay.size === 0 && this.#clearing === undefined;
  }

  /** Nothing of the database is seen any more, only what is here. */
  get isCleared(): boolean {
    return this.#clearing !== undefined;
  }

  /** The newest writes by name. */
  get writes(): ReadonlyMap<string, PendingWrite> {
    return this.#overlay;
  }

  /** Before each body. */
  begin(): void {
    this.met = undefined;
    this.#current = undefined;
    this.#countBefore = this.count;
  }

  /** The newest write of a key, or undefined: then the database knows, unless `isCleared`. Notes what was met. */
  find(name: string): PendingWrite | undefined {
    const write = this.#overlay.get(name);
    if (write !== undefined) this.#meet(write.batch);
    else if (this.#clearing !== undefined) this.#meet(this.#clearing);
    return write;
  }

  /** The current body has looked at everything. */
  meetAll(): void {
    this.met = this.batches.at(-1);
  }

  #meet(batch: PendingBatch): void {
    if (this.met === undefined || batch.order > this.met.order) this.met = batch;
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
    const previous = this.#overlay.get(name);
    const write = new PendingWrite(kind, family, key, value, expiresAt, name, batch, previous);
    if (previous !== undefined && previous.batch === batch) previous.isSuperseded = true;
    this.#overlay.set(name, write);
    this.#undo.push(write);
    batch.writes.push(write);
    batch.bytes += bytes;
  }

  /** Deletes everything. */
  clear(): void {
    const batch = this.#open();
    this.#cleared ??= {
      overlay: this.#overlay,
      clearing: this.#clearing,
      writes: batch.writes,
      wasClearing: batch.isClearing,
      undo: this.#undo,
    };
    this.#overlay = new Map();
    this.#undo = [];
    this.#clearing = batch;
    batch.isClearing = true;
    batch.writes = [];
    this.count = 0;
  }

  /** The batch that the current body changed; undefined: it changed nothing. */
  end(): PendingBatch | undefined {
    const batch = this.#current;
    if (batch === undefined) return undefined;
    for (const write of this.#undo) write.previous = undefined;
    this.#undo.length = 0;
    this.#cleared = undefined;
    batch.count = this.count;
    return batch;
  }

  /** Takes back what the current body did; false when it did nothing. */
  rollback(): boolean {
    const batch = this.#current;
    if (batch === undefined) return false;
    const cleared = this.#cleared;
    if (cleared !== undefined) {
      this.#overlay = cleared.overlay;
      this.#clearing = cleared.clearing;
      batch.writes = cleared.writes;
      batch.isClearing = cleared.wasClearing;
      this.#undo = cleared.undo;
      this.#cleared = undefined;
    }
    for (let write = this.#undo.pop(); write !== undefined; write = this.#undo.pop()) {
      batch.writes.pop();
      const { previous } = write;
      if (previous === undefined) this.#overlay.delete(write.name);
      else this.#overlay.set(write.name, previous);
      if (previous?.batch === batch) previous.isSuperseded = false;
    }
    this.count = this.#countBefore;
    // It was begun for this body, and nobody waits for it.
    if (batch.writes.length === 0 && !batch.isClearing) this.batches.pop();
    return true;
  }

  /** The oldest batch is in the database. */
  committed(): void {
    const batch = this.batches.shift();
    if (batch === undefined) return;
    for (const write of batch.writes) {
      if (this.#overlay.get(write.name) === write) this.#overlay.delete(write.name);
    }
    if (this.#clearing === batch) this.#clearing = undefined;
  }

  /** Nothing of what is here will be in the database, which has `count` keys. */
  fail(error: unknown, count: number): void {
    for (const batch of this.batches.splice(0)) batch.reject(error);
    this.#overlay = new Map();
    this.#clearing = undefined;
    this.count = count;
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
  return (
    batch.isSent || batch.bytes >= BATCH_BYTES_FULL || batch.writes.length >= BATCH_WRITES_FULL
  );
}
