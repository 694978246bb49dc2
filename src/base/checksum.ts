/**
 * The checksums of what files hold, by the type byte in their headers. New files take XXH64 (xxh64.ts): it takes half
 * the time of CRC-32 or less (`npm run bench:micro -- checksum`), and every block read and every record written pays
 * it. The headers themselves, and files of older builds, have CRC-32 (crc32.ts).
 *
 * The seed ties bytes to their place: chained log records, a block at its offset.
 */
import { CHECKSUM_CRC32, crc32 } from './crc32.js';
import { hasFastXxh64, xxh64 } from './xxh64.js';

/** Checksum-type byte in file headers: the low 32 bits of XXH64, seeded with 32 bits. */
export const CHECKSUM_XXH64 = 2;

/** The type for a file begun now. */
export function newChecksumType(): number {
  return hasFastXxh64() ? CHECKSUM_XXH64 : CHECKSUM_CRC32;
}

/** The types this build reads, for errors. */
export const CHECKSUM_TYPES = `${CHECKSUM_CRC32}, ${CHECKSUM_XXH64}`;

export function isChecksumType(type: number): boolean {
  return type === CHECKSUM_CRC32 || type === CHECKSUM_XXH64;
}

/** What inspectors call it. Requires a known type. */
export function checksumName(type: number): 'crc32' | 'xxh64' {
  return type === CHECKSUM_XXH64 ? 'xxh64' : 'crc32';
}

/** Checksum of a byte range, unsigned 32 bits. Requires a known type. `seed` is unsigned, too. */
export function checksum(
  type: number,
  bytes: Uint8Array,
  start: number,
  length: number,
  seed: number,
): number {
  return type === CHECKSUM_XXH64
    ? xxh64(bytes, start, length, seed)
    : crc32(bytes, start, length, seed);
}
