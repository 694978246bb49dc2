import { describe, expect, it } from 'vitest';
import { compareArrays } from '../../../src/base/bytes.js';
import { KEY_BYTES_MAX, SEQ_MAX } from '../../../src/base/limits.js';
import { Prng } from '../../../src/base/prng.js';
import { KIND_DELETE, KIND_PUT, KIND_RANGE_DELETE, NO_EXPIRY } from '../../../src/engine/entry.js';
import { encodeKey, FAMILY_DEFAULT, hashEncodedKey, KeyBuffer } from '../../../src/engine/key.js';
import { indexBytesFor, Memtable } from '../../../src/engine/memtable/memtable.js';
import type { MemtableCursor } from '../../../src/engine/memtable/memtable-cursor.js';
import {
  compareEntries,
  dirtyArena,
  EntryWriter,
  Fixture,
  insertRandom,
  KINDS,
  type ModelEntry,
  randomKey,
  randomTarget,
  restBackwards,
  restForwards,
} from './fixture.js';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const key = (text: string): Uint8Array => encodeKey(FAMILY_DEFAULT, text);
const find = (memtable: Memtable, bytes: Uint8Array): number =>
  memtable.find(bytes, 0, bytes.length);

function visibleInModel(
  model: readonly ModelEntry[],
  bytes: Uint8Array,
  seqMax: number,
  versionMax: number,
): number {
  const entry = model.find(
    (each) =>
      compareArrays(each.key, bytes) === 0 && each.seq <= seqMax && each.version <= versionMax,
  );
  return entry?.at ?? 0;
}

/** A random program; every check tells the seed. */
function filled(kind: (typeof KINDS)[number], seed: number, steps: number): Fixture {
  const fixture = new Fixture(kind);
  const random = new Prng(seed);
  for (let seq = 1; seq <= steps; seq++) insertRandom(fixture, random, seq);
  return fixture;
}

/** One random move of a cursor and of its index in the model; returns the new index, -1 for invalid. */
function moveBoth(cursor: MemtableCursor, fixture: Fixture, random: Prng, index: number): number {
  const { model } = fixture;
  const target = randomTarget(random, model);
  const orNowhere = (at: number): number => (at >= 0 && at < model.length ? at : -1);
  const isSameKey = (a: number, b: number): boolean =>
    compareArrays((model[a] as ModelEntry).key, (model[b] as ModelEntry).key) === 0;
  switch (index < 0 ? random.below(4) : random.below(12)) {
    case 0:
      cursor.first();
      return orNowhere(0);
    case 1:
      cursor.last();
      return model.length - 1;
    case 2:
      cursor.seek(target, 0, target.length);
      return orNowhere(fixture.indexFrom(target));
    case 3:
      cursor.seekBefore(target, 0, target.length);
      return fixture.indexFrom(target) - 1;
    case 4: {
      cursor.nextKey();
      let at = index + 1;
      while (at < model.length && isSameKey(at, index)) at++;
      return orNowhere(at);
    }
    case 5: {
      cursor.prevKey();
      let at = index - 1;
      while (at >= 0 && isSameKey(at, index)) at--;
      while (at > 0 && isSameKey(at - 1, at)) at--;
      return at;
    }
    case 6:
    case 7:
    case 8:
      cursor.next();
      return orNowhere(index + 1);
    default:
      cursor.prev();
      return index - 1;
  }
}

