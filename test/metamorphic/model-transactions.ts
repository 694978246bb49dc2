/**
 * The model's side of steps on transactions. Which of them commit is foretold; where the foretelling leaves it open,
 * the database's answer is taken.
 */
import type { Model, ModelSnapshot, ModelWrite } from '../model.js';
import { type Answer, differenceOf } from './answers.js';
import { type Forecast, ModelTransaction, ModelTransactionIterator } from './model-transaction.js';
import type { WriteSpec } from './program.js';
import type { TransactionStep } from './transaction-steps.js';

type StepOf<Op extends TransactionStep['op']> = Extract<TransactionStep, { op: Op }>;

/** What the model of the whole run does for transactions. */
export interface TransactionsHost {
  readonly model: Model;
  modelWrite(write: WriteSpec): ModelWrite;
  /** One call. */
  write(writes: readonly ModelWrite[]): void;
  /** Is it the number of the last write of a call? */
  isEnd(seq: number): boolean;
}

export class ModelTransactions {
  readonly #host: TransactionsHost;
  readonly #open: Map<number, ModelTransaction>;

  constructor(host: TransactionsHost) {
    this.#host = host;
    this.#open = new Map();
  }

  /** A close or a crash ends them all. */
  clear(): void {
    this.#open.clear();
  }

  /** What the open ones read from. */
  snapshots(): ModelSnapshot[] {
    return [...this.#open.values()].map((one) => one.snapshot);
  }

  /** What a commit would come to now; undefined: there is no such transaction. */
  forecast(slot: number): Forecast | undefined {
    return this.#open.get(slot)?.forecast();
  }

  /** The commit was under way in a crash; nobody knows its end. Its batch in the order in which the database wrote it. */
  commitBlindly(slot: number, order: string): string | undefined {
    const transaction = this.#open.get(slot) as ModelTransaction;
    if (transaction.forecast() !== 'commit') return undefined;
    const batch = inOrder(transaction.batch(), order);
    if (typeof batch === 'string') return batch;
    if (batch.length > 0) this.#host.write(batch);
    return undefined;
  }

  /** Does the step; says what is wrong with the answer, undefined when nothing is. */
  judge(step: TransactionStep, answer: Answer): string | undefined {
    if (step.op === 'beginTxn') return this.#begin(step, answer);
    if (step.op === 'commitTxns') return this.#commit(step, answer);
    const transaction = this.#open.get(step.slot);
    const expected = transaction === undefined ? undefined : this.#answer(step, transaction);
    return differenceOf(answer, expected);
  }

  #answer(
    step: Exclude<TransactionStep, { op: 'beginTxn' | 'commitTxns' }>,
    transaction: ModelTransaction,
  ): Answer {
    switch (step.op) {
      case 'writeTxn':
        if (transaction.options.isReadOnly) return ['NOKV_READ_ONLY'];
        transaction.write(this.#host.modelWrite(step.write));
        return undefined;
      case 'readTxn': {
        const values = step.keys.map((key) => transaction.get(step.family, key) ?? null);
        return step.way === 'has' ? values.map((value) => String(value !== null)) : values;
      }
      case 'scanTxn': {
        const { family, range, reverse, limit, keysOnly } = step.scan;
        const rows = transaction.scan(family, range, reverse, limit);
        return rows.flatMap(({ key, value }) => [key, keysOnly ? '' : value]);
      }
      case 'openTxnIterator':
        transaction.iterator?.noteReads();
        transaction.iterator = new ModelTransactionIterator(
          transaction,
          step.scan.family,
          step.scan.range,
        );
        return undefined;
      case 'moveTxnIterator': {
        const { iterator } = transaction;
        return iterator && step.moves.flatMap((move) => iterator.move(move));
      }
      case 'savepoint':
        transaction.savepoint();
        return undefined;
      case 'rollbackTo': {
        const last = transaction.savepoints - 1;
        if (last >= 0) transaction.rollbackTo(step.back > last ? last : last - step.back);
        return undefined;
      }
      case 'rollbackTxn':
        this.#open.delete(step.slot);
        return undefined;
    }
  }

  /** The answer: how many calls were acknowledged at begin, and the sequence number that it reads at. */
  #begin(step: StepOf<'beginTxn'>, answer: Answer): string | undefined {
    const { model } = this.#host;
    const [acknowledged, seq] = (answer ?? []).map(Number) as [number, number];
    let low = model.seq;
    step.calls.forEach((writes, i) => {
      this.#write(writes);
      if (i < acknowledged) low = model.seq;
    });
    const snapshot = { seq, createdMs: model.nowMs };
    this.#open.set(step.slot, new ModelTransaction(model, snapshot, step));
    if (seq < low) return `it reads at ${seq}, ${low} is acknowledged`;
    if (seq > model.seq) return `it reads at ${seq}, there are ${model.seq} writes`;
    return this.#host.isEnd(seq) ? undefined : `it reads at ${seq}, not the end of a call`;
  }

