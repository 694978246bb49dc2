import { expect, it } from 'vitest';
import { ALL_KEYS, CHANGED, type View, watchName } from '../../../src/gateway/backend.js';
import { kept } from '../../../src/gateway/reply.js';
import { openEmbeddedBackend } from '../../../src/server/embedded-backend.js';
import { reopen } from '../../engine/db-fixture.js';
import {
  bytes,
  clear,
  del,
  get,
  increment,
  keys,
  killAndServe,
  serve,
  serveAgain,
  set,
  size,
} from './backend-fixture.js';

it('a read that met nothing pending answers at once, one that did waits for the commit', async () => {
  const { backend, db } = await serve();
  expect(get(backend, 'a')).toBeNull();
  const done = set(backend, 'a', '1');
  expect(done).toBeInstanceOf(Promise);
  const read = get(backend, 'a');
  expect(read).toBeInstanceOf(Promise);
  expect(db.get('a')).toBeUndefined();
  expect(await read).toBe('1');
  expect(text(db.get('a'))).toBe('1');
  expect(get(backend, 'a')).toBe('1');
  expect(get(backend, 'b')).toBeNull();
});

const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString('latin1');

it('updateAtOnce tells what an answer waits for, and calls its waiters in order', async () => {
  const { backend } = await serve();
  const heard: string[] = [];
  const wait = (name: string): void =>
    backend.waitsFor?.notify({
      onCommitted: () => heard.push(name),
      onCommitFailed: (error) => heard.push(`${name} ${String(error)}`),
    });
  const run = <T>(body: (view: View) => T): T => backend.updateAtOnce(body, 1_700_000_000_000);
  expect(run((view) => view.has(bytes('a')))).toBe(false);
  expect(backend.waitsFor).toBeUndefined();
  run((view) => view.set(bytes('a'), bytes('1'), 0));
  wait('set');
  expect(run((view) => view.has(bytes('a')))).toBe(true);
  wait('read');
  const failing = (): unknown =>
    run((view) => {
      view.delete(bytes('a'));
      throw new Error('no');
    });
  expect(failing).toThrow('no');
  wait('failed');
  expect(run((view) => view.has(bytes('b')))).toBe(false);
  wait('nothing');
  expect(heard).toEqual([]);
  await backend.close();
  expect(heard).toEqual(['set', 'read', 'failed']);
});

it('borrow shows what get does: pending, in memory, in a table, in a row, expired', async () => {
  const { backend, db } = await serve();
  const key = bytes('a');
  const both = (): (string | undefined)[] => {
    let read: string | undefined;
    backend.updateAtOnce((view) => {
      const reply = kept(view.borrow?.(key) ?? null);
      if (reply instanceof Uint8Array) read = Buffer.from(reply).toString('latin1');
    }, 1_700_000_000_000);
    let other: string | undefined;
    backend.updateAtOnce((view) => {
      other = text(view.get(key)?.bytes);
    }, 1_700_000_000_000);
    return [read, other];
  };
  expect(both()).toEqual([undefined, undefined]);
  const value = 'v'.repeat(100);
  const done = set(backend, 'a', value);
  expect(both()).toEqual([value, value]);
  await done;
  expect(both()).toEqual([value, value]);
  expect(both()).toEqual([value, value]);
  await set(backend, 'a', value + 'x');
  await db.flush();
  expect(both()).toEqual([value + 'x', value + 'x']);
  expect(both()).toEqual([value + 'x', value + 'x']);
  await set(backend, 'a', value, 1_700_000_000_001);
  expect(backend.updateAtOnce((view) => view.borrow?.(key), 1_700_000_000_001)).toBeUndefined();
});

it('10,000 parallel increments end at 10,000, each answer once', async () => {
  const { backend, db } = await serve();
  const answers = await Promise.all(
    Array.from({ length: 10_000 }, async () => increment(backend, 'n')),
  );
  expect(new Set(answers).size).toBe(10_000);
  expect(Math.max(...answers)).toBe(10_000);
  expect(text(db.get('n'))).toBe('10000');
});

it('of 50 parallel writers of an absent key one wins', async () => {
  const { backend } = await serve();
  const key = bytes('lock');
  const won = await Promise.all(
    Array.from({ length: 50 }, async (_, i) =>
      backend.update([key], (view) => {
        if (view.has(key)) return false;
        view.set(key, bytes(String(i)), 0);
        return true;
      }),
    ),
  );
  expect(won.filter(Boolean)).toHaveLength(1);
  expect(await get(backend, 'lock')).toBe('0');
});

it('a body that throws changes nothing, and others in the batch stay', async () => {
  const { backend } = await serve();
  void set(backend, 'a', '1');
  const failing = (): unknown =>
    backend.update([], (view) => {
      view.set(bytes('a'), bytes('2'), 0);
      view.set(bytes('b'), bytes('2'), 0);
      view.delete(bytes('a'));
      throw new Error('no');
    });
  await expect(async () => failing()).rejects.toThrow('no');
  expect(await get(backend, 'a')).toBe('1');
  expect(await get(backend, 'b')).toBeNull();
  expect(await size(backend)).toBe(1);
});