describe.each(KINDS)('Memtable (%s)', (kind) => {
  it('finds nothing when it is empty', () => {
    const { memtable } = new Fixture(kind);
    const cursor = memtable.newCursor();
    expect(find(memtable, key('a'))).toBe(0);
    cursor.first();
    expect(cursor.valid).toBe(false);
    cursor.last();
    expect(cursor.valid).toBe(false);
    cursor.seek(key('a'), 0, 3);
    expect(cursor.valid).toBe(false);
    cursor.seekBefore(key('a'), 0, 3);
    expect(cursor.valid).toBe(false);
    expect(memtable.isEmpty()).toBe(true);
  });

  it.each(SEEDS)('finds what a sorted array finds (seed %i)', (seed) => {
    const fixture = filled(kind, seed, 1500);
    const { memtable, model } = fixture;
    const random = new Prng(1000 + seed);
    const buffer = new KeyBuffer();
    for (let i = 0; i < 1500; i++) {
      const target = randomTarget(random, model);
      expect(find(memtable, target), `seed ${seed}`).toBe(
        visibleInModel(model, target, SEQ_MAX, SEQ_MAX),
      );
      const wanted = (model[random.below(model.length)] as ModelEntry).key;
      buffer.bytes = wanted;
      buffer.length = wanted.length;
      buffer.hash = hashEncodedKey(wanted, 0, wanted.length);
      const seqMax = random.below(1600);
      const versionMax = random.chance(1, 2) ? SEQ_MAX : random.below(3000);
      expect(memtable.findVisible(buffer, seqMax, versionMax), `seed ${seed}`).toBe(
        visibleInModel(model, wanted, seqMax, versionMax),
      );
    }
  });

  it.each(SEEDS)('iterates in internal order in both directions (seed %i)', (seed) => {
    const { memtable, model } = filled(kind, seed, 2000);
    const offsets = model.map((entry) => entry.at);
    const cursor = memtable.newCursor();
    cursor.first();
    expect(restForwards(cursor), `seed ${seed}`).toEqual(offsets);
    cursor.last();
    expect(restBackwards(cursor), `seed ${seed}`).toEqual(offsets.reverse());
  });

  it.each(SEEDS)('moves a cursor as an index in a sorted array moves (seed %i)', (seed) => {
    const fixture = filled(kind, seed, 600);
    const random = new Prng(2000 + seed);
    const cursor = fixture.memtable.newCursor();
    let index = -1;
    for (let i = 0; i < 3000; i++) {
      index = moveBoth(cursor, fixture, random, index);
      expect(cursor.valid, `seed ${seed}, move ${i}`).toBe(index >= 0);
      if (index >= 0) {
        expect(cursor.at, `seed ${seed}, move ${i}`).toBe((fixture.model[index] as ModelEntry).at);
      }
    }
  });

  it.each(SEEDS)(
    'keeps cursors in order, skipping nothing, while entries come (seed %i)',
    (seed) => {
      const fixture = filled(kind, seed, 100);
      const random = new Prng(3000 + seed);
      let seq = 100;
      for (let round = 0; round < 60; round++) {
        const isForward = random.chance(1, 2);
        const target = randomTarget(random, fixture.model);
        const cursor = fixture.memtable.newCursor();
        const from = fixture.indexFrom(target);
        if (isForward) cursor.seek(target, 0, target.length);
        else cursor.seekBefore(target, 0, target.length);
        const there = isForward
          ? fixture.model.slice(from)
          : fixture.model.slice(0, from).reverse();
        const seen: number[] = [];
        while (cursor.valid) {
          seen.push(cursor.at);
          for (let i = random.below(3); i > 0; i--) insertRandom(fixture, random, ++seq);
          if (isForward) cursor.next();
          else cursor.prev();
          if (seen.length > 400) break;
        }
        const byOffset = new Map(fixture.model.map((entry) => [entry.at, entry]));
        for (let i = 1; i < seen.length; i++) {
          const a = byOffset.get(seen[i - 1] as number) as ModelEntry;
          const b = byOffset.get(seen[i] as number) as ModelEntry;
          expect(Math.sign(compareEntries(a, b)), `seed ${seed}, round ${round}`).toBe(
            isForward ? -1 : 1,
          );
        }
        const isSeen = new Set(seen);
        const last =
          seen.length > 400 ? (byOffset.get(seen.at(-1) as number) as ModelEntry) : undefined;
        for (const entry of there) {
          if (last !== undefined && compareEntries(last, entry) * (isForward ? 1 : -1) < 0) break;
          expect(isSeen.has(entry.at), `seed ${seed}, round ${round}`).toBe(true);
        }
        if (seq > 2500) break;
      }
    },
  );

  it('turns a cursor around inside a chain that changes', () => {
    const fixture = new Fixture(kind);
    const [a, b] = [key('a'), key('b')];
    fixture.insert(a, 1);
    const b2 = fixture.insert(b, 2);
    const b4 = fixture.insert(b, 4);
    const cursor = fixture.memtable.newCursor();
    cursor.seek(b, 0, b.length);
    expect(cursor.at).toBe(b4);
    cursor.next();
    expect(cursor.at).toBe(b2);
    const b6 = fixture.insert(b, 6);
    cursor.prev();
    expect(cursor.at).toBe(b4);
    cursor.prev();
    expect(cursor.at).toBe(b6);
    cursor.next();
    cursor.next();
    expect(cursor.at).toBe(b2);
    cursor.next();
    expect(cursor.valid).toBe(false);
  });

  it('orders the entries of a key by version, then sequence, whatever the order of arrival', () => {
    const fixture = new Fixture(kind);
    const k = key('k');
    const arrivals = [
      [1, 20],
      [2, 10],
      [3, 30],
      [6, 20],
      [5, 5],
      [4, 20],
    ] as const;
    const offsets = new Map<number, number>(
      arrivals.map(([seq, version]) => [seq, fixture.insert(k, seq, version)]),
    );
    const cursor = fixture.memtable.newCursor();
    cursor.first();
    expect(restForwards(cursor)).toEqual([3, 6, 4, 1, 2, 5].map((seq) => offsets.get(seq)));
    const buffer = new KeyBuffer();
    buffer.encode(FAMILY_DEFAULT, 'k');
    expect(fixture.memtable.findVisible(buffer, 3, 25)).toBe(offsets.get(1));
    expect(fixture.memtable.findVisible(buffer, 6, 25)).toBe(offsets.get(6));
    expect(fixture.memtable.findVisible(buffer, 6, 15)).toBe(offsets.get(2));
    expect(fixture.memtable.findVisible(buffer, 6, 4)).toBe(0);
    expect(fixture.memtable.findVisible(buffer, 0, SEQ_MAX)).toBe(0);
  });

  it('shows the fields of an entry in the cursor', () => {
    const fixture = new Fixture(kind);
    const k = key('k');
    const value = new Uint8Array([9, 8, 7]);
    const seq = 2 ** 40 + 3;
    fixture.memtable.insert(fixture.writer.put(k, seq, 17, KIND_PUT, 1_700_000_000_123, value));
    const cursor = fixture.memtable.newCursor();
    cursor.first();
    expect(cursor).toMatchObject({
      valid: true,
      seq,
      version: 17,
      kind: KIND_PUT,
      expiresAt: 1_700_000_000_123,
    });
    expect(cursor.keyBytes.slice(cursor.keyStart, cursor.keyStart + cursor.keyLength)).toEqual(k);
    expect(
      cursor.valueBytes.slice(cursor.valueStart, cursor.valueStart + cursor.valueLength),
    ).toEqual(value);
    cursor.close();
    cursor.close();
    expect(cursor.valid).toBe(false);
  });

  it('keeps its figures and lists range tombstones aside', () => {
    const fixture = new Fixture(kind);
    const { memtable } = fixture;
    expect(memtable.figures()).toEqual({
      entries: 0,
      tombstones: 0,
      keys: 0,
      minSeq: SEQ_MAX,
      maxSeq: 0,
      maxVersion: 0,
      earliestExpiry: NO_EXPIRY,
    });
    fixture.insert(key('a'), 5, 5, KIND_PUT, 900);
    fixture.insert(key('a'), 6, 6, KIND_DELETE);
    fixture.insert(key('b'), 7, 3, KIND_PUT, 400);
    fixture.insert(key('c'), 8);
    const range = fixture.insert(key('a'), 9, 70, KIND_RANGE_DELETE);
    expect(memtable.rangeTombstones).toEqual([range]);
    expect(memtable.figures()).toEqual({
      entries: 4,
      tombstones: 1,
      keys: 3,
      minSeq: 5,
      maxSeq: 9,
      maxVersion: 70,
      earliestExpiry: 400,
    });
    expect(memtable.isEmpty()).toBe(false);
    const cursor = memtable.newCursor();
    cursor.first();
    expect(restForwards(cursor)).toEqual(fixture.model.map((entry) => entry.at));
  });

  it('is the same in another instance made from its descriptor', () => {
    const fixture = filled(kind, 11, 1000);
    fixture.insert(key('a'), 2000, 2000, KIND_RANGE_DELETE);
    // A structured clone is what a message to a worker carries; it shares the arenas.
    const attached = Memtable.attach(structuredClone(fixture.memtable.descriptor()));
    expect(attached.data.buffer).not.toBe(fixture.memtable.data.buffer);
    expect(attached.figures()).toEqual(fixture.memtable.figures());
    expect(attached.rangeTombstones).toEqual(fixture.memtable.rangeTombstones);
    for (const entry of fixture.model) {
      expect(find(attached, entry.key)).toBe(find(fixture.memtable, entry.key));
    }
    const cursor = attached.newCursor();
    cursor.first();
    expect(restForwards(cursor)).toEqual(fixture.model.map((entry) => entry.at));
    cursor.last();
    expect(restBackwards(cursor)).toEqual(fixture.model.map((entry) => entry.at).reverse());
    expect(() => attached.insert(1)).toThrow('attached');
  });

  it('touches only the first bytes of its index when it is made, so that the rest takes no memory', () => {
    const arena = dirtyArena(1 << 16, 1 << 16);
    const before = new Uint8Array(arena.index).slice();
    Memtable.create(kind, arena, new Prng(1));
    expect(new Uint8Array(arena.index).subarray(128)).toEqual(before.subarray(128));
  });

  it('takes and orders keys of the greatest length, that differ early, late or in length', () => {
    const fixture = new Fixture(kind, 4 << 20);
    const plain = new Uint8Array(KEY_BYTES_MAX).fill(0x61);
    const late = plain.slice();
    late[KEY_BYTES_MAX - 1] = 0x62;
    const early = plain.slice();
    early[0] = 0x60;
    const escaped = new Uint8Array(KEY_BYTES_MAX);
    const shorter = plain.slice(1);
    const keys = [plain, late, early, escaped, shorter].map((each) =>
      encodeKey(FAMILY_DEFAULT, each),
    );
    keys.forEach((each, i) => fixture.insert(each, i + 1));
    for (const entry of fixture.model) expect(find(fixture.memtable, entry.key)).toBe(entry.at);
    const cursor = fixture.memtable.newCursor();
    cursor.first();
    expect(restForwards(cursor)).toEqual(fixture.model.map((entry) => entry.at));
  });

  it('takes keys that nest deeper than any stack was made for', () => {
    const fixture = new Fixture(kind, 4 << 20);
    const deep = 'a'.repeat(700);
    for (let length = 1; length <= 700; length++)
      fixture.insert(key(deep.slice(0, length)), length);
    const cursor = fixture.memtable.newCursor();
    cursor.last();
    expect(restBackwards(cursor)).toEqual(fixture.model.map((entry) => entry.at).reverse());
    for (const entry of fixture.model) expect(find(fixture.memtable, entry.key)).toBe(entry.at);
  });

  it('goes back through many versions of one key without walking them again and again', () => {
    const fixture = new Fixture(kind, 8 << 20);
    const writer = fixture.writer;
    for (let seq = 1; seq <= 100_000; seq++) fixture.memtable.insert(writer.put(key('hot'), seq));
    const cursor = fixture.memtable.newCursor();
    cursor.last();
    let seq = 1;
    for (; cursor.valid; cursor.prev()) expect(cursor.seq).toBe(seq++);
    expect(seq).toBe(100_001);
  });
});

