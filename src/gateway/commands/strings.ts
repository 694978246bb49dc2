/** Commands on the bytes of values: whole, several at once, and parts of them. */
import { NO_EXPIRY, type View } from '../backend.js';
import type { KeyCommand } from '../command.js';
import { OK, RedisError, type Reply } from '../reply.js';
import {
  arg,
  checkStringLength,
  clamp,
  integerArg,
  positionArg,
  wrongNumberOfArguments,
} from './data-arguments.js';
import {
  ALL_ARGUMENTS,
  EVERY_OTHER,
  GROW,
  GROW_FAST,
  keyCommand,
  ONE_KEY,
  READ,
  READ_FAST,
  WRITE_FAST,
} from './command-specs.js';

const EMPTY = new Uint8Array(0);

function get(view: View, args: readonly Buffer[]): Reply {
  if (view.borrow !== undefined) return view.borrow(arg(args, 1)) ?? null;
  const value = view.get(arg(args, 1));
  return value === undefined ? null : value.bytes;
}

function mget(view: View, args: readonly Buffer[]): Reply {
  const values: Reply[] = [];
  for (let i = 1; i < args.length; i++) values.push(view.get(arg(args, i))?.bytes ?? null);
  return values;
}

function setPairs(view: View, args: readonly Buffer[]): void {
  for (let i = 1; i < args.length; i += 2) view.set(arg(args, i), arg(args, i + 1), NO_EXPIRY);
}

function mset(view: View, args: readonly Buffer[]): Reply {
  if (args.length % 2 === 0) throw wrongNumberOfArguments('mset');
  setPairs(view, args);
  return OK;
}

function msetnx(view: View, args: readonly Buffer[]): Reply {
  if (args.length % 2 === 0) throw wrongNumberOfArguments('msetnx');
  for (let i = 1; i < args.length; i += 2) if (view.has(arg(args, i))) return 0;
  setPairs(view, args);
  return 1;
}

function getdel(view: View, args: readonly Buffer[]): Reply {
  const value = view.get(arg(args, 1));
  if (value === undefined) return null;
  view.delete(arg(args, 1));
  return value.bytes;
}

function append(view: View, args: readonly Buffer[]): Reply {
  const key = arg(args, 1);
  const added = arg(args, 2);
  const old = view.get(key);
  if (old === undefined) {
    view.set(key, added, NO_EXPIRY);
    return added.length;
  }
  const length = old.bytes.length + added.length;
  checkStringLength(length);
  view.set(key, Buffer.concat([old.bytes, added], length), old.expiresAt);
  return length;
}

function strlen(view: View, args: readonly Buffer[]): Reply {
  return view.get(arg(args, 1))?.bytes.length ?? 0;
}

function getrange(view: View, args: readonly Buffer[]): Reply {
  let start = positionArg(args, 2);
  let end = positionArg(args, 3);
  const bytes = view.get(arg(args, 1))?.bytes;
  if (bytes === undefined || (start < 0 && end < 0 && start > end)) return EMPTY;
  const { length } = bytes;
  if (start < 0) start = Math.max(0, length + start);
  if (end < 0) end = Math.max(0, length + end);
  end = Math.min(end, length - 1);
  return start > end ? EMPTY : bytes.subarray(start, end + 1);
}

function setrange(view: View, args: readonly Buffer[]): Reply {
  const key = arg(args, 1);
  const offset = clamp(integerArg(args, 2));
  const part = arg(args, 3);
  if (offset < 0) throw new RedisError('ERR offset is out of range');
  const old = view.get(key);
  if (part.length === 0) return old?.bytes.length ?? 0;
  checkStringLength(offset + part.length);
  const length = Math.max(old?.bytes.length ?? 0, offset + part.length);
  const bytes = Buffer.alloc(length);
  if (old !== undefined) bytes.set(old.bytes);
  bytes.set(part, offset);
  view.set(key, bytes, old?.expiresAt ?? NO_EXPIRY);
  return length;
}

export const STRING_COMMANDS: readonly KeyCommand[] = [
  keyCommand('string', 'get', 2, READ_FAST, ONE_KEY, '1.0.0', 'Get the value of a key', get),
  keyCommand(
    'string',
    'mget',
    -2,
    READ_FAST,
    ALL_ARGUMENTS,
    '1.0.0',
    'Get the values of all the given keys',
    mget,
  ),
  keyCommand(
    'string',
    'mset',
    -3,
    GROW,
    EVERY_OTHER,
    '1.0.1',
    'Set multiple keys to multiple values',
    mset,
  ),
  keyCommand(
    'string',
    'msetnx',
    -3,
    GROW,
    EVERY_OTHER,
    '1.0.1',
    'Set multiple keys to multiple values, only if none of the keys exist',
    msetnx,
  ),
  keyCommand(
    'string',
    'getdel',
    2,
    WRITE_FAST,
    ONE_KEY,
    '6.2.0',
    'Get the value of a key and delete the key',
    getdel,
  ),
  keyCommand('string', 'append', 3, GROW_FAST, ONE_KEY, '2.0.0', 'Append a value to a key', append),
  keyCommand(
    'string',
    'strlen',
    2,
    READ_FAST,
    ONE_KEY,
    '2.2.0',
    'Get the length of the value stored in a key',
    strlen,
  ),
  keyCommand(
    'string',
    'getrange',
    4,
    READ,
    ONE_KEY,
    '2.4.0',
    'Get a substring of the string stored at a key',
    getrange,
  ),
  keyCommand(
    'string',
    'substr',
    4,
    READ,
    ONE_KEY,
    '1.0.0',
    'Get a substring of the string stored at a key',
    getrange,
  ),
  keyCommand(
    'string',
    'setrange',
    4,
    GROW,
    ONE_KEY,
    '2.2.0',
    'Overwrite part of a string at key starting at the specified offset',
    setrange,
  ),
];