it('a body that deletes everything and throws deletes nothing', async () => {
  const { backend } = await serve();
  for (let i = 0; i < 1500; i++) await set(backend, `k${i}`, 'v');
  void set(backend, 'pending', 'v');
  const failing = (): unknown =>
    backend.update(ALL_KEYS, (view) => {
      view.set(bytes('k1'), bytes('w'), 0);
      view.clear();
      view.set(bytes('k2'), bytes('w'), 0);
      throw new Error('no');
    });
  await expect(async () => failing()).rejects.toThrow('no');
  expect(await size(backend)).toBe(1501);
  expect(await get(backend, 'k1')).toBe('v');
  expect(await get(backend, 'k2')).toBe('v');
  expect(await get(backend, 'pending')).toBe('v');
});

it('what a body throws about its own changes alone waits for nobody', async () => {
  const { backend } = await serve();
  const failing = (): unknown =>
    backend.update([], (view) => {
      view.set(bytes('a'), bytes('2'), 0);
      if (view.has(bytes('a'))) throw new Error('no');
    });
  expect(failing).toThrow('no');
  expect(await size(backend)).toBe(0);
});

it('the empty key is a key as others are', async () => {
  const { backend } = await serve();
  await set(backend, '', 'x');
  await set(backend, '\0', 'y');
  expect(await get(backend, '')).toBe('x');
  expect(await keys(backend)).toEqual(['', '\0']);
  expect(await size(backend)).toBe(2);
  expect(await del(backend, '')).toBe(true);
  expect(await keys(backend)).toEqual(['\0']);
});

it('size is exact through overwrites, deletes, expiry and a kill', async () => {
  let served = await serve();
  const now = served.env.clock.nowMs();
  for (let i = 0; i < 100; i++)
    void set(served.backend, `k${i}`, 'v', i % 2 === 0 ? now + 1000 : 0);
  expect(await size(served.backend)).toBe(100);
  void set(served.backend, 'k0', 'v', now + 5000);
  void set(served.backend, 'k2', 'v');
  void del(served.backend, 'k4');
  await del(served.backend, 'k1');
  expect(await size(served.backend)).toBe(98);
  served = await killAndServe(served);
  expect(size(served.backend)).toBe(98);
  served.env.clock.advance(1000);
  // 47 of the 50 that were to expire have done so.
  expect(await size(served.backend)).toBe(51);
  void set(served.backend, 'k6', 'again', now + 9000);
  expect(await size(served.backend)).toBe(52);
  served = await serveAgain(served);
  expect(size(served.backend)).toBe(52);
  expect(await keys(served.backend)).toHaveLength(52);
  served.env.clock.advance(9000);
  expect(await served.backend.expireSome()).toBe(true);
  expect(await served.backend.expireSome()).toBe(false);
  expect(await size(served.backend)).toBe(50);
});

it('size sees expiry before the write has reached the database', async () => {
  const { backend, env } = await serve();
  const now = env.clock.nowMs();
  const done = set(backend, 'a', 'v', now + 10);
  env.clock.advance(10);
  const after = size(backend);
  await done;
  expect(await after).toBe(0);
  expect(await size(backend)).toBe(0);
  expect(get(backend, 'a')).toBeNull();
});

it('a database written by others is counted at open', async () => {
  let served = await serve();
  await set(served.backend, 'a', 'v');
  await served.db.put('b', 'v', { ttlMs: 500 });
  await served.db.put('c', 'v');
  served = await serveAgain(served);
  expect(size(served.backend)).toBe(3);
  served.env.clock.advance(500);
  expect(await size(served.backend)).toBe(2);
});

it('a clock set back between two lives makes it count again', async () => {
  let served = await serve();
  const now = served.env.clock.nowMs();
  await set(served.backend, 'a', 'v', now + 100);
  served.env.clock.advance(200);
  expect(await size(served.backend)).toBe(0);
  served.env.clock.jumpWall(-200);
  expect(await size(served.backend)).toBe(0);
  expect(get(served.backend, 'a')).toBeNull();
  served = await serveAgain(served);
  expect(get(served.backend, 'a')).toBe('v');
  expect(size(served.backend)).toBe(1);
});

it('clear deletes everything, whatever the number of keys, and what comes after stays', async () => {
  for (const count of [10, 3000]) {
    let served = await serve();
    const now = served.env.clock.nowMs();
    for (let i = 0; i < count; i++)
      void set(served.backend, `k${i}`, 'v', i % 2 === 0 ? now + 9999 : 0);
    await set(served.backend, '', 'v');
    await set(served.backend, '\xff'.repeat(70), 'v');
    await set(served.backend, '\xff'.repeat(65_535), 'v', now + 9999);
    void set(served.backend, 'pending', 'v');
    const cleared = clear(served.backend);
    void set(served.backend, 'after', 'v');
    expect(get(served.backend, 'k1')).toBeInstanceOf(Promise);
    expect(await get(served.backend, 'k1')).toBeNull();
    await cleared;
    expect(await keys(served.backend)).toEqual(['after']);
    expect(await size(served.backend)).toBe(1);
    served = await killAndServe(served);
    expect(await keys(served.backend)).toEqual(['after']);
    served.env.clock.advance(99_999);
    expect(await size(served.backend)).toBe(1);
    await clear(served.backend);
    expect(await size(served.backend)).toBe(0);
  }
});

