import { expect, it } from 'vitest';
import { FAMILY_DEFAULT } from '../../src/engine/key.js';
import { openSim, text, TINY } from './db-fixture.js';

const key = (name: string): Uint8Array => Buffer.from(name);

it('EntryReader tells value, expiry and sequence number, wherever the entry lies', async () => {
  const { db, env } = await openSim({ ...TINY, valueThreshold: 100 });
  const expiresAt = env.clock.nowMs() + 1000;
  await db.put('small', 'v');
  await db.put('large', 'x'.repeat(500), { expiresAt });
  const reader = db.entryReader();
  const check = (): void => {
    const nowMs = env.clock.nowMs();
    expect(text(reader.get(FAMILY_DEFAULT, key('small'), nowMs))).toBe('v');
    expect([reader.expiresAt, reader.seq]).toEqual([0, 1]);
    expect(reader.has(FAMILY_DEFAULT, key('large'), nowMs)).toBe(true);
    expect([reader.expiresAt, reader.seq]).toEqual([expiresAt, 2]);
    expect(reader.get(FAMILY_DEFAULT, key('large'), nowMs)).toHaveLength(500);
    expect([reader.expiresAt, reader.seq]).toEqual([expiresAt, 2]);
    expect(reader.has(FAMILY_DEFAULT, key('none'), nowMs)).toBe(false);
  };
  check();
  check();
  await db.flush();
  check();
  await db.compact();
  check();
  expect(reader.visibleSeq).toBe(2);
});

it('EntryReader judges expiry at the moment it is given', async () => {
  const { db, env } = await openSim();
  const expiresAt = env.clock.nowMs() + 1000;
  await db.put('a', 'v', { expiresAt });
  const reader = db.entryReader();
  for (let round = 0; round < 2; round++) {
    expect(reader.has(FAMILY_DEFAULT, key('a'), expiresAt - 1)).toBe(true);
    expect(reader.get(FAMILY_DEFAULT, key('a'), expiresAt - 1)).toBeDefined();
    expect(reader.has(FAMILY_DEFAULT, key('a'), expiresAt)).toBe(false);
    expect(reader.get(FAMILY_DEFAULT, key('a'), expiresAt)).toBeUndefined();
  }
});

it('has answers as get does, of deletes, range deletes, snapshots and versions', async () => {
  const { db } = await openSim({ ...TINY, valueThreshold: 100 });
  for (let i = 0; i < 20; i++) await db.put(`k${i}`, 'v'.repeat(i * 20), { version: i + 1 });
  const snapshot = db.snapshot();
  await db.del('k3', { version: 100 });
  await db.deleteRange('k5', 'k8', { version: 100 });
  const check = (): void => {
    for (let i = 0; i < 22; i++) {
      const name = `k${i}`;
      expect(db.has(name), name).toBe(db.get(name) !== undefined);
      expect(db.has(name, { snapshot }), name).toBe(i < 20);
      expect(db.has(name, { version: 10 }), name).toBe(db.get(name, { version: 10 }) !== undefined);
    }
  };
  check();
  await db.flush();
  check();
  snapshot.close();
  expect(() => db.has('k1', { snapshot })).toThrow('snapshot');
  await db.close();
  expect(() => db.has('k1')).toThrow('closed');
});
