/** Files for results that took long to come by: looked at before, and no reason to lose the results after. */
import { closeSync, openSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { IoError } from '../base/errors.js';

/** Leaves everything as it is. @throws the error of the system when a file cannot be written there */
export function mustBeWritable(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  // To open a pipe would wait for its reader, and end what it reads.
  const isSpecial = found !== undefined && !found.isFile() && !found.isDirectory();
  if (isSpecial) return;
  closeSync(openSync(path, 'a'));
  if (found === undefined) unlinkSync(path);
}

/** What kept the file from being written; undefined when it is there. */
export function writeReport(path: string, text: string): IoError | undefined {
  try {
    writeFileSync(path, text);
    return undefined;
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code ?? 'EIO';
    const hint = 'The results are on standard output; check the path and its permissions';
    return new IoError({ op: 'write', path, errno }, { cause, hint });
  }
}
