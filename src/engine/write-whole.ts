/** The one loop around a write call that may be short: for logs, value-log segments and CURRENT. */
import type { FsFile } from '../base/env.js';
import { IoError } from '../base/errors.js';

/** Writes a whole range; continues after short writes. @throws IoError */
export function writeWhole(
  file: FsFile,
  source: Uint8Array,
  start: number,
  length: number,
  position: number,
): void {
  let done = 0;
  while (done < length) {
    const count = file.write(source, start + done, length - done, position + done);
    if (count <= 0) {
      throw new IoError({ op: 'write', path: file.path, errno: 'EIO', bytes: length - done });
    }
    done += count;
  }
}
