/** Errors as the client sees them: those of Redis word for word, those of the store with code and hint. */
import type { NokvError } from '../base/errors.js';
import { RedisError } from './reply.js';

export const NOAUTH = new RedisError('NOAUTH Authentication required.');
export const WRONGPASS = new RedisError(
  'WRONGPASS invalid username-password pair or user is disabled.',
);
export const SYNTAX_ERROR = new RedisError('ERR syntax error');
export const NOT_AN_INTEGER = new RedisError('ERR value is not an integer or out of range');

/** Bytes of arguments that an error repeats, all together. */
const SHOWN_BYTES_MAX = 128;

export function unknownCommand(args: readonly Buffer[]): RedisError {
  const name = shown(args[0], SHOWN_BYTES_MAX);
  let rest = '';
  for (let i = 1; i < args.length && rest.length < SHOWN_BYTES_MAX; i++) {
    rest += `'${shown(args[i], SHOWN_BYTES_MAX - rest.length)}' `;
  }
  return new RedisError(`ERR unknown command '${name}', with args beginning with: ${rest}`);
}

export function unsupportedCommand(name: string, reason: string): RedisError {
  return new RedisError(`ERR '${name}' is not supported by nokv: ${reason}`);
}

export function wrongArity(name: string): RedisError {
  return new RedisError(`ERR wrong number of arguments for '${name}' command`);
}

export function unknownSubcommand(command: string, subcommand: Buffer | undefined): RedisError {
  return new RedisError(
    `ERR unknown subcommand '${shown(subcommand, SHOWN_BYTES_MAX)}'. Try ${command.toUpperCase()} HELP.`,
  );
}

/** Bytes on one line of text. */
export function shown(bytes: Buffer | undefined, lengthMax: number): string {
  return (bytes ?? Buffer.alloc(0)).toString('latin1', 0, lengthMax).replaceAll(/[\r\n\0]/g, ' ');
}

/**
 * A failure of the store. MISCONF is what clients know of a server that reads and cannot write; its rest names code
 * and remedy of the real cause.
 */
export function storeError(error: NokvError): RedisError {
  const what = `${oneLine(error.message)} [${error.code}]; ${oneLine(error.hint)}`;
  switch (error.code) {
    case 'NOKV_NO_SPACE':
    case 'NOKV_READ_ONLY':
    case 'NOKV_IO':
      return new RedisError(`MISCONF Cannot persist writes: ${what}`);
    case 'NOKV_BUSY':
      return new RedisError(`BUSY ${what}`);
    default:
      return new RedisError(`ERR ${what}`);
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}
