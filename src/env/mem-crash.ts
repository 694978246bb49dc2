/**
 * What is left after a power loss: policies that answer, piece by piece, whether unsynced data had
 * reached the disk, and an enumeration of all answers.
 */
import { Prng } from '../base/prng.js';
import { SECTOR_BYTES } from './mem-file-node.js';
import type { DirectoryChange, TreeCrashChooser } from './mem-tree.js';

/** One open question. `count` answers are possible: 0 is the durable state, count - 1 the newest. */
export interface CrashPiece {
  readonly kind: 'sector' | 'size' | 'directory';
  readonly path: string;
  readonly count: number;
  /** Of kind 'sector': its number. */
  readonly sector?: number;
  /** Of kind 'size': the candidates. */
  readonly sizes?: readonly number[];
  /** Of kinds 'sector' and 'size': which change of the file system made each answer, the durable one 0. */
  readonly stamps?: readonly number[];
  /** Of kind 'directory': what the change was; `to` is the target of a rename, '' otherwise. */
  readonly change?: DirectoryChange;
  readonly to?: string;
}

/** By seeded chance. */
export interface SeededCrash {
  readonly seed: number;
  /** Of 100 pieces so many are in their newest state, the others in an earlier one. Default: drawn, extremes included. */
  readonly keepPercent?: number;
  /** Of 100 kept sectors so many are torn. Default 0. */
  readonly tearPercent?: number;
  /** What unwritten sectors inside a file hold. Default 'either', drawn for each. */
  readonly fill?: 'zeros' | 'garbage' | 'either';
}

/** By the caller. */
export interface ChosenCrash {
  /** The number of the state, below piece.count. Asked in a fixed order that earlier answers may change. */
  readonly choose: (piece: CrashPiece) => number;
  /** Bytes of a kept sector that are new, the others old. Default: SECTOR_BYTES. */
  readonly tear?: (path: string, sector: number) => number;
  /** Default 'zeros'. */
  readonly fill?: 'zeros' | 'garbage';
}

export type CrashPolicy = SeededCrash | ChosenCrash;

/** The strictest legal disk: nothing unsynced survives. */
export const LOSE_UNSYNCED: CrashPolicy = { choose: () => 0 };

/** The luckiest: everything was written back just in time. */
export const KEEP_UNSYNCED: CrashPolicy = { choose: (piece) => piece.count - 1 };

export function createChooser(policy: CrashPolicy): TreeCrashChooser {
  return 'choose' in policy ? new CallerChooser(policy) : new SeededChooser(policy);
}

class CallerChooser implements TreeCrashChooser {
  readonly #policy: ChosenCrash;

  constructor(policy: ChosenCrash) {
    this.#policy = policy;
  }

  size(path: string, sizes: readonly number[], stamps: readonly number[]): number {
    return this.#choose({ kind: 'size', path, count: sizes.length, sizes, stamps });
  }

  sector(path: string, sector: number, stamps: readonly number[]): number {
    return this.#choose({ kind: 'sector', path, count: stamps.length, sector, stamps });
  }

  keepChange(change: DirectoryChange, path: string, to: string): boolean {
    return this.#choose({ kind: 'directory', path, count: 2, change, to }) === 1;
  }

  tear(path: string, sector: number): number {
    return this.#policy.tear?.(path, sector) ?? SECTOR_BYTES;
  }

  fill(_path: string, sector: number, content: Uint8Array): void {
    if (this.#policy.fill === 'garbage') new Prng(sector + 1).fill(content);
  }

  #choose(piece: CrashPiece): number {
    const choice = this.#policy.choose(piece);
    if (Number.isInteger(choice) && choice >= 0 && choice < piece.count) return choice;
    throw new RangeError(`A crash chooser must answer below ${piece.count}, got ${choice}`);
  }
}

/** Unless told otherwise a crash keeps none, few, half, most or all of the pieces. */
const KEEP_PERCENTS = [0, 10, 50, 90, 100];

class SeededChooser implements TreeCrashChooser {
  readonly #random: Prng;
  readonly #keepPercent: number;
  readonly #tearPercent: number;
  readonly #fill: 'zeros' | 'garbage' | 'either';

  constructor(policy: SeededCrash) {
    this.#random = new Prng(policy.seed);
    const drawn = KEEP_PERCENTS[this.#random.below(KEEP_PERCENTS.length)] as number;
    this.#keepPercent = policy.keepPercent ?? drawn;
    this.#tearPercent = policy.tearPercent ?? 0;
    this.#fill = policy.fill ?? 'either';
  }

  size(_path: string, sizes: readonly number[]): number {
    return this.#state(sizes.length);
  }

  sector(_path: string, _sector: number, stamps: readonly number[]): number {
    return this.#state(stamps.length);
  }

  keepChange(): boolean {
    return this.#state(2) === 1;
  }

  tear(): number {
    if (!this.#random.chance(this.#tearPercent, 100)) return SECTOR_BYTES;
    return 1 + this.#random.below(SECTOR_BYTES - 1);
  }

  fill(_path: string, _sector: number, content: Uint8Array): void {
    if (this.#fill === 'zeros') return;
    if (this.#fill === 'garbage' || this.#random.chance(1, 2)) this.#random.fill(content);
  }

  #state(count: number): number {
    if (this.#random.chance(this.#keepPercent, 100)) return count - 1;
    return this.#random.below(count - 1);
  }
}

/**
 * Calls `crash` with one policy after the other until every combination of answers was given, or
 * `limit` of them. Returns how many calls were made and whether that was all.
 *
 * A later question may depend on an earlier answer (the sectors on the size), so the combinations
 * are walked depth first: each round repeats the answers up to the last one that can still grow.
 */
export function forEachCrash(
  crash: (policy: ChosenCrash, round: number) => void,
  limit: number,
  fill: 'zeros' | 'garbage' = 'zeros',
): { rounds: number; complete: boolean } {
  let answers: number[] = [];
  for (let round = 0; round < limit; round++) {
    const counts: number[] = [];
    crash(
      {
        fill,
        choose: (piece) => {
          counts.push(piece.count);
          return answers[counts.length - 1] ?? 0;
        },
      },
      round,
    );
    let last = counts.length - 1;
    while (last >= 0 && (answers[last] ?? 0) + 1 === counts[last]) last--;
    if (last < 0) return { rounds: round + 1, complete: true };
    answers = Array.from({ length: last + 1 }, (_, i) => answers[i] ?? 0);
    answers[last] = (answers[last] as number) + 1;
  }
  return { rounds: limit, complete: false };
}
