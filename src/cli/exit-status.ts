/**
 * Exit statuses: one table for text and --json output, documented in docs/cli.md. 127 (unknown
 * command), 130 and 143 (SIGINT, SIGTERM) come on top.
 */
import type { NokvErrorCode } from '../base/errors.js';

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_NOT_FOUND = 3;
export const EXIT_UNHEALTHY = 4;
export const EXIT_LOCKED = 5;
export const EXIT_CORRUPTION = 6;
export const EXIT_UNAVAILABLE = 7;
export const EXIT_NO_SPACE = 8;
export const EXIT_CONFLICT = 9;
export const EXIT_REFUSED = 10;
export const EXIT_UNKNOWN_COMMAND = 127;
export const EXIT_SIGINT = 130;
export const EXIT_SIGTERM = 143;

const EXIT_STATUS: Readonly<Record<NokvErrorCode, number>> = {
  NOKV_IO: EXIT_FAILED,
  NOKV_NO_SPACE: EXIT_NO_SPACE,
  NOKV_CORRUPTION: EXIT_CORRUPTION,
  NOKV_FORMAT: EXIT_REFUSED,
  NOKV_MODE: EXIT_REFUSED,
  NOKV_LOCKED: EXIT_LOCKED,
  NOKV_CLOSED: EXIT_FAILED,
  NOKV_BUSY: EXIT_UNAVAILABLE,
  NOKV_TIMEOUT: EXIT_UNAVAILABLE,
  NOKV_NOT_FOUND: EXIT_NOT_FOUND,
  NOKV_CONFLICT: EXIT_CONFLICT,
  NOKV_TXN_DONE: EXIT_FAILED,
  NOKV_TXN_EXPIRED: EXIT_FAILED,
  NOKV_TXN_TOO_LARGE: EXIT_FAILED,
  NOKV_READ_ONLY: EXIT_FAILED,
  NOKV_CHANGED: EXIT_UNAVAILABLE,
  NOKV_INVALID: EXIT_USAGE,
  NOKV_UNHEALTHY: EXIT_UNHEALTHY,
  NOKV_RAFT: EXIT_FAILED,
  NOKV_PROPOSAL_DROPPED: EXIT_UNAVAILABLE,
};

/** The exit status of a command that ends with this error. */
export function exitStatusOf(code: NokvErrorCode): number {
  return EXIT_STATUS[code];
}
