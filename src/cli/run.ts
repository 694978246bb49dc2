/**
 * Where the command line starts: bin/run.js and bin/dev.js call `run` and nothing else. The commands
 * are entries of the same bundle; oclif finds them through oclif.manifest.json.
 */
import { Config } from '@oclif/core/config';
import { execute } from '@oclif/core/execute';
import { settings } from '@oclif/core/settings';
import { isJsonAsked, JSON_SCHEMA } from './envelope.js';

const GLOBAL_FLAGS: ReadonlySet<string> = new Set(['--json', '--quiet', '--no-color']);
/** `additionalVersionFlags` of package.json, and oclif's own. */
const VERSION_FLAGS: ReadonlySet<string> = new Set(['--version', '-V']);

/** Runs the command that the arguments name, then ends the process with its exit status. */
export async function run(binUrl: string): Promise<void> {
  // Whatever NODE_ENV says, run what was built: never TypeScript that happens to lie beside it.
  settings.enableAutoTranspile = false;
  if (process.env['NOKV_NO_COLOR']) process.env['NO_COLOR'] = '1';
  const args = process.argv.slice(2);
  if (isVersionAsked(args) && isJsonAsked(args)) await printVersion(binUrl);
  else await execute({ dir: binUrl, args: withHelp(args) });
  await Promise.all([drain(process.stdout), drain(process.stderr)]);
  process.exit();
}

/**
 * Flags that every command has, without a command, ask for help; and `help --json` does so by the flag --help, as oclif's
 * own help command knows no --json.
 */
function withHelp(args: string[]): string[] {
  const isBare = args.length > 0 && args.every((arg) => GLOBAL_FLAGS.has(arg));
  if (isBare) return ['--help', ...args];
  return args[0] === 'help' && isJsonAsked(args) ? [...args.slice(1), '--help'] : args;
}

/** Alone, or with flags that every command has. oclif takes no notice of --json there. */
function isVersionAsked(args: readonly string[]): boolean {
  const others = args.filter((arg) => !VERSION_FLAGS.has(arg));
  return others.length < args.length && others.every((arg) => GLOBAL_FLAGS.has(arg));
}

async function printVersion(binUrl: string): Promise<void> {
  const { version, platform, arch } = await Config.load(binUrl);
  const data = { version, node: process.version, platform: `${platform}-${arch}` };
  process.stdout.write(`${JSON.stringify({ ok: true, schema: JSON_SCHEMA, data }, null, 2)}\n`);
}

/** Resolves when everything written so far was handed to the system, or nobody reads any more. */
function drain(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => {
      resolve();
    });
  });
}
