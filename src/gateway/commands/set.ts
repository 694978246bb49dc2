/** SET and its relatives, and GETEX: values with options of time and condition. */
import { NO_EXPIRY, type View } from '../backend.js';
import type { KeyCommand } from '../command.js';
import { OK, type Reply } from '../reply.js';
import { arg, isWord, SYNTAX_ERROR } from './data-arguments.js';
import { GROW, GROW_FAST, keyCommand, ONE_KEY, WRITE_FAST } from './command-specs.js';
import { futureArg } from './expiry-time.js';

/** Options; those of time exclude one another. */
const NX = 1;
const XX = 2;
const GET = 4;
const KEEPTTL = 8;
const PERSIST = 16;
const EX = 32;
const PX = 64;
const EXAT = 128;
const PXAT = 256;
const TIMES = EX | PX | EXAT | PXAT;

/** The bit of a word that both SET and GETEX know, or 0. */
function timeOption(word: Uint8Array): number {
  if (isWord(word, 'ex')) return EX;
  if (isWord(word, 'px')) return PX;
  if (isWord(word, 'exat')) return EXAT;
  if (isWord(word, 'pxat')) return PXAT;
  return 0;
}

/** The bit of a word of SET, or 0 when it is unknown or in the way of an earlier one. */
function setOption(word: Uint8Array, before: number): number {
  if (isWord(word, 'nx')) return (before & XX) === 0 ? NX : 0;
  if (isWord(word, 'xx')) return (before & NX) === 0 ? XX : 0;
  if (isWord(word, 'get')) return GET;
  if (isWord(word, 'keepttl')) return (before & TIMES) === 0 ? KEEPTTL : 0;
  const time = timeOption(word);
  return (before & (TIMES | KEEPTTL) & ~time) === 0 ? time : 0;
}

/** The bit of a word of GETEX, or 0. */
function getexOption(word: Uint8Array, before: number): number {
  if (isWord(word, 'persist')) return (before & TIMES) === 0 ? PERSIST : 0;
  const time = timeOption(word);
  return (before & (TIMES | PERSIST) & ~time) === 0 ? time : 0;
}

/** The options from argument `first` on. The time is the argument after the last of its words: `timeAt`. */
class Options {
  bits = 0;
  timeAt = 0;

  constructor(
    args: readonly Buffer[],
    first: number,
    optionOf: (word: Uint8Array, before: number) => number,
  ) {
    for (let i = first; i < args.length; i++) {
      const bit = optionOf(arg(args, i), this.bits);
      if (bit === 0) throw SYNTAX_ERROR;
      this.bits |= bit;
      if ((bit & TIMES) === 0) continue;
      if (++i === args.length) throw SYNTAX_ERROR;
      this.timeAt = i;
    }
  }

  /** Wall milliseconds, or NO_EXPIRY when no time was given. */
  expiresAt(args: readonly Buffer[], nowMs: number, command: string): number {
    if (this.timeAt === 0) return NO_EXPIRY;
    const isSeconds = (this.bits & (EX | EXAT)) !== 0;
    const baseMs = (this.bits & (EX | PX)) === 0 ? 0 : nowMs;
    return futureArg(args, this.timeAt, isSeconds, baseMs, command);
  }
}

function set(view: View, args: readonly Buffer[]): Reply {
  if (args.length === 3) {
    view.set(arg(args, 1), arg(args, 2), NO_EXPIRY);
    return OK;
  }
  const key = arg(args, 1);
  const options = new Options(args, 3, setOption);
  const { bits } = options;
  const expiresAt = options.expiresAt(args, view.nowMs, 'set');
  const needsOld = (bits & (GET | KEEPTTL)) !== 0;
  const old = needsOld ? view.get(key) : undefined;
  const refused = (bits & GET) === 0 ? null : (old?.bytes ?? null);
  if ((bits & (NX | XX)) !== 0) {
    const isThere = needsOld ? old !== undefined : view.has(key);
    if (isThere === ((bits & NX) !== 0)) return refused;
  }
  const keptAt = (bits & KEEPTTL) === 0 ? expiresAt : (old?.expiresAt ?? NO_EXPIRY);
  view.set(key, arg(args, 2), keptAt);
  return (bits & GET) === 0 ? OK : refused;
}

function setnx(view: View, args: readonly Buffer[]): Reply {
  const key = arg(args, 1);
  if (view.has(key)) return 0;
  view.set(key, arg(args, 2), NO_EXPIRY);
  return 1;
}

const setWithTime =
  (command: string, isSeconds: boolean) =>
  (view: View, args: readonly Buffer[]): Reply => {
    const expiresAt = futureArg(args, 2, isSeconds, view.nowMs, command);
    view.set(arg(args, 1), arg(args, 3), expiresAt);
    return OK;
  };

function getset(view: View, args: readonly Buffer[]): Reply {
  const key = arg(args, 1);
  const old = view.get(key)?.bytes ?? null;
  view.set(key, arg(args, 2), NO_EXPIRY);
  return old;
}

function getex(view: View, args: readonly Buffer[]): Reply {
  const key = arg(args, 1);
  const options = new Options(args, 2, getexOption);
  const old = view.get(key);
  if (old === undefined) return null;
  const expiresAt = options.expiresAt(args, view.nowMs, 'getex');
  // One in the past deletes.
  if (options.timeAt !== 0) view.set(key, old.bytes, expiresAt);
  else if ((options.bits & PERSIST) !== 0 && old.expiresAt !== NO_EXPIRY) {
    view.set(key, old.bytes, NO_EXPIRY);
  }
  return old.bytes;
}

export const SET_COMMANDS: readonly KeyCommand[] = [
  keyCommand('string', 'set', -3, GROW, ONE_KEY, '1.0.0', 'Set the string value of a key', set),
  keyCommand(
    'string',
    'setnx',
    3,
    GROW_FAST,
    ONE_KEY,
    '1.0.0',
    'Set the value of a key, only if the key does not exist',
    setnx,
  ),
  keyCommand(
    'string',
    'setex',
    4,
    GROW,
    ONE_KEY,
    '2.0.0',
    'Set the value and expiration of a key',
    setWithTime('setex', true),
  ),
  keyCommand(
    'string',
    'psetex',
    4,
    GROW,
    ONE_KEY,
    '2.6.0',
    'Set the value and expiration in milliseconds of a key',
    setWithTime('psetex', false),
  ),
  keyCommand(
    'string',
    'getset',
    3,
    GROW_FAST,
    ONE_KEY,
    '1.0.0',
    'Set the string value of a key and return its old value',
    getset,
  ),
  keyCommand(
    'string',
    'getex',
    -2,
    WRITE_FAST,
    ONE_KEY,
    '6.2.0',
    'Get the value of a key and optionally set its expiration',
    getex,
  ),
];
