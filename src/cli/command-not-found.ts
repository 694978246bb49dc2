/**
 * What happens at an unknown command: on a terminal oclif's plugin asks whether the nearest one was
 * meant; elsewhere the nearest one is named, and nothing waits for an answer. Status 127 either way.
 */
import type { Hook } from '@oclif/core/hooks';
import { closestName } from '../base/closest-name.js';
import { EXIT_UNKNOWN_COMMAND } from './exit-status.js';

const hook: Hook.CommandNotFound = async function (options) {
  const { id, argv = [], config } = options;
  const isJson = argv.includes('--json');
  if (process.stdin.isTTY && process.stdout.isTTY && !isJson) {
    const { default: ask } = await import('@oclif/plugin-not-found');
    await ask.call(this, options);
    return;
  }
  const visible = config.commands.filter((command) => !command.hidden);
  const known = closestName(
    id,
    visible.map((command) => command.id),
  );
  const message = `Unknown command "${spaced(id)}"`;
  const hint =
    known === undefined
      ? `Run "${config.bin} help" for the commands there are`
      : `Did you mean "${config.bin} ${spaced(known)}"?`;
  if (isJson) {
    const error = { code: 'NOKV_INVALID', message, hint, details: { command: spaced(id) } };
    process.stdout.write(`${JSON.stringify({ ok: false, schema: 1, error }, null, 2)}\n`);
  } else {
    process.stderr.write(`Error: ${message} [NOKV_INVALID]\n  hint: ${hint}\n`);
  }
  this.exit(EXIT_UNKNOWN_COMMAND);
};

function spaced(id: string): string {
  return id.replaceAll(':', ' ');
}

// Hooks, like commands, are default exports: oclif looks for nothing else.
// eslint-disable-next-line no-restricted-syntax
export default hook;
