import { describe, expect, it } from 'vitest';
import { openDb } from '../../src/engine/db.js';
import { startJob } from '../../src/engine/jobs.js';
import { type LoadedManifest, loadManifest } from '../../src/engine/manifest/manifest-reader.js';
import { LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import { createSimEnv } from '../../src/env/sim-env.js';
import type { MemOperationName } from '../../src/env/mem-operation.js';
import {
  killAndReopen,
  type OpenedDb,
  openSim,
  reopen,
  rowsOf,
  text,
  TINY,
  WORKDIR,
} from './db-fixture.js';

const ALL_CALLS: readonly MemOperationName[] = [
  'open',
  'create',
  'read',
  'write',
  'truncate',
  'sync',
  'rename',
  'remove',
  'mkdir',
  'syncdir',
  'list',
  'stat',
  'lock',
];

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

describe('openDb that fails', () => {
  /** A table, a value-log segment and a log. */
  async function closedDb(): Promise<OpenedDb> {
    const opened = await openSim({ valueThreshold: 500 });
    await opened.db.put('a', 'v'.repeat(1000));
    await opened.db.put('b', 'v');
    await opened.db.flush();
    await opened.db.put('c', 'v');
    await opened.db.close();
    return opened;
  }

  it.each(['sst', 'vlog'])('without a %s file leaves no file open', async (extension) => {
    const before = await closedDb();
    const { fs } = before.env;
    const directory = extension === 'sst' ? WORKDIR : `${WORKDIR}/vlog/bucket-000`;
    const name = fs.list(directory).find((other) => other.endsWith(`.${extension}`)) as string;
    fs.remove(`${directory}/${name}`);
    for (let i = 0; i < 3; i++) {
      await expect(reopen(before)).rejects.toThrow('file is missing');
      expect(fs.openFiles).toBe(0);
    }
  });

  it('leaves no file open and no lock, whichever call of it fails', async () => {
    const before = await closedDb();
    let failed = 0;
    for (let nth = 1; ; nth++) {
      const env = createSimEnv(2, before.env.fs.killClone(), { startJob });
      const fault = env.fs.injectFault({ op: ALL_CALLS, nth, errno: 'EIO' });
      const opened = await openDb(env, WORKDIR).catch(() => undefined);
      fault.cancel();
      // What failed may be the flush that an open begins.
      await opened?.close().catch(() => undefined);
      expect(env.fs.openFiles, `call ${nth}`).toBe(0);
      if (fault.hits === 0) break;
      if (opened === undefined) failed++;
      const again = await openDb(createSimEnv(3, env.fs, { startJob }), WORKDIR);
      expect(rowsOf(again.scan({ keysOnly: true }))).toEqual(['a=', 'b=', 'c=']);
      await again.close();
    }
    expect(failed).toBeGreaterThan(20);
  });

  it('forgets where the logs ended that it removes', async () => {
    let opened = await openSim(TINY);
    for (let i = 0; i < 20; i++) {
      await opened.db.close();
      opened = await reopen(opened, TINY);
    }
    const { fs, host } = opened.env;
    const { version } = loadManifest(fs, WORKDIR, host.bootId) as LoadedManifest;
    expect(version.wals.size).toBe(1);
    expect(version.sealedWals.size).toBeLessThanOrEqual(1);
  });
});
