/**
 * Any error as a command reports it: code, message, hint, details and exit status, the same for text
 * and JSON. Errors of the engine keep what they say of themselves; mistakes in the arguments are
 * NOKV_INVALID (status 2); errors of the system get the code of their errno; anything else is a defect.
 */
import { stripVTControlCharacters } from 'node:util';
import { closestName } from '../base/closest-name.js';
import { NokvError, hasCode, type Details, type NokvErrorCode } from '../base/errors.js';
import { EXIT_CORRUPTION, EXIT_FAILED, EXIT_SIGINT, exitStatusOf } from './exit-status.js';

/** NOKV_INTERNAL and NOKV_INTERRUPTED exist on the command line only; docs/errors.md has them. */
export type FailureCode = NokvErrorCode | 'NOKV_INTERNAL' | 'NOKV_INTERRUPTED';

export interface Failure {
  readonly code: FailureCode;
  readonly message: string;
  readonly hint: string;
  readonly details: Details;
  readonly exit: number;
  /** The error is a defect: its stack is worth reading. */
  readonly isDefect: boolean;
}

/** Why an abort signal of a command was raised; `exit` is 128 + the number of the signal. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly exit: number;

  constructor(exit = EXIT_SIGINT) {
    super('Interrupted');
    this.exit = exit;
  }
}

export function failureOf(error: unknown): Failure {
  const known = nokvErrorOf(error);
  if (known !== undefined) return failureOfNokvError(known, error);
  if (error instanceof Interrupted) {
    return {
      code: 'NOKV_INTERRUPTED',
      message: 'Interrupted',
      hint: 'Run the command again',
      details: {},
      exit: error.exit,
      isDefect: false,
    };
  }
  if (error instanceof Error) {
    return commandFailure(error) ?? systemFailure(error) ?? defect(error.message);
  }
  return defect(String(error));
}

/** What oclif's parser throws, as an error of ours. `flags`: the names a command knows. */
export function usageErrorOf(error: unknown, flags: readonly string[]): unknown {
  if (!(error instanceof Error) || !('oclif' in error)) return error;
  const unknown = 'flags' in error && Array.isArray(error.flags) ? error.flags.map(String) : [];
  const first = unknown[0];
  const name = first === undefined ? undefined : closestName(first.replace(/^-+/, ''), flags);
  return new NokvError('NOKV_INVALID', usageMessage(error), {
    hint: name === undefined ? 'See --help' : `Did you mean --${name}? See --help`,
    cause: error,
  });
}

/** The parser lays its message out over lines, dims some, and ends with one that the hint repeats. */
function usageMessage(error: Error): string {
  if ('args' in error && Array.isArray(error.args) && error.name !== 'UnexpectedArgsError') {
    const names = error.args.map((arg: { name?: string }) => (arg.name ?? '').toUpperCase());
    if (/^Missing \d+ required arg/.test(error.message)) {
      return `Missing argument${names.length === 1 ? '' : 's'} ${names.join(', ')}`;
    }
  }
  return stripVTControlCharacters(error.message)
    .replace(/\nSee more help with --help$/, '')
    .replace(/^The following errors? occurred:\s*/, '')
    .replace(/^Parsing (--\S+)\s+/, '$1: ')
    .trim()
    .replace(/\s*\n\s*/g, '; ')
    .replace(/\s+/g, ' ');
}

/** The outermost error of ours, looked for through `cause`. */
function nokvErrorOf(error: unknown): NokvError | undefined {
  let current: unknown = error;
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    if (current instanceof NokvError) return current;
    current = current.cause;
  }
  return undefined;
}

function failureOfNokvError(error: NokvError, outermost: unknown): Failure {
  // Damage decides, however it is wrapped: a script must not take it for a passing fault.
  const isDamage = hasCode(outermost, 'NOKV_CORRUPTION');
  return {
    code: error.code,
    message: error.message,
    hint: error.hint,
    details: error.details,
    exit: isDamage ? EXIT_CORRUPTION : exitStatusOf(error.code),
    isDefect: false,
  };
}

/** What `this.error()` throws: it carries the exit status. */
function commandFailure(error: Error): Failure | undefined {
  if (!('oclif' in error)) return undefined;
  const { exit } = error.oclif as { exit?: number };
  return {
    code: 'NOKV_INVALID',
    message: error.message,
    hint: 'See --help',
    details: {},
    exit: exit ?? EXIT_FAILED,
    isDefect: false,
  };
}

function systemFailure(error: Error): Failure | undefined {
  const { code: errno, path, syscall } = error as NodeJS.ErrnoException;
  if (errno === undefined || syscall === undefined) return undefined;
  const code = CODE_OF_ERRNO[errno] ?? 'NOKV_IO';
  return failureOf(
    new NokvError(code, `Cannot ${syscall}${path === undefined ? '' : ` ${path}`}: ${errno}`, {
      hint:
        code === 'NOKV_NO_SPACE'
          ? 'Free space on the file system, and run the command again'
          : 'Check the path and its permissions',
      details: { errno, op: syscall, path: path ?? null },
    }),
  );
}

const CODE_OF_ERRNO: Readonly<Record<string, NokvErrorCode>> = {
  ENOENT: 'NOKV_NOT_FOUND',
  ENOSPC: 'NOKV_NO_SPACE',
  EDQUOT: 'NOKV_NO_SPACE',
  ECONNREFUSED: 'NOKV_BUSY',
  ECONNRESET: 'NOKV_BUSY',
  ETIMEDOUT: 'NOKV_TIMEOUT',
};

function defect(message: string): Failure {
  return {
    code: 'NOKV_INTERNAL',
    message,
    hint: 'This is a defect of nokv: run the command again with DEBUG=nokv and report what it prints',
    details: {},
    exit: EXIT_FAILED,
    isDefect: true,
  };
}
