/** Values as rows of bits; bit 0 is the highest of the first byte. */
import { NO_EXPIRY, type View } from '../backend.js';
import type { KeyCommand } from '../command.js';
import { RedisError, type Reply } from '../reply.js';
import {
  arg,
  clamp,
  integerArg,
  isWord,
  parseInteger,
  positionArg,
  STRING_BYTES_MAX,
  SYNTAX_ERROR,
} from './data-arguments.js';
import { GROW, keyCommand, ONE_KEY, READ, READ_FAST } from './command-specs.js';

const BIT_NOT_AN_INTEGER = new RedisError('ERR bit is not an integer or out of range');
const OFFSET_NOT_AN_INTEGER = new RedisError('ERR bit offset is not an integer or out of range');
const EMPTY = new Uint8Array(0);

/** A place in a value of the longest length. @throws RedisError */
export function bitOffset(bytes: Uint8Array, factor = 1): number {
  const value = parseInteger(bytes);
  const offset = value === undefined ? -1 : clamp(value) * factor;
  if (offset < 0 || offset >= 8 * STRING_BYTES_MAX) throw OFFSET_NOT_AN_INTEGER;
  return offset;
}

/** A copy of a value, made longer by zeros so that it has the byte at `byte`. */
export function writableBytes(old: Uint8Array | undefined, byte: number): Buffer {
  const bytes = Buffer.alloc(Math.max(old?.length ?? 0, byte + 1));
  if (old !== undefined) bytes.set(old);
  return bytes;
}

function setbit(view: View, args: readonly Buffer[]): Reply {
  const key = arg(args, 1);
  const offset = bitOffset(arg(args, 2));
  const bit = integerArg(args, 3, BIT_NOT_AN_INTEGER);
  if (bit !== 0 && bit !== 1) throw BIT_NOT_AN_INTEGER;
  const old = view.get(key);
  const byte = Math.floor(offset / 8);
  const mask = 0x80 >> (offset & 7);
  const before = ((old?.bytes[byte] ?? 0) & mask) === 0 ? 0 : 1;
  if (old !== undefined && byte < old.bytes.length && before === bit) return before;
  const bytes = writableBytes(old?.bytes, byte);
  bytes[byte] = bit === 1 ? (bytes[byte] as number) | mask : (bytes[byte] as number) & ~mask;
  view.set(key, bytes, old?.expiresAt ?? NO_EXPIRY);
  return before;
}

function getbit(view: View, args: readonly Buffer[]): Reply {
  const offset = bitOffset(arg(args, 2));
  const byte = view.get(arg(args, 1))?.bytes[Math.floor(offset / 8)] ?? 0;
  return (byte & (0x80 >> (offset & 7))) === 0 ? 0 : 1;
}

/** BIT: true; BYTE: false. */
function isInBits(args: readonly Buffer[], i: number): boolean {
  if (i >= args.length) return false;
  if (isWord(arg(args, i), 'bit')) return true;
  if (isWord(arg(args, i), 'byte')) return false;
  throw SYNTAX_ERROR;
}

/** First and last bit of a range of bytes or bits that may count from the end; first > last: nothing. */
function bitRange(start: number, end: number, length: number, inBits: boolean): [number, number] {
  const total = inBits ? 8 * length : length;
  const first = Math.max(0, start < 0 ? total + start : start);
  const last = Math.min(Math.max(0, end < 0 ? total + end : end), total - 1);
  return inBits ? [first, last] : [8 * first, 8 * last + 7];
}

function bitcount(view: View, args: readonly Buffer[]): Reply {
  const bytes = view.get(arg(args, 1))?.bytes;
  if (bytes === undefined) return 0;
  if (args.length === 2) return countBits(bytes, 0, 8 * bytes.length - 1);
  if (args.length !== 4 && args.length !== 5) throw SYNTAX_ERROR;
  const start = positionArg(args, 2);
  const end = positionArg(args, 3);
  if (start < 0 && end < 0 && start > end) return 0;
  return countBits(bytes, ...bitRange(start, end, bytes.length, isInBits(args, 4)));
}

/** Ones from bit `first` to bit `last`. */
function countBits(bytes: Uint8Array, first: number, last: number): number {
  if (first > last) return 0;
  const firstByte = Math.floor(first / 8);
  const lastByte = Math.floor(last / 8);
  let count = 0;
  for (let i = firstByte; i <= lastByte; i++) {
    let byte = bytes[i] as number;
    if (i === firstByte) byte &= 0xff >> (first & 7);
    if (i === lastByte) byte &= 0xff00 >> ((last & 7) + 1);
    byte -= (byte >> 1) & 0x55;
    byte = (byte & 0x33) + ((byte >> 2) & 0x33);
    count += (byte + (byte >> 4)) & 0x0f;
  }
  return count;
}

