/**
 * Assertions for broken assumptions (bugs), as opposed to operating errors (errors.ts).
 * An assertion stays on in production; costly ones sit behind `if (INVARIANTS)`.
 */

/** Thrown when an assumption of the program itself is broken; never caught, never part of the API. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Requires: `message` is a constant, so that a passing assertion builds no string. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Marks a branch that cannot be taken; `value: never` makes the compiler prove it. */
export function unreachable(message: string, value?: never): never {
  throw new AssertionError(value === undefined ? message : `${message}: ${String(value)}`);
}

/**
 * Costly checks (iterator order, level overlap, poisoned buffers). On in every test run.
 * Read once from the environment: the one exception to "no process.* outside src/env".
 */
export const INVARIANTS: boolean =
  typeof process !== 'undefined' && process.env['NOKV_INVARIANTS'] === '1';
