import { describe, expect, it } from 'vitest';
import { killAndReopen, openSim, rowsOf } from './db-fixture.js';

const keyOf = (i: number): string => `q${String(i).padStart(6, '0')}`;

describe('range deletes', () => {
  it('that overlap more and more do not fill the memory, and are few in the tables', async () => {
    const opened = await openSim();
    const { db } = opened;
    for (let i = 1; i <= 2000; i++) {
      void db.put(keyOf(i), 'v');
      await db.deleteRange(keyOf(0), keyOf(i));
    }
    // Two of them at most side by side: 750 lists of up to 750.
    expect(db.stats().flush.completed).toBeGreaterThan(1);
    expect(rowsOf(db.scan())).toEqual([`${keyOf(2000)}=v`]);
    await db.compact();
    expect(rowsOf(db.scan())).toEqual([`${keyOf(2000)}=v`]);
    await db.deleteRange(keyOf(0), keyOf(3000));
    const again = await killAndReopen(opened);
    expect(rowsOf(again.db.scan())).toEqual([]);
    await again.db.close();
  });

  it('that do not overlap stay in memory as long as anything', async () => {
    const { db } = await openSim();
    for (let i = 0; i < 3000; i++) await db.deleteRange(keyOf(2 * i), keyOf(2 * i + 1));
    expect(db.stats().flush.completed).toBe(0);
    await db.close();
  });

  it('of a batch, each within the next one, are taken, flushed, recovered and compacted', async () => {
    const opened = await openSim();
    const { db } = opened;
    await db.put('x', 'v');
    await db.put(keyOf(7), 'v');
    await db.batch(
      Array.from({ length: 20_000 }, (_, i) => ({
        type: 'deleteRange' as const,
        start: keyOf(0),
        end: keyOf(i + 1),
      })),
    );
    expect(rowsOf(db.scan())).toEqual(['x=v']);
    const again = await killAndReopen(opened);
    expect(rowsOf(again.db.scan())).toEqual(['x=v']);
    await again.db.flush();
    expect(rowsOf(again.db.scan())).toEqual(['x=v']);
    await again.db.compact();
    expect(rowsOf(again.db.scan())).toEqual(['x=v']);
    await again.db.close();
  });

  it('with versions, each within the next one, stay and are read right', async () => {
    const { db } = await openSim();
    await db.put(keyOf(5), 'v', { version: 1 });
    for (let i = 0; i < 1500; i++) await db.deleteRange(keyOf(0), keyOf(i + 1), { version: i + 2 });
    await db.compact();
    expect(db.get(keyOf(5))).toBeUndefined();
    expect(db.get(keyOf(5), { version: 6 })).toEqual(Uint8Array.from(Buffer.from('v')));
    expect(db.get(keyOf(5), { version: 7 })).toBeUndefined();
    expect([...db.versions(keyOf(1498))].map(({ version }) => version)).toEqual([1501, 1500]);
    await db.close();
  });
});
