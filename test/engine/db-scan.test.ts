import { describe, expect, it } from 'vitest';
import { openSim, rowsOf, TINY } from './db-fixture.js';

const SEPARATED = { ...TINY, valueThreshold: 0, autoCompaction: false };

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
