/**
 * The rows of the soak: a row says which one it is and which round wrote it, and all its bytes follow from
 * that, so that any reader can tell a wrong one by itself.
 *
 *   offset size
 *        0    4 number of the row, little-endian
 *        4    4 round that wrote it
 *        8    . a window of POOL that starts where both say
 */
const POOL_BYTES = 4 * 1024 * 1024;

/** Bytes that do not compress, the same in every process: xorshift32 from a fixed seed. */
const POOL = (() => {
  const words = new Uint32Array(POOL_BYTES / 4);
  let x = 0x9e3779b9;
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = x;
  }
  return Buffer.from(words.buffer);
})();

export function keyOf(i) {
  return `user${String(i).padStart(12, '0')}`;
}

function windowOf(i, round, bytes) {
  const start = (Math.imul(i, 2654435761) + Math.imul(round, 40503)) >>> 0;
  const at = start % (POOL_BYTES - bytes);
  return POOL.subarray(at, at + bytes);
}

/** Fills `row`. */
export function makeRow(row, i, round) {
  row.writeUInt32LE(i, 0);
  row.writeUInt32LE(round, 4);
  windowOf(i, round, row.length - 8).copy(row, 8);
}

/** The round that wrote row `i`; a text that says what is wrong when these are not its bytes. */
export function checkRow(bytes, i, valueBytes) {
  if (bytes === undefined) return 'absent';
  const row = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (row.length !== valueBytes) return `${row.length} bytes long`;
  if (row.readUInt32LE(0) !== i) return `row ${row.readUInt32LE(0)}`;
  const round = row.readUInt32LE(4);
  return row.compare(windowOf(i, round, valueBytes - 8), 0, valueBytes - 8, 8) === 0
    ? round
    : `round ${round} with wrong bytes`;
}

/** A permutation of 0 ... count - 1 that needs no table: j -> (a j + b) mod count, a prime to count. */
export function shuffled(count, round) {
  const gcd = (a, b) => (b === 0 ? a : gcd(b, a % b));
  let a = Math.max(1, Math.floor(count * 0.618)) + round;
  while (gcd(a, count) !== 1) a++;
  const step = BigInt(a);
  const big = BigInt(count);
  // Products stay below 2^53 as long as there are fewer than 90 million rows.
  if (a * count < Number.MAX_SAFE_INTEGER) return (j) => (j * a + round) % count;
  return (j) => Number((BigInt(j) * step + BigInt(round)) % big);
}
