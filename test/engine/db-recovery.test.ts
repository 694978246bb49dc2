import { describe, expect, it } from 'vitest';
import { openDb } from '../../src/engine/db.js';
import { LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import { createSimEnv } from '../../src/env/sim-env.js';
import { openSim, text, TINY, WORKDIR } from './db-fixture.js';

describe('openDb after a power loss', () => {
  it('opens although the manifest is rewritten on the way', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('a', '1', { durability: 'disk' });
    const after = createSimEnv(2, env.fs.crashClone(LOSE_UNSYNCED));
    const reopened = await openDb(after, WORKDIR, TINY);
    expect(text(reopened.get('a'))).toBe('1');
    const manifests = after.fs.list(WORKDIR).filter((name) => name.startsWith('MANIFEST'));
    expect(manifests).not.toContain('MANIFEST-000001');
    expect(manifests).toHaveLength(1);
    await reopened.close();
    await db.close();
  });
});
