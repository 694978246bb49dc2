import { describe, expect, it } from 'vitest';
import { openSim, text, TINY } from './db-fixture.js';

describe('Db.put', () => {
  it('keeps a copy of key and value while it waits for room', async () => {
    const { db } = await openSim({ ...TINY, memtableCount: 2 });
    const written: Promise<void>[] = [];
    for (let i = 0; i < 400; i++) {
      const key = Buffer.from(`key${i}`);
      const value = Buffer.alloc(1000, `v${i} `);
      written.push(db.put(key, value));
      key.fill(0xdb);
      value.fill(0xdb);
    }
    await Promise.all(written);
    for (let i = 0; i < 400; i++) {
      expect(text(db.get(`key${i}`))).toBe(Buffer.alloc(1000, `v${i} `).toString());
    }
    expect(db.stats().write.stall_count).toBeGreaterThan(0);
    await db.close();
  });
});