  /**
   * The answer: per slot the end of the transaction, the last sequence number of its writes, and its batch in the order
   * in which it was written; three nulls without a transaction.
   */
  #commit(step: StepOf<'commitTxns'>, answer: Answer = []): string | undefined {
    for (let i = 0; i < Math.max(step.calls.length, step.slots.length); i++) {
      this.#write(step.calls[i]);
      const slot = step.slots[i];
      if (slot === undefined) continue;
      const [end = null, seq, order = null] = answer.slice(3 * i, 3 * i + 3);
      const transaction = this.#open.get(slot);
      this.#open.delete(slot);
      const wrong = transaction
        ? this.#end(transaction, end, Number(seq), order ?? '')
        : end === null
          ? undefined
          : 'there is no such transaction';
      if (wrong !== undefined) return `the commit of slot ${slot}, ${String(end)}: ${wrong}`;
    }
    return undefined;
  }

  #end(
    transaction: ModelTransaction,
    end: string | null,
    seq: number,
    order: string,
  ): string | undefined {
    const forecast = transaction.forecast();
    if (end !== 'committed') {
      if (end !== 'conflict' && end !== 'history') return 'neither committed nor in conflict';
      return end === 'conflict' && forecast === 'commit' ? 'nothing was in its way' : undefined;
    }
    if (forecast === 'conflict') return `somebody wrote behind ${transaction.snapshot.seq}`;
    const batch = inOrder(transaction.batch(), order);
    if (typeof batch === 'string') return batch;
    if (batch.length === 0) return seq === 0 ? undefined : `its number is ${seq} without a write`;
    this.#host.write(batch);
    const expected = this.#host.model.seq;
    return seq === expected ? undefined : `its number is ${seq}, expected ${expected}`;
  }

  #write(writes: readonly WriteSpec[] | undefined): void {
    if (writes !== undefined) this.#host.write(writes.map((one) => this.#host.modelWrite(one)));
  }
}

/** The name of a write in an order. */
export function nameInOrder(type: string, family: string, key: string): string {
  return JSON.stringify([type, family, key]);
}

/** The writes as the names of `order`, a list in JSON, have them; what is wrong when these are not all of them. */
function inOrder(writes: readonly ModelWrite[], order: string): ModelWrite[] | string {
  const names = JSON.parse(order) as string[];
  const left = writes.map((write) => {
    const key = write.type === 'deleteRange' ? write.start : write.key;
    return { name: nameInOrder(write.type, write.family, key), write };
  });
  const ordered: ModelWrite[] = [];
  for (const name of names) {
    const at = left.findIndex((one) => one.name === name);
    if (at < 0) return `it writes ${name}, which it should not`;
    ordered.push((left.splice(at, 1)[0] as { write: ModelWrite }).write);
  }
  const [missing] = left;
  return missing === undefined ? ordered : `it does not write ${missing.name}`;
}
