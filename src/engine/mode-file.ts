/**
 * MODE.json: which command a workdir belongs to. Written by a migration; without it the workdir is standalone.
 *
 *   {"mode":"standalone"}
 */
import type { Fs } from '../base/env.js';
import { CorruptionError } from '../base/errors.js';
import { MODE_NAME } from './file-names.js';

export const STANDALONE = 'standalone';

/** The mode as it is written, of whatever type. @throws CorruptionError when the file is no JSON; IoError */
export function readMode(fs: Pick<Fs, 'join' | 'stat' | 'readFile'>, workdir: string): unknown {
  const path = fs.join(workdir, MODE_NAME);
  if (fs.stat(path) === undefined) return STANDALONE;
  const text = new TextDecoder().decode(fs.readFile(path));
  try {
    return (JSON.parse(text) as { mode?: unknown } | null)?.mode;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new CorruptionError('mode file is not JSON', { file: path, offset: 0 }, { cause: error });
  }
}
