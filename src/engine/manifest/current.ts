/**
 * CURRENT: the one small file that names the live manifest. Replaced as a whole, never written in
 * place, so that there is no such thing as a torn CURRENT. Page: docs/formats/manifest.md.
 *
 *   "MANIFEST-000007 6d6f0f2b\n"     name, space, crc32 of the name as 8 lower-case digits, newline
 */
import { crc32Of } from '../../base/crc32.js';
import type { Fs } from '../../base/env.js';
import { CorruptionError } from '../../base/errors.js';
import { FILE_NUMBER_MAX } from '../../base/limits.js';
import { CURRENT_NAME, CURRENT_TEMP_NAME, manifestName, parseFileName } from '../file-names.js';
import { writeWhole } from '../write-whole.js';

const utf8 = new TextEncoder();

export function encodeCurrent(fileNumber: number): Uint8Array {
  const name = manifestName(fileNumber);
  return utf8.encode(`${name} ${crc32Of(utf8.encode(name)).toString(16).padStart(8, '0')}\n`);
}

/** The manifest number. @throws CorruptionError for anything that encodeCurrent does not make. */
export function decodeCurrent(bytes: Uint8Array, file: string): number {
  let text = '';
  for (let i = 0; i < Math.min(bytes.length, 64); i++)
    text += String.fromCharCode(bytes[i] as number);
  const name = parseFileName(text.slice(0, Math.max(0, text.indexOf(' '))));
  if (name?.kind === 'manifest' && name.fileNumber >= 1 && name.fileNumber <= FILE_NUMBER_MAX) {
    const expected = encodeCurrent(name.fileNumber);
    if (bytes.length === expected.length && expected.every((byte, i) => byte === bytes[i])) {
      return name.fileNumber;
    }
  }
  throw new CorruptionError('not a manifest name with its checksum', { file, offset: 0 });
}

/**
 * The number of the live manifest; undefined when there is no CURRENT: a workdir whose creation
 * never finished, or (when it holds tables, segments or value-log files) a damaged one.
 * @throws CorruptionError, IoError
 */
export function readCurrent(fs: Fs, workdir: string): number | undefined {
  const path = fs.join(workdir, CURRENT_NAME);
  if (fs.stat(path) === undefined) return undefined;
  return decodeCurrent(fs.readFile(path), path);
}

/**
 * Writes CURRENT.tmp and makes its content durable: all of the swap that can be given up. A left-over
 * of an earlier crash is replaced. Requires that the manifest and its directory entry are durable.
 * @throws IoError
 */
export function prepareCurrent(fs: Fs, workdir: string, fileNumber: number): void {
  const path = fs.join(workdir, CURRENT_TEMP_NAME);
  if (fs.stat(path) !== undefined) fs.remove(path);
  const file = fs.open(path, 'create');
  try {
    const bytes = encodeCurrent(fileNumber);
    writeWhole(file, bytes, 0, bytes.length, 0);
    file.syncBlocking();
  } finally {
    file.close();
  }
}

/** Renames CURRENT.tmp over CURRENT. The rename is durable only after syncDirectory. @throws IoError */
export function publishCurrent(fs: Fs, workdir: string): void {
  fs.rename(fs.join(workdir, CURRENT_TEMP_NAME), fs.join(workdir, CURRENT_NAME));
}
