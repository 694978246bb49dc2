/**
 * CRC-32 (IEEE) of the 16 checked bytes of a record header, in JavaScript. Equal to crc32.ts by
 * definition (a test compares them); exists because the native call and its view cost ten times the
 * work of four table steps, on a path taken for every write.
 */

/** Slicing tables: TABLE[256 * k + b] advances byte b by k further zero bytes. */
const TABLE = makeTables();

function makeTables(): Int32Array {
  const table = new Int32Array(4 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 0 ? crc >>> 1 : (crc >>> 1) ^ 0xedb88320;
    table[byte] = crc;
  }
  for (let i = 256; i < 1024; i++) {
    const shorter = table[i - 256] as number;
    table[i] = (shorter >>> 8) ^ (table[shorter & 0xff] as number);
  }
  return table;
}

function step(crc: number, word: number): number {
  const mixed = crc ^ word;
  return (
    (TABLE[768 + (mixed & 0xff)] as number) ^
    (TABLE[512 + ((mixed >>> 8) & 0xff)] as number) ^
    (TABLE[256 + ((mixed >>> 16) & 0xff)] as number) ^
    (TABLE[mixed >>> 24] as number)
  );
}

/** CRC-32 of the record header's bytes 4 to 20, given as its four words; unsigned. */
export function recordHeaderCrc(
  payloadLength: number,
  typeAndTag: number,
  syncedThrough: number,
  payloadSum: number,
  chain: number,
): number {
  let crc = ~chain;
  crc = step(crc, payloadLength);
  crc = step(crc, typeAndTag);
  crc = step(crc, syncedThrough);
  crc = step(crc, payloadSum);
  return ~crc >>> 0;
}
