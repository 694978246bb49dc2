import { describe, expect, it } from 'vitest';
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
});
