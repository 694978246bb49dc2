/** Values as numbers: INCR and its relatives, in exact 64-bit integers, and INCRBYFLOAT. */
import { NO_EXPIRY, type View } from '../backend.js';
import type { KeyCommand } from '../command.js';
import { RedisError, type Reply } from '../reply.js';
import {
  arg,
  INT64_MAX,
  INT64_MIN,
  integerArg,
  integerBytes,
  narrow,
  NOT_AN_INTEGER,
  parseInteger,
} from './data-arguments.js';
import { GROW_FAST, keyCommand, ONE_KEY } from './command-specs.js';
import { addLongDoubles, formatLongDouble, parseLongDouble, ZERO } from './long-double.js';

const OVERFLOW = new RedisError('ERR increment or decrement would overflow');
const NOT_A_FLOAT = new RedisError('ERR value is not a valid float');

function add(view: View, key: Buffer, increment: number | bigint): Reply {
  const old = view.get(key);
  const before = old === undefined ? 0 : parseInteger(old.bytes);
  if (before === undefined) throw NOT_AN_INTEGER;
  const after = sumOf(before, increment);
  view.set(key, integerBytes(after), old === undefined ? NO_EXPIRY : old.expiresAt);
  return after;
}

function sumOf(a: number | bigint, b: number | bigint): number | bigint {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  const sum = BigInt(a) + BigInt(b);
  if (sum > INT64_MAX || sum < INT64_MIN) throw OVERFLOW;
  return narrow(sum);
}

function decrby(view: View, args: readonly Buffer[]): Reply {
  const decrement = integerArg(args, 2);
  if (decrement === INT64_MIN) throw new RedisError('ERR decrement would overflow');
  return add(view, arg(args, 1), -decrement);
}

function incrbyfloat(view: View, args: readonly Buffer[]): Reply {
  const key = arg(args, 1);
  const old = view.get(key);
  const before = old === undefined ? ZERO : parseLongDouble(old.bytes);
  const increment = parseLongDouble(arg(args, 2));
  if (before === undefined || increment === undefined) throw NOT_A_FLOAT;
  const after = addLongDoubles(before, increment);
  if (after === undefined) throw new RedisError('ERR increment would produce NaN or Infinity');
  const bytes = Buffer.from(formatLongDouble(after), 'latin1');
  view.set(key, bytes, old === undefined ? NO_EXPIRY : old.expiresAt);
  return bytes;
}

export const COUNTER_COMMANDS: readonly KeyCommand[] = [
  keyCommand(
    'string',
    'incr',
    2,
    GROW_FAST,
    ONE_KEY,
    '1.0.0',
    'Increment the integer value of a key by one',
    (view, args) => add(view, arg(args, 1), 1),
  ),
  keyCommand(
    'string',
    'decr',
    2,
    GROW_FAST,
    ONE_KEY,
    '1.0.0',
    'Decrement the integer value of a key by one',
    (view, args) => add(view, arg(args, 1), -1),
  ),
  keyCommand(
    'string',
    'incrby',
    3,
    GROW_FAST,
    ONE_KEY,
    '1.0.0',
    'Increment the integer value of a key by the given amount',
    (view, args) => add(view, arg(args, 1), integerArg(args, 2)),
  ),
  keyCommand(
    'string',
    'decrby',
    3,
    GROW_FAST,
    ONE_KEY,
    '1.0.0',
    'Decrement the integer value of a key by the given number',
    decrby,
  ),
  keyCommand(
    'string',
    'incrbyfloat',
    3,
    GROW_FAST,
    ONE_KEY,
    '2.6.0',
    'Increment the float value of a key by the given amount',
    incrbyfloat,
  ),
];
