/** What a power loss may have taken of the value log: for recovery and inspection. */
import type { Env } from '../base/env.js';
import { hasCode } from '../base/errors.js';
import { segmentPath } from './file-names.js';
import type { Version } from './manifest/version.js';
import type { TableMeta } from './table-meta.js';
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

/** A segment that is not sealed, and that no table points into, may be gone with the power. */
export function mayBeLost(version: Version, fileNumber: number): boolean {
  if (version.valueLog.get(fileNumber)?.sealedBytes !== undefined) return false;
  const isNamedBy = (meta: TableMeta): boolean =>
    meta.valueLog.some((reference) => reference.fileNumber === fileNumber);
  return !version.levels.some((tables) => tables.some(isNamedBy));
}
