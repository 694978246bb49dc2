/**
 * Record numbers and their keys. A record is a number from 0; its key is "user" and 19 digits: the
 * absolute value of YCSB's FNV-1a-64 hash of the number (insert order hashed) or the number itself
 * (ordered). All keys of a run are made before anything is timed, in the form the engine likes best.
 * 64-bit arithmetic is done on two u32 halves.
 */
import { assert } from '../base/assert.js';

export type InsertOrder = 'hashed' | 'ordered';
/** What an engine takes as a key. Bytes are latin1 of the string form. */
export type BenchKey = string | Uint8Array;
export type KeyForm = 'string' | 'bytes';

/** "user" and 19 digits. */
export const KEY_BYTES = 23;

/** Keys of a run, records and inserts: an array and a buffer of Node hold no more of them. */
export const KEYS_MAX = 100_000_000;

const U32 = 4_294_967_296;
const PRIME_LOW = 0x1b3; // the prime is 2^40 + 0x1b3
const MILLION = 1_000_000;

/**
 * YCSB's fnvhash64: FNV-1a over the eight octets of `record`, low octet first, absolute value.
 * Written as `upper * 10^6 + lower`, which has exactly 19 digits of room: both are safe integers.
 */
export class RecordHash {
  /** Value divided by 10^6, below 9.3 * 10^12. */
  upper = 0;
  /** Value modulo 10^6. */
  lower = 0;

  /** Requires 0 <= record < 2^53. */
  set(record: number): void {
    let low = 0x84222325;
    let high = 0xcbf29ce4;
    let restLow = record % U32;
    let restHigh = Math.floor(record / U32);
    for (let i = 0; i < 8; i++) {
      low = (low ^ (restLow & 0xff)) >>> 0;
      restLow = ((restLow >>> 8) | (restHigh << 24)) >>> 0;
      restHigh >>>= 8;
      const product = low * PRIME_LOW;
      const carry = Math.floor(product / U32);
      high = (high * PRIME_LOW + carry + ((low << 8) >>> 0)) % U32;
      low = product % U32;
    }
    if (high >= U32 / 2) {
      high = ~high >>> 0;
      low = -low >>> 0;
      if (low === 0) high = (high + 1) >>> 0;
    }
    this.#split(high, low);
  }

  /** The hash modulo `bound`. Requires 0 < bound <= 2^32. */
  modulo(bound: number): number {
    return ((this.upper % bound) * MILLION + this.lower) % bound;
  }

  /** 2^32 = 4294 * 10^6 + 967296. */
  #split(high: number, low: number): void {
    const tail = high * 967_296 + low;
    this.lower = tail % MILLION;
    this.upper = high * 4294 + Math.floor(tail / MILLION);
  }
}

/** Key of one record. */
export function keyOf(record: number, order: InsertOrder): string {
  if (order === 'ordered') return 'user' + String(record).padStart(19, '0');
  const hash = new RecordHash();
  hash.set(record);
  return hashedKey(hash);
}

/** Keys of the records 0 ... count-1 in the form `form`. */
export function makeKeys(count: number, order: InsertOrder, form: KeyForm): BenchKey[] {
  const bytes = writeKeys(count, order);
  const keys = new Array<BenchKey>(count);
  for (let i = 0; i < count; i++) {
    const start = i * KEY_BYTES;
    // One flat string; a key built by concatenation would be a rope to flatten later.
    keys[i] =
      form === 'string'
        ? bytes.toString('latin1', start, start + KEY_BYTES)
        : bytes.subarray(start, start + KEY_BYTES);
  }
  return keys;
}

function writeKeys(count: number, order: InsertOrder): Buffer {
  const bytes = Buffer.allocUnsafeSlow(count * KEY_BYTES);
  const hash = new RecordHash();
  for (let record = 0; record < count; record++) {
    const start = record * KEY_BYTES;
    bytes.write('user', start, 'latin1');
    if (order === 'ordered') {
      writeDigits(bytes, start + 4, 19, record);
    } else {
      hash.set(record);
      writeDigits(bytes, start + 4, 13, hash.upper);
      writeDigits(bytes, start + 17, 6, hash.lower);
    }
  }
  return bytes;
}

function writeDigits(target: Uint8Array, start: number, width: number, value: number): void {
  let rest = value;
  for (let at = start + width - 1; at >= start; at--) {
    const next = Math.floor(rest / 10);
    target[at] = 48 + (rest - next * 10);
    rest = next;
  }
  assert(rest === 0, 'bench keys: number wider than its field');
}

function hashedKey(hash: RecordHash): string {
  return 'user' + String(hash.upper).padStart(13, '0') + String(hash.lower).padStart(6, '0');
}
