/**
 * Blocked Bloom filter over 32-bit key hashes: all probes of a key fall in one 64-byte line, so that a
 * lookup costs one cache miss. About 10 bits a key give a false-positive rate near 1 %.
 * Idea and line layout: "FastLocalBloom" of RocksDB (util/bloom_impl.h).
 *
 *   payload = line[64] * lines | probes u8
 *
 * The line comes from the high bits of the hash (hash * lines / 2^32), the probes from the hash remixed by
 * multiplication. With a 32-bit hash, n keys add n / 2^32 to the rate: 0.2 % at 10 million.
 */
export const FILTER_LINE_BYTES = 64; // on disk, frozen
const LINE_BITS_SHIFT = 23; // 32 - log2(512): the probe's bit is the top 9 bits; on disk, frozen
const GOLDEN = 0x9e3779b9; // on disk, frozen
const TWO_32 = 4_294_967_296;
const PROBES_MAX = 30;

/** Start offset of a key's line. Exact although the product can pass 2^53: both sides round alike. */
function lineStart(hash: number, lines: number): number {
  return Math.floor((hash * lines) / TWO_32) * FILTER_LINE_BYTES;
}

/** Probes for a density; 6 at 10 bits a key. */
export function filterProbes(bitsPerKey: number): number {
  return Math.max(1, Math.min(PROBES_MAX, Math.round(bitsPerKey * 0.62)));
}

/**
 * The filter payload of `count` distinct key hashes; owned by the caller. `bitsPerKey` 0 gives a filter
 * that passes every key.
 */
export function buildFilter(hashes: Uint32Array, count: number, bitsPerKey: number): Uint8Array {
  if (bitsPerKey === 0 && count > 0) {
    const open = new Uint8Array(FILTER_LINE_BYTES + 1);
    return open.fill(0xff, 0, FILTER_LINE_BYTES).fill(1, FILTER_LINE_BYTES);
  }
  const lines = Math.ceil((count * bitsPerKey) / (8 * FILTER_LINE_BYTES));
  const probes = filterProbes(bitsPerKey);
  const payload = new Uint8Array(lines * FILTER_LINE_BYTES + 1);
  payload[lines * FILTER_LINE_BYTES] = probes;
  for (let i = 0; i < count; i++) {
    const hash = hashes[i] as number;
    const line = lineStart(hash, lines);
    let h = Math.imul(hash ^ (hash >>> 15), GOLDEN);
    for (let p = 0; p < probes; p++) {
      const bit = h >>> LINE_BITS_SHIFT;
      const at = line + (bit >>> 3);
      payload[at] = (payload[at] as number) | (1 << (bit & 7));
      h = Math.imul(h, GOLDEN);
    }
  }
  return payload;
}

/** True when the payload has a possible shape. */
export function isFilter(payload: Uint8Array): boolean {
  const probes = payload[payload.length - 1] ?? 0;
  return payload.length % FILTER_LINE_BYTES === 1 && probes >= 1 && probes <= PROBES_MAX;
}

/** False when no key with this hash was added. `lines` = whole lines of the payload. */
export function filterMayContain(
  payload: Uint8Array,
  lines: number,
  probes: number,
  hash: number,
): boolean {
  if (lines === 0) return false;
  const line = lineStart(hash, lines);
  let h = Math.imul(hash ^ (hash >>> 15), GOLDEN);
  for (let p = 0; p < probes; p++) {
    const bit = h >>> LINE_BITS_SHIFT;
    if ((((payload[line + (bit >>> 3)] as number) >>> (bit & 7)) & 1) === 0) return false;
    h = Math.imul(h, GOLDEN);
  }
  return true;
}
