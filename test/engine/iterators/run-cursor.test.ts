import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../../src/base/assert.js';
import { compareArrays } from '../../../src/base/bytes.js';
import type { Prng } from '../../../src/base/prng.js';
import { KIND_PUT, NO_EXPIRY } from '../../../src/engine/entry.js';
import { RunCursor } from '../../../src/engine/iterators/run-cursor.js';
import { keySuccessor } from '../../../src/engine/key.js';
import type { TableMeta } from '../../../src/engine/table-meta.js';
import {
  compareEntries,
  entryAt,
  forSeeds,
  keyName,
  keyOf,
  type ModelEntry,
  randomHistory,
  show,
} from '../model-entry.js';
import { tableMeta } from '../table-metas.js';
import { ArrayCursor } from './array-cursor.js';

const KEYS = 16;
const ONE: ModelEntry = {
  key: keyOf(keyName(0)),
  version: 1,
  seq: 1,
  kind: KIND_PUT,
  expiresAt: NO_EXPIRY,
  value: Uint8Array.of(1),
};

interface Run {
  readonly all: readonly ModelEntry[];
  readonly tables: readonly TableMeta[];
  readonly open: ArrayCursor[];
  readonly cursor: RunCursor;
}

function randomEntries(random: Prng): ModelEntry[] {
  const shape = {
    keys: KEYS,
    entries: random.below(30),
    rangeTombstones: 0,
    isManaged: false,
    expires: false,
  };
  return randomHistory(random, shape).entries.sort(compareEntries);
}

/** Tables over [key 2i, key 2i + 2); some without entries. */
function run(all: readonly ModelEntry[]): Run {
  const tables: TableMeta[] = [];
  for (let i = 0; i < KEYS; i += 2) {
    const lower = keyOf(keyName(i));
    tables.push(tableMeta({ fileNumber: i, lower, upper: keyOf(keyName(i + 2)) }));
  }
  const open: ArrayCursor[] = [];
  const cursor = new RunCursor(tables, (index) => {
    const table = tables[index] as TableMeta;
    const inside = (entry: ModelEntry): boolean =>
      compareArrays(table.lower, entry.key) <= 0 && compareArrays(entry.key, table.upper) < 0;
    open.push(new ArrayCursor(all.filter(inside)));
    return open.at(-1) as ArrayCursor;
  });
  return { all, tables, open, cursor };
}

describe('RunCursor', () => {
  it('walks its tables like one sorted array, over empty tables too', () => {
    forSeeds(300, (random) => {
      const { all, cursor, open } = run(randomEntries(random));
      let at = -1;
      for (let step = 0; step < 60; step++) {
        const key = keyOf(keyName(random.below(KEYS + 2)));
        const isThere = at >= 0 && at < all.length;
        const choice = isThere ? random.below(14) : random.below(4);
        if (choice === 0) {
          cursor.seek(key, 0, key.length);
          at = all.findIndex((entry) => compareArrays(entry.key, key) >= 0);
          if (at === -1) at = all.length;
        } else if (choice === 1) {
          cursor.seekBefore(key, 0, key.length);
          at = all.findLastIndex((entry) => compareArrays(entry.key, key) < 0);
        } else if (choice === 2) {
          cursor.first();
          at = 0;
        } else if (choice === 3) {
          cursor.last();
          at = all.length - 1;
        } else if (choice < 8) {
          cursor.next();
          at++;
        } else if (choice < 12) {
          cursor.prev();
          at--;
        } else {
          cursor.nextKey();
          const current = (all[at] as ModelEntry).key;
          while (at < all.length && compareArrays((all[at] as ModelEntry).key, current) === 0) at++;
        }
        const expected = all[at];
        const found = entryAt(cursor);
        expect(found && show(found)).toBe(expected && show(expected));
        expect(open.filter((source) => !source.isClosed).length).toBeLessThanOrEqual(1);
      }
      cursor.close();
      expect(open.every((source) => source.isClosed)).toBe(true);
    });
  });

  it('opens a table only when it is reached', () => {
    const { cursor, open, tables } = run([]);
    expect(open).toHaveLength(0);
    const key = (tables[3] as TableMeta).lower;
    cursor.seekBefore(key, 0, key.length);
    expect(open.length).toBe(3); // all tables are empty: it looks at the three before
  });

  it.each<[string, (cursor: RunCursor) => void]>([
    ['next', (cursor) => cursor.next()],
    ['prev', (cursor) => cursor.prev()],
    ['nextKey', (cursor) => cursor.nextKey()],
  ])('stands nowhere after the next table could not be opened (%s)', (name, move) => {
    const entries = ['a', 'b', 'c'].map((text) => ({ ...ONE, key: keyOf(text) }));
    const tables = entries.map(({ key }, fileNumber) =>
      tableMeta({ fileNumber, lower: key, upper: keySuccessor(key) }),
    );
    let broken = name === 'prev' ? 0 : 2;
    const cursor = new RunCursor(tables, (index) => {
      if (index === broken) throw new Error('table: broken');
      return new ArrayCursor([entries[index] as ModelEntry]);
    });
    const [, b] = entries;
    cursor.seek((b as ModelEntry).key, 0, (b as ModelEntry).key.length);
    expect(cursor.valid).toBe(true);
    expect(() => move(cursor)).toThrow('table: broken');
    expect(cursor.valid).toBe(false);
    for (const again of [move, (): void => cursor.next(), (): void => cursor.prev()]) {
      expect(() => again(cursor)).toThrow(AssertionError);
    }
    expect(() => (name === 'prev' ? cursor.first() : cursor.last())).toThrow('table: broken');
    expect(cursor.valid).toBe(false);
    broken = -1;
    cursor.first();
    expect(entryAt(cursor)?.key).toEqual(keyOf('a'));
  });

  it('stands nowhere after its table failed', () => {
    const { cursor, open } = run([ONE, { ...ONE, key: keyOf(keyName(1)) }]);
    cursor.first();
    (open[0] as ArrayCursor).brokenAt = 1;
    expect(() => cursor.next()).toThrow('array cursor: broken');
    expect(cursor.valid).toBe(false);
    expect(() => cursor.next()).toThrow(AssertionError);
    cursor.first();
    expect(entryAt(cursor)?.key).toEqual(ONE.key);
  });

  it('is not valid without tables', () => {
    const cursor = new RunCursor([], () => new ArrayCursor([]));
    cursor.first();
    cursor.last();
    const key = keyOf('a');
    cursor.seek(key, 0, key.length);
    cursor.seekBefore(key, 0, key.length);
    expect(cursor.valid).toBe(false);
  });
});
