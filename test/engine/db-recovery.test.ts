import { describe, expect, it } from 'vitest';
import { openDb } from '../../src/engine/db.js';
import { startJob } from '../../src/engine/jobs.js';
import { LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import { createSimEnv } from '../../src/env/sim-env.js';
import { killAndReopen, openSim, text, TINY, WORKDIR } from './db-fixture.js';

describe('openDb after a power loss', () => {
  it('opens although the manifest is rewritten on the way', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('a', '1', { durability: 'disk' });
    const after = createSimEnv(2, env.fs.crashClone(LOSE_UNSYNCED), { startJob });
    const reopened = await openDb(after, WORKDIR, TINY);
    expect(text(reopened.get('a'))).toBe('1');
    const manifests = after.fs.list(WORKDIR).filter((name) => name.startsWith('MANIFEST'));
    expect(manifests).not.toContain('MANIFEST-000001');
    expect(manifests).toHaveLength(1);
    await reopened.close();
    await db.close();
  });

  it.each([0, 100_000])('finds what was synced, value threshold %i', async (valueThreshold) => {
    const { db, env } = await openSim({ ...TINY, valueThreshold });
    const written: Promise<void>[] = [];
    for (let i = 0; i < 300; i++) written.push(db.put(`key${i}`, Buffer.alloc(1000, `v${i} `)));
    await Promise.all(written);
    await db.sync();
    const after = createSimEnv(2, env.fs.crashClone(LOSE_UNSYNCED), { startJob });
    const reopened = await openDb(after, WORKDIR, TINY);
    for (let i = 0; i < 300; i++) {
      expect(text(reopened.get(`key${i}`))).toBe(Buffer.alloc(1000, `v${i} `).toString());
    }
    await reopened.close();
    await db.close();
  });

  it.each([0, 100_000])(
    'finds what a killed process wrote, once the next one has synced, value threshold %i',
    async (valueThreshold) => {
      const first = await openSim({ ...TINY, valueThreshold });
      const written: Promise<void>[] = [];
      for (let i = 0; i < 100; i++) written.push(first.db.put(`key${i}`, `v${i}`));
      await Promise.all(written);
      const second = await killAndReopen(first, TINY);
      await second.db.sync();
      const after = createSimEnv(4, second.env.fs.crashClone(LOSE_UNSYNCED), { startJob });
      const db = await openDb(after, WORKDIR, TINY);
      for (let i = 0; i < 100; i++) expect(text(db.get(`key${i}`))).toBe(`v${i}`);
      await db.close();
      await second.db.close();
    },
  );
});
