/**
 * What the programs are worth: a method of the engine, or of the simulated disk, is replaced by a wrong one, and some
 * program must notice within a few seeds.
 */
import { describe, expect, it } from 'vitest';
import { SEQ_MAX } from '../../src/base/limits.js';
import { RowCache } from '../../src/engine/cache/row-cache.js';
import { TombstoneJoiner } from '../../src/engine/compaction/tombstone-joiner.js';
import { VisibleCursor } from '../../src/engine/iterators/visible.js';
import { RangeTombstones } from '../../src/engine/range-tombstones.js';
import { RecentWrites } from '../../src/engine/txn/recent-writes.js';
import { Transaction } from '../../src/engine/txn/transaction.js';
import { WriteSet } from '../../src/engine/txn/write-set.js';
import { MemFs } from '../../src/env/mem-fs.js';
import { checkPrograms } from './check-programs.js';

const SEEDS = 40;
const OPERATIONS = 1000;

interface PlantedBug {
  readonly name: string;
  /** Returns what takes it back. */
  readonly plant: () => () => void;
}

/** Replaces a method. `make` gets the original. */
function patch<T extends object, K extends keyof T>(
  prototype: T,
  name: K,
  make: (original: T[K]) => T[K],
): () => void {
  const original = prototype[name];
  prototype[name] = make(original);
  return () => {
    prototype[name] = original;
  };
}

const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: 'a row stays cached when its key is written',
    plant: () => patch(RowCache.prototype, 'remove', () => () => undefined),
  },
  {
    name: 'a range tombstone hides from snapshots what they see',
    plant: () =>
      patch(RangeTombstones.prototype, 'covers', (covers) => {
        return function (this: RangeTombstones, key, start, length, version, seq, _seqMax, max) {
          return covers.call(this, key, start, length, version, seq, SEQ_MAX, max);
        };
      }),
  },
  {
    name: 'the last range tombstones of a table are not written',
    plant: () => patch(TombstoneJoiner.prototype, 'finish', () => () => undefined),
  },
  {
    name: 'a cursor does not turn round',
    plant: () =>
      patch(VisibleCursor.prototype, 'prev', () => {
        return function (this: VisibleCursor) {
          this.next();
        };
      }),
  },
  {
    name: 'ranges that a transaction has read are not validated',
    plant: () =>
      patch(RecentWrites.prototype, 'findInSpans', () => () => {
        return undefined;
      }),
  },
  {
    name: 'keys that a transaction has written or read are not validated',
    plant: () => patch(RecentWrites.prototype, 'findKey', () => () => undefined),
  },
  {
    name: 'a transaction goes back to no savepoint',
    plant: () => patch(WriteSet.prototype, 'rollbackTo', () => () => true),
  },
  {
    name: 'a transaction does not read its own range deletes',
    plant: () => patch(WriteSet.prototype, 'isDeleted', () => () => false),
  },
  {
    name: 'a transaction reads what was written after it began',
    plant: () =>
      patch(Transaction.prototype, 'get', (get) => {
        return function (this: Transaction, key, options) {
          Object.assign(this.snapshot, { seq: SEQ_MAX });
          return get.call(this, key, options);
        };
      }),
  },
  {
    name: 'a power loss takes what was synced',
    plant: () =>
      patch(MemFs.prototype, 'crashClone', () => {
        return function (this: MemFs) {
          return new MemFs();
        };
      }),
  },
];

describe(`a bug is found within ${SEEDS} programs`, () => {
  it.each(PLANTED_BUGS)('when $name', async ({ plant }) => {
    const undo = plant();
    try {
      const settings = { seed: 1, programs: SEEDS, operations: OPERATIONS, options: 1 };
      const failure = await checkPrograms({ ...settings, firstOption: 0, shrinkAttempts: 0 });
      expect(failure).toMatch(/^Program \d+ fails under option set 0, at step \d+/);
    } finally {
      undo();
    }
  });
});
