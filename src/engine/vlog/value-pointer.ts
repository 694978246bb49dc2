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
export const VALUE_POINTER_SIZE = 12; // on disk, frozen

/** Writes a pointer at `at`; returns the offset after it. Requires VALUE_POINTER_SIZE free bytes. */
export function encodeValuePointer(
  target: Uint8Array,
  at: number,
  fileNumber: number,
  start: number,
  length: number,
): number {
  at = putU32(target, at, fileNumber);
  at = putU32(target, at, start);
  return putU32(target, at, length);
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

function putU32(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
  return at + 4;
}

function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}
