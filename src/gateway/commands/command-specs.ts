/** Short words for the entries of commands. */
import type { CommandFlag, CommandGroup, KeyCommand, KeyspaceCommand } from '../command.js';

export const READ: readonly CommandFlag[] = ['readonly'];
export const READ_FAST: readonly CommandFlag[] = ['readonly', 'fast'];
/** Writes that do not grow. */
export const WRITE: readonly CommandFlag[] = ['write'];
export const WRITE_FAST: readonly CommandFlag[] = ['write', 'fast'];
export const GROW: readonly CommandFlag[] = ['write', 'denyoom'];
export const GROW_FAST: readonly CommandFlag[] = ['write', 'denyoom', 'fast'];

type Keys = readonly [first: number, last: number, step: number];
export const ONE_KEY: Keys = [1, 1, 1];
export const TWO_KEYS: Keys = [1, 2, 1];
export const ALL_ARGUMENTS: Keys = [1, -1, 1];
export const EVERY_OTHER: Keys = [1, -1, 2];
export const NO_KEYS: Keys = [0, 0, 0];

/** What a group of commands shares, then each by itself. */
export function keyCommand(
  group: CommandGroup,
  name: string,
  arity: number,
  flags: readonly CommandFlag[],
  keys: Keys,
  since: string,
  summary: string,
  run: KeyCommand['run'],
): KeyCommand {
  return { kind: 'keys', name, arity, flags, keys, group, summary, since, run };
}

export function keyspaceCommand(
  group: CommandGroup,
  name: string,
  arity: number,
  flags: readonly CommandFlag[],
  since: string,
  summary: string,
  run: KeyspaceCommand['run'],
): KeyspaceCommand {
  return { kind: 'keyspace', name, arity, flags, keys: NO_KEYS, group, summary, since, run };
}
