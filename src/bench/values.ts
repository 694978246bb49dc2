/**
 * Values: made before the timed part, kept in a ring per client, stamped when they are used.
 *
 *   offset  size  field    (little-endian; only in values of at least 8 bytes)
 *        0     4  record   number of the record, modulo 2^32: a read checks it
 *        4     4  stamp    counts up, so that no two values of a client are equal
 *        8     -  filling  random bytes; the last part repeats one byte when values compress
 *
 * Ownership: a ring belongs to one client, and a client has one write under way, so a value is
 * never changed while an engine may still read it.
 */
import { assert } from '../base/assert.js';
import { MIB, VALUE_BYTES_MAX } from '../base/limits.js';
import type { Prng } from '../base/prng.js';
import { invalid } from './workloads.js';

export type ValueSizes =
  | { readonly kind: 'fixed'; readonly bytes: number }
  | { readonly kind: 'uniform'; readonly min: number; readonly max: number }
  /** Cut to [min, max]. */
  | {
      readonly kind: 'normal';
      readonly mean: number;
      readonly deviation: number;
      readonly min: number;
      readonly max: number;
    }
  /** Ascending (percent, bytes): sizes are uniform between neighbours, from `min` to the last one. */
  | { readonly kind: 'percentile'; readonly min: number; readonly points: readonly SizePoint[] };

export interface SizePoint {
  readonly percent: number;
  readonly bytes: number;
}

/** Values below this carry no record number. */
export const STAMP_BYTES = 8;

/** All rings together, values and bytes. */
const RING_VALUES_MAX = 4096;
const RING_BYTES_MAX = 64 * MIB;
/** A ring is at least this long, so that small rings still show a distribution of sizes. */
const RING_VALUES_MIN = 4;

/** The flags of the reference: sizes in bytes, 0 or undefined where a default applies. */
export interface ValueSizeFlags {
  readonly distribution: string;
  readonly size: number;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly deviation?: number | undefined;
  /** "50:256,90:512,99:1024" */
  readonly percentiles?: string | undefined;
}

/** Defaults: min and max are the value size, the deviation is a quarter of it. @throws NokvError NOKV_INVALID. */
export function valueSizesFromFlags(flags: ValueSizeFlags): ValueSizes {
  const min = flags.min || flags.size;
  const max = flags.max || Math.max(min, flags.size);
  if (min > max) throw invalid('smallest value is above the largest', 'Swap the two sizes');
  switch (flags.distribution) {
    case 'fixed':
      return { kind: 'fixed', bytes: checkSize(flags.size) };
    case 'uniform':
      return { kind: 'uniform', min: checkSize(min), max: checkSize(max) };
    case 'normal': {
      const deviation = flags.deviation || flags.size / 4;
      const isOpen = !flags.min && !flags.max;
      const [low, high] = isOpen ? [1, 4 * flags.size] : [min, max];
      return {
        kind: 'normal',
        mean: flags.size,
        deviation,
        min: checkSize(low),
        max: checkSize(high),
      };
    }
    case 'percentile':
      return {
        kind: 'percentile',
        min: flags.min || 1,
        points: parsePercentiles(flags.percentiles ?? ''),
      };
    default:
      throw invalid(
        `unknown value size distribution "${flags.distribution}"`,
        'Known are fixed, uniform, normal, percentile',
      );
  }
}

function parsePercentiles(text: string): SizePoint[] {
  const hint = 'Write ascending pairs such as 50:256,90:512,99:1024';
  const points = text
    .split(',')
    .filter((part) => part.trim() !== '')
    .map((part) => {
      const [percent, bytes] = part.split(':').map(Number);
      return { percent: percent ?? NaN, bytes: bytes ?? NaN };
    });
  if (points.length === 0) throw invalid('no value size percentiles', hint);
  let previous: SizePoint = { percent: 0, bytes: 0 };
  for (const point of points) {
    const isAscending = point.percent > previous.percent && point.bytes >= previous.bytes;
    if (!isAscending || point.percent > 100) throw invalid('bad value size percentiles', hint);
    checkSize(point.bytes);
    previous = point;
  }
  return points;
}

function checkSize(bytes: number): number {
  if (Number.isInteger(bytes) && bytes >= 1 && bytes <= VALUE_BYTES_MAX) return bytes;
  throw invalid('value size out of range', `Give whole bytes from 1 to ${VALUE_BYTES_MAX}`);
}

