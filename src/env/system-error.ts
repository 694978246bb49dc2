/** From what node:fs throws to IoError. */
import { IoError } from '../base/errors.js';

/** The POSIX name of a system error, or undefined for any other thrown value. */
export function errnoOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const { code, errno } = thrown as NodeJS.ErrnoException;
  return typeof code === 'string' && typeof errno === 'number' ? code : undefined;
}

/**
 * An IoError for a failed system call. Anything else (a wrong argument is a TypeError or a
 * RangeError of Node) comes back as it is, so that the caller throws the result either way.
 */
export function toIoError(op: string, path: string, thrown: unknown): Error {
  const errno = errnoOf(thrown);
  if (errno !== undefined) return new IoError({ op, path, errno }, { cause: thrown });
  return toError(thrown);
}

/** For a promise, which is rejected with errors only. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
