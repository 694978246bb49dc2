/**
 * Arguments of commands: words in any case, integers as Redis reads them, and the errors about them. Nothing is
 * allocated for an argument that is as expected; integers are numbers where these are exact, else bigints.
 */
import { RedisError } from '../reply.js';

export const SYNTAX_ERROR = new RedisError('ERR syntax error');
export const NOT_AN_INTEGER = new RedisError('ERR value is not an integer or out of range');

export const INT64_MAX = 9_223_372_036_854_775_807n;
export const INT64_MIN = -9_223_372_036_854_775_808n;

/** Longest value, bytes: proto-max-bulk-len. */
export const STRING_BYTES_MAX = 512 * 1024 * 1024;

/** Integers of at most so many digits are exact as numbers. */
const EXACT_DIGITS = 15;
const INT64_CHARACTERS_MAX = 20;
const MINUS = 0x2d;
const ZERO = 0x30;

/** The argument at `i`, which the arity says is there. */
export function arg(args: readonly Buffer[], i: number): Buffer {
  return args[i] as Buffer;
}

/** Is it this word, in any case? `word` is in lower case. */
export function isWord(bytes: Uint8Array, word: string): boolean {
  const { length } = bytes;
  if (length !== word.length) return false;
  for (let i = 0; i < length; i++) {
    const byte = bytes[i] as number;
    const lower = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
    if (lower !== word.charCodeAt(i)) return false;
  }
  return true;
}

/**
 * A 64-bit integer in the one way to write it: no sign but a minus, no leading zero, no blanks. A bigint beyond the safe
 * integers. undefined when it is none.
 */
export function parseInteger(bytes: Uint8Array): number | bigint | undefined {
  const { length } = bytes;
  const isNegative = bytes[0] === MINUS;
  const first = isNegative ? 1 : 0;
  if (length === first || length > INT64_CHARACTERS_MAX) return undefined;
  if (bytes[first] === ZERO) return length === 1 ? 0 : undefined;
  let value = 0;
  for (let i = first; i < length; i++) {
    const digit = (bytes[i] as number) - ZERO;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  if (length - first <= EXACT_DIGITS) return isNegative ? -value : value;
  return bigInteger(bytes);
}

/** Of digits, maybe with a minus. */
function bigInteger(bytes: Uint8Array): number | bigint | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  const value = BigInt(text);
  if (value > INT64_MAX || value < INT64_MIN) return undefined;
  return narrow(value);
}

/** A number when that is exact. */
export function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** @throws RedisError "value is not an integer", or `error` */
export function integerArg(
  args: readonly Buffer[],
  i: number,
  error: RedisError = NOT_AN_INTEGER,
): number | bigint {
  const value = parseInteger(arg(args, i));
  if (value === undefined) throw error;
  return value;
}

/** As integerArg, for positions and lengths: what is beyond the safe integers is as good as their ends. */
export function positionArg(args: readonly Buffer[], i: number): number {
  return clamp(integerArg(args, i));
}

export function clamp(value: number | bigint): number {
  if (typeof value === 'number') return value;
  return value > 0n ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER;
}

export function integerBytes(value: number | bigint): Buffer {
  return Buffer.from(String(value), 'latin1');
}

export function wrongNumberOfArguments(name: string): RedisError {
  return new RedisError(`ERR wrong number of arguments for '${name}' command`);
}

/** @throws RedisError when a string of so many bytes is too long */
export function checkStringLength(bytes: number): void {
  if (bytes > STRING_BYTES_MAX) {
    throw new RedisError('ERR string exceeds maximum allowed size (proto-max-bulk-len)');
  }
}
