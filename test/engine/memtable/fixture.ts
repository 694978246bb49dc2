/**
 * A memtable with what the write queue does for it (entries encoded one after another in the data
 * arena), beside a model: all entries in one array, in internal order.
 */
import { compareArrays } from '../../../src/base/bytes.js';
import { viewOf } from '../../../src/base/codec.js';
import { Prng } from '../../../src/base/prng.js';
import {
  entrySize,
  KIND_DELETE,
  KIND_PUT,
  KIND_RANGE_DELETE,
  NO_EXPIRY,
  putEntryHeader,
} from '../../../src/engine/entry.js';
import { encodeKey, FAMILY_DEFAULT, FAMILY_SYSTEM } from '../../../src/engine/key.js';
import type { Arena } from '../../../src/engine/memtable/arena-pool.js';
import { indexBytesFor, Memtable } from '../../../src/engine/memtable/memtable.js';
import type { MemtableCursor } from '../../../src/engine/memtable/memtable-cursor.js';
import type { MemtableKind } from '../../../src/engine/options.js';

export const KINDS: readonly MemtableKind[] = ['art', 'skiplist'];

export interface ModelEntry {
  readonly key: Uint8Array;
  readonly version: number;
  readonly seq: number;
  readonly at: number;
}

/** An arena full of garbage, as a recycled one is. */
export function dirtyArena(dataBytes: number, indexBytes: number, seed = 7): Arena {
  const arena = {
    data: new SharedArrayBuffer(dataBytes),
    index: new SharedArrayBuffer(indexBytes),
  };
  const random = new Prng(seed);
  random.fill(new Uint8Array(arena.data));
  random.fill(new Uint8Array(arena.index));
  return arena;
}

/** Encodes entries into a data arena, one after another. */
export class EntryWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #end: number;

  constructor(data: SharedArrayBuffer) {
    this.#bytes = new Uint8Array(data);
    this.#view = viewOf(this.#bytes);
    this.#end = 1; // odd, because entries have no alignment
  }

  /** Returns the offset of the entry. */
  put(
    key: Uint8Array,
    seq: number,
    version = seq,
    kind = KIND_PUT,
    expiresAt = NO_EXPIRY,
    value = new Uint8Array(0),
  ): number {
    const at = this.#end;
    const size = entrySize(key.length, value.length, version !== seq, expiresAt !== NO_EXPIRY);
    if (at + size > this.#bytes.length) throw new RangeError('fixture: data arena is full');
    const keyAt = putEntryHeader(
      this.#view,
      at,
      kind,
      key.length,
      value.length,
      seq,
      version,
      expiresAt,
    );
    this.#bytes.set(key, keyAt);
    this.#bytes.set(value, keyAt + key.length);
    this.#end = at + size;
    return at;
  }
}

export class Fixture {
  readonly memtable: Memtable;
  readonly writer: EntryWriter;
  /** In internal order. */
  readonly model: ModelEntry[];

  constructor(kind: MemtableKind, dataBytes = 1 << 20, indexBytes = indexBytesFor(kind, 10_000)) {
    const arena = dirtyArena(dataBytes, indexBytes);
    this.memtable = Memtable.create(kind, arena, new Prng(99));
    this.writer = new EntryWriter(arena.data);
    this.model = [];
  }

  insert(
    key: Uint8Array,
    seq: number,
    version = seq,
    kind = KIND_PUT,
    expiresAt = NO_EXPIRY,
  ): number {
    const at = this.writer.put(key, seq, version, kind, expiresAt);
    this.memtable.insert(at);
    if (kind === KIND_RANGE_DELETE) return at;
    const entry = { key, version, seq, at };
    this.model.splice(lowerIndex(this.model, entry), 0, entry);
    return at;
  }

  /** Index in the model of the first entry with a key >= the target. */
  indexFrom(target: Uint8Array): number {
    return lowerIndex(this.model, { key: target, version: Infinity, seq: Infinity, at: 0 });
  }
}

function lowerIndex(model: readonly ModelEntry[], entry: ModelEntry): number {
  let low = 0;
  let high = model.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareEntries(model[middle] as ModelEntry, entry) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function compareEntries(a: ModelEntry, b: ModelEntry): number {
  return compareArrays(a.key, b.key) || b.version - a.version || b.seq - a.seq;
}

/** The cursor's offset after each `next` from where it is. */
export function restForwards(cursor: MemtableCursor): number[] {
  const offsets: number[] = [];
  for (; cursor.valid; cursor.next()) offsets.push(cursor.at);
  return offsets;
}

export function restBackwards(cursor: MemtableCursor): number[] {
  const offsets: number[] = [];
  for (; cursor.valid; cursor.prev()) offsets.push(cursor.at);
  return offsets;
}

const ALPHABETS: readonly (readonly number[])[] = [
  [0, 1, 2, 0x61, 0xff],
  [0x61, 0x62],
  Array.from({ length: 256 }, (_, i) => i),
];
const PREFIXES = [
  new Uint8Array(0),
  new TextEncoder().encode('user/'),
  new Uint8Array(40).fill(0xff),
];

/** Encoded keys that share prefixes, nest, branch widely, and hold the bytes 0, 1 and 0xff; 1 to 300 bytes. */
export function randomKey(random: Prng): Uint8Array {
  const alphabet = ALPHABETS[random.below(ALPHABETS.length)] as readonly number[];
  const prefix = PREFIXES[random.below(PREFIXES.length)] as Uint8Array;
  const length = random.chance(1, 20) ? 1 + random.below(260) : 1 + random.below(4);
  const key = new Uint8Array(prefix.length + length);
  key.set(prefix);
  for (let i = prefix.length; i < key.length; i++)
    key[i] = alphabet[random.below(alphabet.length)] as number;
  return encodeKey(random.chance(1, 10) ? FAMILY_SYSTEM : FAMILY_DEFAULT, key);
}

/** A seek target: a key, a key cut or extended or with one byte changed, or arbitrary bytes. */
export function randomTarget(random: Prng, model: readonly ModelEntry[]): Uint8Array {
  const source =
    model.length > 0 && random.chance(3, 4) ? model[random.below(model.length)] : undefined;
  const key = source?.key ?? randomKey(random);
  switch (random.below(5)) {
    case 0:
      return key;
    case 1:
      return key.slice(0, random.below(key.length + 1));
    case 2: {
      const longer = new Uint8Array(key.length + 1 + random.below(3));
      longer.set(key);
      for (let i = key.length; i < longer.length; i++)
        longer[i] = random.chance(1, 2) ? 0 : random.below(256);
      return longer;
    }
    case 3: {
      const changed = key.slice();
      changed[random.below(key.length)] = random.below(256);
      return changed;
    }
    default: {
      const bytes = new Uint8Array(random.below(6));
      random.fill(bytes);
      return bytes;
    }
  }
}

/** Mostly plain puts and deletes; some managed versions, out of order. */
export function insertRandom(fixture: Fixture, random: Prng, seq: number): void {
  const { model } = fixture;
  const isKnown = model.length > 0 && random.chance(1, 2);
  const key = isKnown ? (model[random.below(model.length)] as ModelEntry).key : randomKey(random);
  const version = random.chance(1, 3) ? 1 + random.below(2 * seq) : seq;
  fixture.insert(key, seq, version, random.chance(1, 5) ? KIND_DELETE : KIND_PUT);
}
