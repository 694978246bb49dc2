import { describe, expect, it } from 'vitest';
import { compareArrays } from '../../src/base/bytes.js';
import type { Prng } from '../../src/base/prng.js';
import { SEQ_MAX } from '../../src/base/limits.js';
import { type RangeTombstone, RangeTombstones } from '../../src/engine/range-tombstones.js';
import { forSeeds, isCovered, keyName, keyOf, type ModelEntry } from './model-entry.js';

const NOTHING = new Uint8Array(0);
const KEYS = 40;

function randomTombstones(random: Prng, count: number): RangeTombstone[] {
  const list: RangeTombstone[] = [];
  const isOrdinary = random.chance(1, 2);
  for (let i = 0; i < count; i++) {
    const lower = keyOf(keyName(random.below(KEYS)));
    const upper = keyOf(keyName(random.below(KEYS)));
    const seq = random.below(20);
    list.push({ lower, upper, version: isOrdinary ? seq : random.below(20), seq });
  }
  return list;
}

function probe(random: Prng): ModelEntry {
  const key = keyOf(keyName(random.below(KEYS)));
  return {
    key,
    version: random.below(20),
    seq: random.below(20),
    kind: 1,
    expiresAt: 0,
    value: NOTHING,
  };
}

function expectSame(random: Prng, tested: RangeTombstones, list: readonly RangeTombstone[]): void {
  for (let i = 0; i < 60; i++) {
    const entry = probe(random);
    const seqMax = random.chance(1, 3) ? SEQ_MAX : random.below(20);
    const versionMax = random.chance(1, 3) ? SEQ_MAX : random.below(20);
    const padded = Uint8Array.of(9, 9, ...entry.key, 9);
    const covered = tested.covers(
      padded,
      2,
      entry.key.length,
      entry.version,
      entry.seq,
      seqMax,
      versionMax,
    );
    expect(covered).toBe(isCovered(entry, list, { seqMax, versionMax }));
  }
}

describe('RangeTombstones', () => {
  it('covers what the list of tombstones covers', () => {
    forSeeds(300, (random) => {
      const list = randomTombstones(random, random.below(30));
      expectSame(random, new RangeTombstones(list), list);
    });
  });

  it('add one at a time gives the same answers between additions', () => {
    forSeeds(40, (random) => {
      const tested = new RangeTombstones();
      const list: RangeTombstone[] = [];
      for (const t of randomTombstones(random, 60)) {
        tested.add(t.lower, t.upper, t.version, t.seq);
        list.push(t);
        if (random.chance(1, 4)) expectSame(random, tested, list);
      }
      expectSame(random, tested, list);
      expect(tested.count).toBe(list.filter((t) => compareArrays(t.lower, t.upper) < 0).length);
    });
  });

  it('clip yields sorted disjoint pieces inside the bounds that cover the same entries there', () => {
    forSeeds(100, (random) => {
      const list = randomTombstones(random, 12);
      const bounds = [keyOf(keyName(random.below(KEYS))), keyOf(keyName(random.below(KEYS)))];
      const [lower, upper] = bounds.sort(compareArrays) as [Uint8Array, Uint8Array];
      const pieces = [...new RangeTombstones(list).clip(lower, upper)];
      const flat: RangeTombstone[] = [];
      let end = lower;
      for (const piece of pieces) {
        expect(compareArrays(end, piece.lower)).toBeLessThanOrEqual(0);
        end = piece.upper;
        piece.seqs.forEach((seq, i) => {
          flat.push({
            lower: piece.lower,
            upper: piece.upper,
            seq,
            version: piece.versions[i] as number,
          });
        });
      }
      expect(compareArrays(end, upper)).toBeLessThanOrEqual(0);
      for (let i = 0; i < KEYS; i++) {
        const key = keyOf(keyName(i));
        const entry = { ...probe(random), key };
        const isInside = compareArrays(lower, key) <= 0 && compareArrays(key, upper) < 0;
        const all = { seqMax: SEQ_MAX, versionMax: SEQ_MAX };
        expect(isCovered(entry, flat, all)).toBe(isInside && isCovered(entry, list, all));
      }
    });
  });

  it('covers is false when empty, and an empty range is ignored', () => {
    const tested = new RangeTombstones();
    tested.add(keyOf('b'), keyOf('b'), 5, 5);
    tested.add(keyOf('c'), keyOf('b'), 5, 5);
    expect(tested.isEmpty).toBe(true);
    const key = keyOf('b');
    expect(tested.covers(key, 0, key.length, 0, 0, SEQ_MAX, SEQ_MAX)).toBe(false);
  });

  it('does not cover an entry of its own version and sequence number', () => {
    const tested = new RangeTombstones([
      { lower: keyOf('a'), upper: keyOf('z'), version: 5, seq: 5 },
    ]);
    const key = keyOf('b');
    expect(tested.covers(key, 0, key.length, 5, 5, SEQ_MAX, SEQ_MAX)).toBe(false);
    expect(tested.covers(key, 0, key.length, 5, 4, SEQ_MAX, SEQ_MAX)).toBe(true);
  });

  it('walks to any piece, forward and back, and finds there what holds it, newest first', () => {
    forSeeds(100, (random) => {
      const list = randomTombstones(random, 1 + random.below(25));
      const walk = new RangeTombstones(list).walk();
      for (let i = 0; i < 40 && walk.pieces > 0; i++) {
        const piece = random.below(walk.pieces);
        const { lower } = walk.range(piece);
        walk.moveTo(piece);
        const found = Array.from({ length: walk.count }, (_, at) => [
          walk.version(at),
          walk.seq(at),
        ]);
        const holding = list.filter(
          (t) => compareArrays(t.lower, lower) <= 0 && compareArrays(lower, t.upper) < 0,
        );
        const newestFirst = holding.sort((a, b) => b.version - a.version || b.seq - a.seq);
        expect(found).toEqual(newestFirst.map(({ version, seq }) => [version, seq]));
      }
    });
  });

  it('takes tens of thousands, each within the next one', () => {
    const count = 30_000;
    const upper = (i: number): Uint8Array => keyOf(String(i).padStart(6, '0'));
    const tested = new RangeTombstones();
    for (let i = 0; i < count; i++) tested.add(keyOf('0'), upper(i), i + 1, i + 1);
    const covers = (i: number, seq: number, seqMax: number): boolean =>
      tested.covers(upper(i), 0, upper(i).length, seq, seq, seqMax, SEQ_MAX);
    expect(covers(0, 0, 1)).toBe(false);
    expect(covers(0, 0, 2)).toBe(true);
    expect(covers(20_000, 20_001, SEQ_MAX)).toBe(true);
    expect(covers(20_000, 1, 20_001)).toBe(false);
    expect(covers(20_000, 1, 20_002)).toBe(true);
    expect(covers(count - 2, count - 1, SEQ_MAX)).toBe(true);
    expect(covers(count - 2, count, SEQ_MAX)).toBe(false);
    expect(covers(count - 1, 0, SEQ_MAX)).toBe(false);
    const [first] = tested.clip(upper(count - 3), undefined);
    expect(first?.seqs).toEqual([count, count - 1]);
  });
});
