/** Steps on transactions. One that names a slot without a transaction does nothing (program.ts). */
import type { Durability } from '../../src/engine/options.js';
import type { Isolation } from '../../src/engine/txn/transaction.js';
import type { ModelFamily } from '../model.js';
import type { Move, ScanSpec, WriteSpec } from './program.js';

export type TransactionStep =
  /** Begins while `calls` are under way for so many turns: what is not visible by then is not seen. Rolls back the old one. */
  | {
      readonly op: 'beginTxn';
      readonly slot: number;
      readonly isolation: Isolation;
      readonly isReadOnly: boolean;
      readonly detectsConflicts: boolean;
      readonly calls: readonly (readonly WriteSpec[])[];
      readonly turns: number;
    }
  | { readonly op: 'writeTxn'; readonly slot: number; readonly write: WriteSpec }
  | {
      readonly op: 'readTxn';
      readonly slot: number;
      readonly way: 'get' | 'has' | 'getMany';
      readonly keys: readonly string[];
      readonly family: ModelFamily;
    }
  /** Of the scan its family, bounds, direction and limit. */
  | {
      readonly op: 'scanTxn';
      readonly slot: number;
      readonly scan: ScanSpec;
      readonly way: 'take' | 'iterate' | 'async';
    }
  /** One for each transaction. */
  | { readonly op: 'openTxnIterator'; readonly slot: number; readonly scan: ScanSpec }
  | { readonly op: 'moveTxnIterator'; readonly slot: number; readonly moves: readonly Move[] }
  | { readonly op: 'savepoint' | 'rollbackTxn'; readonly slot: number }
  /** To the savepoint that is so many before the last one; again from the last one when there are fewer. */
  | { readonly op: 'rollbackTo'; readonly slot: number; readonly back: number }
  /** The i-th call, then the commit of the i-th slot, and so on, none waited for. */
  | {
      readonly op: 'commitTxns';
      readonly slots: readonly number[];
      readonly calls: readonly (readonly WriteSpec[])[];
      readonly durability?: Durability;
    };

export type TransactionOp = TransactionStep['op'];

export const TXN_SLOTS = 4;

export function isTransactionStep(step: { readonly op: string }): step is TransactionStep {
  return OPS.has(step.op);
}

const OPS: ReadonlySet<string> = new Set<TransactionOp>([
  'beginTxn',
  'writeTxn',
  'readTxn',
  'scanTxn',
  'openTxnIterator',
  'moveTxnIterator',
  'savepoint',
  'rollbackTxn',
  'rollbackTo',
  'commitTxns',
]);