/** Draws one size in bytes. */
export function drawSize(sizes: ValueSizes, prng: Prng): number {
  switch (sizes.kind) {
    case 'fixed':
      return sizes.bytes;
    case 'uniform':
      return sizes.min + prng.below(sizes.max - sizes.min + 1);
    case 'normal': {
      const size = Math.round(sizes.mean + sizes.deviation * gaussian(prng));
      return Math.min(sizes.max, Math.max(sizes.min, size));
    }
    case 'percentile':
      return drawPercentile(sizes.min, sizes.points, prng);
  }
}

function drawPercentile(min: number, points: readonly SizePoint[], prng: Prng): number {
  const percent = prng.fraction() * 100;
  let lower: SizePoint = { percent: 0, bytes: min };
  for (const point of points) {
    if (percent < point.percent) {
      const share = (percent - lower.percent) / (point.percent - lower.percent);
      return Math.max(1, Math.round(lower.bytes + share * (point.bytes - lower.bytes)));
    }
    lower = point;
  }
  return lower.bytes;
}

/** Box-Muller. */
function gaussian(prng: Prng): number {
  const radius = Math.sqrt(-2 * Math.log(1 - prng.fraction()));
  return radius * Math.cos(2 * Math.PI * prng.fraction());
}

/** The prepared values of one client. */
export class ValueRing {
  readonly #values: readonly Buffer[];
  #next = 0;
  #stamp: number;

  constructor(values: readonly Buffer[], firstStamp: number) {
    assert(values.length > 0, 'value ring: empty');
    this.#values = values;
    this.#stamp = firstStamp >>> 0;
  }

  /** The next value, marked as one of `record`. Borrowed until the client's next call. */
  take(record: number): Buffer {
    const value = this.#values[this.#next] as Buffer;
    if (++this.#next === this.#values.length) this.#next = 0;
    if (value.length >= STAMP_BYTES) {
      const stamp = (this.#stamp = (this.#stamp + 1) >>> 0);
      value[0] = record;
      value[1] = record >>> 8;
      value[2] = record >>> 16;
      value[3] = record >>> 24;
      value[4] = stamp;
      value[5] = stamp >>> 8;
      value[6] = stamp >>> 16;
      value[7] = stamp >>> 24;
    }
    return value;
  }

  get sizes(): number[] {
    return this.#values.map((value) => value.length);
  }
}

/** True when the value is one of `record`, as far as its size lets one tell. */
export function isValueOf(value: Uint8Array, record: number): boolean {
  if (value.length < STAMP_BYTES) return true;
  const found =
    (value[0] as number) |
    ((value[1] as number) << 8) |
    ((value[2] as number) << 16) |
    ((value[3] as number) << 24);
  return found === (record | 0);
}

/**
 * One ring per client. `compressibility` in [0, 1] is the share of every value that repeats one byte.
 */
export function makeRings(
  clients: number,
  sizes: ValueSizes,
  compressibility: number,
  prng: Prng,
): ValueRing[] {
  const perRing = ringLength(clients, sizes);
  const rings: ValueRing[] = [];
  for (let client = 0; client < clients; client++) {
    const values: Buffer[] = [];
    for (let i = 0; i < perRing; i++) {
      values.push(makeValue(drawSize(sizes, prng), compressibility, prng));
    }
    rings.push(new ValueRing(values, client * 0x0100_0000));
  }
  return rings;
}

function ringLength(clients: number, sizes: ValueSizes): number {
  const byBytes = Math.floor(RING_BYTES_MAX / largestSize(sizes));
  const perClient = Math.floor(Math.min(RING_VALUES_MAX, byBytes) / clients);
  return Math.max(RING_VALUES_MIN, perClient);
}

function largestSize(sizes: ValueSizes): number {
  switch (sizes.kind) {
    case 'fixed':
      return sizes.bytes;
    case 'uniform':
    case 'normal':
      return sizes.max;
    case 'percentile':
      return (sizes.points.at(-1) as SizePoint).bytes;
  }
}

function makeValue(size: number, compressibility: number, prng: Prng): Buffer {
  const value = Buffer.alloc(size, 0x6e);
  prng.fill(value.subarray(0, Math.round(size * (1 - compressibility))));
  return value;
}
