/** Commands on the time at which keys are gone. */
import { NO_EXPIRY, type View } from '../backend.js';
import type { KeyCommand } from '../command.js';
import { RedisError, type Reply } from '../reply.js';
import { arg, isWord } from './data-arguments.js';
import { keyCommand, ONE_KEY, READ_FAST, WRITE_FAST } from './command-specs.js';
import { timeArg } from './expiry-time.js';

const NX = 1;
const XX = 2;
const GT = 4;
const LT = 8;

const NX_AND_OTHERS = new RedisError(
  'ERR NX and XX, GT or LT options at the same time are not compatible',
);
const GT_AND_LT = new RedisError('ERR GT and LT options at the same time are not compatible');

function conditionsOf(args: readonly Buffer[]): number {
  let bits = 0;
  for (let i = 3; i < args.length; i++) {
    const word = arg(args, i);
    if (isWord(word, 'nx')) bits |= NX;
    else if (isWord(word, 'xx')) bits |= XX;
    else if (isWord(word, 'gt')) bits |= GT;
    else if (isWord(word, 'lt')) bits |= LT;
    else throw new RedisError(`ERR Unsupported option ${oneLine(word)}`);
  }
  if ((bits & NX) !== 0 && (bits & (XX | GT | LT)) !== 0) throw NX_AND_OTHERS;
  if ((bits & GT) !== 0 && (bits & LT) !== 0) throw GT_AND_LT;
  return bits;
}

/** An error is one line. */
function oneLine(word: Buffer): string {
  return word.toString().replaceAll(/[\r\n]/g, ' ');
}

/** Does a time fit the conditions, when it is `nowAt` so far? None means for ever, for both. */
function isAllowed(bits: number, at: number, nowAt: number): boolean {
  const isSet = nowAt !== NO_EXPIRY;
  if ((bits & NX) !== 0 && isSet) return false;
  if ((bits & XX) !== 0 && !isSet) return false;
  if ((bits & GT) !== 0 && (!isSet || at <= nowAt)) return false;
  return (bits & LT) === 0 || !isSet || at < nowAt;
}

const expire =
  (command: string, isSeconds: boolean, isRelative: boolean) =>
  (view: View, args: readonly Buffer[]): Reply => {
    const conditions = conditionsOf(args);
    const expiresAt = timeArg(args, 2, isSeconds, isRelative ? view.nowMs : 0, command);
    const key = arg(args, 1);
    const value = view.get(key);
    if (value === undefined || !isAllowed(conditions, expiresAt, value.expiresAt)) return 0;
    if (expiresAt <= view.nowMs) view.delete(key);
    else view.set(key, value.bytes, expiresAt);
    return 1;
  };

const ttl =
  (isSeconds: boolean, isAbsolute: boolean) =>
  (view: View, args: readonly Buffer[]): Reply => {
    const value = view.get(arg(args, 1));
    if (value === undefined) return -2;
    if (value.expiresAt === NO_EXPIRY) return -1;
    const ms = isAbsolute ? value.expiresAt : value.expiresAt - view.nowMs;
    return isSeconds ? Math.floor((ms + 500) / 1000) : ms;
  };

function persist(view: View, args: readonly Buffer[]): Reply {
  const value = view.get(arg(args, 1));
  if (value === undefined || value.expiresAt === NO_EXPIRY) return 0;
  view.set(arg(args, 1), value.bytes, NO_EXPIRY);
  return 1;
}

const setter = (
  name: string,
  since: string,
  summary: string,
  isSeconds: boolean,
  isRelative: boolean,
): KeyCommand => {
  const run = expire(name, isSeconds, isRelative);
  return keyCommand('generic', name, -3, WRITE_FAST, ONE_KEY, since, summary, run);
};

const getter = (name: string, since: string, summary: string, run: KeyCommand['run']): KeyCommand =>
  keyCommand('generic', name, 2, READ_FAST, ONE_KEY, since, summary, run);

export const EXPIRE_COMMANDS: readonly KeyCommand[] = [
  setter('expire', '1.0.0', "Set a key's time to live in seconds", true, true),
  setter('pexpire', '2.6.0', "Set a key's time to live in milliseconds", false, true),
  setter('expireat', '1.2.0', 'Set the expiration for a key as a UNIX timestamp', true, false),
  setter(
    'pexpireat',
    '2.6.0',
    'Set the expiration for a key as a UNIX timestamp specified in milliseconds',
    false,
    false,
  ),
  getter('ttl', '1.0.0', 'Get the time to live for a key in seconds', ttl(true, false)),
  getter('pttl', '2.6.0', 'Get the time to live for a key in milliseconds', ttl(false, false)),
  getter('expiretime', '7.0.0', 'Get the expiration Unix timestamp for a key', ttl(true, true)),
  getter(
    'pexpiretime',
    '7.0.0',
    'Get the expiration Unix timestamp for a key in milliseconds',
    ttl(false, true),
  ),
  keyCommand(
    'generic',
    'persist',
    2,
    WRITE_FAST,
    ONE_KEY,
    '2.2.0',
    'Remove the expiration from a key',
    persist,
  ),
];
