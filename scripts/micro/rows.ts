/**
 * Micro benchmark of the row cache: `npx tsx scripts/micro/rows.ts`. Keys are encoded inside the timed parts, as a read
 * does it. Prints nanoseconds per operation; 1000-byte values, memory far larger than the processor's caches.
 */
import { Prng } from '../../src/base/prng.js';
import { BlockCache } from '../../src/engine/cache/block-cache.js';
import { FAMILY_DEFAULT, KeyBuffer } from '../../src/engine/key.js';
import { LookupResult } from '../../src/engine/sst/lookup-result.js';

const ROWS = 200_000;
const OPERATIONS = 500_000;
const key = new KeyBuffer();
const entry = new LookupResult();
const value = new Uint8Array(1000);
const names = Array.from({ length: ROWS }, (_, i) => `user${String(i * 7919).padStart(19, '0')}`);
const random = new Prng(1);
const order = Array.from({ length: OPERATIONS }, () => names[random.below(ROWS)] as string);

function timed(name: string, operation: (key: string) => void): void {
  const start = performance.now();
  for (const name of order) operation(name);
  const nanoseconds = ((performance.now() - start) / OPERATIONS) * 1e6;
  console.log(`${name.padEnd(28)} ${nanoseconds.toFixed(0).padStart(6)} ns`);
}

const large = new BlockCache(512 << 20).rows;
const small = new BlockCache(64 << 20).rows;
for (const rows of [large, small]) {
  const label = rows === large ? 'all rows fit' : 'a quarter of the rows fit';
  const getOrPut = (name: string): void => {
    key.encode(FAMILY_DEFAULT, name);
    if (!rows.get(key, entry)) rows.put(key, entry, value, 0, value.length);
  };
  timed(`get or put, first, ${label}`, getOrPut);
  timed(`get or put, ${label}`, getOrPut);
}
timed('remove', (name) => {
  key.encode(FAMILY_DEFAULT, name);
  large.remove(key.hash);
});