/** Streams of new keys that make an index pay the most for each. */
const ADVERSARIES: Readonly<Record<string, (i: number) => Uint8Array>> = {
  // Every node gets one child after the other, all nodes in step: each outgrows every type.
  'nodes growing in step': (i) =>
    keyOf([(i % 61) + 2, 0x61, ((i / 61) % 250) + 2, i / (61 * 250) + 2]),
  // 117 groups: at 2000 keys every one has just outgrown its second node, and none was used again.
  'seventeen children each, in step': (i) => keyOf([(i % 117) + 2, i / 117 + 2]),
  'seventeen children each': (i) =>
    keyOf([((i / 17 / 200) % 200) + 2, ((i / 17) % 200) + 2, (i % 17) + 2]),
  'five children each': (i) => keyOf([((i / 5 / 200) % 200) + 2, ((i / 5) % 200) + 2, (i % 5) + 2]),
  pairs: (i) => keyOf([((i / 2 / 200) % 200) + 2, ((i / 2) % 200) + 2, (i % 2) + 2]),
  'forty-nine children each': (i) => keyOf([((i / 49) % 200) + 2, (i % 49) + 2]),
  ascending: (i) => key(String(i).padStart(9, '0')),
  nesting: (i) =>
    keyOf(new Array<number>((i % 300) + 1).fill(0x61).concat([((i / 300) % 200) + 3])),
};

