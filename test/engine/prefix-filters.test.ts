/** Parts of keys in filters: which they are, what a range can be asked for, and that no answer changes by it. */
import { describe, expect, it } from 'vitest';
import { compareArrays } from '../../src/base/bytes.js';
import { Prng } from '../../src/base/prng.js';
import type { Db } from '../../src/engine/db.js';
import { encodeKey, FAMILY_DEFAULT, FAMILY_LOCK, hashEncodedKey } from '../../src/engine/key.js';
import { type OpenOptions, type PrefixFilter, resolveOptions } from '../../src/engine/options.js';
import { prefixRulesFor } from '../../src/engine/prefix-filters.js';
import { rangeOf } from '../../src/engine/requests.js';
import type { ScanOptions } from '../../src/engine/requests.js';
import { NO_HASH, ScanSpan } from '../../src/engine/scan-span.js';
import { openSim, reopen, rowsOf, TINY } from './db-fixture.js';

/** The part of a key as text, or undefined. */
function partOf(filters: readonly PrefixFilter[], key: string, family = FAMILY_DEFAULT) {
  const encoded = encodeKey(family, key);
  const length = prefixRulesFor(filters).partLength(encoded, 0, encoded.length);
  return length === 0 ? undefined : Buffer.from(encoded.subarray(1, length)).toString('latin1');
}

describe('PrefixRules', () => {
  it('takes the first bytes of a key, or all up to the delimiter behind its prefix', () => {
    expect(partOf([{ length: 3 }], 'abcdef')).toBe('abc');
    expect(partOf([{ length: 3 }], 'abc')).toBe('abc');
    expect(partOf([{ length: 3 }], 'ab')).toBeUndefined();
    expect(partOf([{ delimiter: ':' }], 'user:1:2')).toBe('user:');
    expect(partOf([{ delimiter: ':' }], 'user')).toBeUndefined();
    expect(partOf([{ prefix: 'user:', delimiter: ':' }], 'user:1:2')).toBe('user:1:');
    expect(partOf([{ prefix: 'user:', delimiter: ':' }], 'item:1:2')).toBeUndefined();
    expect(partOf([{ columnFamily: 'lock', length: 1 }], 'a')).toBeUndefined();
    expect(partOf([{ columnFamily: 'lock', length: 1 }], 'a', FAMILY_LOCK)).toBe('a');
  });

  it('counts bytes of the user key, not of its encoding', () => {
    expect(partOf([{ length: 2 }], '\x00\x01z')).toBe('\x01\x01\x01\x02');
    expect(partOf([{ prefix: '\x00', delimiter: ':' }], '\x00\x01:z')).toBe('\x01\x01\x01\x02:');
  });

  it('knows of a range its part exactly when all of its keys have that one: random rules, keys and bounds', () => {
    const seed = 20;
    const random = new Prng(seed);
    const letters = ['\x00', '\x01', '\x02', 'a', 'b', ':', '\x7f'];
    const word = (max: number): string =>
      Array.from({ length: random.below(max + 1) }, () => letters[random.below(7)]).join('');
    const universe = [...new Set(Array.from({ length: 1500 }, () => word(5)))].filter(Boolean);
    const keys = universe.map((key) => encodeKey(FAMILY_DEFAULT, key));
    let known = 0;
    for (let round = 0; round < 3000; round++) {
      const filters = drawFilters(random, word);
      const rules = prefixRulesFor(filters);
      const options = drawBounds(random, () => word(4));
      const { lower, upper } = rangeOf(FAMILY_DEFAULT, options);
      const hash = new ScanSpan(lower, upper).partHash(rules);
      if (hash === NO_HASH) continue;
      known++;
      for (const key of keys) {
        if (compareArrays(key, lower) < 0 || compareArrays(key, upper) >= 0) continue;
        const length = rules.partLength(key, 0, key.length);
        const isRight = length > 0 && hashEncodedKey(key, 0, length) === hash;
        const shown = JSON.stringify({ seed, round, filters, options, key: [...key] });
        expect(isRight, shown).toBe(true);
      }
    }
    expect(known).toBeGreaterThan(500);
  });
});

