import { describe, expect, it } from 'vitest';
import { compareArrays } from '../../src/base/bytes.js';
import type { Prng } from '../../src/base/prng.js';
import { SEQ_MAX } from '../../src/base/limits.js';
import { type RangeTombstone, RangeTombstones } from '../../src/engine/range-tombstones.js';
import type { TableMeta } from '../../src/engine/table-meta.js';
import { OverlappingTables, TombstoneRun } from '../../src/engine/tombstone-run.js';
import { forSeeds, isCovered, keyName, keyOf } from './model-entry.js';
import { tableMeta } from './table-metas.js';

const KEYS = 60;
const NOTHING = new Uint8Array(0);

class Table {
  readonly meta: TableMeta;
  readonly list: readonly RangeTombstone[];
  /** Calls of `tombstones`. */
  asked = 0;

  constructor(lower: Uint8Array, upper: Uint8Array, list: readonly RangeTombstone[]) {
    const maxSeq = Math.max(...list.map(({ seq }) => seq));
    const maxVersion = Math.max(...list.map(({ version }) => version));
    this.meta = tableMeta({ fileNumber: 1, lower, upper, maxSeq, maxVersion });
    this.list = list;
  }

  tombstones(): RangeTombstones {
    this.asked++;
    return new RangeTombstones(this.list);
  }
}

/** Random range tombstones in [from, to), at least one. */
function randomList(random: Prng, from: number, to: number): RangeTombstone[] {
  return Array.from({ length: 1 + random.below(5) }, () => {
    const lower = from + random.below(to - from);
    const upper = lower + 1 + random.below(to - lower);
    const seq = random.below(20);
    const version = random.chance(1, 2) ? seq : random.below(20);
    return { lower: keyOf(keyName(lower)), upper: keyOf(keyName(upper)), version, seq };
  });
}

/** Tables with gaps between some of them, each with range tombstones inside its bounds. */
function randomTables(random: Prng): Table[] {
  const tables: Table[] = [];
  for (let at = random.below(5); at < KEYS - 6; at += random.below(4)) {
    const from = at;
    at += 2 + random.below(6);
    const list = randomList(random, from, at);
    tables.push(new Table(keyOf(keyName(from)), keyOf(keyName(at)), list));
  }
  return tables;
}

/** Lookups in any order give what the tombstones of the tables give. */
function expectSame(random: Prng, run: TombstoneRun, tables: readonly Table[]): void {
  const list = tables.flatMap((table) => table.list);
  for (let i = 0; i < 100; i++) {
    const key = keyOf(keyName(random.below(KEYS)));
    const version = random.below(20);
    const seq = random.chance(1, 2) ? version : random.below(20);
    const seqMax = random.chance(1, 2) ? SEQ_MAX : random.below(20);
    const versionMax = random.chance(1, 2) ? SEQ_MAX : random.below(20);
    const padded = Uint8Array.of(9, ...key, 9);
    const isSeenCovered = run.covers(padded, 1, key.length, version, seq, seqMax, versionMax);
    const entry = { key, version, seq, kind: 1, expiresAt: 0, value: NOTHING };
    expect(isSeenCovered).toBe(isCovered(entry, list, { seqMax, versionMax }));
  }
}

describe('TombstoneRun', () => {
  it('covers what the tombstones of its tables cover', () => {
    forSeeds(200, (random) => {
      const tables = randomTables(random);
      expectSame(random, new TombstoneRun(tables), tables);
    });
  });

  it('covers what tables that overlap cover, which are put together once', () => {
    forSeeds(200, (random) => {
      const tables = Array.from({ length: 1 + random.below(5) }, () => {
        const from = random.below(KEYS - 1);
        const to = from + 1 + random.below(KEYS - from - 1);
        const list = randomList(random, from, to);
        return new Table(keyOf(keyName(from)), keyOf(keyName(to)), list);
      });
      const run = new TombstoneRun([new OverlappingTables(tables)]);
      expectSame(random, run, tables);
      for (const { asked } of tables) expect(asked).toBeLessThanOrEqual(1);
    });
  });

  it('clips as the tombstones of its tables together', () => {
    forSeeds(200, (random) => {
      const tables = randomTables(random);
      const bounds = [keyOf(keyName(random.below(KEYS))), keyOf(keyName(random.below(KEYS)))];
      const [low, high] = bounds.sort(compareArrays);
      const lower = random.chance(1, 4) ? undefined : low;
      const upper = random.chance(1, 4) ? undefined : high;
      const all = new RangeTombstones(tables.flatMap((table) => table.list));
      expect([...new TombstoneRun(tables).clip(lower, upper)]).toEqual([...all.clip(lower, upper)]);
    });
  });

  it('asks no table that cannot decide: of other keys, or of nothing newer than the entry', () => {
    const of = (lower: string, upper: string, seq: number): Table => {
      const range = { lower: keyOf(lower), upper: keyOf(upper), version: seq, seq };
      return new Table(keyOf(lower), keyOf(upper), [range]);
    };
    const tables = [of('b', 'c', 5), of('d', 'f', 7)];
    const run = new TombstoneRun(tables);
    const covers = (key: string, seq: number): boolean =>
      run.covers(keyOf(key), 0, keyOf(key).length, seq, seq, SEQ_MAX, SEQ_MAX);
    expect(covers('a', 1)).toBe(false);
    expect(covers('c', 1)).toBe(false);
    expect(covers('g', 1)).toBe(false);
    expect(covers('e', 7)).toBe(false);
    expect([...run.clip(keyOf('c'), keyOf('d'))]).toEqual([]);
    expect(tables.map((table) => table.asked)).toEqual([0, 0]);
    expect(covers('e', 6)).toBe(true);
    expect(covers('e', 1)).toBe(true);
    expect([...run.clip(keyOf('e'), undefined)]).toHaveLength(1);
    expect(tables.map((table) => table.asked)).toEqual([0, 3]);
  });
});
