/** The database's side of steps on transactions: model-transactions.ts says what the answers are. */
import { ConflictError, ReadOnlyError } from '../../src/base/errors.js';
import type { Db } from '../../src/engine/db.js';
import type { DbIterator } from '../../src/engine/db-iterator.js';
import { KIND_DELETE, KIND_PUT } from '../../src/engine/entry.js';
import type { Durability } from '../../src/engine/options.js';
import type { Row } from '../../src/engine/iterators/row-batch.js';
import type { Transaction } from '../../src/engine/txn/transaction.js';
import type { Savepoint } from '../../src/engine/txn/write-set.js';
import { type Answer, familyName, keyOf, moved, textOf, textOfRows } from './answers.js';
import { nameInOrder } from './model-transactions.js';
import { type ScanSpec, valueText, type WriteSpec } from './program.js';
import type { TransactionStep } from './transaction-steps.js';

type StepOf<Op extends TransactionStep['op']> = Extract<TransactionStep, { op: Op }>;

/** Calls that are not waited for. */
export interface Burst {
  /** All up to this one are acknowledged, counted from 1. */
  readonly acknowledged: number;
  readonly all: Promise<unknown>;
}

export interface DbTransactionsHost {
  /** The one that is open now. */
  readonly db: Db;
  issue(calls: readonly (readonly WriteSpec[])[], durability: Durability | undefined): Burst;
  expiry(write: Extract<WriteSpec, { type: 'put' }>): { ttlMs?: number; expiresAt?: number };
  turns(count: number): Promise<void>;
  /** Waits. @throws when it takes too long */
  settle<T>(work: Promise<T>, what: string): Promise<T>;
  /** The step has written, and all that it wrote is acknowledged. */
  noteWritten(durability: Durability | undefined): void;
}

interface OpenTransaction {
  readonly transaction: Transaction;
  readonly savepoints: Savepoint[];
  iterator: DbIterator | undefined;
}

export class DbTransactions {
  readonly #host: DbTransactionsHost;
  readonly #open: Map<number, OpenTransaction>;

  constructor(host: DbTransactionsHost) {
    this.#host = host;
    this.#open = new Map();
  }

  /** The database is closed or dead. */
  clear(): void {
    this.#open.clear();
  }

  async answer(step: TransactionStep): Promise<Answer> {
    if (step.op === 'beginTxn') return this.#begin(step);
    if (step.op === 'commitTxns') return this.#commitAll(step);
    const open = this.#open.get(step.slot);
    if (open === undefined) return undefined;
    switch (step.op) {
      case 'writeTxn':
        return this.#write(open.transaction, step.write);
      case 'readTxn':
        return read(open.transaction, step);
      case 'scanTxn':
        return scan(open.transaction, step);
      case 'openTxnIterator':
        open.iterator?.close();
        open.iterator = open.transaction.iterator(rangeOptions(step.scan));
        return undefined;
      case 'moveTxnIterator': {
        const { iterator } = open;
        return iterator && step.moves.flatMap((move) => moved(iterator, move));
      }
      case 'savepoint':
        open.savepoints.push(open.transaction.savepoint());
        return undefined;
      case 'rollbackTo': {
        const last = open.savepoints.length - 1;
        if (last < 0) return undefined;
        const at = step.back > last ? last : last - step.back;
        open.transaction.rollbackTo(open.savepoints[at] as Savepoint);
        open.savepoints.length = at + 1;
        return undefined;
      }
      case 'rollbackTxn':
        open.transaction.rollback();
        this.#open.delete(step.slot);
        return undefined;
    }
  }

  /** Commits without waiting; the versions of the batch in its order, and the order as the model reads it. */
  commit(
    slot: number,
    durability: Durability | undefined,
  ): { done: Promise<void>; writes: { readonly version: number }[]; order: string } {
    const { transaction } = this.#open.get(slot) as OpenTransaction;
    this.#open.delete(slot);
    const writes = transaction.writes.operations(0);
    const order = orderOf(transaction);
    return { done: transaction.commit(durability && { durability }), writes, order };
  }

