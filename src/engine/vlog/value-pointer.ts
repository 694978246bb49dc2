/**
 * Value pointer: where a separated value lives. Stored as the value of an entry of kind VALUE_POINTER.
 * Life of a segment: docs/formats/vlog.md.
 *
 *   offset  size  field   (little-endian)
 *        0     4  fileId  value-log file number
 *        4     4  start   byte offset of the record in that file, below 4 GiB
 *        8     4  length  bytes of the whole record, header and checksum included
 *
 * Invariant: a pointer reachable from the current version never names a dropped file.
 */
import { readU32, writeU32 } from '../../base/codec.js';

export const VALUE_POINTER_SIZE = 12; // on disk, frozen

/** Writes a pointer at `at`; returns the offset after it. Requires VALUE_POINTER_SIZE free bytes. */
export function encodeValuePointer(
  target: Uint8Array,
  at: number,
  fileNumber: number,
  start: number,
  length: number,
): number {
  at = writeU32(target, at, fileNumber);
  at = writeU32(target, at, start);
  return writeU32(target, at, length);
}

export function pointerFileNumber(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at);
}

export function pointerStart(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 4);
}

export function pointerLength(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 8);
}
