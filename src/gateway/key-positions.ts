/** Which arguments of a command are keys, by its entry in COMMAND. */
import { ALL_KEYS } from './backend.js';
import type { CommandSpec, DataCommand } from './command.js';

/** What `Backend.update` is told of a command. */
export function keysOf(
  command: DataCommand,
  args: readonly Buffer[],
): readonly Buffer[] | typeof ALL_KEYS {
  if (command.kind === 'keyspace') return ALL_KEYS;
  const { keys } = command;
  if (keys[0] === 1 && keys[1] === 1) return [args[1] as Buffer];
  return keyArguments(command, args);
}

export function keyArguments({ keys }: CommandSpec, args: readonly Buffer[]): Buffer[] {
  const [first, last, step] = keys;
  const found: Buffer[] = [];
  if (first === 0) return found;
  const end = last < 0 ? args.length + last : last;
  for (let i = first; i <= end && i < args.length; i += step) found.push(args[i] as Buffer);
  return found;
}
