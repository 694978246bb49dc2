/** OBJECT, MEMORY and MOVE: what can be said of a key beside its value. */
import type { View } from '../backend.js';
import type { KeyCommand } from '../command.js';
import { OK, RedisError, type Reply } from '../reply.js';
import { helpReply, integer, type Subcommands, subcommand, word } from './arguments.js';

type Run = (view: View, args: readonly Buffer[]) => Reply;

/** Strings up to here are `embstr` in Redis. */
const EMBSTR_BYTES_MAX = 44;
/** What a key costs beside its bytes, about: entry of the memtable and of the index. */
const KEY_OVERHEAD_BYTES = 64;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

const NO_LFU = new RedisError(
  'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between ' +
    'policies at runtime LRU and LFU data will take some time to adjust.',
);

/** As Redis would hold it. */
function encodingOf(bytes: Uint8Array): string {
  if (bytes.length <= 20) {
    const text = Buffer.from(bytes).toString('latin1');
    if (/^(0|-?[1-9]\d{0,18})$/.test(text)) {
      const value = BigInt(text);
      if (value >= INT64_MIN && value <= INT64_MAX) return 'int';
    }
  }
  return bytes.length <= EMBSTR_BYTES_MAX ? 'embstr' : 'raw';
}

/** Of a key that is there; null for one that is not. */
function ofKey(tell: (bytes: Uint8Array, key: Buffer) => Reply): Run {
  return (view, args) => {
    const key = args[2] as Buffer;
    const found = view.get(key);
    return found === undefined ? null : tell(found.bytes, key);
  };
}

const OBJECT: Subcommands<Run> = {
  ENCODING: [3, ofKey(encodingOf)],
  REFCOUNT: [3, ofKey(() => 1)],
  IDLETIME: [3, ofKey(() => 0)],
  FREQ: [3, ofKey(() => NO_LFU)],
  HELP: [
    2,
    () =>
      helpReply('OBJECT', [
        'ENCODING <key> -- Return how Redis would hold the value: int, embstr or raw.',
        'IDLETIME <key> -- Return 0: reads leave no traces.',
        'REFCOUNT <key> -- Return 1.',
      ]),
  ],
};

function usage(view: View, args: readonly Buffer[]): Reply {
  if (args.length !== 3) {
    if (args.length !== 5 || word(args[3]) !== 'SAMPLES') return new RedisError('ERR syntax error');
    if (integer(args[4]) < 0) return new RedisError('ERR syntax error');
  }
  const size = ofKey((bytes, key) => bytes.length + key.length + KEY_OVERHEAD_BYTES);
  return size(view, args);
}

const MEMORY: Subcommands<Run> = {
  USAGE: [-3, usage],
  DOCTOR: [2, () => 'Keys live on disk: memory is bounded by the options of the database.'],
  'MALLOC-STATS': [2, () => 'Stats not supported for the current allocator'],
  PURGE: [2, () => OK],
  HELP: [
    2,
    () =>
      helpReply('MEMORY', [
        'DOCTOR -- Return memory problems reports.',
        'PURGE -- Accepted.',
        'USAGE <key> [SAMPLES <count>] -- Return the bytes that key and value take, about.',
      ]),
  ],
};

/** There is one database: a key cannot go anywhere. */
function move(_view: View, args: readonly Buffer[]): Reply {
  const index = integer(args[2]);
  if (index === 0) return new RedisError('ERR source and destination objects are the same');
  return new RedisError('ERR DB index is out of range');
}

export const OBJECT_COMMANDS: readonly KeyCommand[] = [
  {
    kind: 'keys',
    name: 'object',
    arity: -2,
    flags: ['readonly'],
    keys: [2, 2, 1],
    group: 'generic',
    since: '2.2.3',
    summary: 'How Redis would hold a value.',
    run: (view, args) => subcommand('object', OBJECT, args)(view, args),
  },
  {
    kind: 'keys',
    name: 'memory',
    arity: -2,
    flags: ['readonly'],
    keys: [2, 2, 1],
    group: 'server',
    since: '4.0.0',
    summary: 'How much a key takes.',
    run: (view, args) => subcommand('memory', MEMORY, args)(view, args),
  },
  {
    kind: 'keys',
    name: 'move',
    arity: 3,
    flags: ['write', 'fast'],
    keys: [1, 1, 1],
    group: 'generic',
    since: '1.0.0',
    summary: 'Refused: there is one database.',
    run: move,
  },
];
