/**
 * Little-endian integers at an offset. Numbers up to 2^53 - 1 are stored as two u32 (low, high):
 * BigInt costs 20 times as much.
 */

const TWO_32 = 4_294_967_296;

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Writes a safe integer as 8 bytes; returns the offset after it. Requires 0 <= value < 2^53. */
export function putU64(view: DataView, at: number, value: number): number {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, (value / TWO_32) >>> 0, true);
  return at + 8;
}

/** Reads 8 bytes as a number; exact below 2^53. Decoders of foreign bytes check isSafeInteger. */
export function getU64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * TWO_32 + view.getUint32(at, true);
}

/** Bytes of `value` as an unsigned LEB128 varint. Requires 0 <= value < 2^53. */
export function varintLength(value: number): number {
  let length = 1;
  let rest = value;
  while (rest >= 128) {
    rest = rest < TWO_32 ? rest >>> 7 : Math.floor(rest / 128);
    length++;
  }
  return length;
}

/** Writes an unsigned LEB128 varint; returns the offset after it. */
export function putVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  while (rest >= TWO_32) {
    bytes[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  rest = rest >>> 0;
  while (rest >= 128) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

/**
 * Reads varints one after another without allocating: call `read`, then `at` is behind it.
 * `ok` turns false (and stays so) on a varint that runs past `end` or past 2^53.
 */
export class VarintReader {
  bytes: Uint8Array;
  at: number;
  end: number;
  ok: boolean;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
    this.ok = true;
  }

  read(): number {
    let shift = 1;
    let value = 0;
    while (this.at < this.end) {
      const byte = this.bytes[this.at++] as number;
      value += (byte & 0x7f) * shift;
      if (byte < 128) {
        if (value > Number.MAX_SAFE_INTEGER) this.ok = false;
        return value;
      }
      shift *= 128;
      if (shift > 562_949_953_421_312) break;
    }
    this.ok = false;
    return 0;
  }
}

/** Reads an unsigned 32-bit integer without a DataView: for buffers met once. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

/** Writes an unsigned 32-bit integer; returns the offset after it. */
export function writeU32(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
  return at + 4;
}