  async #begin(step: StepOf<'beginTxn'>): Promise<Answer> {
    this.#open.get(step.slot)?.transaction.rollback();
    const burst = this.#host.issue(step.calls, undefined);
    if (step.calls.length > 0) await this.#host.turns(step.turns);
    const transaction = this.#host.db.begin({
      isolation: step.isolation,
      readOnly: step.isReadOnly,
      detectConflicts: step.detectsConflicts,
    });
    this.#open.set(step.slot, { transaction, savepoints: [], iterator: undefined });
    const answer = [String(burst.acknowledged), String(transaction.snapshot.seq)];
    await this.#host.settle(burst.all, step.op);
    if (step.calls.flat().length > 0) this.#host.noteWritten(undefined);
    return answer;
  }

  #write(transaction: Transaction, write: WriteSpec): Answer {
    const options = {
      columnFamily: write.family,
      ...(write.version === 0 ? {} : { version: write.version }),
    };
    try {
      if (write.type === 'deleteRange') {
        transaction.deleteRange(keyOf(write.start), keyOf(write.end), options);
        return undefined;
      }
      const key = keyOf(write.key);
      if (write.type === 'del') transaction.del(key, options);
      else {
        const value = Buffer.from(valueText(write.value), 'latin1');
        transaction.put(key, value, { ...options, ...this.#host.expiry(write) });
        value.fill(0xdb); // copied
      }
      if (typeof key !== 'string') key.fill(0xdb);
    } catch (error) {
      if (error instanceof ReadOnlyError) return [error.code];
      throw error;
    }
    return undefined;
  }

  async #commitAll(step: StepOf<'commitTxns'>): Promise<Answer> {
    const bursts: Burst[] = [];
    const ends: Promise<(string | null)[]>[] = [];
    for (let i = 0; i < Math.max(step.calls.length, step.slots.length); i++) {
      const writes = step.calls[i];
      if (writes !== undefined) bursts.push(this.#host.issue([writes], step.durability));
      const slot = step.slots[i];
      if (slot !== undefined) ends.push(this.#end(slot, step.durability));
    }
    const answer = await this.#host.settle(Promise.all(ends), step.op);
    await this.#host.settle(Promise.all(bursts.map((burst) => burst.all)), step.op);
    const isWritten = answer.some(([end, seq]) => end === 'committed' && seq !== '0');
    if (isWritten || step.calls.flat().length > 0) this.#host.noteWritten(step.durability);
    return answer.flat();
  }

  async #end(slot: number, durability: Durability | undefined): Promise<(string | null)[]> {
    const open = this.#open.get(slot);
    if (open === undefined) return [null, null, null];
    const { done, order } = this.commit(slot, durability);
    try {
      await done;
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      const isHistory = error.details['reason'] === 'history';
      return [isHistory ? 'history' : 'conflict', '0', order];
    }
    return ['committed', String(open.transaction.commitSeq), order];
  }
}

function orderOf({ writes }: Transaction): string {
  const names = writes.operations(0).map(({ kind, family, key }) => {
    const type = kind === KIND_PUT ? 'put' : kind === KIND_DELETE ? 'del' : 'deleteRange';
    return nameInOrder(type, familyName(family), Buffer.from(key).toString('latin1'));
  });
  return JSON.stringify(names);
}

function read(transaction: Transaction, { way, keys, family }: StepOf<'readTxn'>): Answer {
  const options = { columnFamily: family };
  if (way === 'has') return keys.map((key) => String(transaction.has(keyOf(key), options)));
  if (way === 'get') return keys.map((key) => textOf(transaction.get(keyOf(key), options)));
  return transaction.getMany(keys.map(keyOf), options).map(textOf);
}

async function scan(transaction: Transaction, step: StepOf<'scanTxn'>): Promise<Answer> {
  const { reverse, limit, keysOnly } = step.scan;
  const limits = limit < 0 ? {} : { limit };
  const rows = transaction.scan({ ...rangeOptions(step.scan), reverse, keysOnly, ...limits });
  if (step.way === 'take') return textOfRows(rows.take(Number.POSITIVE_INFINITY));
  if (step.way === 'iterate') return textOfRows([...rows]);
  const all: Row[] = [];
  for await (const row of rows) all.push(row);
  return textOfRows(all);
}

function rangeOptions({ family, range }: ScanSpec): { columnFamily: ScanSpec['family'] } {
  const bounds = Object.entries(range).map(([name, key]) => [name, keyOf(key as string)] as const);
  return { columnFamily: family, ...Object.fromEntries(bounds) };
}
