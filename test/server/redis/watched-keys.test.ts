import { expect, it } from 'vitest';
import { WatchedKeys } from '../../../src/server/redis/watched-keys.js';

it('WatchedKeys gives all watchers of an unchanged key the same stamp', () => {
  const watched = new WatchedKeys();
  expect(watched.isEmpty).toBe(true);
  const stamp = watched.stamp('a', 0, 1);
  expect(watched.stamp('a', 0, 2)).toBe(stamp);
  watched.touch('b', 0);
  expect(watched.isUnchanged(new Map([['a', stamp]]), 3)).toBe(true);
  watched.touch('a', 0);
  expect(watched.isUnchanged(new Map([['a', stamp]]), 3)).toBe(false);
  const later = watched.stamp('a', 0, 4);
  expect(watched.isUnchanged(new Map([['a', later]]), 4)).toBe(true);
});

it('WatchedKeys: a value that expires changes the key, once', () => {
  const watched = new WatchedKeys();
  const stamp = watched.stamp('a', 10, 1);
  expect(watched.isUnchanged(new Map([['a', stamp]]), 9)).toBe(true);
  expect(watched.isUnchanged(new Map([['a', stamp]]), 10)).toBe(false);
  // Watched after it had expired: there is nothing now.
  const gone = watched.stamp('a', 0, 11);
  expect(gone).not.toBe(stamp);
  expect(watched.isUnchanged(new Map([['a', gone]]), 99)).toBe(true);
});

it('WatchedKeys: the oldest of very many keys leave, and count as changed', () => {
  const watched = new WatchedKeys();
  const first = new Map([['first', watched.stamp('first', 0, 1)]]);
  for (let i = 1; i < 64 * 1024; i++) watched.stamp(`k${i}`, 0, 1);
  expect(watched.isUnchanged(first, 1)).toBe(true);
  const last = new Map([['last', watched.stamp('last', 0, 1)]]);
  expect(watched.isUnchanged(first, 1)).toBe(false);
  expect(watched.isUnchanged(last, 1)).toBe(true);
  const long = 'x'.repeat(65_535);
  for (let i = 0; i < 300; i++) watched.stamp(`${long}${i}`, 0, 1);
  expect(watched.isUnchanged(last, 1)).toBe(false);
});
