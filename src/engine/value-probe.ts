/** What a power loss may have taken of the value log: for recovery and inspection. */
import { equalBytes } from '../base/bytes.js';
import type { Env } from '../base/env.js';
import { CorruptionError, IoError } from '../base/errors.js';
import { entryKeyLength, entryKeyStart, entrySeq, entryValueStart } from './entry.js';
import { segmentPath } from './file-names.js';
import type { Version } from './manifest/version.js';
import type { TableMeta } from './table-meta.js';
import { readRecord, ValueLogFile } from './vlog/reader.js';
import { pointerFileNumber, pointerLength, pointerStart } from './vlog/value-pointer.js';

/**
 * Does the entry at `at`, which holds a pointer, lead to its own value? The place may hold that of another entry: one
 * that was taken back, so that its place was used again, and only the second write was lost. Each segment is opened anew:
 * this runs after a power loss only. @throws IoError: a read that fails says nothing about what was lost
 */
export function hasItsValue(
  env: Env,
  workdir: string,
  version: Version,
  bytes: Uint8Array,
  view: DataView,
  at: number,
): boolean {
  const pointerAt = entryValueStart(view, at);
  const fileNumber = pointerFileNumber(bytes, pointerAt);
  const state = version.valueLog.get(fileNumber);
  if (state === undefined) return false;
  const path = segmentPath(env.fs, workdir, fileNumber, state.bucket);
  try {
    const segment = ValueLogFile.open(env.fs, path, { fileNumber, identity: state.identity });
    try {
      const start = pointerStart(bytes, pointerAt);
      const { key, seq } = readRecord(segment, start, pointerLength(bytes, pointerAt));
      return (
        seq === entrySeq(view, at) &&
        key.length === entryKeyLength(view, at) &&
        equalBytes(key, 0, bytes, entryKeyStart(view, at), key.length)
      );
    } finally {
      segment.file.close();
    }
  } catch (error) {
    const isMissing = error instanceof IoError && error.errno === 'ENOENT';
    if (isMissing || error instanceof CorruptionError) return false;
    throw error;
  }
}

/** @throws IoError: a read that fails says nothing about what was lost */
export function hasSegmentHeader(
  env: Env,
  path: string,
  fileNumber: number,
  identity: string,
): boolean {
  try {
    ValueLogFile.open(env.fs, path, { fileNumber, identity }).file.close();
    return true;
  } catch (error) {
    if (error instanceof CorruptionError) return false;
    throw error;
  }
}

/** A segment that is not sealed, and that no table points into, may be gone with the power. */
export function mayBeLost(version: Version, fileNumber: number): boolean {
  if (version.valueLog.get(fileNumber)?.sealedBytes !== undefined) return false;
  const isNamedBy = (meta: TableMeta): boolean =>
    meta.valueLog.some((reference) => reference.fileNumber === fileNumber);
  return !version.levels.some((tables) => tables.some(isNamedBy));
}
