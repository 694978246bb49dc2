/** Commands about the server as a whole: saving, time, the slow log, what scripts and tests of Redis ask for. */
import type { Client, SessionCommand } from '../client.js';
import type { CommandFlag } from '../command.js';
import { SYNTAX_ERROR } from '../error-text.js';
import { OK, RedisError, type Reply, ReplyMap, SimpleString } from '../reply.js';
import { helpReply, integer, type Subcommands, subcommand, word } from './arguments.js';
import { sessionCommand } from './session-command.js';

type Run = (client: Client, args: readonly Buffer[]) => Reply | Promise<Reply>;

const SLEEP_SECONDS_MAX = 60;
const SLOWLOG_SHOWN = 10;

function time({ server }: Client): Reply {
  const nowMs = server.clock.nowMs();
  return [Math.floor(nowMs / 1000).toString(), ((nowMs % 1000) * 1000).toString()];
}

async function save({ server }: Client): Promise<Reply> {
  await server.save();
  return OK;
}

/** Durable when it answers: there is nothing left to do in the background. */
function backgroundSave(text: string): Run {
  return async ({ server }, args) => {
    if (args.length > 2 || (args.length === 2 && word(args[1]) !== 'SCHEDULE')) return SYNTAX_ERROR;
    await server.save();
    return new SimpleString(text);
  };
}

function shutdown(client: Client, args: readonly Buffer[]): Reply {
  const words = args.slice(1).map(word);
  const known = ['SAVE', 'NOSAVE', 'NOW', 'FORCE', 'ABORT'];
  if (!words.every((one) => known.includes(one))) return SYNTAX_ERROR;
  if (words.includes('SAVE') && words.includes('NOSAVE')) return SYNTAX_ERROR;
  if (words.includes('ABORT')) {
    return words.length > 1 ? SYNTAX_ERROR : new RedisError('ERR No shutdown in progress.');
  }
  client.server.shutdown();
  // As Redis: the end of the connection is the answer.
  client.replyMode = 'off';
  client.closeAfterReplies();
  return OK;
}

/** There are no replicas. */
function wait(args: readonly Buffer[]): Reply {
  integer(args[1]);
  const timeoutMs = integer(
    args[2],
    new RedisError('ERR timeout is not an integer or out of range'),
  );
  return timeoutMs < 0 ? new RedisError('ERR timeout is negative') : 0;
}

const DEBUG: Subcommands<Run> = {
  SLEEP: [
    3,
    async ({ server }, args) => {
      const seconds = Number((args[2] as Buffer).toString('latin1', 0, 32));
      if (!(seconds >= 0 && seconds <= SLEEP_SECONDS_MAX)) {
        return new RedisError(`ERR DEBUG SLEEP takes up to ${SLEEP_SECONDS_MAX} seconds`);
      }
      // Only this client sleeps.
      await server.clock.sleep(1000 * seconds);
      return OK;
    },
  ],
  'SET-ACTIVE-EXPIRE': [
    3,
    ({ server }, args) => {
      server.config.isExpiryActive = integer(args[2]) !== 0;
      return OK;
    },
  ],
  RELOAD: [-2, save],
  LOADAOF: [2, save],
  JMAP: [2, () => new RedisError('ERR DEBUG JMAP is not supported by nokv: see /debug/pprof/heap')],
  HELP: [
    2,
    () =>
      helpReply('DEBUG', [
        'RELOAD -- Make everything durable.',
        'SET-ACTIVE-EXPIRE <0|1> -- Remove expired keys in the background or not.',
        'SLEEP <seconds> -- Answer later; other clients are served meanwhile.',
      ]),
  ],
};

const SLOWLOG: Subcommands<Run> = {
  GET: [
    -2,
    ({ server }, args) => {
      if (args.length > 3) return SYNTAX_ERROR;
      const error = new RedisError('ERR count should be greater than or equal to -1');
      const count = args.length === 3 ? integer(args[2], error) : SLOWLOG_SHOWN;
      if (count < -1) return error;
      return server.slowlog.newest(count === -1 ? server.slowlog.length : count);
    },
  ],
  LEN: [2, ({ server }) => server.slowlog.length],
  RESET: [
    2,
    ({ server }) => {
      server.slowlog.reset();
      return OK;
    },
  ],
  HELP: [
    2,
    () =>
      helpReply('SLOWLOG', [
        'GET [<count>] -- Return top <count> entries from the slowlog (default: 10, -1 mean all).',
        'LEN -- Return the length of the slowlog.',
        'RESET -- Reset the slowlog.',
      ]),
  ],
};

/** Of the named commands, or of all, those that were called. */
function histograms({ server: { table } }: Client, args: readonly Buffer[]): Reply {
  const asked = args.slice(2).map((name) => table.find(name));
  const entries = args.length === 2 ? table.entries : new Set(asked);
  return new ReplyMap(
    [...entries]
      .filter((entry) => entry !== undefined && entry.latency.calls > 0)
      .map((entry) => {
        const { name, latency } = entry as (typeof table.entries)[number];
        const histogram = new ReplyMap(latency.cumulative());
        return [
          name,
          new ReplyMap([
            ['calls', latency.calls],
            ['histogram_usec', histogram],
          ]),
        ];
      }),
  );
}

