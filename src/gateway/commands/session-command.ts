/** How the commands of a connection are written down. */
import type { SessionCommand } from '../client.js';
import type { CommandFlag, CommandGroup } from '../command.js';

/** A command without keys. */
export function sessionCommand(
  name: string,
  arity: number,
  flags: readonly CommandFlag[],
  group: CommandGroup,
  since: string,
  summary: string,
  run: SessionCommand['run'],
): SessionCommand {
  return { kind: 'session', name, arity, flags, keys: [0, 0, 0], group, since, summary, run };
}