function keyOf(bytes: readonly number[]): Uint8Array {
  return encodeKey(
    FAMILY_DEFAULT,
    Uint8Array.from(bytes, (byte) => Math.floor(byte)),
  );
}

describe.each(KINDS)('Memtable.hasRoomFor (%s)', (kind) => {
  const room = 2000;

  it.each(Object.keys(ADVERSARIES))('never lets an insert overflow: %s', (name) => {
    const make = ADVERSARIES[name] as (i: number) => Uint8Array;
    const bytes = indexBytesFor(kind, room);
    const fixture = new Fixture(kind, 8 << 20, bytes);
    let inserted = 0;
    for (; inserted < 50_000 && fixture.memtable.hasRoomFor(1); inserted++) {
      fixture.memtable.insert(fixture.writer.put(make(inserted), inserted + 1));
      expect(fixture.memtable.indexBytesUsed()).toBeLessThanOrEqual(bytes);
    }
    expect(fixture.memtable.hasRoomFor(1)).toBe(false);
    expect(fixture.memtable.figures().keys).toBeGreaterThanOrEqual(room);
  });

  it.each(SEEDS)('promises batches that then fit, whatever they hold (seed %i)', (seed) => {
    const random = new Prng(seed);
    const bytes = indexBytesFor(kind, 500);
    const fixture = new Fixture(kind, 8 << 20, bytes);
    const makers = Object.values(ADVERSARIES);
    let seq = 0;
    for (;;) {
      const entries = 1 + random.below(60);
      if (!fixture.memtable.hasRoomFor(entries)) break;
      const make = makers[random.below(makers.length)] as (i: number) => Uint8Array;
      const from = random.below(3000);
      for (let i = 0; i < entries; i++) {
        const bytesOfKey = random.chance(1, 4) ? randomKey(random) : make(from + i);
        fixture.memtable.insert(fixture.writer.put(bytesOfKey, ++seq));
      }
      expect(fixture.memtable.indexBytesUsed(), `seed ${seed}`).toBeLessThanOrEqual(bytes);
    }
    expect(seq, `seed ${seed}`).toBeGreaterThan(400);
  });

  it('promises as many keys to a fresh memtable as its index was sized for', () => {
    for (const entries of [0, 1, 2, 17, 1000]) {
      const fixture = new Fixture(kind, 1 << 16, indexBytesFor(kind, entries));
      expect(fixture.memtable.hasRoomFor(entries)).toBe(true);
      expect(fixture.memtable.hasRoomFor(entries + 8)).toBe(false);
    }
  });

  it('takes nothing for new versions of known keys', () => {
    const fixture = new Fixture(kind, 1 << 20);
    fixture.insert(key('a'), 1);
    fixture.insert(key('b'), 2);
    const used = fixture.memtable.indexBytesUsed();
    for (let seq = 3; seq < 1000; seq++) fixture.insert(key(seq % 2 === 0 ? 'a' : 'b'), seq);
    expect(fixture.memtable.indexBytesUsed()).toBe(used);
  });
});

