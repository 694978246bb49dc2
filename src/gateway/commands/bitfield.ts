/** BITFIELD: integers of 1 to 64 bits anywhere in a value, highest bit first. */
import { NO_EXPIRY, type View } from '../backend.js';
import type { KeyCommand } from '../command.js';
import { RedisError, type Reply } from '../reply.js';
import { arg, integerArg, isWord, narrow, parseInteger, SYNTAX_ERROR } from './data-arguments.js';
import { bitOffset, writableBytes } from './bits.js';
import { GROW, keyCommand, ONE_KEY, READ_FAST } from './command-specs.js';

const INVALID_TYPE = new RedisError(
  'ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.',
);
const HASH = 0x23;
const LETTER_I = 0x69;
const LETTER_U = 0x75;

const OVERFLOWS = ['wrap', 'sat', 'fail'] as const;
type Overflow = (typeof OVERFLOWS)[number];

interface Field {
  readonly isSigned: boolean;
  readonly bits: number;
  readonly offset: number;
}

interface Operation extends Field {
  readonly kind: 'get' | 'set' | 'incrby';
  readonly operand: bigint;
  readonly overflow: Overflow;
}

/** Only what all of it says is done. */
function parse(args: readonly Buffer[]): Operation[] {
  const operations: Operation[] = [];
  let overflow: Overflow = 'wrap';
  for (let i = 2; i < args.length;) {
    const word = arg(args, i);
    const left = args.length - i - 1;
    if (isWord(word, 'overflow') && left >= 1) {
      overflow = overflowOf(arg(args, i + 1));
      i += 2;
    } else if (isWord(word, 'get') && left >= 2) {
      operations.push({ kind: 'get', ...fieldOf(args, i), operand: 0n, overflow });
      i += 3;
    } else if ((isWord(word, 'set') || isWord(word, 'incrby')) && left >= 3) {
      const kind = isWord(word, 'set') ? 'set' : 'incrby';
      const field = fieldOf(args, i);
      operations.push({ kind, ...field, operand: BigInt(integerArg(args, i + 3)), overflow });
      i += 4;
    } else throw SYNTAX_ERROR;
  }
  return operations;
}

function overflowOf(word: Uint8Array): Overflow {
  const overflow = OVERFLOWS.find((one) => isWord(word, one));
  if (overflow === undefined) throw new RedisError('ERR Invalid OVERFLOW type specified');
  return overflow;
}

/** The type and offset after the word at `i`. */
function fieldOf(args: readonly Buffer[], i: number): Field {
  const type = arg(args, i + 1);
  const isSigned = type[0] === LETTER_I;
  const bits = parseInteger(type.subarray(1));
  const isType = isSigned || type[0] === LETTER_U;
  if (!isType || typeof bits !== 'number' || bits < 1 || bits > (isSigned ? 64 : 63)) {
    throw INVALID_TYPE;
  }
  const place = arg(args, i + 2);
  const offset = place[0] === HASH ? bitOffset(place.subarray(1), bits) : bitOffset(place);
  return { isSigned, bits, offset };
}

function readField(bytes: Uint8Array, { isSigned, bits, offset }: Field): bigint {
  let value = 0n;
  for (let i = offset; i < offset + bits; i++) {
    const bit = ((bytes[Math.floor(i / 8)] ?? 0) >> (7 - (i & 7))) & 1;
    value = (value << 1n) | BigInt(bit);
  }
  return isSigned ? BigInt.asIntN(bits, value) : value;
}

function writeField(bytes: Uint8Array, { bits, offset }: Field, value: bigint): void {
  let rest = BigInt.asUintN(bits, value);
  for (let i = offset + bits - 1; i >= offset; i--) {
    const at = Math.floor(i / 8);
    const mask = 0x80 >> (i & 7);
    const byte = bytes[at] as number;
    bytes[at] = (rest & 1n) === 1n ? byte | mask : byte & ~mask;
    rest >>= 1n;
  }
}

/** What is stored for `value` in a field, or undefined: it does not fit, and that is to fail. */
function fit(value: bigint, { isSigned, bits, overflow }: Operation): bigint | undefined {
  const width = BigInt(bits);
  const max = isSigned ? (1n << (width - 1n)) - 1n : (1n << width) - 1n;
  const min = isSigned ? -max - 1n : 0n;
  if (value >= min && value <= max) return value;
  if (overflow === 'fail') return undefined;
  if (overflow === 'sat') return value > max ? max : min;
  return isSigned ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}

/** For SET, Redis takes a negative value of an unsigned field for a very large one. */
function settable({ isSigned, operand }: Operation): bigint {
  return isSigned ? operand : BigInt.asUintN(64, operand);
}

function bitfield(view: View, args: readonly Buffer[], isReadOnly: boolean): Reply {
  const key = arg(args, 1);
  const operations = parse(args);
  const writes = operations.filter(({ kind }) => kind !== 'get');
  if (isReadOnly && writes.length > 0) {
    throw new RedisError('ERR BITFIELD_RO only supports the GET subcommand');
  }
  const old = view.get(key);
  if (writes.length === 0) {
    const bytes = old?.bytes ?? new Uint8Array(0);
    return operations.map((operation) => narrow(readField(bytes, operation)));
  }
  const lastBit = writes.reduce((max, { offset, bits }) => Math.max(max, offset + bits - 1), 0);
  const bytes = writableBytes(old?.bytes, Math.floor(lastBit / 8));
  // Growing is a change even when nothing fits.
  let isChanged = bytes.length !== old?.bytes.length;
  const replies = operations.map((operation): Reply => {
    const before = readField(bytes, operation);
    if (operation.kind === 'get') return narrow(before);
    const isSet = operation.kind === 'set';
    const after = fit(isSet ? settable(operation) : before + operation.operand, operation);
    if (after === undefined) return null;
    writeField(bytes, operation, after);
    isChanged ||= after !== before;
    return narrow(isSet ? before : after);
  });
  if (isChanged) view.set(key, bytes, old?.expiresAt ?? NO_EXPIRY);
  return replies;
}

export const BITFIELD_COMMANDS: readonly KeyCommand[] = [
  keyCommand(
    'bitmap',
    'bitfield',
    -2,
    GROW,
    ONE_KEY,
    '3.2.0',
    'Perform arbitrary bitfield integer operations on strings',
    (view, args) => bitfield(view, args, false),
  ),
  keyCommand(
    'bitmap',
    'bitfield_ro',
    -2,
    READ_FAST,
    ONE_KEY,
    '6.0.0',
    'Perform arbitrary bitfield integer operations on strings. Read-only variant of BITFIELD',
    (view, args) => bitfield(view, args, true),
  ),
];
