/** When a key is to be gone, from what a command says: seconds or milliseconds, from now or from 1970. */
import { RedisError } from '../reply.js';
import { arg, INT64_MAX, INT64_MIN, NOT_AN_INTEGER, parseInteger } from './data-arguments.js';

/** Times up to this many units need no bigint: seconds in milliseconds stay exact. */
const EXACT_MAX = 4_000_000_000_000;

export function invalidExpireTime(command: string): RedisError {
  return new RedisError(`ERR invalid expire time in '${command}' command`);
}

/**
 * The argument at `i`, in milliseconds since 1970; times past the safe integers are those. `baseMs`: what it counts
 * from. @throws RedisError when it is no integer, or no 64-bit number of milliseconds
 */
export function timeArg(
  args: readonly Buffer[],
  i: number,
  isSeconds: boolean,
  baseMs: number,
  command: string,
): number {
  const value = parseInteger(arg(args, i));
  if (value === undefined) throw NOT_AN_INTEGER;
  if (typeof value === 'number' && Math.abs(value) <= EXACT_MAX) {
    return (isSeconds ? value * 1000 : value) + baseMs;
  }
  const inMs = BigInt(value) * (isSeconds ? 1000n : 1n);
  const atMs = inMs + BigInt(baseMs);
  if (inMs > INT64_MAX || inMs < INT64_MIN || atMs > INT64_MAX) throw invalidExpireTime(command);
  if (atMs > BigInt(Number.MAX_SAFE_INTEGER)) return Number.MAX_SAFE_INTEGER;
  if (atMs < BigInt(Number.MIN_SAFE_INTEGER)) return Number.MIN_SAFE_INTEGER;
  return Number(atMs);
}

/** As timeArg, of commands that take no time before they begin. @throws RedisError also when it is not positive */
export function futureArg(
  args: readonly Buffer[],
  i: number,
  isSeconds: boolean,
  baseMs: number,
  command: string,
): number {
  const value = parseInteger(arg(args, i));
  if (value === undefined) throw NOT_AN_INTEGER;
  if (value <= 0) throw invalidExpireTime(command);
  return timeArg(args, i, isSeconds, baseMs, command);
}
