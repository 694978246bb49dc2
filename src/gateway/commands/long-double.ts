/**
 * The numbers of INCRBYFLOAT: Redis computes in C's long double, which on x86-64 has 64 bits of mantissa, and prints 17
 * decimals. The same sums come out here bit for bit: a number is mantissa x 2^exponent, rounded to nearest, ties to
 * even, after reading and after adding; printing is exact and then rounded.
 */

export interface LongDouble {
  /** With the sign; at most 64 bits. */
  readonly mantissa: bigint;
  readonly exponent: number;
  /** +1 or -1: the infinity of that sign, and the mantissa does not count. */
  readonly infinite: number;
}

export const ZERO: LongDouble = { mantissa: 0n, exponent: 0, infinite: 0 };

const MANTISSA_BITS = 64;
/** Of the last bit, in the smallest numbers. */
const EXPONENT_MIN = -16_445;
/** Of the bit above the first one, in the largest numbers. */
const TOP_MAX = 16_384;
/** Redis reads no longer ones. */
const CHARACTERS_MAX = 5 * 1024 - 1;
const DECIMALS = 17;
/** No power of ten beyond this one matters: the smallest number is above 10^-4951, the mantissa has 5119 digits. */
const DECIMAL_EXPONENT_MAX = 20_000;

/** A decimal or hexadecimal number or infinity, as C reads it, all of it; undefined when it is none, or out of range. */
export function parseLongDouble(bytes: Uint8Array): LongDouble | undefined {
  if (bytes.length === 0 || bytes.length > CHARACTERS_MAX) return undefined;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  const decimal = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (decimal !== null) return parseDecimal(decimal);
  const infinity = /^([+-]?)inf(?:inity)?$/i.exec(text);
  if (infinity !== null) {
    return { mantissa: 0n, exponent: 0, infinite: infinity[1] === '-' ? -1 : 1 };
  }
  const hex = /^([+-]?)0x([\da-f]*)(?:\.([\da-f]*))?(?:p([+-]?\d+))?$/i.exec(text);
  return hex === null ? undefined : parseHex(hex);
}

function parseDecimal(parts: readonly (string | undefined)[]): LongDouble | undefined {
  const [, sign, whole = '', fraction = '', power = '0'] = parts;
  if (whole.length + fraction.length === 0) return undefined;
  const digits = BigInt(whole + fraction);
  if (digits === 0n) return ZERO;
  const tens = clampExponent(power) - fraction.length;
  const signed = sign === '-' ? -digits : digits;
  const rounded =
    tens >= 0
      ? roundQuotient(signed * 10n ** BigInt(tens), 1n, 0)
      : roundQuotient(signed, 10n ** BigInt(-tens), 0);
  return inRange(rounded);
}

function parseHex(parts: readonly (string | undefined)[]): LongDouble | undefined {
  const [, sign, whole = '', fraction = '', power = '0'] = parts;
  if (whole.length + fraction.length === 0) return undefined;
  const digits = BigInt(`0x${whole}${fraction}`);
  if (digits === 0n) return ZERO;
  const twos = clampExponent(power) - 4 * fraction.length;
  return inRange(roundQuotient(sign === '-' ? -digits : digits, 1n, twos));
}

function clampExponent(text: string): number {
  return Math.max(-DECIMAL_EXPONENT_MAX, Math.min(DECIMAL_EXPONENT_MAX, Number(text)));
}

/** C calls a number that became infinite, or nothing, out of range. */
function inRange(value: LongDouble): LongDouble | undefined {
  return value.infinite !== 0 || value.mantissa === 0n ? undefined : value;
}

/** undefined: the sum is infinite, or not a number. */
export function addLongDoubles(a: LongDouble, b: LongDouble): LongDouble | undefined {
  if (a.infinite !== 0 || b.infinite !== 0) return undefined;
  if (a.mantissa === 0n) return b;
  if (b.mantissa === 0n) return a;
  const exponent = Math.min(a.exponent, b.exponent);
  const sum =
    (a.mantissa << BigInt(a.exponent - exponent)) + (b.mantissa << BigInt(b.exponent - exponent));
  const rounded = roundQuotient(sum, 1n, exponent);
  return rounded.infinite === 0 ? rounded : undefined;
}

/** numerator / denominator x 2^exponent in as many bits as there are. */
function roundQuotient(numerator: bigint, denominator: bigint, exponent: number): LongDouble {
  if (numerator === 0n) return ZERO;
  const isNegative = numerator < 0n;
  const above = isNegative ? -numerator : numerator;
  // So that the quotient has one bit more than wanted, or two; the lowest of them and the rest decide on rounding.
  const shift = MANTISSA_BITS + 1 - (bitLength(above) - bitLength(denominator));
  const up = shift > 0 ? above << BigInt(shift) : above;
  const down = shift < 0 ? denominator << BigInt(-shift) : denominator;
  let quotient = up / down;
  let isExact = up % down === 0n;
  let at = exponent - shift;
  const surplus = Math.max(bitLength(quotient) - MANTISSA_BITS, EXPONENT_MIN - at);
  if (surplus > 0) {
    const bits = BigInt(surplus);
    const cut = quotient & ((1n << bits) - 1n);
    const half = 1n << (bits - 1n);
    quotient >>= bits;
    at += surplus;
    if (cut > half || (cut === half && (!isExact || (quotient & 1n) === 1n))) quotient++;
    isExact = true;
  }
  if (at + bitLength(quotient) > TOP_MAX) {
    return { mantissa: 0n, exponent: 0, infinite: isNegative ? -1 : 1 };
  }
  return { mantissa: isNegative ? -quotient : quotient, exponent: at, infinite: 0 };
}

function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(16).length * 4 - leadingZeros(value);
}

/** Of the first hexadecimal digit. */
function leadingZeros(value: bigint): number {
  const first = Number.parseInt(value.toString(16).charAt(0), 16);
  return Math.clz32(first) - 28;
}

/** With up to 17 decimals, and no zeros at their end. Requires that it is finite. */
export function formatLongDouble(value: LongDouble): string {
  const isNegative = value.mantissa < 0n;
  const mantissa = isNegative ? -value.mantissa : value.mantissa;
  let scaled = mantissa * 10n ** BigInt(DECIMALS);
  if (value.exponent >= 0) scaled <<= BigInt(value.exponent);
  else {
    const bits = BigInt(-value.exponent);
    const cut = scaled & ((1n << bits) - 1n);
    const half = 1n << (bits - 1n);
    scaled >>= bits;
    if (cut > half || (cut === half && (scaled & 1n) === 1n)) scaled++;
  }
  const digits = scaled.toString().padStart(DECIMALS + 1, '0');
  const whole = digits.slice(0, -DECIMALS);
  const fraction = digits.slice(-DECIMALS).replace(/0+$/, '');
  const text = fraction === '' ? whole : `${whole}.${fraction}`;
  return isNegative && text !== '0' ? `-${text}` : text;
}
