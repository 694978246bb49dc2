/**
 * Power cuts that differ in few pieces from "everything unsynced is lost" or "everything is kept": most
 * recovery bugs need no more than three operations out of order.
 */
import type { Prng } from '../../src/base/prng.js';
import type { ChosenCrash, CrashPiece } from '../../src/env/mem-crash.js';
import type { MemFs } from '../../src/env/mem-fs.js';

/** How many answers may differ. */
const DEVIATIONS_MAX = 3;

/**
 * Calls `crash` with every policy that differs in one piece from losing or keeping all, and with those of two
 * and three pieces, as long as there are at most `limit`; a sample of `limit` otherwise.
 */
export function fewDeviations(
  fs: MemFs,
  random: Prng,
  limit: number,
  crash: (policy: ChosenCrash, how: string) => void,
): void {
  for (const isKept of [false, true]) {
    const base = (piece: CrashPiece): number => (isKept ? piece.count - 1 : 0);
    const counts = piecesOf(fs, base);
    if (counts.length === 0) continue;
    const sets = subsets(counts.length, limit, random);
    for (const set of sets) {
      const answers = new Map(set.map((index) => [index, 1 + random.below(counts[index]! - 1)]));
      crash(deviating(base, answers), `${isKept ? 'keeps' : 'loses'} all but ${set.join(' ')}`);
    }
  }
}

/** How many answers each question has, when they are answered so. */
function piecesOf(fs: MemFs, base: (piece: CrashPiece) => number): number[] {
  const counts: number[] = [];
  fs.crashClone({
    choose: (piece) => {
      counts.push(piece.count);
      return base(piece);
    },
  });
  return counts;
}

/** `answers`: by question, how far the answer is from the base one. */
function deviating(
  base: (piece: CrashPiece) => number,
  answers: ReadonlyMap<number, number>,
): ChosenCrash {
  let asked = 0;
  return {
    choose: (piece) => {
      const offset = answers.get(asked++) ?? 0;
      return (base(piece) + offset) % piece.count;
    },
  };
}

/** All sets of one to DEVIATIONS_MAX numbers below `count`, or `limit` of them. */
function subsets(count: number, limit: number, random: Prng): number[][] {
  const all = count + (count * (count - 1)) / 2 + (count * (count - 1) * (count - 2)) / 6;
  if (all > limit) {
    return Array.from({ length: limit }, () => {
      const size = 1 + random.below(DEVIATIONS_MAX);
      return [...new Set(Array.from({ length: size }, () => random.below(count)))];
    });
  }
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
