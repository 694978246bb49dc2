/** Is the value behind a pointer readable? For recovery, where a power loss may have taken it. */
import type { Env } from '../base/env.js';
import { hasCode } from '../base/errors.js';
import { segmentPath } from './file-names.js';
import type { Version } from './manifest/version.js';
import { ValueLogFile, ValueLogReader } from './vlog/reader.js';
import { pointerFileNumber } from './vlog/value-pointer.js';

/** Each segment is opened anew: this runs after a power loss only. */
export function isReadable(
  env: Env,
  workdir: string,
  version: Version,
  pointer: Uint8Array,
  at: number,
): boolean {
  const fileNumber = pointerFileNumber(pointer, at);
  const state = version.valueLog.get(fileNumber);
  if (state === undefined) return false;
  const path = segmentPath(env.fs, workdir, fileNumber, state.bucket);
  const reader = new ValueLogReader(() =>
    ValueLogFile.open(env.fs, path, { fileNumber, identity: state.identity }),
  );
  try {
    reader.read(pointer, at);
    return true;
  } catch (error) {
    if (hasCode(error, 'NOKV_CORRUPTION') || hasCode(error, 'NOKV_IO')) return false;
    throw error;
  } finally {
    reader.close();
  }
}
