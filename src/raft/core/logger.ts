/** Where the core's log lines go. Steady replication writes none, so lines are built eagerly. */
import { RaftError } from '../../base/errors.js';

export interface RaftLogger {
  debug(line: string): void;
  info(line: string): void;
  warning(line: string): void;
  error(line: string): void;
  /** A broken invariant; the call that met it throws. */
  fatal(line: string): void;
}

/** Discards everything. */
export const SILENT_LOGGER: RaftLogger = {
  debug: () => undefined,
  info: () => undefined,
  warning: () => undefined,
  error: () => undefined,
  fatal: () => undefined,
};

/** Writes the line as fatal and returns what to throw: the replica cannot go on. */
export function fatal(logger: RaftLogger, line: string): RaftError {
  logger.fatal(line);
  return new RaftError('failed', line);
}
