/** What readers of ranges do when a table can not be read on the way. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ClosedError, CorruptionError } from '../../src/base/errors.js';
import type { Db } from '../../src/engine/db.js';
import type { DbIterator } from '../../src/engine/db-iterator.js';
import type { EntryCursor } from '../../src/engine/iterators/entry-cursor.js';
import type { Row } from '../../src/engine/iterators/row-batch.js';
import type { ReadState } from '../../src/engine/read-view.js';
import type { Scan } from '../../src/engine/scan.js';
import { openSources } from '../../src/engine/sources.js';
import { TableReader } from '../../src/engine/sst/table-reader.js';
import { ArrayCursor } from './iterators/array-cursor.js';
import { type OpenedDb, openSim, text, TINY, WORKDIR } from './db-fixture.js';

const ROWS = 600;
const DAMAGED = 300;
const name = (i: number): string => `key${String(i).padStart(4, '0')}`;
const names = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => name(from + i));
const keysOf = (rows: readonly Row[]): (string | undefined)[] => rows.map((row) => text(row.key));

function fileWith(opened: OpenedDb, needle: string): { path: string; at: number } {
  for (const file of opened.env.fs.list(WORKDIR).filter((one) => one.endsWith('.sst'))) {
    const path = `${WORKDIR}/${file}`;
    const at = Buffer.from(opened.env.fs.readFile(path)).indexOf(needle);
    if (at >= 0) return { path, at };
  }
  return expect.fail();
}

function failureOf(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}

let opened: OpenedDb;
let db: Db;

/** Some tables of one level; a block in the middle is damaged. Rows [0, good) come before it. */
let good: number;

beforeEach(async () => {
  opened = await openSim({ ...TINY, autoCompaction: false, cacheBytes: 0 });
  db = opened.db;
  for (let i = 0; i < ROWS; i++) await db.put(name(i), `value ${i}.`.padEnd(90, '.'));
  await db.compact();
  const { path, at } = fileWith(opened, `value ${DAMAGED}.`);
  opened.env.fs.rot(path, at, 1);
  const scan = db.scan();
  good = 0;
  expect(() => {
    while (scan.next() !== undefined) good++;
  }).toThrow(CorruptionError);
  scan.close();
  expect(good).toBeGreaterThan(DAMAGED - 10);
  expect(good).toBeLessThanOrEqual(DAMAGED);
});

afterEach(() => db.close());

describe.each<[string, (use: (iterator: DbIterator) => void) => void]>([
  ['a database', (use) => use(db.iterator())],
  ['a transaction', (use) => db.view((txn) => use(txn.iterator()))],
])('an iterator of %s', (_, withIterator) => {
  /** It stands on no row, does not go on behind the gap, and can be used again. */
  function expectNowhere(iterator: DbIterator): void {
    expect(iterator.valid).toBe(false);
    expect(() => iterator.key).toThrow(RangeError);
    expect(() => iterator.value).toThrow(RangeError);
    expect([iterator.next(), iterator.prev(), iterator.valid]).toEqual([false, false, false]);
    expect(iterator.first() && text(iterator.key)).toBe(name(0));
    expect(iterator.last() && text(iterator.key)).toBe(name(ROWS - 1));
    iterator.close();
  }

  it('stands on no row after next failed', () => {
    withIterator((iterator) => {
      expect(iterator.seek(name(good - 2))).toBe(true);
      expect(iterator.next() && text(iterator.key)).toBe(name(good - 1));
      expect(() => iterator.next()).toThrow(CorruptionError);
      expectNowhere(iterator);
    });
  });

  it('stands on no row after prev failed', () => {
    withIterator((iterator) => {
      expect(iterator.last()).toBe(true);
      const down = (): void => {
        while (iterator.prev()) expect(text(iterator.key)).not.toBe(name(DAMAGED));
      };
      expect(down).toThrow(CorruptionError);
      expectNowhere(iterator);
    });
  });

  it.each<[string, (iterator: DbIterator) => void]>([
    ['seek', (iterator) => iterator.seek(name(DAMAGED))],
    ['seekForPrev', (iterator) => iterator.seekForPrev(name(DAMAGED))],
  ])('stands on no row after %s failed', (_name, move) => {
    withIterator((iterator) => {
      expect(iterator.seek(name(5))).toBe(true);
      expect(() => move(iterator)).toThrow(CorruptionError);
      expectNowhere(iterator);
    });
  });
});

describe('an iterator over a table whose range tombstones can not be read', () => {
  it('stands on no row, in either direction', async () => {
    await db.close();
    opened = await openSim({ ...TINY, autoCompaction: false, cacheBytes: 0 });
    db = opened.db;
    for (let i = 20; i < 60; i++) await db.put(name(i), 'v', { version: 5 });
    await db.deleteRange(name(30), name(32), { version: 6 });
    await db.flush();
    for (let i = 0; i < 20; i++) await db.put(name(i), 'v', { version: 5 });
    const read = vi.spyOn(TableReader.prototype, 'rangeTombstones').mockImplementation(() => {
      throw new CorruptionError('tombstones', { file: 'f', offset: 0 });
    });
    const iterator = db.iterator();
    const moves = [
      () => iterator.next(),
      () => iterator.last(),
      () => iterator.seek(name(40)),
      () => iterator.seekForPrev(name(40)),
    ];
    for (const move of moves) {
      expect(iterator.seek(name(19))).toBe(true);
      expect(move).toThrow(CorruptionError);
      expect(iterator.valid).toBe(false);
      expect(() => iterator.key).toThrow(RangeError);
      expect([iterator.next(), iterator.prev(), iterator.valid]).toEqual([false, false, false]);
    }
    read.mockRestore();
    expect(iterator.last() && text(iterator.key)).toBe(name(59));
    iterator.close();
  });
});

