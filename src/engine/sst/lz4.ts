/**
 * LZ4 block format in JavaScript, so that compressed tables can be written and read without any native
 * module. Greedy single-probe encoder (the reference "fast" mode); the decoder checks every bound.
 *
 *   sequence = token u8 (literals << 4 | match - 4) | more literal length | literals
 *              | match offset u16 | more match length
 *
 * A length nibble of 15 goes on in bytes of 255 until one below 255. The last sequence has literals only;
 * the last 5 bytes are literals, and no match begins in the last 12.
 */
const MATCH_MIN = 4;
const LAST_LITERALS = 5;
const MATCH_LIMIT = 12;
const OFFSET_MAX = 65_535;
const HASH_BITS = 12;

function read32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

/** Writes the length beyond the nibble's 15; returns the offset after it. */
function putLength(target: Uint8Array, at: number, length: number): number {
  let rest = length;
  for (; rest >= 255; rest -= 255) target[at++] = 255;
  target[at++] = rest;
  return at;
}

/** One sequence; `matchLength` 0 is the last one. Returns the offset after it, or -1 when it does not fit. */
function putSequence(
  source: Uint8Array,
  literalStart: number,
  literals: number,
  target: Uint8Array,
  at: number,
  end: number,
  offset: number,
  matchLength: number,
): number {
  const worst = 1 + literals + Math.ceil(literals / 255) + 2 + Math.ceil(matchLength / 255) + 1;
  if (at + worst > end) return -1;
  const rest = matchLength === 0 ? 0 : matchLength - MATCH_MIN;
  target[at++] = (Math.min(literals, 15) << 4) | Math.min(rest, 15);
  if (literals >= 15) at = putLength(target, at, literals - 15);
  for (let i = 0; i < literals; i++) target[at++] = source[literalStart + i] as number;
  if (matchLength === 0) return at;
  target[at++] = offset & 0xff;
  target[at++] = offset >>> 8;
  return rest >= 15 ? putLength(target, at, rest - 15) : at;
}

/** Codec.compress of LZ4. */
export function compressLz4(
  source: Uint8Array,
  sourceStart: number,
  sourceLength: number,
  target: Uint8Array,
  targetStart: number,
  targetLength: number,
): number {
  const end = sourceStart + sourceLength;
  const matchEnd = end - LAST_LITERALS;
  const table = new Int32Array(1 << HASH_BITS).fill(-1);
  const limit = targetStart + targetLength;
  let out = targetStart;
  let anchor = sourceStart;
  let at = sourceStart;
  while (at < end - MATCH_LIMIT) {
    const word = read32(source, at);
    const hash = Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS);
    const candidate = table[hash] as number;
    table[hash] = at;
    if (candidate < 0 || at - candidate > OFFSET_MAX || read32(source, candidate) !== word) {
      // Incompressible stretches are crossed in growing steps.
      at += 1 + ((at - anchor) >>> 6);
      continue;
    }
    let length = MATCH_MIN;
    while (at + length < matchEnd && source[candidate + length] === source[at + length]) length++;
    out = putSequence(source, anchor, at - anchor, target, out, limit, at - candidate, length);
    if (out < 0) return 0;
    at += length;
    anchor = at;
  }
  out = putSequence(source, anchor, end - anchor, target, out, limit, 0, 0);
  return out < 0 ? 0 : out - targetStart;
}

/** Codec.decompress of LZ4. */
export function decompressLz4(
  source: Uint8Array,
  sourceStart: number,
  sourceLength: number,
  target: Uint8Array,
  targetStart: number,
  targetLength: number,
): boolean {
  const end = sourceStart + sourceLength;
  const limit = targetStart + targetLength;
  let at = sourceStart;
  let out = targetStart;
  while (at < end) {
    const token = source[at++] as number;
    let literals = token >>> 4;
    if (literals === 15) {
      let more = 255;
      while (more === 255 && at < end) literals += more = source[at++] as number;
      if (more === 255) return false;
    }
    if (at + literals > end || out + literals > limit) return false;
    for (let i = 0; i < literals; i++) target[out++] = source[at++] as number;
    if (at === end) return out === limit;
    if (at + 2 > end) return false;
    const offset = (source[at] as number) | ((source[at + 1] as number) << 8);
    at += 2;
    let length = token & 15;
    if (length === 15) {
      let more = 255;
      while (more === 255 && at < end) length += more = source[at++] as number;
      if (more === 255) return false;
    }
    length += MATCH_MIN;
    if (offset === 0 || offset > out - targetStart || out + length > limit) return false;
    for (let i = 0; i < length; i++, out++) target[out] = target[out - offset] as number;
  }
  return false;
}