describe('Memtable.hasRoomFor (art)', () => {
  /** Fills `groups` nodes with `size` children each, in step; returns the next sequence number. */
  function fillNodes(fixture: Fixture, groups: number, size: number): number {
    for (let i = 0; i < groups * size; i++) {
      fixture.memtable.insert(
        fixture.writer.put(keyOf([(i % groups) + 2, Math.floor(i / groups) + 2]), i + 1),
      );
    }
    return groups * size + 1;
  }

  it.each([4, 16, 48])('counts that full nodes of %i grow with their very next key', (size) => {
    const groups = 100;
    const trial = new Fixture('art', 1 << 20);
    fillNodes(trial, groups, size);
    const used = trial.memtable.indexBytesUsed();
    // Enough for some of the nodes to grow, or for all of these keys at the price of new ones.
    for (const spare of [0, 40, 87, 88, 1000, 4000, 10_000, 50_000]) {
      const fixture = new Fixture('art', 1 << 20, used + spare);
      let seq = fillNodes(fixture, groups, size);
      let promised = 0;
      while (promised < groups && fixture.memtable.hasRoomFor(promised + 1)) promised++;
      for (let i = 0; i < promised; i++) {
        fixture.memtable.insert(fixture.writer.put(keyOf([i + 2, 255]), seq++));
      }
      expect(fixture.memtable.indexBytesUsed(), `spare ${spare}`).toBeLessThanOrEqual(used + spare);
    }
  });

  it('uses an index beyond the worst case per key, since most keys cost less', () => {
    const fixture = new Fixture('art', 8 << 20, indexBytesFor('art', 10_000));
    let seq = 0;
    while (fixture.memtable.hasRoomFor(1)) {
      fixture.memtable.insert(fixture.writer.put(key(String(++seq).padStart(9, '0')), seq));
    }
    expect(seq).toBeGreaterThan(18_000);
  });
});

