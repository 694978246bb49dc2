/**
 * Log-linear histogram of non-negative integers below 2^53 (nanoseconds, bytes): 128 buckets per
 * power of two, so a percentile is within 0.4 % of an observed value. Mean, minimum and maximum are
 * exact. Recording allocates nothing and costs about 17 ns.
 *
 * Bucket of v: below 256 the value itself; above, with e = floor(log2 v) and shift = e - 7, bucket
 * (shift << 7) + floor(v / 2^shift), whose second term is in [128, 256). Buckets are in value order.
 */
import { assert } from './assert.js';

const LINEAR_BITS = 7;
const LINEAR_COUNT = 1 << LINEAR_BITS;
/** e = 52 gives shift 45 and the last bucket 45 * 128 + 255. */
const BUCKET_COUNT = (52 - LINEAR_BITS) * LINEAR_COUNT + 2 * LINEAR_COUNT;
const INT32_LIMIT = 2_147_483_648;
/** Values of 2^31 and more are indexed through their upper bits; 2^53 / 2^22 still fits 31 bits. */
const HIGH_BITS = 22;
const HIGH_UNIT = 2 ** HIGH_BITS;

export class Histogram {
  readonly #counts = new Float64Array(BUCKET_COUNT);
  #count = 0;
  #sum = 0;
  #min = Infinity;
  #max = 0;

  /** Counts one observation. Fractions are cut off, negative values (a clock step) count as 0. */
  record(value: number): void {
    const v = value > 0 ? Math.floor(value) : 0;
    const bucket = bucketOf(v);
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#count++;
    this.#sum += v;
    if (v < this.#min) this.#min = v;
    if (v > this.#max) this.#max = v;
  }

  get count(): number {
    return this.#count;
  }

  get sum(): number {
    return this.#sum;
  }

  /** 0 when empty. */
  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  /** 0 when empty. */
  get min(): number {
    return this.#count === 0 ? 0 : this.#min;
  }

  /** 0 when empty. */
  get max(): number {
    return this.#max;
  }

  /**
   * The value at rank ceil(percent / 100 * count), `percent` in [0, 100]: the middle of its bucket,
   * held within [min, max], so that 0 and 100 are exact. 0 when empty.
   */
  percentile(percent: number): number {
    assert(percent >= 0 && percent <= 100, 'histogram: percent out of range');
    if (this.#count === 0) return 0;
    if (percent === 0) return this.#min;
    // The small slack keeps 99.9 % of 1000 at rank 999 in spite of binary fractions.
    const rank = Math.max(1, Math.ceil((percent / 100) * this.#count - 1e-9 * this.#count));
    if (rank >= this.#count) return this.#max;
    let seen = 0;
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      seen += this.#counts[bucket] as number;
      if (seen >= rank) return Math.min(this.#max, Math.max(this.#min, bucketMiddle(bucket)));
    }
    return this.#max;
  }

  /** Adds the observations of `other`, which stays as it is. */
  merge(other: Histogram): void {
    const theirs = other.#counts;
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      this.#counts[bucket] = (this.#counts[bucket] as number) + (theirs[bucket] as number);
    }
    this.#count += other.#count;
    this.#sum += other.#sum;
    if (other.#min < this.#min) this.#min = other.#min;
    if (other.#max > this.#max) this.#max = other.#max;
  }

  reset(): void {
    this.#counts.fill(0);
    this.#count = 0;
    this.#sum = 0;
    this.#min = Infinity;
    this.#max = 0;
  }

  /** Visits the buckets that are not empty in value order: counts of values in [lower, upper). */
  forEachBucket(visit: (lower: number, upper: number, count: number) => void): void {
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      const count = this.#counts[bucket] as number;
      if (count > 0) visit(bucketLower(bucket), bucketLower(bucket + 1), count);
    }
  }
}

function bucketOf(value: number): number {
  if (value < INT32_LIMIT) {
    if (value < 2 * LINEAR_COUNT) return value;
    const shift = 31 - LINEAR_BITS - Math.clz32(value);
    return (shift << LINEAR_BITS) + (value >>> shift);
  }
  const high = Math.floor(value / HIGH_UNIT);
  const shift = 31 - LINEAR_BITS - Math.clz32(high);
  return ((shift + HIGH_BITS) << LINEAR_BITS) + (high >>> shift);
}

/** Smallest value of a bucket; also the end of the bucket before it. */
function bucketLower(bucket: number): number {
  if (bucket < 2 * LINEAR_COUNT) return bucket;
  const shift = (bucket >>> LINEAR_BITS) - 1;
  return ((bucket & (LINEAR_COUNT - 1)) + LINEAR_COUNT) * 2 ** shift;
}

function bucketMiddle(bucket: number): number {
  const lower = bucketLower(bucket);
  return lower + Math.floor((bucketLower(bucket + 1) - lower) / 2);
}
