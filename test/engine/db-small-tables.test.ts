import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import { openSim, reopen, rowsOf } from './db-fixture.js';

const LIVES = 120;
const keyOf = (life: number): string => `key${String(life).padStart(4, '0')}`;

function tablesOf({ levels }: { readonly levels: readonly { readonly tables: number }[] }): number {
  return levels.reduce((sum, level) => sum + level.tables, 0);
}

describe('Db that is opened, written to a little, and closed', () => {
  it('keeps few tables, writes a byte again few times, and has one after compact', async () => {
    let opened = await openSim();
    let compacted = 0;
    for (let life = 0; life < LIVES; life++) {
      await opened.db.put(keyOf(life), 'v'.repeat(100));
      await opened.db.settle();
      compacted += opened.db.stats().compaction.bytes_written;
      await opened.db.close();
      opened = await reopen(opened);
    }
    await opened.db.settle();
    const { lsm } = opened.db.stats();
    // A handful in L0, seven of each size in the last level, which doubles at least from one size to the next.
    expect(tablesOf(lsm)).toBeLessThan(40);
    const oneTableBytes = 600;
    expect(compacted).toBeLessThan(LIVES * oneTableBytes * Math.log2(LIVES));
    await opened.db.compact();
    expect(tablesOf(opened.db.stats().lsm)).toBe(1);
    expect(rowsOf(opened.db.scan({}))).toEqual(
      Array.from({ length: LIVES }, (_, life) => `${keyOf(life)}=${'v'.repeat(100)}`),
    );
    await opened.db.close();
  });

  it('comes to the end of a compact also when the tables are more than their entries said', async () => {
    const tableBytes = 1024 * 1024;
    const sizes = { memtableBytes: 4 * tableBytes, tableBytes, blockBytes: 32 * 1024 };
    const { db } = await openSim({ ...sizes, compression: 'lz4' });
    // Half of these keys is stored again in the index, and no estimate counts that.
    await db.put('!', 'v');
    for (const key of longPairs(15, 30_500)) await db.put(key, 'v');
    for (let i = 0; i < 255; i++) {
      await db.put(`~${keyOf(i)}`, 'v'.repeat(100));
      if (i !== 239) continue;
      await db.flush();
      await db.settle();
    }
    await db.compact();
    const { lsm, compaction } = db.stats();
    expect(tablesOf(lsm)).toBe(1);
    expect(compaction.bytes_written).toBeLessThan(2 * tableBytes);
    await db.close();
  });
});

/** Keys of this length; the two of a pair differ at their end, and pairs at their beginning. */
function longPairs(pairs: number, length: number): string[] {
  const random = new Prng(1);
  const keys: string[] = [];
  for (let i = 0; i < pairs; i++) {
    let key = String(i).padStart(4, '0');
    while (key.length < 0.6 * length) key += String.fromCharCode(33 + random.below(90));
    keys.push(...['a', 'b'].map((end) => key.padEnd(length, 'p') + end));
  }
  return keys;
}
