/** CLIENT: who is connected, and what they are called. */
import type { Client, SessionCommand } from '../client.js';
import { SYNTAX_ERROR } from '../error-text.js';
import { OK, RedisError, type Reply } from '../reply.js';
import { helpReply, integer, type Subcommands, subcommand, word } from './arguments.js';
import { sessionCommand } from './session-command.js';

type Run = (client: Client, args: readonly Buffer[]) => Reply;

const NAME_BYTES_MAX = 1024;

/** @throws RedisError unless it is printable and without spaces */
export function setClientName(client: Client, name: Buffer): void {
  client.name = plainName(
    name,
    'ERR Client names cannot contain spaces, newlines or special characters.',
  );
}

function plainName(name: Buffer, error: string): string {
  if (name.length > NAME_BYTES_MAX) throw new RedisError(error);
  for (const byte of name) if (byte < 0x21 || byte > 0x7e) throw new RedisError(error);
  return name.toString('latin1');
}

/** A line of CLIENT LIST: all fields of Redis 7.0, those of its buffers as 0. */
function describe(client: Client): string {
  const { server, transaction } = client;
  const nowMs = server.clock.nowMs();
  const seconds = (ms: number): number => Math.max(0, Math.floor((nowMs - ms) / 1000));
  const fields: [string, string | number][] = [
    ['id', client.id],
    ['addr', client.remoteAddress],
    ['laddr', client.localAddress],
    ['fd', client.id],
    ['name', client.name],
    ['age', seconds(client.connectedMs)],
    ['idle', seconds(client.lastActiveMs)],
    ['flags', transaction.isOpen ? 'x' : 'N'],
    ['db', 0],
    ['sub', 0],
    ['psub', 0],
    ['ssub', 0],
    ['multi', transaction.isOpen ? transaction.queued.length : -1],
    ['qbuf', client.inputBytes],
    ['qbuf-free', 0],
    ['argv-mem', 0],
    ['multi-mem', transaction.queuedBytes],
    ['rbs', 0],
    ['rbp', 0],
    ['obl', 0],
    ['oll', 0],
    ['omem', client.outputBytes],
    ['tot-mem', client.inputBytes + client.outputBytes + transaction.queuedBytes],
    ['events', 'r'],
    ['cmd', client.lastCommand],
    ['user', 'default'],
    ['redir', -1],
    ['resp', client.protocol],
    ['lib-name', client.clientLib],
    ['lib-ver', client.clientLibVersion],
  ];
  return fields.map(([name, value]) => `${name}=${value}`).join(' ');
}

function list(client: Client, args: readonly Buffer[]): Reply {
  let listed = [...client.server.clients.values()];
  const filter = word(args[2]);
  if (args.length === 4 && filter === 'TYPE') {
    if (!isNormal(args[3] as Buffer)) listed = [];
  } else if (args.length >= 4 && filter === 'ID') {
    const error = new RedisError('ERR Invalid client ID');
    const ids = new Set(args.slice(3).map((arg) => integer(arg, error)));
    listed = listed.filter(({ id }) => ids.has(id));
  } else if (args.length > 2) return SYNTAX_ERROR;
  return listed.map((one) => `${describe(one)}\n`).join('');
}

/** All clients are. @throws RedisError for what is no type of clients in Redis */
function isNormal(type: Buffer): boolean {
  const name = word(type);
  if (name === 'NORMAL') return true;
  if (['MASTER', 'REPLICA', 'SLAVE', 'PUBSUB'].includes(name)) return false;
  throw new RedisError(`ERR Unknown client type '${type.toString('latin1', 0, 64)}'`);
}

type Filter = (one: Client) => boolean;

/** Both forms: `KILL addr:port`, and filters that all have to match. */
function kill(client: Client, args: readonly Buffer[]): Reply {
  const all = [...client.server.clients.values()];
  if (args.length === 3) {
    const address = (args[2] as Buffer).toString('latin1');
    const found = all.filter((one) => one.remoteAddress === address);
    if (found.length === 0) return new RedisError('ERR No such client');
    for (const one of found) one.kill();
    return OK;
  }
  if (args.length % 2 === 1) return SYNTAX_ERROR;
  const filters: Filter[] = [];
  let skipsMe = true;
  for (let i = 2; i < args.length; i += 2) {
    if (word(args[i]) === 'SKIPME') {
      const answer = word(args[i + 1]);
      if (answer !== 'YES' && answer !== 'NO') return SYNTAX_ERROR;
      skipsMe = answer === 'YES';
    } else filters.push(filterOf(word(args[i]), args[i + 1] as Buffer));
  }
  const found = all.filter(
    (one) => !(skipsMe && one === client) && filters.every((filter) => filter(one)),
  );
  for (const one of found) one.kill();
  return found.length;
}

function filterOf(name: string, value: Buffer): Filter {
  const text = value.toString('latin1');
  switch (name) {
    case 'ID': {
      const error = new RedisError('ERR client-id should be greater than 0');
      const id = integer(value, error);
      if (id < 1) throw error;
      return (one) => one.id === id;
    }
    case 'ADDR':
      return (one) => one.remoteAddress === text;
    case 'LADDR':
      return (one) => one.localAddress === text;
    case 'TYPE': {
      const matches = isNormal(value);
      return () => matches;
    }
    case 'USER':
      if (text !== 'default') throw new RedisError(`ERR No such user '${text}'`);
      return () => true;
    default:
      throw SYNTAX_ERROR;
  }
}

