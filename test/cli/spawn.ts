/** Runs the built command line as a user does: a process of its own, its output and status. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Run {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The environment of the tests without what changes the command line: colors, NODE_ENV, NOKV_*. */
export function cleanEnv(extra: Record<string, string> = {}): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value === undefined || /^(NOKV_|NODE_ENV$|VITEST|(FORCE|NO)_COLOR$|DEBUG$)/.test(name))
      continue;
    env[name] = value;
  }
  // Node warns of one beside the other.
  const color = extra['FORCE_COLOR'] === undefined ? { NO_COLOR: '1' } : {};
  return { ...env, ...color, COLUMNS: '100', ...extra };
}

export const RUN_JS = `${ROOT}/bin/run.js`;

/** Standard streams that are not as usual: descriptors, and what is piped in. */
export interface Streams {
  readonly input?: string;
  readonly stdout?: number;
  readonly stderr?: number;
}

/** `nokv ARGS`, with standard input closed. */
export function nokv(args: readonly string[], env: Record<string, string> = {}): Run {
  return runNode([RUN_JS, ...args], env);
}

export function runNode(
  args: readonly string[],
  env: Record<string, string> = {},
  streams: Streams = {},
): Run {
  const { input } = streams;
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: cleanEnv(env),
    stdio: [
      input === undefined ? 'ignore' : 'pipe',
      streams.stdout ?? 'pipe',
      streams.stderr ?? 'pipe',
    ],
    maxBuffer: 64 * 1024 * 1024,
    ...(input === undefined ? {} : { input }),
  });
  return { status, stdout, stderr };
}
