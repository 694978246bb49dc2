/** Arguments of the commands of a connection, read. */
import { NOT_AN_INTEGER, unknownSubcommand } from '../error-text.js';
import { RedisError, type Reply } from '../reply.js';

/** An argument as an upper-case word. */
export function word(arg: Buffer | undefined): string {
  return (arg ?? Buffer.alloc(0)).toString('latin1', 0, 64).toUpperCase();
}

/** A decimal integer below 2^53. @throws RedisError */
export function integer(arg: Buffer | undefined, error: RedisError = NOT_AN_INTEGER): number {
  const text = (arg ?? Buffer.alloc(0)).toString('latin1', 0, 32);
  const value = Number(text);
  if (!/^(0|-?[1-9]\d*)$/.test(text) || !Number.isSafeInteger(value)) throw error;
  return value;
}

/** What `CLIENT HELP` and the like answer. */
export function helpReply(command: string, lines: readonly string[]): Reply {
  return [
    `${command} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`,
    ...lines.flatMap((line) => {
      const [usage = '', what = ''] = line.split(' -- ');
      return [usage, `    ${what}`];
    }),
    'HELP',
    '    Print this help.',
  ];
}

/** Subcommands by their upper-case name: arity with both names (negative: at least), and what runs. */
export type Subcommands<T> = Readonly<Record<string, readonly [arity: number, run: T]>>;

/** @throws RedisError as Redis says it */
export function subcommand<T>(command: string, table: Subcommands<T>, args: readonly Buffer[]): T {
  const name = word(args[1]);
  const found = Object.hasOwn(table, name) ? table[name] : undefined;
  if (found === undefined) throw unknownSubcommand(command, args[1]);
  const [arity, run] = found;
  if (arity < 0 ? args.length < -arity : args.length !== arity) {
    const full = `${command}|${name.toLowerCase()}`;
    throw new RedisError(`ERR wrong number of arguments for '${full}' command`);
  }
  return run;
}
