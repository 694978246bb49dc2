/** Runs commands against a backend without a server around it, and writes replies down as text, one line each. */
import { ALL_KEYS, type Backend } from '../../../src/gateway/backend.js';
import type { DataCommand } from '../../../src/gateway/command.js';
import { DATA_COMMANDS } from '../../../src/gateway/commands/data-commands.js';
import {
  kept,
  RedisError,
  type Reply,
  ReplyMap,
  SimpleString,
} from '../../../src/gateway/reply.js';

const COMMANDS = new Map(DATA_COMMANDS.map((command) => [command.name, command]));

/** What RESP2 can say. */
export type Answer =
  | { readonly status: string }
  | { readonly error: string }
  | Buffer
  | number
  | bigint
  | null
  | readonly Answer[];

export async function runCommand(
  backend: Backend,
  args: readonly Buffer[],
  random: () => number,
): Promise<Answer> {
  const command = COMMANDS.get((args[0] as Buffer).toString('latin1').toLowerCase());
  if (command === undefined) throw new Error(`no such command: ${String(args[0])}`);
  const { arity, name } = command;
  if (arity < 0 ? args.length < -arity : args.length !== arity) {
    return { error: `ERR wrong number of arguments for '${name}' command` };
  }
  try {
    return answerOf(await call(backend, command, args, random));
  } catch (error) {
    if (error instanceof RedisError) return { error: error.text };
    throw error;
  }
}

function call(
  backend: Backend,
  command: DataCommand,
  args: readonly Buffer[],
  random: () => number,
): Reply | Promise<Reply> {
  if (command.kind === 'keys') return backend.update([], (view) => kept(command.run(view, args)));
  return backend.update(ALL_KEYS, (view) => command.run(view, args, random));
}

function answerOf(reply: Reply): Answer {
  if (reply instanceof RedisError) return { error: reply.text };
  if (reply instanceof SimpleString) return { status: reply.text };
  if (reply instanceof ReplyMap) return reply.entries.flatMap((entry) => entry.map(answerOf));
  if (Array.isArray(reply)) return reply.map((one) => answerOf(one as Reply));
  if (typeof reply === 'string') return Buffer.from(reply);
  if (reply instanceof Uint8Array) return Buffer.from(reply);
  if (typeof reply === 'number' || typeof reply === 'bigint' || reply === null) return reply;
  throw new Error('a reply of no data command');
}

/** One line, or one for each element with its depth. */
export function answerLines(answer: Answer, indent = ''): string[] {
  if (answer === null) return [`${indent}nil`];
  if (Buffer.isBuffer(answer)) return [`${indent}${quoted(answer)}`];
  if (typeof answer === 'number' || typeof answer === 'bigint') return [`${indent}${answer}`];
  if ('status' in answer) return [`${indent}+${answer.status}`];
  if ('error' in answer) return [`${indent}-${answer.error}`];
  if (answer.length === 0) return [`${indent}empty`];
  return [`${indent}array`, ...answer.flatMap((item) => answerLines(item, `${indent}  `))];
}

/** Printable ASCII as it is, the rest escaped, long ones shortened in the middle. */
export function quoted(bytes: Buffer): string {
  const text = bytes.length > 200 ? bytes.subarray(0, 200) : bytes;
  const escaped = text
    .toString('latin1')
    .replace(/["\\]/g, '\\$&')
    .replace(/[\x00-\x1f\x7f-\xff]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return `"${escaped}"${bytes.length > 200 ? `... ${bytes.length} bytes` : ''}`;
}
