/** CONFIG: the settings of config.ts. */
import type { Client, SessionCommand } from '../client.js';
import { OK, RedisError, type Reply, ReplyMap } from '../reply.js';
import { helpReply, type Subcommands, subcommand } from './arguments.js';
import { sessionCommand } from './session-command.js';

type Run = (client: Client, args: readonly Buffer[]) => Reply;

function get(client: Client, args: readonly Buffer[]): Reply {
  return new ReplyMap(client.server.config.matching(args.slice(2)));
}

function set(client: Client, args: readonly Buffer[]): Reply {
  if (args.length % 2 === 1) {
    return new RedisError("ERR wrong number of arguments for 'config|set' command");
  }
  const pairs: [string, string][] = [];
  for (let i = 2; i < args.length; i += 2) {
    const name = (args[i] as Buffer).toString('latin1').toLowerCase();
    pairs.push([name, (args[i + 1] as Buffer).toString()]);
  }
  const problem = client.server.config.setAll(pairs);
  return problem === undefined ? OK : new RedisError(`ERR ${problem}`);
}

function resetStatistics({ server }: Client): Reply {
  server.counters.reset();
  for (const entry of server.table.entries) entry.resetFigures();
  return OK;
}

const SUBCOMMANDS: Subcommands<Run> = {
  GET: [-3, get],
  SET: [-4, set],
  RESETSTAT: [2, resetStatistics],
  REWRITE: [2, () => new RedisError('ERR The server is running without a config file')],
  HELP: [
    2,
    () =>
      helpReply('CONFIG', [
        'GET <pattern> -- Return parameters matching the glob-like <pattern> and their values.',
        'SET <directive> <value> -- Set the configuration <directive> to <value>.',
        'RESETSTAT -- Reset statistics reported by the INFO command.',
      ]),
  ],
};

export const CONFIG_COMMANDS: readonly SessionCommand[] = [
  sessionCommand(
    'config',
    -2,
    ['admin', 'noscript', 'loading', 'stale'],
    'server',
    '2.0.0',
    'Reads and changes settings.',
    (client, args) => subcommand('config', SUBCOMMANDS, args)(client, args),
  ),
];
