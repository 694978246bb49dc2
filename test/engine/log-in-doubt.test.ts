/** A log write that failed and could not be cut back: nobody knows what the file holds, so nothing may follow it. */
import { describe, expect, it } from 'vitest';
import { RUN_MANUALLY } from '../../src/env/inline-executor.js';
import { killAndReopen, type OpenedDb, openSim, text, TINY } from './db-fixture.js';

const INLINE = { ...TINY, valueThreshold: 1024 * 1024, memtableCount: 6, autoCompaction: false };

function failWriteAndCut({ env }: OpenedDb, write: { applied?: true; shortBytes?: number }): void {
  env.fs.injectFault({ op: 'write', path: '.wal', errno: 'EIO', ...write });
  env.fs.injectFault({ op: 'truncate', path: '.wal', errno: 'EIO' });
}

describe('a log whose last write is in doubt', () => {
  it('takes no write and no successor; all that was acknowledged is there after a kill', async () => {
    const opened = await openSim(INLINE, { policy: RUN_MANUALLY });
    const { db } = opened;
    await db.put('a', '1');
    failWriteAndCut(opened, { shortBytes: 30 });
    await expect(db.put('b', '2')).rejects.toMatchObject({ outcome: 'unknown' });
    await expect(db.flush()).rejects.toMatchObject({ code: 'NOKV_READ_ONLY' });
    await expect(db.put('c', '3')).rejects.toMatchObject({ code: 'NOKV_READ_ONLY' });
    expect(text(db.get('a'))).toBe('1');
    const again = await killAndReopen(opened, INLINE);
    expect(text(again.db.get('a'))).toBe('1');
    expect(again.db.get('b')).toBeUndefined();
  });

  it('keeps the value that its last record may point to', async () => {
    const options = { valueThreshold: 100 };
    const opened = await openSim(options);
    const { db } = opened;
    await db.put('k', Buffer.alloc(600, 'o'));
    failWriteAndCut(opened, { applied: true });
    await expect(db.put('k', Buffer.alloc(600, 'n'))).rejects.toMatchObject({ outcome: 'unknown' });
    const again = await killAndReopen(opened, options);
    expect(text(again.db.get('k'))).toBe('n'.repeat(600));
  });
});
