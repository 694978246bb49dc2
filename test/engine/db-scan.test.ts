import { describe, expect, it } from 'vitest';
import { ClosedError, CorruptionError } from '../../src/base/errors.js';
import { type OpenedDb, openSim, rowsOf, text, TINY, WORKDIR } from './db-fixture.js';

const SEPARATED = { ...TINY, valueThreshold: 0, autoCompaction: false };

/** A database of one table with 40 rows, a few to a block. */
async function openTable(): Promise<OpenedDb> {
  const opened = await openSim({ ...TINY, autoCompaction: false, cacheBytes: 0 });
  for (let i = 10; i < 50; i++) await opened.db.put(`key${i}`, `value ${i} `.padEnd(90, '.'));
  await opened.db.flush();
  return opened;
}

describe('Db.scan reads ahead', () => {
  it('and still hands out every row before the damage, and then the failure', async () => {
    const { db, env } = await openTable();
    const table = env.fs.list(WORKDIR).find((name) => name.endsWith('.sst')) as string;
    const scan = db.scan({ limit: 40 });
    const bytes = env.fs.readFile(`${WORKDIR}/${table}`);
    const at = Buffer.from(bytes).indexOf('value 30');
    env.fs.rot(`${WORKDIR}/${table}`, at, 1);
    const keys: (string | undefined)[] = [];
    const readAll = (): void => {
      for (let row = scan.next(); row !== undefined; row = scan.next()) keys.push(text(row.key));
    };
    expect(readAll).toThrow(CorruptionError);
    expect(keys.length).toBeGreaterThan(10);
    expect(keys.length).toBeLessThanOrEqual(20);
    expect(keys).toEqual(Array.from(keys, (_, i) => `key${i + 10}`));
    scan.close();
    await db.close();
  });

  it('and hands out nothing any more when the database is closed', async () => {
    const { db } = await openTable();
    const scan = db.scan({ limit: 40 });
    expect(text(scan.next()?.key)).toBe('key10');
    await db.close();
    expect(() => scan.next()).toThrow(ClosedError);
  });

  it('and is over when its iterator is left early', async () => {
    const { db } = await openTable();
    const scan = db.scan();
    for (const { key } of scan) if (text(key) === 'key12') break;
    expect(scan.next()).toBeUndefined();
    expect(db.stats().readers.scans).toBe(0);
    await db.close();
  });

  it('rows that nobody sees change with what is written later', async () => {
    const { db } = await openTable();
    const scan = db.scan();
    const first = scan.take(5);
    for (let i = 10; i < 50; i++) await db.put(`key${i}`, 'new');
    await db.compact();
    const rows = [...first, ...scan.take(100)];
    expect(rows.map((row) => text(row.value)?.trimEnd())).toEqual(
      Array.from({ length: 40 }, (_, i) => `value ${i + 10} `.padEnd(90, '.')),
    );
    expect(scan.next()).toBeUndefined();
    await db.close();
  });
});

describe('Db.scan held open', () => {
  it('reads values that were in a memtable after flush and collection', async () => {
    const { db } = await openSim(SEPARATED);
    await db.put('a', '1');
    await db.put('b', '1');
    const scan = db.scan();
    for (const value of ['2', '3']) {
      for (const key of ['a', 'b', 'c', 'd']) await db.put(key, Buffer.alloc(40_000, value));
      await db.flush();
    }
    await db.compact();
    await db.collectValueLog({ ratio: 0.01 });
    expect(rowsOf(scan)).toEqual(['a=1', 'b=1']);
    await db.close();
  });

  it('reads values of tables after their segment was collected, met for the first time', async () => {
    const { db } = await openSim(SEPARATED);
    for (let i = 0; i < 4; i++) await db.put(`key${i}`, Buffer.alloc(30_000, `${i}`));
    await db.flush();
    const scan = db.scan({ reverse: true });
    for (let i = 0; i < 4; i++) await db.put(`key${i}`, 'new');
    await db.compact();
    await db.collectValueLog({ ratio: 0.01 });
    expect(db.stats().value_log.segments).toBeLessThan(3);
    expect(rowsOf(scan).map((row) => row.slice(0, 6))).toEqual([
      'key3=3',
      'key2=2',
      'key1=1',
      'key0=0',
    ]);
    await db.close();
  });
});
