/** COMMAND: the table of commands, as clients read it. */
import type { Client, SessionCommand } from '../client.js';
import type { CommandSpec } from '../command.js';
import type { TableEntry } from '../command-table.js';
import { SYNTAX_ERROR } from '../error-text.js';
import { matchesGlob } from '../glob-pattern.js';
import { RedisError, type Reply, ReplyMap, ReplySet, SimpleString } from '../reply.js';
import { helpReply, type Subcommands, subcommand, word } from './arguments.js';
import { keySpecsOf, keysWithFlags, type KeySpec } from './key-access.js';
import { sessionCommand } from './session-command.js';

type Run = (client: Client, args: readonly Buffer[]) => Reply;

/** The ten fields of Redis 7. */
function infoOf({ command }: TableEntry): Reply {
  const { name, arity, flags, keys } = command;
  return [
    name,
    arity,
    new ReplySet(flags.map((flag) => new SimpleString(flag))),
    ...keys,
    new ReplySet(categoriesOf(command).map((category) => new SimpleString(category))),
    new ReplySet([]),
    new ReplySet(keySpecsOf(command).map(keySpecReply)),
    [],
  ];
}

/** Words of ACL, by group and flags. */
function categoriesOf({ group, flags, keys }: CommandSpec): string[] {
  const categories = [];
  if (flags.includes('write')) categories.push('@write');
  if (flags.includes('readonly')) categories.push('@read');
  if (flags.includes('admin')) categories.push('@admin', '@dangerous');
  if (group === 'connection') categories.push('@connection');
  if (group === 'string') categories.push('@string');
  if (group === 'bitmap') categories.push('@bitmap');
  if (group === 'transactions') categories.push('@transaction');
  if (group === 'generic' && keys[0] > 0) categories.push('@keyspace');
  categories.push(flags.includes('fast') ? '@fast' : '@slow');
  return categories;
}

function keySpecReply({ flags, first, last, step }: KeySpec): Reply {
  return new ReplyMap([
    ['flags', new ReplySet(flags.map(simple))],
    [
      'begin_search',
      new ReplyMap([
        ['type', 'index'],
        ['spec', new ReplyMap([['index', first]])],
      ]),
    ],
    [
      'find_keys',
      new ReplyMap([
        ['type', 'range'],
        [
          'spec',
          new ReplyMap([
            ['lastkey', last < 0 ? last : last - first],
            ['keystep', step],
            ['limit', 0],
          ]),
        ],
      ]),
    ],
  ]);
}

function simple(text: string): SimpleString {
  return new SimpleString(text);
}

function named(client: Client, args: readonly Buffer[]): (TableEntry | undefined)[] {
  return args.length === 2
    ? [...client.server.table.entries]
    : args.slice(2).map((name) => client.server.table.find(name));
}

function info(client: Client, args: readonly Buffer[]): Reply {
  return named(client, args).map((entry) => (entry === undefined ? null : infoOf(entry)));
}

function docs(client: Client, args: readonly Buffer[]): Reply {
  const known = named(client, args).filter((entry) => entry !== undefined);
  return new ReplyMap(
    known.map(({ command: { name, summary, since, group } }) => [
      name,
      new ReplyMap([
        ['summary', summary],
        ['since', since],
        ['group', group],
      ]),
    ]),
  );
}

function list(client: Client, args: readonly Buffer[]): Reply {
  let { entries } = client.server.table;
  if (args.length > 2) {
    if (args.length !== 5 || word(args[2]) !== 'FILTERBY') return SYNTAX_ERROR;
    const value = args[4] as Buffer;
    const text = value.toString('latin1').toLowerCase();
    switch (word(args[3])) {
      case 'PATTERN':
        entries = entries.filter(({ name }) => matchesGlob(Buffer.from(text), Buffer.from(name)));
        break;
      case 'ACLCAT':
        entries = entries.filter(({ command }) => categoriesOf(command).includes(`@${text}`));
        break;
      case 'MODULE':
        entries = [];
        break;
      default:
        return SYNTAX_ERROR;
    }
  }
  return entries.map(({ name }) => name);
}

/** @throws RedisError unless the arguments are a call of a command with keys */
function keysOfCall(client: Client, args: readonly Buffer[]): ReturnType<typeof keysWithFlags> {
  const call = args.slice(2);
  const entry = client.server.table.find(call[0] as Buffer);
  if (entry === undefined) throw new RedisError('ERR Invalid command specified');
  if (entry.command.keys[0] === 0) {
    throw new RedisError('ERR The command has no key arguments');
  }
  if (call.length < entry.argsMin || call.length > entry.argsMax) {
    throw new RedisError('ERR Invalid number of arguments specified for command');
  }
  return keysWithFlags(entry.command, call);
}

function getKeys(client: Client, args: readonly Buffer[]): Reply {
  return keysOfCall(client, args).map(([key]) => key);
}

function getKeysAndFlags(client: Client, args: readonly Buffer[]): Reply {
  return keysOfCall(client, args).map(([key, flags]) => [key, new ReplySet(flags.map(simple))]);
}

const SUBCOMMANDS: Subcommands<Run> = {
  COUNT: [2, ({ server }) => server.table.entries.length],
  INFO: [-2, info],
  DOCS: [-2, docs],
  LIST: [-2, list],
  GETKEYS: [-4, getKeys],
  GETKEYSANDFLAGS: [-4, getKeysAndFlags],
  HELP: [
    2,
    () =>
      helpReply('COMMAND', [
        '(no subcommand) -- Return details about all commands.',
        'COUNT -- Return the total number of commands in this server.',
        'LIST [FILTERBY (ACLCAT|PATTERN|MODULE) <value>] -- Return the names of commands.',
        'INFO [<command-name> ...] -- Return details about commands.',
        'DOCS [<command-name> ...] -- Return documentation of commands.',
        'GETKEYS <full-command> -- Return the keys from a full command.',
        'GETKEYSANDFLAGS <full-command> -- Return the keys and what the command does with them.',
      ]),
  ],
};

export const COMMAND_COMMANDS: readonly SessionCommand[] = [
  sessionCommand(
    'command',
    -1,
    ['loading', 'stale'],
    'server',
    '2.8.13',
    'Lists the commands that there are.',
    (client, args) =>
      args.length === 1
        ? client.server.table.entries.map(infoOf)
        : subcommand('command', SUBCOMMANDS, args)(client, args),
  ),
];