describe('the option prefixFilters', () => {
  const refusal = (prefixFilters: unknown): string | undefined => {
    try {
      resolveOptions({ prefixFilters } as OpenOptions);
      return undefined;
    } catch (error) {
      return (error as Error).message.replace('Cannot open: option ', '');
    }
  };

  it('takes rules whose prefixes are apart, or whose families are', () => {
    expect(refusal([])).toBeUndefined();
    expect(
      refusal([
        { prefix: 'a', delimiter: ':' },
        { prefix: 'b', length: 1 },
      ]),
    ).toBeUndefined();
    const families = [
      { columnFamily: 'lock', length: 4 },
      { columnFamily: 'write', prefix: Uint8Array.of(0), length: 4 },
    ];
    expect(refusal(families)).toBeUndefined();
  });

  it('refuses two rules for the same keys, and what no rule can be', () => {
    const nested = [
      { prefix: 'ab', length: 2 },
      { prefix: 'a', delimiter: ':' },
    ];
    const apart = '"prefixFilters[1].prefix" must be none that begins like that of another rule';
    expect(refusal(nested)).toBe(apart);
    expect(refusal([...nested].reverse())).toBe(apart);
    expect(refusal([{ length: 2 }, { columnFamily: 'lock', length: 2 }])).toBe(apart);
    expect(refusal({})).toBe('"prefixFilters" must be an array of rules');
    const length = '"prefixFilters[0].length" must be';
    expect(refusal([{}])).toBe(`${length} an integer from 1 to 255`);
    expect(refusal([{ prefix: 'abc', length: 2 }])).toBe(`${length} an integer from 3 to 255`);
    expect(refusal([{ length: 2, delimiter: ':' }])).toBe(`${length} left out beside a delimiter`);
    expect(refusal([{ delimiter: '::' }])).toContain('one printable ASCII character');
    expect(refusal([{ delimeter: ':' }])).toContain('did you mean "delimiter"?');
  });
});

/** One or two valid rules. */
function drawFilters(random: Prng, word: (max: number) => string): PrefixFilter[] {
  for (;;) {
    const filters = Array.from({ length: 1 + random.below(2) }, (): PrefixFilter => {
      const prefix = random.chance(1, 2) ? word(2) : '';
      if (random.chance(1, 2)) return { prefix, delimiter: random.chance(1, 2) ? ':' : 'a' };
      return { prefix, length: Math.max(1, prefix.length) + random.below(2) };
    });
    try {
      resolveOptions({ prefixFilters: filters });
      return filters;
    } catch {
      continue; // two rules for the same keys
    }
  }
}

function drawBounds(random: Prng, word: () => string): ScanOptions {
  const options: Record<string, string> = {};
  if (random.chance(1, 2)) options['prefix'] = word();
  if (random.chance(1, 3)) options[random.chance(1, 2) ? 'gte' : 'gt'] = word();
  if (random.chance(1, 3)) options[random.chance(1, 2) ? 'lte' : 'lt'] = word();
  return options;
}

const FILTERS: OpenOptions = {
  ...TINY,
  prefixFilters: [
    { prefix: 'u', delimiter: ':' },
    { prefix: 'n', length: 3 },
  ],
};

/** By a scan of the one key. */
function isThere(db: Db, key: string): boolean {
  return db.scan({ gte: key, lte: key, keysOnly: true, limit: 1 }).take(1).length > 0;
}

