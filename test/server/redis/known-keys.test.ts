import { expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { KnownKeys } from '../../../src/server/redis/known-keys.js';

const key = (text: string): Buffer => Buffer.from(text, 'latin1');

it('KnownKeys never says of a key what was not told of it', () => {
  const random = new Prng(11);
  const known = new KnownKeys();
  const told = new Set<string>();
  let hits = 0;
  for (let i = 0; i < 300_000; i++) {
    const name = `k${random.u32() % 40_000}`;
    const kind = random.u32() % 8;
    if (known.has(key(name))) {
      hits++;
      expect(told.has(name)).toBe(true);
    }
    if (kind < 6) {
      known.add(key(name));
      told.add(name);
    } else {
      known.remove(key(name));
      told.delete(name);
    }
  }
  expect(hits).toBeGreaterThan(100_000);
  known.clear();
  for (const name of told) expect(known.has(key(name))).toBe(false);
});

it('KnownKeys keeps neither the empty key nor long ones', () => {
  const known = new KnownKeys();
  for (const name of ['', 'x'.repeat(32), 'x'.repeat(300)]) {
    known.add(key(name));
    expect(known.has(key(name))).toBe(false);
    known.remove(key(name));
  }
  known.add(key('x'.repeat(31)));
  expect(known.has(key('x'.repeat(31)))).toBe(true);
  expect(known.has(key('x'.repeat(30)))).toBe(false);
});
