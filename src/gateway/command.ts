/**
 * What a command is: its entry in COMMAND, and how it runs. Two kinds: data commands see keys and values through a
 * view and nothing else, so they run alike alone, in MULTI, embedded and in a cluster; connection commands (HELLO,
 * MULTI, CLIENT, INFO ...) see the session (session.ts).
 *
 * `args[0]` is the name as the client wrote it. Arguments lie in the connection's input until the command returned:
 * what must live longer is copied (a view copies what it is given).
 */
import type { KeyspaceView, View } from './backend.js';
import type { Reply } from './reply.js';

export type CommandGroup =
  'connection' | 'generic' | 'string' | 'bitmap' | 'transactions' | 'server';

/** Redis' own flag words, as COMMAND INFO lists them. */
export type CommandFlag =
  | 'write'
  | 'readonly'
  | 'denyoom'
  | 'admin'
  | 'fast'
  | 'noscript'
  | 'loading'
  | 'stale'
  | 'no_auth'
  | 'skip_monitor'
  | 'skip_slowlog'
  | 'allow_busy'
  | 'no_async_loading'
  | 'no_multi';

export interface CommandSpec {
  /** Lower case; subcommands are the command's own business. */
  readonly name: string;
  /** Number of arguments with the name; negative: at least that many. */
  readonly arity: number;
  readonly flags: readonly CommandFlag[];
  /** Where the keys are, as COMMAND says it: [0, 0, 0] for none; last -1 is the last argument. */
  readonly keys: readonly [first: number, last: number, step: number];
  readonly group: CommandGroup;
  /** One sentence, for COMMAND DOCS and `nokv redis compat`. */
  readonly summary: string;
  /** Version of Redis that has it first. */
  readonly since: string;
}

export interface KeyCommand extends CommandSpec {
  readonly kind: 'keys';
  /** Synchronous, without effects but through the view; throws RedisError. */
  run(view: View, args: readonly Buffer[]): Reply;
}

export interface KeyspaceCommand extends CommandSpec {
  readonly kind: 'keyspace';
  /** As KeyCommand.run; `random` gives numbers in [0, 1). */
  run(view: KeyspaceView, args: readonly Buffer[], random: () => number): Reply;
}

export type DataCommand = KeyCommand | KeyspaceCommand;
