/**
 * Micro benchmark of the memtable indexes: `npx tsx scripts/micro/memtable.ts [keys ...]`.
 * Keys are `user` and 20 digits of a hashed number. Entries and lookup keys are encoded outside the
 * timed parts. Prints nanoseconds per operation: medians over fresh memtables, warm-up left out.
 */
import { copyBytes } from '../../src/base/bytes.js';
import { encodeKey, FAMILY_DEFAULT, KeyBuffer } from '../../src/engine/key.js';
import { entrySize, KIND_PUT, NO_EXPIRY, putEntryHeader } from '../../src/engine/entry.js';
import { Prng } from '../../src/base/prng.js';
import { indexBytesFor, Memtable } from '../../src/engine/memtable/memtable.js';
import type { MemtableKind } from '../../src/engine/options.js';

const ROUNDS = 5;
const WARM_UP_ROUNDS = 2;
const LOOKUPS = 100_000;
const KEY_BYTES = 26;
const VALUE_BYTES = 100;
const ENTRY_BYTES = entrySize(KEY_BYTES, VALUE_BYTES, false, false);
const DATA_START = 64;
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

/** Keys of one length, one after another: probes must not cost cache misses of their own. */
function pack(keys: readonly Uint8Array[]): Uint8Array {
  const packed = new Uint8Array(keys.length * KEY_BYTES);
  keys.forEach((key, i) => packed.set(key, i * KEY_BYTES));
  return packed;
}

/** Looks every packed key up; returns how many are there. The copy into the key buffer is timed, too. */
function lookUp(memtable: Memtable, packed: Uint8Array): number {
  const buffer = new KeyBuffer();
  buffer.length = KEY_BYTES;
  let found = 0;
  for (let start = 0; start < packed.length; start += KEY_BYTES) {
    copyBytes(packed, start, buffer.bytes, 0, KEY_BYTES);
    if (memtable.findVisible(buffer, SEQ_MAX, SEQ_MAX) !== 0) found++;
  }
  return found;
}

function insertAll(memtable: Memtable, from: number, to: number): void {
  for (let i = from; i < to; i++) memtable.insert(DATA_START + i * ENTRY_BYTES);
}

function walk(memtable: Memtable, isForward: boolean): number {
  const cursor = memtable.newCursor();
  let count = 0;
  if (isForward) for (cursor.first(); cursor.valid; cursor.next()) count++;
  else for (cursor.last(); cursor.valid; cursor.prev()) count++;
  return count;
}

/** A memtable whose data arena holds every key twice, nothing inserted yet. */
function prepare(kind: MemtableKind, keys: readonly Uint8Array[]): Memtable {
  const count = keys.length;
  const data = new SharedArrayBuffer(DATA_START + 2 * count * ENTRY_BYTES);
  const arena = { data, index: new SharedArrayBuffer(indexBytesFor(kind, count)) };
  const memtable = Memtable.create(kind, arena, new Prng(1));
  for (let i = 0; i < 2 * count; i++) {
    const at = DATA_START + i * ENTRY_BYTES;
    const seq = i + 1;
    const keyAt = putEntryHeader(
      memtable.view,
      at,
      KIND_PUT,
      KEY_BYTES,
      VALUE_BYTES,
      seq,
      seq,
      NO_EXPIRY,
    );
    memtable.data.set(keys[i % count] as Uint8Array, keyAt);
  }
  return memtable;
}

function measure(kind: MemtableKind, keys: readonly Uint8Array[], misses: Uint8Array): void {
  const count = keys.length;
  const figures: Record<string, number[]> = {};
  const rounds = count < 200_000 ? WARM_UP_ROUNDS + ROUNDS : WARM_UP_ROUNDS + 1;
  let round = 0;
  const time = (name: string, operations: number, run: () => void): void => {
    const ns = nsPer(operations, run);
    if (round >= WARM_UP_ROUNDS) (figures[name] ??= []).push(ns);
  };
  const random = new Prng(5);
  const hits = pack(Array.from({ length: LOOKUPS }, () => keys[random.below(count)] as Uint8Array));
  let indexBytes = 0;
  let found = 0;
  for (; round < rounds; round++) {
    const memtable = prepare(kind, keys);
    time('insert', count, () => insertAll(memtable, 0, count));
    indexBytes = memtable.indexBytesUsed();
    time('hit', LOOKUPS, () => (found += lookUp(memtable, hits)));
    time('miss', LOOKUPS, () => (found += lookUp(memtable, misses)));
    time('next', count, () => (found += walk(memtable, true)));
    time('prev', count, () => (found += walk(memtable, false)));
    time('overwrite', count, () => insertAll(memtable, count, 2 * count));
  }
  if (found !== rounds * (LOOKUPS + 2 * count)) throw new Error(`found ${found}`);
  const texts = Object.entries(figures).map(
    ([name, all]) => `${name} ${median(all).toFixed(0).padStart(5)}`,
  );
  const perKey = (indexBytes / count).toFixed(1);
  console.log(
    `${kind.padEnd(8)} ${String(count).padStart(8)} keys  ${texts.join('  ')}  index ${perKey} B/key`,
  );
}

const counts = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [65_536, 1_000_000];
for (const count of counts) {
  const keys = Array.from({ length: count }, (_, i) => keyOf(i));
  const misses = pack(Array.from({ length: LOOKUPS }, (_, i) => keyOf(2_000_000_000 + i)));
  for (const kind of ['art', 'skiplist'] as const) measure(kind, keys, misses);
}
