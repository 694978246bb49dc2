/** Commands on keys as such: deleting, asking, renaming, copying. Every value is a string. */
import type { View } from '../backend.js';
import type { KeyCommand } from '../command.js';
import { OK, RedisError, type Reply, SimpleString } from '../reply.js';
import { arg, isWord, NOT_AN_INTEGER, parseInteger, SYNTAX_ERROR } from './data-arguments.js';
import {
  ALL_ARGUMENTS,
  GROW,
  keyCommand,
  ONE_KEY,
  READ_FAST,
  TWO_KEYS,
  WRITE,
  WRITE_FAST,
} from './command-specs.js';

const NO_SUCH_KEY = new RedisError('ERR no such key');
const SAME_OBJECTS = new RedisError('ERR source and destination objects are the same');
const STRING = new SimpleString('string');
const NONE = new SimpleString('none');
const INT32_MAX = 2 ** 31 - 1;

function del(view: View, args: readonly Buffer[]): Reply {
  let deleted = 0;
  for (let i = 1; i < args.length; i++) if (view.delete(arg(args, i))) deleted++;
  return deleted;
}

/** A key named twice counts twice. */
function exists(view: View, args: readonly Buffer[]): Reply {
  let found = 0;
  for (let i = 1; i < args.length; i++) if (view.has(arg(args, i))) found++;
  return found;
}

function type(view: View, args: readonly Buffer[]): Reply {
  return view.has(arg(args, 1)) ? STRING : NONE;
}

/** False: it is there already, and may not be replaced, or is the same. */
function move(view: View, args: readonly Buffer[], mayReplace: boolean): boolean {
  const from = arg(args, 1);
  const to = arg(args, 2);
  const value = view.get(from);
  if (value === undefined) throw NO_SUCH_KEY;
  if (from.equals(to)) return mayReplace;
  if (!mayReplace && view.has(to)) return false;
  view.set(to, value.bytes, value.expiresAt);
  view.delete(from);
  return true;
}

function rename(view: View, args: readonly Buffer[]): Reply {
  move(view, args, true);
  return OK;
}

function copy(view: View, args: readonly Buffer[]): Reply {
  let mayReplace = false;
  for (let i = 3; i < args.length; i++) {
    if (isWord(arg(args, i), 'replace')) mayReplace = true;
    else if (isWord(arg(args, i), 'db') && i + 1 < args.length) checkDatabase(arg(args, ++i));
    else throw SYNTAX_ERROR;
  }
  const from = arg(args, 1);
  const to = arg(args, 2);
  if (from.equals(to)) throw SAME_OBJECTS;
  const value = view.get(from);
  if (value === undefined || (!mayReplace && view.has(to))) return 0;
  view.set(to, value.bytes, value.expiresAt);
  return 1;
}

/** There is one database. */
function checkDatabase(bytes: Uint8Array): void {
  const index = parseInteger(bytes);
  if (index === undefined) throw NOT_AN_INTEGER;
  if (index > INT32_MAX || index < -INT32_MAX - 1) {
    throw new RedisError(
      `ERR value is out of range, value must between ${-INT32_MAX - 1} and ${INT32_MAX}`,
    );
  }
  if (index !== 0) throw new RedisError('ERR DB index is out of range');
}

export const KEY_COMMANDS: readonly KeyCommand[] = [
  keyCommand('generic', 'del', -2, WRITE, ALL_ARGUMENTS, '1.0.0', 'Delete a key', del),
  keyCommand(
    'generic',
    'unlink',
    -2,
    WRITE_FAST,
    ALL_ARGUMENTS,
    '4.0.0',
    'Delete a key; here as DEL',
    del,
  ),
  keyCommand(
    'generic',
    'exists',
    -2,
    READ_FAST,
    ALL_ARGUMENTS,
    '1.0.0',
    'Determine if a key exists',
    exists,
  ),
  keyCommand(
    'generic',
    'touch',
    -2,
    READ_FAST,
    ALL_ARGUMENTS,
    '3.2.1',
    'Returns the number of existing keys specified',
    exists,
  ),
  keyCommand(
    'generic',
    'type',
    2,
    READ_FAST,
    ONE_KEY,
    '1.0.0',
    'Determine the type stored at key',
    type,
  ),
  keyCommand('generic', 'rename', 3, WRITE, TWO_KEYS, '1.0.0', 'Rename a key', rename),
  keyCommand(
    'generic',
    'renamenx',
    3,
    WRITE_FAST,
    TWO_KEYS,
    '1.0.0',
    'Rename a key, only if the new key does not exist',
    (view, args) => (move(view, args, false) ? 1 : 0),
  ),
  keyCommand('generic', 'copy', -3, GROW, TWO_KEYS, '6.2.0', 'Copy a key', copy),
];
