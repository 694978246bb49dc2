import { expect, it } from 'vitest';
import { NameCache } from '../../src/gateway/name-cache.js';

it('NameCache: gives the same Buffer for the same name, whatever came between', () => {
  const names = new NameCache();
  const find = (text: string): Buffer | undefined => {
    const bytes = Buffer.from(`>${text}<`);
    return names.find(bytes, 1, bytes.length - 1);
  };
  const set = find('SET');
  expect(String(set)).toBe('SET');
  expect(find('SET')).toBe(set);
  expect(String(find('set'))).toBe('set');
  // One with the same place.
  expect(String(find('SAT'))).toBe('SAT');
  expect(String(find('SET'))).toBe('SET');
  expect(String(set)).toBe('SET');
  expect(find('')).toBeUndefined();
  expect(find('a'.repeat(17))).toBeUndefined();
});

it('NameCache: what is given out is no part of the input', () => {
  const bytes = Buffer.from('GET');
  const name = new NameCache().find(bytes, 0, 3);
  bytes.fill(0);
  expect(String(name)).toBe('GET');
});