describe('Db.scan with prefixFilters', () => {
  it('gives the same rows as without, through deletes, ranges, snapshots, reopening with other rules', async () => {
    for (let seed = 1; seed <= 6; seed++) await compareRuns(seed);
  });

  it('passes tables by that have nothing with the prefix, and finds what others have', async () => {
    const opened = await openSim({ ...FILTERS, autoCompaction: false });
    const { db } = opened;
    for (let table = 0; table < 4; table++) {
      await db.batch([
        { type: 'put', key: 'a', value: '' },
        { type: 'put', key: `u${table}:1`, value: '1' },
        { type: 'put', key: `u${table}:2`, value: '2' },
        { type: 'put', key: 'z', value: '' },
      ]);
      await db.flush();
    }
    expect(rowsOf(db.scan({ prefix: 'u2:' }))).toEqual(['u2:1=1', 'u2:2=2']);
    expect(rowsOf(db.scan({ gt: 'u2:1', lt: 'u2:3', reverse: true }))).toEqual(['u2:2=2']);
    expect(rowsOf(db.scan({ prefix: 'u7:' }))).toEqual([]);
    const filter = db.stats().lsm.range_filter;
    expect(filter).toMatchObject({ filter_candidates: 12, fallbacks: 0 });
    expect(filter.filter_pruned).toBe(10);
    expect(rowsOf(db.scan({ prefix: 'u' }))).toHaveLength(8);
    expect(db.stats().lsm.range_filter.filter_candidates).toBe(12);
    await db.close();
    // Tables say by themselves what their filter holds.
    const plain = await reopen(opened, { ...TINY, autoCompaction: false });
    expect(rowsOf(plain.db.scan({ prefix: 'u2:' }))).toEqual(['u2:1=1', 'u2:2=2']);
    await plain.db.put('u2:3', '3');
    await plain.db.flush();
    await plain.db.close();
    const again = await reopen(plain, { ...FILTERS, autoCompaction: false });
    expect(rowsOf(again.db.scan({ prefix: 'u2:' }))).toEqual(['u2:1=1', 'u2:2=2', 'u2:3=3']);
    expect(again.db.stats().lsm.range_filter).toMatchObject({ filter_pruned: 3, fallbacks: 1 });
    await again.db.compact();
    expect(rowsOf(again.db.scan({ prefix: 'u5:' }))).toEqual([]);
    expect(again.db.stats().lsm.range_filter).toMatchObject({ filter_pruned: 4, fallbacks: 1 });
    await again.db.close();
  });

  it('does not open tables beside the range, and asks the filter for a single key', async () => {
    const { db } = await openSim({ ...TINY, autoCompaction: false });
    for (const letter of 'abcd') {
      await db.put(`${letter}1`, '');
      await db.put(`${letter}9`, '');
      await db.flush();
    }
    expect(rowsOf(db.scan({ gte: 'b', lt: 'c' }))).toEqual(['b1=', 'b9=']);
    expect(db.stats().lsm.range_filter).toMatchObject({ bounded_candidates: 4, bounded_pruned: 3 });
    expect([isThere(db, 'b9'), isThere(db, 'b5')]).toEqual([true, false]);
    expect(db.stats().lsm.range_filter).toMatchObject({
      bounded_candidates: 12,
      bounded_pruned: 10,
      filter_candidates: 2,
      filter_pruned: 1,
    });
    expect([...db.versions('b5')]).toEqual([]);
    await db.close();
  });

  it('opens tables of L0 that do not overlap one after the other, in both directions', async () => {
    const { db } = await openSim({ ...TINY, autoCompaction: false, cacheBytes: 0 });
    for (let i = 0; i < 40; i++) await db.put(`k${10 + i}`, 'old');
    await db.compact();
    // Not in the order of their keys.
    for (const table of [2, 0, 3, 1]) {
      for (let i = 0; i < 10; i += 2) await db.put(`k${10 + 10 * table + i}`, `${table}`);
      await db.del(`k${10 + 10 * table + 1}`);
      if (table === 3) await db.deleteRange('k42', 'k45');
      await db.flush();
    }
    const expected: string[] = [];
    for (let i = 0; i < 40; i++) {
      const isGone = i % 10 === 1 || (i >= 32 && i < 35);
      if (!isGone) expected.push(`k${10 + i}=${i % 2 === 0 ? Math.floor(i / 10) : 'old'}`);
    }
    expect(rowsOf(db.scan())).toEqual(expected);
    expect(rowsOf(db.scan({ reverse: true }))).toEqual([...expected].reverse());
    expect(rowsOf(db.scan({ gte: 'k28', lt: 'k33' }))).toEqual(expected.slice(16, 20));
    const { reads } = db.stats().cache.readahead;
    expect(rowsOf(db.scan({ gte: 'k30', limit: 1 }))).toEqual(['k30=2']);
    // One of the table of L0 that has it, and one of the level below.
    expect(db.stats().cache.readahead).toMatchObject({ reads: reads + 2 });
    await db.put('k15', 'overlaps the first table');
    await db.put('k45', 'and the last');
    await db.flush();
    expect(rowsOf(db.scan({ gte: 'k14', lte: 'k16' }))).toEqual([
      'k14=0',
      'k15=overlaps the first table',
      'k16=0',
    ]);
    expect(rowsOf(db.scan())).toHaveLength(expected.length);
    await db.close();
  });

  it('reads one block for a key or for a few rows, and neighbours for more', async () => {
    const { db } = await openSim({ ...TINY, cacheBytes: 0 });
    for (let i = 100; i < 200; i++) await db.put(`k${i}`, '.'.repeat(200));
    await db.flush();
    const readsOf = (read: () => unknown): unknown => {
      const before = db.stats().cache.readahead;
      read();
      const { reads, blocksAhead } = db.stats().cache.readahead;
      return { reads: reads - before.reads, isAhead: blocksAhead > before.blocksAhead };
    };
    expect(readsOf(() => isThere(db, 'k150'))).toEqual({ reads: 1, isAhead: false });
    const few = { gte: 'k150', limit: 1 };
    expect(readsOf(() => db.scan(few).take(1))).toEqual({ reads: 1, isAhead: false });
    const inTransaction = (): unknown => db.view((txn) => [txn.has('k150'), txn.scan(few).take(1)]);
    expect(readsOf(inTransaction)).toEqual({ reads: 2, isAhead: false });
    expect(readsOf(() => db.scan({ gte: 'k150', limit: 5 }).take(1))).toEqual({
      reads: 1,
      isAhead: true,
    });
    await db.close();
  });

  it('does not let a range tombstone of a table that is passed by go unseen', async () => {
    const { db } = await openSim({ ...FILTERS, autoCompaction: false });
    await db.put('u1:a', '1');
    await db.put('u1:b', '2');
    await db.flush();
    await db.batch([
      { type: 'deleteRange', start: 'u1:a', end: 'u1:b' },
      { type: 'put', key: 'a', value: '' },
      { type: 'put', key: 'z', value: '' },
    ]);
    await db.flush();
    expect(rowsOf(db.scan({ prefix: 'u1:' }))).toEqual(['u1:b=2']);
    expect(db.stats().lsm.range_filter.filter_pruned).toBe(1);
    await db.close();
  });
});

