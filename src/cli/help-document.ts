/** Help as --json prints it: the commands there are, or those below a topic; of one command its arguments and flags, too. */
import type { Config } from '@oclif/core/interfaces';

/** Of oclif's manifest, what is shown. */
type Known = NonNullable<ReturnType<Config['findCommand']>>;
type KnownFlag = Known['flags'][string];

/** `subject`: a command or a topic that there is; undefined for all. */
export function helpDocument(config: Config, subject: string | undefined): object {
  const command = subject === undefined ? undefined : config.findCommand(subject);
  const prefix = subject === undefined ? '' : `${subject}:`;
  const commands = config.commands
    .filter(({ id, hidden }) => !hidden && id.startsWith(prefix))
    .map((known) => ({ command: spaced(known.id), summary: summaryOf(known, config) }))
    .sort((a, b) => (a.command < b.command ? -1 : 1));
  return command === undefined ? { commands } : { ...described(command, config), commands };
}

function described(command: Known, config: Config): object {
  const { id, description = '', args, flags, examples = [] } = command;
  return {
    command: spaced(id),
    summary: summaryOf(command, config),
    description: rendered(description, config),
    arguments: Object.entries(args).map(([name, arg]) => ({
      name,
      description: arg.description ?? '',
      is_required: arg.required === true,
    })),
    flags: Object.values(flags).map(describedFlag),
    examples: examples.map((example) =>
      rendered(typeof example === 'string' ? example : example.command, config),
    ),
  };
}

function describedFlag(flag: KnownFlag): object {
  const { name, char, description, env, type, required } = flag;
  const option = type === 'option' ? flag : undefined;
  return {
    name,
    char: char ?? null,
    description: description ?? '',
    env: env ?? null,
    type: type === 'option' ? 'value' : 'boolean',
    is_required: required === true,
    default: (option?.default as unknown) ?? null,
    options: option?.options ?? null,
  };
}

function summaryOf({ summary, description }: Known, config: Config): string {
  return rendered(summary ?? description ?? '', config);
}

/** The one name that texts are written with. */
function rendered(text: string, config: Config): string {
  return text.replaceAll('<%= config.bin %>', config.bin);
}

function spaced(id: string): string {
  return id.replaceAll(':', ' ');
}