function reply(client: Client, args: readonly Buffer[]): Reply {
  switch (word(args[2])) {
    case 'ON':
      client.replyMode = 'on';
      return OK;
    case 'OFF':
      client.replyMode = 'off';
      return OK;
    case 'SKIP':
      if (client.replyMode !== 'off') client.replyMode = 'skip-next';
      return OK;
    default:
      return SYNTAX_ERROR;
  }
}

function pause(client: Client, args: readonly Buffer[]): Reply {
  const mode = args.length === 3 ? 'ALL' : word(args[3]);
  if (args.length > 4 || (mode !== 'ALL' && mode !== 'WRITE')) return SYNTAX_ERROR;
  const ms = integer(args[2], new RedisError('ERR timeout is not an integer or out of range'));
  if (ms < 0) return new RedisError('ERR timeout is negative');
  client.server.pause.begin(mode === 'ALL' ? 'all' : 'write', ms);
  return OK;
}

function onOrOff(arg: Buffer | undefined): boolean {
  const answer = word(arg);
  if (answer !== 'ON' && answer !== 'OFF') throw SYNTAX_ERROR;
  return answer === 'ON';
}

function setInfo(client: Client, args: readonly Buffer[]): Reply {
  const name = word(args[2]);
  const value = args[3] as Buffer;
  const attribute = name.toLowerCase();
  if (name !== 'LIB-NAME' && name !== 'LIB-VER') {
    return new RedisError(`ERR Unrecognized option '${attribute}'`);
  }
  const error = `ERR ${attribute} cannot contain spaces, newlines or special characters.`;
  if (name === 'LIB-NAME') client.clientLib = plainName(value, error);
  else client.clientLibVersion = plainName(value, error);
  return OK;
}

const NOT_TRACKING = new RedisError(
  'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled',
);

function tracking(args: readonly Buffer[]): Reply {
  const isOn = onOrOff(args[2]);
  if (!isOn && args.length === 3) return OK;
  return new RedisError(
    'ERR CLIENT TRACKING is not supported by nokv: nothing is pushed to clients',
  );
}

const SUBCOMMANDS: Subcommands<Run> = {
  ID: [2, (client) => client.id],
  GETNAME: [2, (client) => (client.name === '' ? null : client.name)],
  SETNAME: [
    3,
    (client, args) => {
      setClientName(client, args[2] as Buffer);
      return OK;
    },
  ],
  SETINFO: [4, setInfo],
  INFO: [2, (client) => `${describe(client)}\n`],
  LIST: [-2, list],
  KILL: [-3, kill],
  REPLY: [3, reply],
  'NO-EVICT': [
    3,
    (client, args) => {
      client.isNoEvict = onOrOff(args[2]);
      return OK;
    },
  ],
  'NO-TOUCH': [
    3,
    (client, args) => {
      client.isNoTouch = onOrOff(args[2]);
      return OK;
    },
  ],
  PAUSE: [-3, pause],
  UNPAUSE: [
    2,
    (client) => {
      client.server.pause.end();
      return OK;
    },
  ],
  UNBLOCK: [-3, () => 0],
  GETREDIR: [2, () => -1],
  CACHING: [3, () => NOT_TRACKING],
  TRACKING: [-3, (_client, args) => tracking(args)],
  TRACKINGINFO: [
    2,
    () =>
      [
        ['flags', ['off']],
        ['redirect', -1],
        ['prefixes', []],
      ].flat(1),
  ],
  HELP: [
    2,
    () =>
      helpReply('CLIENT', [
        'GETNAME -- Return the name of the current connection.',
        'ID -- Return the ID of the current connection.',
        'INFO -- Return information about the current client connection.',
        'KILL <ip:port> -- Kill connection made from <ip:port>.',
        'KILL <option> <value> [<option> <value> [...]] -- Kill connections: ADDR, LADDR, ID, TYPE, USER, SKIPME.',
        'LIST [TYPE <type> | ID <id> ...] -- Return information about client connections.',
        'NO-EVICT (ON|OFF) -- Accepted; nothing is evicted.',
        'NO-TOUCH (ON|OFF) -- Accepted; reads leave no traces.',
        'PAUSE <timeout> [WRITE|ALL] -- Hold the commands of all clients, or those that write, for <timeout> milliseconds.',
        'REPLY (ON|OFF|SKIP) -- Control the replies sent to the current connection.',
        'SETINFO (LIB-NAME|LIB-VER) <value> -- Say which library the client uses.',
        'SETNAME <name> -- Assign the name <name> to the current connection.',
        'UNPAUSE -- End a pause before its time.',
      ]),
  ],
};

export const CLIENT_COMMANDS: readonly SessionCommand[] = [
  sessionCommand(
    'client',
    -2,
    ['noscript', 'loading', 'stale'],
    'connection',
    '2.4.0',
    'Lists, names and ends connections.',
    (client, args) => subcommand('client', SUBCOMMANDS, args)(client, args),
  ),
];
