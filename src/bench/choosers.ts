/**
 * Which record an operation touches: YCSB's request distributions. Everything is drawn before the
 * timed part (draw.ts), so clarity wins over speed here. Same seed, same draws.
 *
 * - zipfian: YCSB's scrambled zipfian. Ranks follow a zipfian law over 10^10 items, whatever the
 *   number of records, and are spread over the records by hashing; the hottest record gets
 *   1 / zeta(10^10) of the requests, 3.8 % with the usual theta of 0.99.
 * - latest: a zipfian distance back from the newest record; the runner adds the newest one.
 * - hotspot: a share of the operations falls on the first part of the records, uniform in both.
 * - sequential: record after record, from 0 again after the last.
 */
import { assert } from '../base/assert.js';
import type { Prng } from '../base/prng.js';
import { RecordHash } from './keys.js';
import type { Distribution } from './workloads.js';

export interface ChooserOptions {
  /** Zipfian exponent, in (0, 1). */
  readonly theta: number;
  /** hotspot: share of the records that is hot, in (0, 1). */
  readonly hotRecords: number;
  /** hotspot: share of the operations on hot records, in [0, 1]. */
  readonly hotOperations: number;
}

export const CHOOSER_DEFAULTS: ChooserOptions = {
  theta: 0.99,
  hotRecords: 0.2,
  hotOperations: 0.8,
};

/** Draws record numbers in [0, records); for `latest` distances in [0, records). */
export interface Chooser {
  next(prng: Prng): number;
}

/** `records` is at least 1. */
export function makeChooser(
  distribution: Distribution,
  records: number,
  options: ChooserOptions,
): Chooser {
  assert(records >= 1, 'chooser: no records');
  switch (distribution) {
    case 'zipfian':
      return new ScrambledZipfian(records, options.theta);
    case 'uniform':
      return { next: (prng) => prng.below(records) };
    case 'latest':
      return new Zipfian(records, options.theta);
    case 'sequential': {
      let following = 0;
      return { next: () => following++ % records };
    }
    case 'hotspot':
      return new Hotspot(records, options);
  }
}

/** Ranks 0, 1, ... with frequency 1 / (rank + 1)^theta (Gray et al., "Quickly generating billion-record synthetic databases"). */
export class Zipfian implements Chooser {
  readonly #items: number;
  readonly #zeta: number;
  readonly #alpha: number;
  readonly #eta: number;
  /** u * zeta below this is rank 1: 1 + 2^-theta. */
  readonly #second: number;

  constructor(items: number, theta: number) {
    assert(theta > 0 && theta < 1, 'zipfian: theta out of range');
    this.#items = items;
    this.#zeta = zeta(items, theta);
    this.#alpha = 1 / (1 - theta);
    this.#second = 1 + 0.5 ** theta;
    this.#eta = items <= 2 ? 1 : (1 - (2 / items) ** (1 - theta)) / (1 - this.#second / this.#zeta);
  }

  next(prng: Prng): number {
    const u = fraction53(prng);
    const scaled = u * this.#zeta;
    if (scaled < 1 || this.#items === 1) return 0;
    if (scaled < this.#second || this.#items === 2) return 1;
    const rank = Math.floor(this.#items * (this.#eta * u - this.#eta + 1) ** this.#alpha);
    return Math.min(rank, this.#items - 1);
  }
}

/** YCSB draws ranks of so many items and hashes them onto the records. */
const SCRAMBLED_ITEMS = 10_000_000_000;

export class ScrambledZipfian implements Chooser {
  readonly #ranks: Zipfian;
  readonly #records: number;
  readonly #hash = new RecordHash();

  constructor(records: number, theta: number) {
    this.#ranks = new Zipfian(SCRAMBLED_ITEMS, theta);
    this.#records = records;
  }

  next(prng: Prng): number {
    this.#hash.set(this.#ranks.next(prng));
    return this.#hash.modulo(this.#records);
  }
}

class Hotspot implements Chooser {
  readonly #hot: number;
  readonly #cold: number;
  readonly #share: number;

  constructor(records: number, options: ChooserOptions) {
    this.#hot = Math.max(1, Math.floor(records * options.hotRecords));
    this.#cold = records - this.#hot;
    this.#share = options.hotOperations;
  }

  next(prng: Prng): number {
    const isHot = this.#cold === 0 || prng.fraction() < this.#share;
    return isHot ? prng.below(this.#hot) : this.#hot + prng.below(this.#cold);
  }
}

/** Sums directly up to this many terms; the rest is the Euler-Maclaurin formula, exact to about 1e-15. */
const DIRECT_TERMS = 1000;

/** Sum of 1 / i^theta for i from 1 to `items`. Requires 0 < theta < 1. */
export function zeta(items: number, theta: number): number {
  const direct = Math.min(items, DIRECT_TERMS);
  let sum = 0;
  for (let i = 1; i <= direct; i++) sum += i ** -theta;
  if (items <= direct) return sum;
  const power = 1 - theta;
  const integral = (items ** power - direct ** power) / power;
  const ends = (items ** -theta - direct ** -theta) / 2;
  const slopes = (theta / 12) * (direct ** (-theta - 1) - items ** (-theta - 1));
  return sum + integral + ends + slopes;
}

/** Uniform in [0, 1) with 53 bits: 32 do not reach 10^10 items. */
function fraction53(prng: Prng): number {
  return ((prng.u32() >>> 5) * 67_108_864 + (prng.u32() >>> 6)) / 9_007_199_254_740_992;
}
