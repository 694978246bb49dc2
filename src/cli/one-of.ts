/** Commands that take either a FILE or a --workdir. */
import { NokvError } from '../base/errors.js';

/** The workdir, where no file was given. @throws NokvError NOKV_INVALID */
export function mustGiveOne(workdir: string | undefined): string {
  if (workdir !== undefined) return workdir;
  throw new NokvError('NOKV_INVALID', 'Cannot inspect: neither FILE nor --workdir is given', {
    hint: 'Give a file, or the directory of a database',
  });
}
