/**
 * Micro benchmark of the checksums: `npx tsx scripts/micro/checksum.ts`. Ranges of several lengths inside a larger buffer, as
 * blocks and log records lie; both take turns. Prints nanoseconds per call and bytes per nanosecond, medians of rounds.
 */
import { crc32 } from '../../src/base/crc32.js';
import { xxh64 } from '../../src/base/xxh64.js';

const LENGTHS = [64, 256, 1024, 2048, 4096, 65_536, 1_048_576];
const ROUNDS = 15;
const BYTES_PER_ROUND = 8_000_000;
const SUMS: Readonly<Record<string, typeof xxh64>> = { crc32, xxh64 };

const buffer = new Uint8Array(2_000_000).map((_, i) => Math.imul(i, 2654435761) >>> 24);
const median = (figures: readonly number[]): number =>
  [...figures].sort((a, b) => a - b)[figures.length >> 1] as number;

function nanoseconds(sum: typeof xxh64, length: number): number {
  const calls = Math.ceil(BYTES_PER_ROUND / (length + 200));
  const start = process.hrtime.bigint();
  let last = 0;
  for (let i = 0; i < calls; i++) last = sum(buffer, 17 + (i & 1023), length, last);
  return Number(process.hrtime.bigint() - start) / calls;
}

for (const length of LENGTHS) {
  const times = Object.entries(SUMS).map(([name, sum]) => ({ name, sum, rounds: [] as number[] }));
  for (let round = -2; round < ROUNDS; round++) {
    for (const { sum, rounds } of times) {
      const time = nanoseconds(sum, length);
      if (round >= 0) rounds.push(time);
    }
  }
  const cells = times.map(({ name, rounds }) => {
    const time = median(rounds);
    return `${name} ${time.toFixed(0).padStart(7)} ns ${(length / time).toFixed(2).padStart(5)} GB/s`;
  });
  console.log(`${String(length).padStart(9)} bytes   ${cells.join('   ')}`);
}