function bitpos(view: View, args: readonly Buffer[]): Reply {
  const bit = positionArg(args, 2);
  if (bit !== 0 && bit !== 1) throw new RedisError('ERR The bit argument must be 1 or 0.');
  const bytes = view.get(arg(args, 1))?.bytes;
  if (bytes === undefined) return bit === 1 ? -1 : 0;
  if (args.length > 6) throw SYNTAX_ERROR;
  const start = args.length > 3 ? positionArg(args, 3) : 0;
  const inBits = isInBits(args, 5);
  const hasEnd = args.length > 4;
  const end = hasEnd ? positionArg(args, 4) : bytes.length - 1;
  const [first, last] = bitRange(start, end, bytes.length, inBits);
  if (first > last) return -1;
  const found = findBit(bytes, bit, first, last);
  if (found !== -1) return found;
  // Behind the value there are zeros, unless an end was given.
  return bit === 0 && !hasEnd ? 8 * bytes.length : -1;
}

/** The first `bit` from bit `first` to bit `last`, or -1. */
function findBit(bytes: Uint8Array, bit: number, first: number, last: number): number {
  const dull = bit === 1 ? 0 : 0xff;
  for (let i = first; i <= last; i++) {
    const byte = bytes[Math.floor(i / 8)] as number;
    if (byte === dull) i += 7 - (i & 7);
    else if (((byte >> (7 - (i & 7))) & 1) === bit) return i;
  }
  return -1;
}

const OPERATIONS = ['and', 'or', 'xor', 'not'] as const;
type Operation = (typeof OPERATIONS)[number];

function bitop(view: View, args: readonly Buffer[]): Reply {
  const operation = OPERATIONS.find((one) => isWord(arg(args, 1), one));
  if (operation === undefined) throw SYNTAX_ERROR;
  if (operation === 'not' && args.length !== 4) {
    throw new RedisError('ERR BITOP NOT must be called with a single source key.');
  }
  const sources = args.slice(3).map((key) => view.get(key)?.bytes ?? EMPTY);
  const length = sources.reduce((max, source) => Math.max(max, source.length), 0);
  const target = arg(args, 2);
  if (length === 0) view.delete(target);
  else view.set(target, combine(operation, sources, length), NO_EXPIRY);
  return length;
}

/** Shorter sources count as continued by zeros. */
function combine(operation: Operation, sources: readonly Uint8Array[], length: number): Uint8Array {
  const result = new Uint8Array(length);
  result.set(sources[0] as Uint8Array);
  if (operation === 'not') {
    for (let i = 0; i < length; i++) result[i] = ~(result[i] as number);
    return result;
  }
  for (const source of sources.slice(1)) {
    const shared = source.length;
    if (operation === 'and') {
      for (let i = 0; i < shared; i++) result[i] = (result[i] as number) & (source[i] as number);
      result.fill(0, shared);
    } else if (operation === 'or') {
      for (let i = 0; i < shared; i++) result[i] = (result[i] as number) | (source[i] as number);
    } else {
      for (let i = 0; i < shared; i++) result[i] = (result[i] as number) ^ (source[i] as number);
    }
  }
  return result;
}

export const BIT_COMMANDS: readonly KeyCommand[] = [
  keyCommand(
    'bitmap',
    'setbit',
    4,
    GROW,
    ONE_KEY,
    '2.2.0',
    'Sets or clears the bit at offset in the string value stored at key',
    setbit,
  ),
  keyCommand(
    'bitmap',
    'getbit',
    3,
    READ_FAST,
    ONE_KEY,
    '2.2.0',
    'Returns the bit value at offset in the string value stored at key',
    getbit,
  ),
  keyCommand(
    'bitmap',
    'bitcount',
    -2,
    READ,
    ONE_KEY,
    '2.6.0',
    'Count set bits in a string',
    bitcount,
  ),
  keyCommand(
    'bitmap',
    'bitpos',
    -3,
    READ,
    ONE_KEY,
    '2.8.7',
    'Find first bit set or clear in a string',
    bitpos,
  ),
  keyCommand(
    'bitmap',
    'bitop',
    -4,
    GROW,
    [2, -1, 1],
    '2.6.0',
    'Perform bitwise operations between strings',
    bitop,
  ),
];
