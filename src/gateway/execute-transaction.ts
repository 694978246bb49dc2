/**
 * EXEC: everything that was queued, in one update of the store. Commands of the connection among it (PING, INFO) see
 * no keys; they run when the update has not met a change of a watched key, and their replies take their places.
 */
import { ALL_KEYS, type Backend, CHANGED, type KeyspaceView } from './backend.js';
import type { Client, Command, Entry } from './client.js';
import { keyArguments } from './key-positions.js';
import { kept, NIL_ARRAY, RedisError, type Reply } from './reply.js';
import type { QueuedCommand } from './transaction.js';

export interface TransactionHost {
  readonly backend: Backend;
  readonly randomFraction: () => number;
  errorReply(error: unknown): RedisError;
  onQueuedExecuted(entry: Entry, reply: Reply): void;
}

/** Requires: an open transaction. It is over when this returns. */
export function runTransaction(client: Client, host: TransactionHost): Reply | Promise<Reply> {
  const { queued, watched, isBroken } = client.transaction;
  const stamps = new Map(watched);
  client.transaction.end();
  if (isBroken) {
    return new RedisError('EXECABORT Transaction discarded because of previous errors.');
  }
  const run = new Run(client, host, queued);
  const body = (view: KeyspaceView): Reply[] => run.data(view);
  const finish = (replies: Reply[] | typeof CHANGED): Reply | Promise<Reply> =>
    replies === CHANGED ? NIL_ARRAY : run.rest(replies);
  const { backend } = host;
  const outcome =
    stamps.size > 0
      ? backend.updateUnchanged(stamps, body)
      : backend.update(keysOfAll(queued) as typeof ALL_KEYS, body);
  return outcome instanceof Promise ? outcome.then(finish) : finish(outcome);
}

/** The keys of all, where every command names its own. */
function keysOfAll(queued: readonly QueuedCommand<Command>[]): readonly Buffer[] | typeof ALL_KEYS {
  const keys: Buffer[] = [];
  for (const { entry, args } of queued) {
    if (entry.command.kind === 'keyspace') return ALL_KEYS;
    if (entry.command.kind === 'keys') keys.push(...keyArguments(entry.command, args));
  }
  return keys;
}

class Run {
  readonly #client: Client;
  readonly #host: TransactionHost;
  readonly #queued: readonly QueuedCommand<Command>[];

  constructor(client: Client, host: TransactionHost, queued: readonly QueuedCommand<Command>[]) {
    this.#client = client;
    this.#host = host;
    this.#queued = queued;
  }

  /** One reply per command; null where a command of the connection stands. */
  data(view: KeyspaceView): Reply[] {
    return this.#queued.map(({ entry, args }) => {
      const { command } = entry;
      if (command.kind === 'session') return null;
      try {
        return command.kind === 'keys'
          ? kept(command.run(view, args))
          : command.run(view, args, this.#host.randomFraction);
      } catch (error) {
        // A refused command leaves the others as they are; a failure of the store takes all with it.
        if (error instanceof RedisError) return error;
        throw error;
      }
    });
  }

  rest(replies: Reply[]): Reply | Promise<Reply> {
    let hasPromise = false;
    const all = this.#queued.map(({ entry, args }, i): Reply | Promise<Reply> => {
      const reply =
        entry.command.kind === 'session'
          ? this.#session(entry.command, args)
          : (replies[i] as Reply);
      if (reply instanceof Promise) hasPromise = true;
      else this.#host.onQueuedExecuted(entry, reply);
      return reply;
    });
    return hasPromise ? Promise.all(all.map((one) => Promise.resolve(one))) : (all as Reply[]);
  }

  #session(
    command: Extract<Command, { readonly kind: 'session' }>,
    args: readonly Buffer[],
  ): Reply | Promise<Reply> {
    try {
      const reply = command.run(this.#client, args);
      if (!(reply instanceof Promise)) return reply;
      return reply.catch((error: unknown) => this.#host.errorReply(error));
    } catch (error) {
      return this.#host.errorReply(error);
    }
  }
}