describe.each<[string, (use: (scan: Scan) => void) => void]>([
  ['a database', (use) => use(db.scan())],
  ['a transaction', (use) => db.view((txn) => use(txn.scan()))],
])('a scan of %s', (_, withScan) => {
  it('takes fewer rows than asked for at the end only, and throws the failure again and again', () => {
    withScan((scan) => {
      expect(keysOf(scan.take(100))).toEqual(names(0, 100));
      const failure = failureOf(() => scan.take(1000));
      expect(failure).toBeInstanceOf(CorruptionError);
      expect(scan.take(0)).toEqual([]);
      for (const call of [() => scan.take(1), () => scan.next(), () => [...scan]]) {
        expect(failureOf(call)).toBe(failure);
      }
      expect(db.stats().readers.scans).toBe(0);
      scan.close();
      expect(failureOf(() => scan.next())).toBe(failure);
    });
  });

  it('yields every row before the failure, and then throws', () => {
    withScan((scan) => {
      const rows: Row[] = [];
      const pass = (): void => {
        for (const row of scan) rows.push(row);
      };
      expect(pass).toThrow(CorruptionError);
      expect(keysOf(rows)).toEqual(names(0, good));
      expect(pass).toThrow(CorruptionError);
      expect(rows).toHaveLength(good);
    });
  });
});

describe('a scan', () => {
  it('yields every row before the failure as an async iterable, and then throws', async () => {
    const rows: Row[] = [];
    const scan = db.scan();
    const pass = async (): Promise<void> => {
      for await (const row of scan) rows.push(row);
    };
    await expect(pass()).rejects.toThrow(CorruptionError);
    expect(keysOf(rows)).toEqual(names(0, good));
    await expect(pass()).rejects.toThrow(CorruptionError);
    expect(rows).toHaveLength(good);
    expect(db.stats().readers.scans).toBe(0);
  });

  it('does not go on behind the damage in reverse', () => {
    const scan = db.scan({ reverse: true });
    const rows: Row[] = [];
    expect(() => {
      for (const row of scan) rows.push(row);
    }).toThrow(CorruptionError);
    expect(keysOf(rows)).toEqual(names(ROWS - rows.length, ROWS).reverse());
    expect(rows.length).toBeGreaterThan(ROWS - DAMAGED - 20);
    expect(() => scan.take(1)).toThrow(CorruptionError);
    expect(() => scan.next()).toThrow(CorruptionError);
  });

  it('closed before it comes to the damage says nothing of it', () => {
    const scan = db.scan({ gte: name(good - 4) });
    expect(text(scan.next()?.key)).toBe(name(good - 4));
    scan.close();
    expect(scan.next()).toBeUndefined();
  });

  it('with a limit before the damage comes to its end', () => {
    const scan = db.scan({ limit: good });
    expect(keysOf(scan.take(1000))).toEqual(names(0, good));
    expect(scan.next()).toBeUndefined();
  });

  it('tells that the database was closed before it came to the damage', async () => {
    const scan = db.scan({ gte: name(good - 4) });
    scan.next();
    await db.close();
    expect(() => scan.take(1)).toThrow(ClosedError);
  });
});

describe('opening a reader', () => {
  it('closes the sources that are open when one can not be opened', () => {
    const open = [new ArrayCursor([]), new ArrayCursor([]), new ArrayCursor([])];
    const [active, sealed, first] = open.map((cursor) => ({ newCursor: () => cursor }));
    const table = (reader: unknown): unknown => ({ reader, meta: { bytes: 1, valueLog: [] } });
    const broken = {
      newCursor: (): EntryCursor => {
        throw new Error('table: broken');
      },
    };
    const state = {
      active: { memtable: active },
      sealed: [{ memtable: sealed }],
      tree: { runs: [table(first), table(broken)], levels: [], entries: 1 },
    };
    expect(() => openSources(state as unknown as ReadState)).toThrow('table: broken');
    expect(open.map((cursor) => cursor.isClosed)).toEqual([true, true, true]);
  });

  it('leaves nothing open when an option is refused', async () => {
    await db.put('z', '1');
    await db.flush();
    const opens = vi.spyOn(TableReader.prototype, 'newCursor');
    expect(() => db.scan({ version: -1 })).toThrow(RangeError);
    expect(() => db.iterator({ version: -1 })).toThrow(RangeError);
    expect(opens).not.toHaveBeenCalled();
    db.scan().close();
    expect(opens).toHaveBeenCalled();
    opens.mockRestore();
  });
});
