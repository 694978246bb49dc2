/** All keys of an embedded backend: in order, by cursors, by chance; written and pending. */
import { expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { ALL_KEYS } from '../../../src/gateway/backend.js';
import type { EmbeddedBackend } from '../../../src/server/embedded-backend.js';
import { runCommand } from '../../gateway/commands/command-runner.js';
import { TINY } from '../../engine/db-fixture.js';
import { bytes, clear, del, keys, serve, serveAgain, set } from './backend-fixture.js';

const never = (): number => 0;
const nameOf = (key: Uint8Array | undefined): string => Buffer.from(key ?? []).toString('latin1');

async function scanPart(
  backend: EmbeddedBackend,
  cursor: string,
  count: number,
): Promise<[string, string[]]> {
  const args = ['SCAN', cursor, 'COUNT', String(count)].map(bytes);
  const [next, found] = (await runCommand(backend, args, never)) as [Buffer, Buffer[]];
  return [String(next), found.map((key) => key.toString('latin1'))];
}

it('SCAN tells every key that is there throughout, while others come and go', async () => {
  const { backend } = await serve(TINY);
  const random = new Prng(7);
  for (let i = 0; i < 500; i++) await set(backend, `stays${i}`, 'v');
  const told: string[] = [];
  let cursor = '0';
  do {
    const [next, found] = await scanPart(backend, cursor, 7);
    told.push(...found);
    cursor = next;
    for (let i = 0; i < 5; i++) {
      const key = `comes${random.below(1000)}`;
      if (random.chance(1, 2)) void set(backend, key, 'v');
      else void del(backend, key);
    }
    // The key that the cursor stands on, too.
    const last = found.at(-1);
    if (last?.startsWith('comes') === true) void del(backend, last);
  } while (cursor !== '0');
  const stays = told.filter((key) => key.startsWith('stays'));
  expect(new Set(stays).size).toBe(500);
  expect(stays).toHaveLength(500);
});

it('a cursor of an earlier process begins anew', async () => {
  let served = await serve();
  for (let i = 0; i < 30; i++) await set(served.backend, `k${i}`, 'v');
  const [cursor] = await scanPart(served.backend, '0', 10);
  served = await serveAgain(served);
  const [, found] = await scanPart(served.backend, cursor, 100);
  expect(found).toHaveLength(30);
});

it('a cursor is read as by strtoul: with a sign, and from the beginning when it was never given out', async () => {
  const { backend } = await serve();
  for (let i = 0; i < 30; i++) await set(backend, `k${i}`, 'v');
  const [cursor, first] = await scanPart(backend, '0', 10);
  const rest = (await scanPart(backend, cursor, 100))[1];
  expect([...first, ...rest]).toHaveLength(30);
  expect((await scanPart(backend, `+${cursor}`, 100))[1]).toEqual(rest);
  for (const other of ['-1', `-${cursor}`, '+0', '-0', '', '007']) {
    expect((await scanPart(backend, other, 100))[1], other).toHaveLength(30);
  }
  for (const none of ['-', '+', 'x', '1x', '--1', ' 1', '99999999999999999999999']) {
    const answer = await runCommand(backend, ['SCAN', none].map(bytes), never);
    expect(answer, none).toEqual({ error: 'ERR invalid cursor' });
  }
});

it('keysAfter merges what is stored with what is pending', async () => {
  const { backend } = await serve();
  for (const key of ['b', 'd', 'f', 'h']) await set(backend, key, 'v');
  void set(backend, 'a', 'v');
  void set(backend, 'd', 'w');
  void del(backend, 'f');
  void set(backend, 'g', 'v');
  void set(backend, 'z', 'v');
  expect(await keys(backend)).toEqual(['a', 'b', 'd', 'g', 'h', 'z']);
  const after = (key: string): string[] | Promise<string[]> =>
    backend.update(ALL_KEYS, (view) => Array.from(view.keysAfter(bytes(key)), nameOf));
  expect(after('b')).toEqual(['d', 'g', 'h', 'z']);
  expect(after('c')).toEqual(['d', 'g', 'h', 'z']);
  void clear(backend);
  void set(backend, 'm', 'v');
  expect(await keys(backend)).toEqual(['m']);
});

it('RANDOMKEY can give every key, of few and of many, and gives numbered ones about alike', async () => {
  for (const count of [1, 2, 100, 1000]) {
    const { backend } = await serve();
    for (let i = 0; i < count; i++) void set(backend, `key:${String(i).padStart(3, '0')}`, 'v');
    await keys(backend);
    const random = new Prng(count);
    const times = new Map<string, number>();
    for (let i = 0; i < count * 20; i++) {
      const key = backend.update(ALL_KEYS, (view) => view.randomKey(() => random.fraction()));
      times.set(String(await key), (times.get(String(await key)) ?? 0) + 1);
    }
    expect(times.size).toBe(count);
    expect(Math.max(...times.values())).toBeLessThan(50);
  }
});

it('RANDOMKEY gives no key that has expired or is deleted and still pending', async () => {
  const { backend, env } = await serve();
  const random = new Prng(3);
  const now = env.clock.nowMs();
  for (let i = 0; i < 300; i++) await set(backend, `k${i}`, 'v', i === 7 ? 0 : now + 100);
  env.clock.advance(100);
  void set(backend, 'new', 'v');
  void del(backend, 'k7');
  for (let i = 0; i < 20; i++) {
    const key = backend.update(ALL_KEYS, (view) => view.randomKey(() => random.fraction()));
    expect(nameOf(await key)).toBe('new');
  }
  await del(backend, 'new');
  const none = backend.update(ALL_KEYS, (view) => view.randomKey(() => random.fraction()));
  expect(none).toBeUndefined();
});
