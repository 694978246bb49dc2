import { describe, expect, it } from 'vitest';
import { compareArrays } from '../../../src/base/bytes.js';
import type { Prng } from '../../../src/base/prng.js';
import { MergingCursor } from '../../../src/engine/iterators/merging.js';
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
import { ArrayCursor } from './array-cursor.js';

const KEYS = 12;

/** Entries dealt out to sources; some are in several of them. */
function deal(random: Prng, sources: number): { all: ModelEntry[]; parts: ModelEntry[][] } {
  const shape = {
    keys: KEYS,
    entries: random.below(40),
    rangeTombstones: 0,
    isManaged: false,
    expires: false,
  };
  const all = randomHistory(random, shape).entries.sort(compareEntries);
  const parts: ModelEntry[][] = Array.from({ length: sources }, () => []);
  let last = 0;
  for (const entry of all) {
    if (random.chance(1, 2)) last = random.below(sources);
    for (let i = 0; i < sources; i++) {
      if (i === last || random.chance(1, 8)) (parts[i] as ModelEntry[]).push(entry);
    }
  }
  return { all, parts };
}

function walk(random: Prng, all: readonly ModelEntry[], parts: readonly ModelEntry[][]): void {
  const cursor = new MergingCursor(parts.map((part) => new ArrayCursor(part)));
  let at = -1;
  for (let step = 0; step < 80; step++) {
    const key = keyOf(keyName(random.below(KEYS + 1)));
    const isThere = at >= 0 && at < all.length;
    const choice = isThere ? random.below(16) : random.below(4);
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
    } else if (choice < 9) {
      cursor.next();
      at++;
    } else if (choice < 14) {
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
  }
}

describe('MergingCursor', () => {
  it('walks like one sorted array, in both directions, with seeks and turns', () => {
    forSeeds(400, (random) => {
      const { all, parts } = deal(random, 1 + random.below(9));
      walk(random, all, parts);
    });
  });

  it('merges thirty sources', () => {
    forSeeds(20, (random) => {
      const { all, parts } = deal(random, 30);
      walk(random, all, parts);
    });
  });

  it('shows the earlier source of an entry that is in two, and shows it once', () => {
    const entry = {
      key: keyOf('a'),
      version: 1,
      seq: 1,
      kind: 1,
      expiresAt: 0,
      value: Buffer.from('one'),
    };
    const other = { ...entry, value: Buffer.from('two') };
    const cursor = new MergingCursor([new ArrayCursor([entry]), new ArrayCursor([other])]);
    cursor.first();
    expect(show(entryAt(cursor) as ModelEntry)).toBe('a@1/1=one');
    cursor.next();
    expect(cursor.valid).toBe(false);
    cursor.last();
    expect(show(entryAt(cursor) as ModelEntry)).toBe('a@1/1=one');
    cursor.prev();
    expect(cursor.valid).toBe(false);
  });

  it('is empty without sources', () => {
    const cursor = new MergingCursor([]);
    cursor.first();
    expect(cursor.valid).toBe(false);
    cursor.last();
    expect(cursor.valid).toBe(false);
  });

  it('close closes every source', () => {
    const sources = [new ArrayCursor([]), new ArrayCursor([])];
    const cursor = new MergingCursor(sources);
    cursor.close();
    cursor.close();
    expect(sources.map((source) => source.isClosed)).toEqual([true, true]);
  });
});
