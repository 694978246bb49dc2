/**
 * Power cuts in which few operations went out of order: up to three unsynced ones reached the disk and no other, or
 * all but up to three did. Most recovery bugs need no more.
 *
 * An operation is a write, a truncation, or a change of a directory. It reaches the disk whole here, with every sector
 * and the size it changed; parts of it are the business of the drawn power cuts.
 */
import type { Prng } from '../../src/base/prng.js';
import type { ChosenCrash, CrashPiece } from '../../src/env/mem-crash.js';
import type { MemFs } from '../../src/env/mem-fs.js';

/** How many operations may be out of order. */
const OPERATIONS_MAX = 3;

/** What fewOperations has gone through. */
export interface Reordered {
  /** Unsynced operations. */
  readonly operations: number;
  /** Every set of one to three of them was taken, not a sample. */
  readonly isComplete: boolean;
}

/**
 * Calls `crash` with every policy that keeps one to three unsynced operations, and every one that loses them, as long as
 * there are at most `limit` of each; with a sample of `limit` otherwise.
 */
export function fewOperations(
  fs: MemFs,
  random: Prng,
  limit: number,
  crash: (policy: ChosenCrash, how: string) => void,
): Reordered {
  const operations = unsyncedOperations(fs);
  const count = operations.length;
  const isComplete = subsetCount(count) <= limit;
  if (count > 0) {
    for (const isKept of [true, false]) {
      for (const set of isComplete ? allSubsets(count) : someSubsets(count, limit, random)) {
        const chosen = new Set(set.map((index) => operations[index] as number));
        const how = `${isKept ? 'keeps only' : 'loses only'} operations ${set.join(' ')} of ${count}`;
        crash(
          withOperations((operation) => chosen.has(operation) === isKept),
          how,
        );
      }
    }
  }
  return { operations: count, isComplete };
}

/** Numbers of unsynced operations: stamps of changes of files; below zero those of directories, in order. */
function unsyncedOperations(fs: MemFs): number[] {
  const found = new Set<number>();
  fs.crashClone(
    withOperations((operation) => {
      found.add(operation);
      return true;
    }, 'all'),
  );
  return [...found];
}

/** Every piece is in its newest state whose operation reached the disk. `ask` 'all': asks for older states, too. */
function withOperations(
  isThere: (operation: number) => boolean,
  ask: 'newest' | 'all' = 'newest',
): ChosenCrash {
  let changes = 0;
  const choose = ({ kind, stamps = [] }: CrashPiece): number => {
    if (kind === 'directory') return isThere(-++changes) ? 1 : 0;
    let choice = 0;
    for (let state = stamps.length - 1; state > 0; state--) {
      if (!isThere(stamps[state] as number)) continue;
      choice = Math.max(choice, state);
      if (ask === 'newest') break;
    }
    return choice;
  };
  return { choose };
}

function subsetCount(count: number): number {
  return count + (count * (count - 1)) / 2 + (count * (count - 1) * (count - 2)) / 6;
}

/** All sets of one to OPERATIONS_MAX numbers below `count`. */
function allSubsets(count: number): number[][] {
  const sets: number[][] = [];
  for (let a = 0; a < count; a++) {
    sets.push([a]);
    for (let b = a + 1; b < count; b++) {
      sets.push([a, b]);
      for (let c = b + 1; c < count; c++) sets.push([a, b, c]);
    }
  }
  return sets;
}

function someSubsets(count: number, limit: number, random: Prng): number[][] {
  return Array.from({ length: limit }, () => {
    const size = 1 + random.below(OPERATIONS_MAX);
    return [...new Set(Array.from({ length: size }, () => random.below(count)))];
  });
}
