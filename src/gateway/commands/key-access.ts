/**
 * What commands do with their keys, in the words of Redis' key specs: RO reads, RW reads and writes, OW overwrites, RM
 * removes; access tells something of the value, update, insert and delete change keys. For COMMAND INFO and
 * COMMAND GETKEYSANDFLAGS.
 */
import type { CommandSpec } from '../command.js';
import { isWord } from './data-arguments.js';

/** The keys of one command that are treated alike. */
export interface KeySpec {
  readonly flags: readonly string[];
  readonly first: number;
  /** -1: the last argument. */
  readonly last: number;
  readonly step: number;
}

const NAMES_BY_FLAGS: Readonly<Record<string, string>> = {
  RO: 'strlen exists touch type watch',
  'RO access':
    'get mget getrange substr lcs ttl pttl expiretime pexpiretime getbit bitcount bitpos bitfield_ro object memory',
  'OW update': 'mset setex psetex',
  'OW insert': 'msetnx setnx',
  'RW access delete': 'getdel',
  'RW insert': 'append',
  'RW update': 'setrange expire pexpire expireat pexpireat persist',
  'RW access update': 'getset getex incr decr incrby decrby incrbyfloat setbit move',
  'RW access update variable_flags': 'set bitfield',
  'RM delete': 'del unlink',
};

const FLAGS_BY_NAME: ReadonlyMap<string, string> = new Map(
  Object.entries(NAMES_BY_FLAGS).flatMap(([flags, names]) =>
    names.split(' ').map((name) => [name, flags] as const),
  ),
);

/** Commands whose keys are not all treated alike: flags, first and last argument of each kind. */
const SEVERAL: Readonly<Record<string, readonly (readonly [string, number, number])[]>> = {
  rename: [
    ['RW access delete', 1, 1],
    ['OW update', 2, 2],
  ],
  renamenx: [
    ['RW access delete', 1, 1],
    ['OW insert', 2, 2],
  ],
  copy: [
    ['RO access', 1, 1],
    ['OW update', 2, 2],
  ],
  bitop: [
    ['OW update', 2, 2],
    ['RO access', 3, -1],
  ],
};

/** Of a command as such; empty when it has no keys. */
export function keySpecsOf({ name, keys, flags }: CommandSpec): KeySpec[] {
  const [first, last, step] = keys;
  if (first === 0) return [];
  const several = Object.hasOwn(SEVERAL, name) ? SEVERAL[name] : undefined;
  if (several !== undefined) {
    return several.map(([words, from, to]) => keySpec(words, from, to, 1));
  }
  const otherwise = flags.includes('write') ? 'RW access update' : 'RO access';
  return [keySpec(FLAGS_BY_NAME.get(name) ?? otherwise, first, last, step)];
}

function keySpec(flags: string, first: number, last: number, step: number): KeySpec {
  return { flags: flags.split(' '), first, last, step };
}

/** The keys of a call, in order, each with what the call does with it. */
export function keysWithFlags(
  command: CommandSpec,
  args: readonly Buffer[],
): (readonly [key: Buffer, flags: readonly string[]])[] {
  return keySpecsOf(command).flatMap(({ flags, first, last, step }) => {
    const own = flags.includes('variable_flags') ? flagsOfCall(command.name, args) : flags;
    const end = last < 0 ? args.length + last : last;
    const found: [Buffer, readonly string[]][] = [];
    for (let i = first; i <= end && i < args.length; i += step)
      found.push([args[i] as Buffer, own]);
    return found;
  });
}

/** SET tells something of the old value with GET only; BITFIELD may read only. */
function flagsOfCall(name: string, args: readonly Buffer[]): readonly string[] {
  const has = (word: string, from: number): boolean =>
    args.slice(from).some((arg) => isWord(arg, word));
  if (name === 'set') return has('get', 3) ? ['RW', 'access', 'update'] : ['OW', 'update'];
  return has('set', 2) || has('incrby', 2) ? ['RW', 'access', 'update'] : ['RO', 'access'];
}
