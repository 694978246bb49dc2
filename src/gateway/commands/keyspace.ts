/** Commands on all keys: KEYS, SCAN, RANDOMKEY, DBSIZE, FLUSHDB, FLUSHALL. */
import type { KeyspaceView } from '../backend.js';
import type { KeyspaceCommand } from '../command.js';
import { matchesGlob } from '../glob-pattern.js';
import { OK, RedisError, type Reply } from '../reply.js';
import { arg, isWord, positionArg, SYNTAX_ERROR } from './data-arguments.js';
import { keyspaceCommand, READ, READ_FAST, WRITE } from './command-specs.js';

const STAR = 0x2a;
const PLUS = 0x2b;
const MINUS = 0x2d;
const ZERO = 0x30;
const COUNT_DEFAULT = 10;
/** 2^64 - 1. */
const CURSOR_MAX = 18_446_744_073_709_551_615n;
const CURSOR_DIGITS_MAX = 20;

/** undefined: everything fits. */
function patternOf(bytes: Uint8Array): Uint8Array | undefined {
  return bytes.length === 1 && bytes[0] === STAR ? undefined : bytes;
}

function keys(view: KeyspaceView, args: readonly Buffer[]): Reply {
  const pattern = patternOf(arg(args, 1));
  const found: Uint8Array[] = [];
  for (const key of view.keysAfter(undefined)) {
    if (pattern === undefined || matchesGlob(pattern, key)) found.push(key);
  }
  return found;
}

interface ScanOptions {
  readonly pattern: Uint8Array | undefined;
  readonly count: number;
  /** There are strings only. */
  readonly isOfOtherType: boolean;
}

function scanOptionsOf(args: readonly Buffer[]): ScanOptions {
  let pattern: Uint8Array | undefined;
  let count = COUNT_DEFAULT;
  let isOfOtherType = false;
  for (let i = 2; i < args.length; i += 2) {
    const word = arg(args, i);
    const isKnown = isWord(word, 'count') || isWord(word, 'match') || isWord(word, 'type');
    if (!isKnown || i + 1 === args.length) throw SYNTAX_ERROR;
    if (isWord(word, 'count')) {
      count = positionArg(args, i + 1);
      if (count < 1) throw SYNTAX_ERROR;
    } else if (isWord(word, 'match')) pattern = patternOf(arg(args, i + 1));
    else isOfOtherType = !isWord(arg(args, i + 1), 'string');
  }
  return { pattern, count, isOfOtherType };
}

/**
 * Where a cursor goes on; undefined: at the beginning. Read as by strtoul: nothing is 0, a sign may be there. A negative
 * number is none that was given out.
 * @throws RedisError unless it is a 64-bit number
 */
function positionOf(view: KeyspaceView, cursor: Uint8Array): Uint8Array | undefined {
  const hasSign = cursor[0] === PLUS || cursor[0] === MINUS;
  const digits = hasSign ? cursor.subarray(1) : cursor;
  const isNumber =
    digits.length <= CURSOR_DIGITS_MAX && isDigits(digits) && !(hasSign && digits.length === 0);
  const value = isNumber ? BigInt(Buffer.from(digits).toString('latin1')) : CURSOR_MAX + 1n;
  if (value > CURSOR_MAX) throw new RedisError('ERR invalid cursor');
  return cursor[0] === MINUS ? undefined : view.cursors?.find(Number(value));
}

function isDigits(bytes: Uint8Array): boolean {
  for (const byte of bytes) if (byte < ZERO || byte > ZERO + 9) return false;
  return true;
}

/**
 * COUNT keys are looked at. A cursor stands for the last of them, so that a key that is there all the time is told
 * whatever comes and goes around it. A store that keeps no cursors tells all at once.
 */
function scan(view: KeyspaceView, args: readonly Buffer[]): Reply {
  const after = positionOf(view, arg(args, 1));
  const { pattern, count, isOfOtherType } = scanOptionsOf(args);
  const { cursors } = view;
  const found: Uint8Array[] = [];
  let seen = 0;
  let last: Uint8Array | undefined;
  for (const key of view.keysAfter(after)) {
    if (seen === count && cursors !== undefined && last !== undefined) {
      return [cursors.keep(last), found];
    }
    seen++;
    last = key;
    if (isOfOtherType || (pattern !== undefined && !matchesGlob(pattern, key))) continue;
    found.push(key);
  }
  return ['0', found];
}

function flush(view: KeyspaceView, args: readonly Buffer[]): Reply {
  const isKnown =
    args.length === 1 ||
    (args.length === 2 && (isWord(arg(args, 1), 'sync') || isWord(arg(args, 1), 'async')));
  if (!isKnown) throw SYNTAX_ERROR;
  view.clear();
  return OK;
}

export const KEYSPACE_COMMANDS: readonly KeyspaceCommand[] = [
  keyspaceCommand(
    'generic',
    'keys',
    2,
    READ,
    '1.0.0',
    'Find all keys matching the given pattern',
    keys,
  ),
  keyspaceCommand(
    'generic',
    'scan',
    -2,
    READ,
    '2.8.0',
    'Incrementally iterate the keys space',
    scan,
  ),
  keyspaceCommand(
    'generic',
    'randomkey',
    1,
    READ,
    '1.0.0',
    'Return a random key from the keyspace',
    (view, _args, random) => view.randomKey(random) ?? null,
  ),
  keyspaceCommand(
    'server',
    'dbsize',
    1,
    READ_FAST,
    '1.0.0',
    'Return the number of keys in the selected database',
    (view) => view.size(),
  ),
  keyspaceCommand(
    'server',
    'flushdb',
    -1,
    WRITE,
    '1.0.0',
    'Remove all keys from the current database',
    flush,
  ),
  keyspaceCommand(
    'server',
    'flushall',
    -1,
    WRITE,
    '1.0.0',
    'Remove all keys from all databases',
    flush,
  ),
];
