/** MULTI, EXEC, DISCARD, WATCH, UNWATCH. What they do with the store: execute-transaction.ts. */
import { type Stamp, watchName } from '../backend.js';
import type { Client, SessionCommand } from '../client.js';
import { OK, RedisError, type Reply } from '../reply.js';
import { sessionCommand } from './session-command.js';

function multi({ transaction }: Client): Reply {
  if (transaction.isOpen) return new RedisError('ERR MULTI calls can not be nested');
  transaction.isOpen = true;
  return OK;
}

function exec(client: Client): Reply | Promise<Reply> {
  if (!client.transaction.isOpen) return new RedisError('ERR EXEC without MULTI');
  return client.execute();
}

function discard({ transaction }: Client): Reply {
  if (!transaction.isOpen) return new RedisError('ERR DISCARD without MULTI');
  transaction.end();
  return OK;
}

function watch(client: Client, args: readonly Buffer[]): Reply | Promise<Reply> {
  const { transaction, server } = client;
  if (transaction.isOpen) return new RedisError('ERR WATCH inside MULTI is not allowed');
  const waiting: Promise<void>[] = [];
  for (let i = 1; i < args.length; i++) {
    const key = args[i] as Buffer;
    const name = watchName(key);
    const keep = (stamp: Stamp): void => transaction.watch(name, stamp);
    const stamp = server.backend.stamp(key);
    if (stamp instanceof Promise) waiting.push(stamp.then(keep));
    else keep(stamp);
  }
  return waiting.length === 0 ? OK : Promise.all(waiting).then(() => OK);
}

export const TRANSACTION_COMMANDS: readonly SessionCommand[] = [
  sessionCommand(
    'multi',
    1,
    ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    'transactions',
    '1.2.0',
    'Begins a transaction: commands are queued from here on.',
    multi,
  ),
  {
    ...sessionCommand(
      'exec',
      1,
      ['noscript', 'loading', 'stale', 'skip_slowlog'],
      'transactions',
      '1.2.0',
      'Runs the queued commands, all at one moment and in one commit.',
      exec,
    ),
    // The commands were queued and have run: those that follow may go on while the disk works.
    isPassable: true,
  },
  sessionCommand(
    'discard',
    1,
    ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    'transactions',
    '2.0.0',
    'Drops the queued commands.',
    discard,
  ),
  {
    ...sessionCommand(
      'watch',
      -2,
      ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
      'transactions',
      '2.2.0',
      'Makes EXEC do nothing when one of the keys has changed by then.',
      watch,
    ),
    keys: [1, -1, 1],
  },
  sessionCommand(
    'unwatch',
    1,
    ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    'transactions',
    '2.2.0',
    'Forgets the watched keys.',
    ({ transaction }) => {
      transaction.unwatch();
      return OK;
    },
  ),
];
