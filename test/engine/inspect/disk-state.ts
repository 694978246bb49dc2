/** Everything that an inspection must leave as it is: names, sizes, times and bytes. */
import type { Fs } from '../../../src/base/env.js';

/** One line per file, below `directory`. */
export function diskOf(fs: Fs, directory: string): string[] {
  return fs.list(directory).flatMap((name) => {
    const path = fs.join(directory, name);
    const stat = fs.stat(path);
    if (stat === undefined) return [];
    if (stat.isDirectory) return [`${path}/`, ...diskOf(fs, path)];
    const bytes = Buffer.from(fs.readFile(path)).toString('base64');
    return [`${path} ${stat.bytes} ${stat.modifiedMs} ${bytes}`];
  });
}