it('a failed commit fails what was decided on it, and later commands are right', async () => {
  const { backend, env, db } = await serve({ durability: 'os' });
  await set(backend, 'n', '1');
  env.fs.injectFault({ op: 'write', errno: 'ENOSPC' });
  const answers = await Promise.allSettled([
    increment(backend, 'n'),
    get(backend, 'n'),
    increment(backend, 'n'),
    set(backend, 'other', 'v'),
  ]);
  expect(answers.map(({ status }) => status)).toEqual(Array(4).fill('rejected'));
  expect(get(backend, 'n')).toBe('1');
  expect(await size(backend)).toBe(1);
  expect(await increment(backend, 'n')).toBe(2);
  expect(text(db.get('n'))).toBe('2');
});

it('expired keys are counted out in portions, again after one that failed', async () => {
  const { backend, env } = await serve();
  const at = env.clock.nowMs() + 100;
  for (let i = 0; i < 3500; i++) void set(backend, `k${i}`, 'v', at + (i % 2));
  await set(backend, 'later', 'v', at + 50);
  await set(backend, 'stays', 'v');
  env.clock.advance(101);
  expect(await backend.expireSome()).toBe(true);
  env.fs.injectFault({ op: 'write', errno: 'ENOSPC' });
  await expect(backend.expireSome()).rejects.toThrow('no space');
  // What was counted out before stays so; what failed is there again.
  for (let portion = 0; portion < 3; portion++) expect(await backend.expireSome()).toBe(true);
  expect(await backend.expireSome()).toBe(false);
  expect(await size(backend)).toBe(2);
  env.clock.advance(50);
  expect(await size(backend)).toBe(1);
  expect(await keys(backend)).toEqual(['stays']);
});

it('a stamp changes with every write, delete, expiry and clear', async () => {
  const { backend, env } = await serve();
  const name = watchName(bytes('a'));
  const isSame = async (change: () => unknown): Promise<boolean> => {
    const stamps = new Map([[name, backend.stamp(bytes('a'))]]);
    await change();
    return (await backend.updateUnchanged(stamps, () => 'same')) !== CHANGED;
  };
  expect(await isSame(() => undefined)).toBe(true);
  expect(await isSame(() => set(backend, 'b', '1'))).toBe(true);
  expect(await isSame(() => del(backend, 'a'))).toBe(true);
  expect(await isSame(() => set(backend, 'a', '1'))).toBe(false);
  expect(await isSame(() => set(backend, 'a', '1'))).toBe(false);
  expect(await isSame(() => get(backend, 'a'))).toBe(true);
  expect(await isSame(() => del(backend, 'a'))).toBe(false);
  // Made and deleted again in between.
  expect(await isSame(() => [set(backend, 'a', '1'), del(backend, 'a')])).toBe(false);
  expect(await isSame(() => clear(backend))).toBe(true);
  await set(backend, 'a', '1', env.clock.nowMs() + 100);
  expect(await isSame(() => env.clock.advance(50))).toBe(true);
  expect(await isSame(() => env.clock.advance(50))).toBe(false);
  expect(await isSame(() => del(backend, 'a'))).toBe(true);
  await set(backend, 'a', '1');
  expect(await isSame(() => clear(backend))).toBe(false);
});

it('durability disk answers after a sync, os before', async () => {
  const { backend, env } = await serve();
  env.fs.syncMode = 'manual';
  await set(backend, 'a', '1');
  backend.setDurability('disk');
  let isDone = false;
  const done = Promise.resolve(set(backend, 'b', '1') as Promise<void>).then(() => {
    isDone = true;
  });
  for (let turn = 0; turn < 5; turn++) await env.clock.nextTurn();
  expect(isDone).toBe(false);
  env.fs.completeSyncs();
  env.fs.syncMode = 'microtask';
  await done;
  await backend.sync();
});

it('is served on a full disk, although keys have expired since the last time', async () => {
  const served = await serve();
  const { env } = served;
  for (let i = 0; i < 30; i++) {
    await set(served.backend, `k${i}`, 'v', i % 3 === 0 ? env.clock.nowMs() + 1000 : 0);
  }
  await served.backend.close();
  await served.db.close();
  env.clock.advance(1000);
  const { db, env: later } = await reopen(served);
  const fault = later.fs.injectFault({ op: 'write', errno: 'ENOSPC', times: Infinity });
  const backend = await openEmbeddedBackend(later, db);
  expect(fault.hits).toBeGreaterThan(0);
  expect(size(backend)).toBe(20);
  expect(get(backend, 'k1')).toBe('v');
});
