/**
 * An ingest of which nobody knows whether it is durable, or that was told to have failed although it is: what is
 * acknowledged behind it must not lie under it.
 */
import { expect, it } from 'vitest';
import type { NokvError } from '../../src/base/errors.js';
import { TableWriter } from '../../src/engine/external/table-writer.js';
import { LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import { MemFs } from '../../src/env/mem-fs.js';
import type { PendingSync } from '../../src/env/mem-operation.js';
import { openOn, type Opened, SMALL } from '../crash/simulation.js';

async function tableOf({ env }: Opened): Promise<string[]> {
  const writer = new TableWriter(env, '/in');
  for (const key of ['k1', 'k2', 'k3']) writer.put(key, 'ingested');
  return (await writer.finish()).map(({ file }) => file);
}

const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString();

it.each([
  ['os', 'kill'],
  ['disk', 'power cut'],
] as const)('a write acknowledged behind it (%s) survives a %s', async (durability, how) => {
  const fs = new MemFs();
  const opened = await openOn(fs, SMALL);
  const { db } = opened;
  await db.put('a', '1', { durability: 'disk' });
  const files = await tableOf(opened);
  fs.injectFault({ op: 'sync', path: 'MANIFEST', errno: 'EIO', applied: how !== 'kill' });
  await expect(db.ingest(files)).rejects.toMatchObject({ outcome: 'unknown' });
  const acknowledged: string[] = [];
  for (const key of ['k1', 'k2', 'k3']) {
    await db.put(key, 'later', { durability }).then(
      () => acknowledged.push(key),
      () => undefined,
    );
  }
  const disk = how === 'kill' ? fs.killClone() : fs.crashClone(LOSE_UNSYNCED);
  const { db: after } = await openOn(disk, SMALL);
  for (const key of acknowledged) expect(`${key} ${text(after.get(key))}`).toBe(`${key} later`);
  await after.close();
});

/** The edits of an ingest and of a flush wait for their syncs together. */
async function bothPending(
  fs: MemFs,
  db: Opened['db'],
  files: readonly string[],
): Promise<{
  ingested: Promise<string>;
  flushed: Promise<unknown>;
  pending: readonly PendingSync[];
}> {
  fs.syncMode = 'manual';
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const onManifest = (): PendingSync[] =>
    fs.pendingSyncs.filter(({ path }) => path.includes('MANIFEST'));
  let hasEdit = false;
  fs.onOperation = ({ op, path }) => {
    hasEdit ||= op === 'write' && path.includes('MANIFEST');
  };
  const ingested = db.ingest(files).then(
    () => 'done',
    (error: unknown) => (error as NokvError).outcome,
  );
  for (let i = 0; i < 200 && !hasEdit; i++) {
    fs.completeSyncs();
    await turn();
  }
  fs.onOperation = undefined;
  const flushed = db.flush().catch(() => undefined);
  for (let i = 0; i < 200 && onManifest().length < 2; i++) {
    for (const sync of [...fs.pendingSyncs]) if (!sync.path.includes('MANIFEST')) sync.complete();
    await turn();
  }
  expect(onManifest()).toHaveLength(2);
  return { ingested, flushed, pending: onManifest() };
}

it('one that is durable is not told to have failed when the manifest can not be rewritten any more', async () => {
  const fs = new MemFs();
  const opened = await openOn(fs, SMALL);
  const { db } = opened;
  const files = await tableOf(opened);
  const noRewrite = fs.injectFault({
    op: 'create',
    path: 'MANIFEST',
    errno: 'ENOSPC',
    times: Infinity,
  });
  for (let i = 0; i < 30; i++) {
    await db.put('z', Buffer.alloc(600, 'z'), { durability: 'disk' });
    await db.flush();
  }
  await db.settle();
  noRewrite.cancel();
  await db.put('z', 'last', { durability: 'disk' });
  const { ingested, flushed, pending } = await bothPending(fs, db, files);
  // The flush ends first, and the rewrite behind it fails in its swap.
  fs.injectFault({ op: 'rename', path: 'CURRENT', errno: 'EIO', applied: true });
  for (const sync of [...pending].reverse()) sync.complete();
  fs.completeSyncs();
  fs.syncMode = 'microtask';
  await flushed;
  const outcome = await ingested;
  const seen = text(db.get('k1'));
  const { db: after } = await openOn(fs.killClone(), SMALL);
  expect({ outcome, seen, after: text(after.get('k1')) }).toEqual({
    outcome: 'done',
    seen: 'ingested',
    after: 'ingested',
  });
  await after.close();
});

it('is not called undone when the sync of another edit failed beside its own', async () => {
  const fs = new MemFs();
  const opened = await openOn(fs, SMALL);
  const { db } = opened;
  const files = await tableOf(opened);
  await db.put('z', 'last', { durability: 'disk' });
  const { ingested, flushed, pending } = await bothPending(fs, db, files);
  pending[1]?.fail('EIO');
  pending[0]?.complete();
  fs.completeSyncs();
  fs.syncMode = 'microtask';
  await flushed;
  const outcome = await ingested;
  const { db: after } = await openOn(fs.killClone(), SMALL);
  expect(text(after.get('k1'))).toBe('ingested');
  expect(outcome).not.toBe('none');
  await after.close();
});