const LATENCY: Subcommands<Run> = {
  LATEST: [2, () => []],
  HISTORY: [3, () => []],
  HISTOGRAM: [-2, histograms],
  GRAPH: [
    3,
    (_client, args) => {
      const event = (args[2] as Buffer).toString('latin1', 0, 64);
      return new RedisError(`ERR No samples available for event '${event}'`);
    },
  ],
  RESET: [-2, () => 0],
  DOCTOR: [2, () => 'Nothing is measured here: see SLOWLOG GET and INFO commandstats.'],
  HELP: [
    2,
    () =>
      helpReply('LATENCY', [
        'HISTOGRAM [<command> ...] -- Return how long calls of commands took, cumulated by powers of two.',
        'LATEST -- Return nothing: no events are recorded; see SLOWLOG.',
      ]),
  ],
};

/** No scripts are kept: flushing them is easy. */
const NO_SCRIPTS =
  'is not supported by nokv: there are no scripts and functions; use MULTI and WATCH';

function scriptCommand(name: string): Run {
  return (_client, args) => {
    const sub = word(args[1]);
    if (sub === 'FLUSH') return OK;
    if (sub === 'LIST' && name === 'FUNCTION') return [];
    if (sub === 'EXISTS' && name === 'SCRIPT') return args.slice(2).map(() => 0);
    return new RedisError(`ERR ${name} ${NO_SCRIPTS}`);
  };
}

function swapDatabases(_client: Client, args: readonly Buffer[]): Reply {
  const first = integer(args[1], new RedisError('ERR invalid first DB index'));
  const second = integer(args[2], new RedisError('ERR invalid second DB index'));
  return first === 0 && second === 0 ? OK : new RedisError('ERR DB index is out of range');
}

const ONE_USER = 'there is one user, "default", with the password of requirepass';
const ADMIN: readonly CommandFlag[] = ['admin', 'noscript'];

function server(
  name: string,
  arity: number,
  flags: readonly CommandFlag[],
  since: string,
  summary: string,
  run: Run,
): SessionCommand {
  return sessionCommand(name, arity, flags, 'server', since, summary, run);
}

export const SERVER_COMMANDS: readonly SessionCommand[] = [
  server(
    'lolwut',
    -1,
    ['readonly', 'fast'],
    '5.0.0',
    'The version.',
    ({ server: { facts } }) => `NoKV ver. ${facts.nokvVersion}\n`,
  ),
  server('time', 1, ['loading', 'stale', 'fast'], '2.6.0', 'The time of the server.', time),
  server('save', 1, [...ADMIN, 'no_multi'], '1.0.0', 'Makes everything durable.', save),
  server(
    'bgsave',
    -1,
    ADMIN,
    '1.0.0',
    'Makes everything durable.',
    backgroundSave('Background saving started'),
  ),
  server(
    'bgrewriteaof',
    1,
    ADMIN,
    '1.0.0',
    'Makes everything durable; compaction goes on by itself.',
    backgroundSave('Background append only file rewriting started'),
  ),
  server(
    'lastsave',
    1,
    ['loading', 'stale', 'fast'],
    '1.0.0',
    'When everything was durable last, in seconds.',
    (client) => Math.floor(client.server.lastSaveMs / 1000),
  ),
  server(
    'shutdown',
    -1,
    [...ADMIN, 'loading', 'stale', 'no_multi', 'allow_busy'],
    '1.0.0',
    'Answers everybody, makes everything durable and ends.',
    shutdown,
  ),
  sessionCommand(
    'wait',
    3,
    ['noscript'],
    'generic',
    '3.0.0',
    'Waits for replicas: there are none.',
    (_client, args) => wait(args),
  ),
  server(
    'role',
    1,
    ['noscript', 'loading', 'stale', 'fast'],
    '2.8.12',
    'The role in a replication: a master without replicas.',
    () => ['master', 0, []],
  ),
  server('debug', -2, [...ADMIN, 'loading', 'stale'], '1.0.0', 'For tests.', (client, args) =>
    subcommand('debug', DEBUG, args)(client, args),
  ),
  server(
    'slowlog',
    -2,
    [...ADMIN, 'loading', 'stale'],
    '2.2.12',
    'Commands that took long.',
    (client, args) => subcommand('slowlog', SLOWLOG, args)(client, args),
  ),
  server(
    'latency',
    -2,
    [...ADMIN, 'loading', 'stale'],
    '2.8.13',
    'How long calls of commands took; no events are recorded.',
    (client, args) => subcommand('latency', LATENCY, args)(client, args),
  ),
  server(
    'function',
    -2,
    ['noscript'],
    '7.0.0',
    'FLUSH and LIST only: there are no functions.',
    scriptCommand('FUNCTION'),
  ),
  server(
    'script',
    -2,
    ['noscript'],
    '2.6.0',
    'FLUSH and EXISTS only: there are no scripts.',
    scriptCommand('SCRIPT'),
  ),
  server(
    'acl',
    -2,
    ADMIN,
    '6.0.0',
    'WHOAMI and USERS only: there is one user.',
    (_client, args) => {
      const sub = args.length === 2 ? word(args[1]) : '';
      if (sub === 'WHOAMI') return 'default';
      if (sub === 'USERS') return ['default'];
      return new RedisError(`ERR ACL is not supported by nokv: ${ONE_USER}`);
    },
  ),
  server('module', -2, ADMIN, '4.0.0', 'LIST only: there are no modules.', (_client, args) =>
    word(args[1]) === 'LIST' && args.length === 2
      ? []
      : new RedisError('ERR MODULE is not supported by nokv: there are no modules'),
  ),
  server(
    'swapdb',
    3,
    ['write', 'fast'],
    '4.0.0',
    'Refused but for 0 and 0: there is one database.',
    swapDatabases,
  ),
];