/** The same random program with and without filters; every answer must be the same. */
async function compareRuns(seed: number): Promise<void> {
  const random = new Prng(seed);
  let filtered = await openSim({ ...FILTERS, filterBitsPerKey: 10 });
  const plain = await openSim(TINY);
  const key = (): string => {
    const kind = random.below(4);
    const number = random.below(12);
    if (kind === 0) return `u${number}:${random.below(5)}`;
    if (kind === 1) return `n${10 + number}${random.below(5)}`;
    return kind === 2 ? `u${number}` : `x${number}`;
  };
  const both = async (write: (db: Db) => Promise<void>): Promise<void> => {
    await write(filtered.db);
    await write(plain.db);
  };
  for (let step = 0; step < 250; step++) {
    const [one, other] = [key(), key()].sort() as [string, string];
    const value = `${step}`.padEnd(random.below(300), '.');
    const what = random.below(20);
    if (what < 9) await both((db) => db.put(one, value));
    else if (what < 11) await both((db) => db.del(one));
    else if (what === 11 && one !== other) await both((db) => db.deleteRange(one, other));
    else if (what === 12) await both((db) => db.flush());
    else if (what === 13 && random.chance(1, 4)) await both((db) => db.compact());
    else if (what === 14 && random.chance(1, 6)) {
      await filtered.db.close();
      const rules = random.chance(1, 2) ? (FILTERS.prefixFilters ?? []) : [{ length: 2 }];
      filtered = await reopen(filtered, { ...FILTERS, prefixFilters: rules });
    } else compareScans(seed, step, random, key, filtered.db, plain.db);
  }
  await filtered.db.close();
  await plain.db.close();
}

function compareScans(
  seed: number,
  step: number,
  random: Prng,
  key: () => string,
  filtered: Db,
  plain: Db,
): void {
  const prefix = key();
  const cut = prefix.slice(0, 1 + random.below(prefix.length));
  const [from, to] = [key(), key()].sort() as [string, string];
  for (const bounds of [
    { prefix: prefix.includes(':') ? `${prefix.split(':')[0]}:` : cut },
    { prefix: cut, gte: from },
    { gt: from, lte: to },
    { gte: prefix, lte: prefix },
  ]) {
    for (const reverse of [false, true]) {
      const options = { ...bounds, reverse };
      const label = JSON.stringify({ seed, step, options });
      const expected = rowsOf(plain.scan(options));
      expect(rowsOf(filtered.scan(options)), label).toEqual(expected);
      const inTransaction = filtered.view((transaction) => rowsOf(transaction.scan(options)));
      expect(inTransaction, label).toEqual(expected);
    }
  }
  expect(filtered.has(prefix)).toBe(plain.has(prefix));
}