describe('Memtable (skiplist)', () => {
  it('cuts towers to the room that is promised when the generator only draws high ones', () => {
    const bytes = indexBytesFor('skiplist', 1000);
    const arena = dirtyArena(1 << 20, bytes);
    const memtable = Memtable.create('skiplist', arena, { u32: () => 0 });
    const writer = new EntryWriter(arena.data);
    let seq = 0;
    while (memtable.hasRoomFor(1)) {
      memtable.insert(writer.put(key(`k${++seq}`), seq));
      expect(memtable.indexBytesUsed()).toBeLessThanOrEqual(bytes);
    }
    expect(seq).toBeGreaterThanOrEqual(1000);
    for (let i = 1; i <= seq; i++) expect(find(memtable, key(`k${i}`))).not.toBe(0);
  });

  it('stays in order when later keys share ever less of what many keys shared', () => {
    const fixture = new Fixture('skiplist', 4 << 20);
    const random = new Prng(21);
    const prefix = 'the same beginning of all keys/';
    let seq = 0;
    for (let cut = prefix.length; cut >= 1; cut--) {
      const count = cut === prefix.length ? 1500 : 10;
      for (let i = 0; i < count; i++) {
        fixture.insert(key(`${prefix.slice(0, cut)}${random.u32().toString(36)}`), ++seq);
      }
      const target = key(prefix.slice(0, cut));
      const cursor = fixture.memtable.newCursor();
      cursor.seek(target, 0, target.length);
      expect(cursor.at).toBe(fixture.model[fixture.indexFrom(target)]?.at ?? 0);
    }
    const cursor = fixture.memtable.newCursor();
    cursor.first();
    expect(restForwards(cursor)).toEqual(fixture.model.map((entry) => entry.at));
    for (const entry of fixture.model) expect(find(fixture.memtable, entry.key)).toBe(entry.at);
  });
});

describe('EntryWriter of the fixture', () => {
  it('refuses what does not fit, so that a test cannot write past its arena', () => {
    const writer = new EntryWriter(new SharedArrayBuffer(64));
    expect(() => writer.put(new Uint8Array(100), 1)).toThrow('full');
  });
});
