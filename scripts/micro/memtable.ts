/**
 * Micro benchmark of the memtable indexes: `npx tsx scripts/micro/memtable.ts [keys ...]`.
 * Keys are `user` and 20 digits of a hashed number. Entries and lookup keys are encoded outside the
 * timed parts. Prints nanoseconds per operation: medians of ROUNDS fresh memtables.
 */
import { encodeKey, FAMILY_DEFAULT, KeyBuffer } from '../../src/engine/key.js';
import { entrySize, KIND_PUT, NO_EXPIRY, putEntryHeader } from '../../src/engine/entry.js';
import { Prng } from '../../src/base/prng.js';
import { indexBytesFor, Memtable } from '../../src/engine/memtable/memtable.js';
import type { MemtableKind } from '../../src/engine/options.js';

const ROUNDS = 3;
const LOOKUPS = 100_000;
const VALUE_BYTES = 100;
const SEQ_MAX = Number.MAX_SAFE_INTEGER;

/** The n-th key: FNV-1a of its number, as the YCSB workloads make them. */
function keyOf(n: number): Uint8Array {
  let hash = 0xcbf29ce484222325n;
  for (let shift = 0n; shift < 64n; shift += 8n) {
    hash = BigInt.asUintN(64, (hash ^ ((BigInt(n) >> shift) & 0xffn)) * 1_099_511_628_211n);
  }
  return encodeKey(FAMILY_DEFAULT, `user${hash.toString().padStart(20, '0')}`);
}

function median(figures: readonly number[]): number {
  return [...figures].sort((a, b) => a - b)[figures.length >> 1] as number;
}

function nsPer(operations: number, run: () => void): number {
  const start = performance.now();
  run();
  return ((performance.now() - start) * 1e6) / operations;
}

function bufferOf(bytes: Uint8Array): KeyBuffer {
  const buffer = new KeyBuffer();
  buffer.bytes.set(bytes);
  buffer.length = bytes.length;
  return buffer;
}

function measure(kind: MemtableKind, keys: readonly Uint8Array[], misses: readonly KeyBuffer[]): void {
  const count = keys.length;
  const stride = entrySize((keys[0] as Uint8Array).length, VALUE_BYTES, false, false);
  const figures: Record<string, number[]> = { insert: [], overwrite: [], hit: [], miss: [], next: [], prev: [] };
  let indexBytes = 0;
  const random = new Prng(5);
  const hits = Array.from({ length: LOOKUPS }, () => bufferOf(keys[random.below(count)] as Uint8Array));
  for (let round = 0; round < ROUNDS; round++) {
    const arena = {
      data: new SharedArrayBuffer(64 + 2 * count * stride),
      index: new SharedArrayBuffer(indexBytesFor(kind, count)),
    };
    const memtable = Memtable.create(kind, arena, new Prng(1));
    const { data, view } = memtable;
    for (let i = 0; i < 2 * count; i++) {
      const key = keys[i % count] as Uint8Array;
      const at = 64 + i * stride;
      data.set(key, putEntryHeader(view, at, KIND_PUT, key.length, VALUE_BYTES, i + 1, i + 1, NO_EXPIRY));
    }
    let found = 0;
    const cursor = memtable.newCursor();
    figures['insert']?.push(
      nsPer(count, () => {
        for (let i = 0; i < count; i++) memtable.insert(64 + i * stride);
      }),
    );
    indexBytes = memtable.indexBytesUsed();
    figures['hit']?.push(
      nsPer(LOOKUPS, () => {
        for (let i = 0; i < LOOKUPS; i++) {
          if (memtable.findVisible(hits[i] as KeyBuffer, SEQ_MAX, SEQ_MAX) !== 0) found++;
        }
      }),
    );
    figures['miss']?.push(
      nsPer(LOOKUPS, () => {
        for (let i = 0; i < LOOKUPS; i++) {
          if (memtable.findVisible(misses[i] as KeyBuffer, SEQ_MAX, SEQ_MAX) !== 0) found++;
        }
      }),
    );
    figures['next']?.push(nsPer(count, () => { for (cursor.first(); cursor.valid; cursor.next()) found++; }));
    figures['prev']?.push(nsPer(count, () => { for (cursor.last(); cursor.valid; cursor.prev()) found++; }));
    figures['overwrite']?.push(
      nsPer(count, () => {
        for (let i = count; i < 2 * count; i++) memtable.insert(64 + i * stride);
      }),
    );
    if (found !== LOOKUPS + 2 * count) throw new Error(`found ${found}`);
  }
  const texts = Object.entries(figures).map(([name, all]) => `${name} ${median(all).toFixed(0).padStart(5)}`);
  const perKey = (indexBytes / count).toFixed(1);
  console.log(`${kind.padEnd(8)} ${String(count).padStart(8)} keys  ${texts.join('  ')}  index ${perKey} B/key`);
}

const counts = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [65_536, 1_000_000];
for (const count of counts) {
  const keys = Array.from({ length: count }, (_, i) => keyOf(i));
  const misses = Array.from({ length: LOOKUPS }, (_, i) => bufferOf(keyOf(2_000_000_000 + i)));
  for (const kind of ['art', 'skiplist'] as const) measure(kind, keys, misses);
}
