/** HELLO, AUTH, PING and what else concerns one connection; CLIENT is in client.ts. */
import type { Client, SessionCommand } from '../client.js';
import { SYNTAX_ERROR, WRONGPASS } from '../error-text.js';
import { OK, PONG, RedisError, type Reply, ReplyMap, SimpleString } from '../reply.js';
import { integer, word } from './arguments.js';
import { sessionCommand } from './session-command.js';
import { setClientName } from './client.js';

/** What clients are told that they talk to: they decide by it what they may use. */
export const REDIS_VERSION = '7.0.15';

const NO_PASSWORD = new RedisError(
  'ERR AUTH <password> called without any password configured for the default user. ' +
    'Are you sure your configuration is correct?',
);
const HELLO_NOAUTH = new RedisError(
  'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> ' +
    'option can be used to authenticate the client and select the RESP protocol version at the same time',
);

function auth(client: Client, args: readonly Buffer[]): Reply {
  if (args.length > 3) return SYNTAX_ERROR;
  if (args.length === 2) {
    if (client.server.config.password.length === 0) return NO_PASSWORD;
    return client.authenticate(args[1] as Buffer) ? OK : WRONGPASS;
  }
  return logIn(client, args[1] as Buffer, args[2] as Buffer) ? OK : WRONGPASS;
}

/** There is one user. Without a password any is right, as for Redis' user with nopass. */
function logIn(client: Client, user: Buffer, password: Buffer): boolean {
  if (user.toString('latin1') !== 'default') {
    client.server.counters.authFailures++;
    return false;
  }
  return client.server.config.password.length === 0 || client.authenticate(password);
}

function hello(client: Client, args: readonly Buffer[]): Reply {
  let protocol = client.protocol;
  if (args.length > 1) {
    const error = new RedisError('ERR Protocol version is not an integer or out of range');
    const asked = integer(args[1], error);
    if (asked !== 2 && asked !== 3) return new RedisError('NOPROTO unsupported protocol version');
    protocol = asked;
  }
  let name: Buffer | undefined;
  for (let i = 2; i < args.length; i++) {
    const option = word(args[i]);
    const left = args.length - 1 - i;
    if (option === 'AUTH' && left >= 2) {
      if (!logIn(client, args[i + 1] as Buffer, args[i + 2] as Buffer)) return WRONGPASS;
      i += 2;
    } else if (option === 'SETNAME' && left >= 1) {
      name = args[i + 1];
      i++;
    } else {
      return new RedisError(
        `ERR Syntax error in HELLO option '${(args[i] as Buffer).toString('latin1', 0, 64)}'`,
      );
    }
  }
  if (!client.isAuthenticated) return HELLO_NOAUTH;
  if (name !== undefined) setClientName(client, name);
  client.protocol = protocol;
  return new ReplyMap([
    ['server', 'redis'],
    ['version', REDIS_VERSION],
    ['proto', protocol],
    ['id', client.id],
    ['mode', 'standalone'],
    ['role', 'master'],
    ['modules', []],
  ]);
}

function select(args: readonly Buffer[]): Reply {
  const index = integer(args[1]);
  return index === 0 ? OK : new RedisError('ERR DB index is out of range');
}

function quit(client: Client): Reply {
  client.closeAfterReplies();
  return OK;
}

const RESET_REPLY = new SimpleString('RESET');

function reset(client: Client): Reply {
  client.reset();
  return RESET_REPLY;
}

/** Flags that most of them have. */
const ANY_TIME = ['noscript', 'loading', 'stale', 'fast'] as const;

export const CONNECTION_COMMANDS: readonly SessionCommand[] = [
  sessionCommand(
    'auth',
    -2,
    [...ANY_TIME, 'no_auth', 'allow_busy', 'skip_slowlog'],
    'connection',
    '1.0.0',
    'Says who the client is.',
    auth,
  ),
  sessionCommand(
    'hello',
    -1,
    [...ANY_TIME, 'no_auth', 'allow_busy', 'skip_slowlog'],
    'connection',
    '6.0.0',
    'Chooses the version of the protocol, and may say who the client is.',
    hello,
  ),
  sessionCommand('ping', -1, ['fast'], 'connection', '1.0.0', 'Answers.', (_client, args) => {
    if (args.length > 2) {
      return new RedisError("ERR wrong number of arguments for 'ping' command");
    }
    return args[1] ?? PONG;
  }),
  sessionCommand(
    'echo',
    2,
    ['loading', 'stale', 'fast'],
    'connection',
    '1.0.0',
    'Answers what it is given.',
    (_client, args) => args[1] as Buffer,
  ),
  sessionCommand(
    'select',
    2,
    ['loading', 'stale', 'fast'],
    'connection',
    '1.0.0',
    'Chooses the database: there is 0.',
    (_client, args) => select(args),
  ),
  sessionCommand(
    'quit',
    -1,
    [...ANY_TIME, 'no_auth', 'allow_busy'],
    'connection',
    '1.0.0',
    'Closes the connection.',
    quit,
  ),
  sessionCommand(
    'reset',
    1,
    [...ANY_TIME, 'no_auth', 'allow_busy'],
    'connection',
    '6.2.0',
    'Makes the connection as it was at its beginning.',
    reset,
  ),
];
