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

const PIECE_BYTES = 1024 * 1024;

/**
 * Writes a file over with what it holds. Of a file whose sync failed in an earlier process the system shows pages that it has
 * given up to write: they count as clean, and no later sync would reach them. @throws IoError
 */
export function writeAgain(file: FsFile): void {
  const piece = new Uint8Array(Math.min(PIECE_BYTES, file.size()));
  for (let at = 0; ;) {
    const count = file.read(piece, 0, piece.length, at);
    if (count === 0) return;
    writeWhole(file, piece, 0, count, at);
    at += count;
  }
}
