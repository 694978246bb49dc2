/** Errors of work that a write waits for, as the write's own. */
import { IoError } from '../base/errors.js';

/** The same error for a write that was not begun: whatever became of the file that failed, nothing of the write is there. */
export function nothingWritten(error: unknown): unknown {
  if (!(error instanceof IoError) || error.outcome === 'none') return error;
  return new IoError({ op: error.op, path: error.path, errno: error.errno }, { cause: error });
}
