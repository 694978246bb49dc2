/**
 * What happens at an unknown command: on a terminal oclif's plugin asks whether the nearest one was
 * meant; elsewhere the nearest one is named, and nothing waits for an answer. Status 127 either way. A flag in the
 * place of a command, and arguments of one that takes none, are wrong usage.
 */
import type { Hook } from '@oclif/core/hooks';
import type { Config } from '@oclif/core/interfaces';
import { closestName } from '../base/closest-name.js';
import { isJsonAsked, JSON_SCHEMA } from './envelope.js';
import { EXIT_UNKNOWN_COMMAND, EXIT_USAGE } from './exit-status.js';

const hook: Hook.CommandNotFound = async function (options) {
  const { id, argv = [], config } = options;
  const isJson = isJsonAsked([id, ...argv]);
  if (id.startsWith('-')) {
    const known = argv.find((word) => config.findCommand(word) ?? config.findTopic(word));
    const hint =
      known === undefined
        ? `Run "${config.bin} help" for the commands there are`
        : `Flags stand behind the command: ${config.bin} ${known} ... ${id}`;
    tell(`Cannot run "${id}": it is a flag, not a command`, hint, { flag: id }, isJson);
    this.exit(EXIT_USAGE);
  }
  const extra = unexpectedArgument(config, id);
  if (extra !== undefined) {
    tell(`Unexpected argument: ${extra}`, 'See --help', { argument: extra }, isJson);
    this.exit(EXIT_USAGE);
  }
  if (process.stdin.isTTY && process.stdout.isTTY && !isJson) {
    const { default: ask } = await import('@oclif/plugin-not-found');
    await ask.call(this, options);
    return;
  }
  tellUnknownCommand(config, id, isJson);
  this.exit(EXIT_UNKNOWN_COMMAND);
};

/** What is too much, where a command that takes no arguments, and is no topic either, was given some. */
function unexpectedArgument(config: Config, id: string): string | undefined {
  const words = id.split(':');
  for (let length = words.length - 1; length > 0; length--) {
    const prefix = words.slice(0, length).join(':');
    if (config.findCommand(prefix) === undefined) continue;
    const isTopic = config.commands.some((command) => command.id.startsWith(`${prefix}:`));
    return isTopic ? undefined : words[length];
  }
  return undefined;
}

/** Says that there is no command `id`, and which one is near. */
export function tellUnknownCommand(config: Config, id: string, isJson: boolean): void {
  const visible = config.commands.filter((command) => !command.hidden);
  const known = closestName(
    id,
    visible.map((command) => command.id),
  );
  const topic = config.findTopic(id.split(':', 1).join());
  const help = topic === undefined ? 'help' : `help ${topic.name}`;
  const hint =
    known === undefined
      ? `Run "${config.bin} ${help}" for the commands there are`
      : `Did you mean "${config.bin} ${spaced(known)}"?`;
  tell(`Unknown command "${spaced(id)}"`, hint, { command: spaced(id) }, isJson);
}

function tell(message: string, hint: string, details: object, isJson: boolean): void {
  if (isJson) {
    const error = { code: 'NOKV_INVALID', message, hint, details };
    const envelope = { ok: false, schema: JSON_SCHEMA, error };
    process.stdout.write(`${JSON.stringify(envelope, null, 2)}\n`);
  } else {
    process.stderr.write(`Error: ${message} [NOKV_INVALID]\n  hint: ${hint}\n`);
  }
}

function spaced(id: string): string {
  return id.replaceAll(':', ' ');
}

// Hooks, like commands, are default exports: oclif looks for nothing else.
// eslint-disable-next-line no-restricted-syntax
export default hook;
