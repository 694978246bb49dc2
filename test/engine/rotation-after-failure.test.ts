/**
 * A group whose record can neither be written nor cut back is committed to make room for the write behind it: nothing is
 * appended any more, and no segment follows the one that ends in doubt.
 */
import { expect, it } from 'vitest';
import type { NokvError } from '../../src/base/errors.js';
import { MemFs } from '../../src/env/mem-fs.js';
import { openOn, SMALL } from '../crash/simulation.js';

it.each(['os', 'disk'] as const)(
  'no segment follows one that ends in doubt: %s',
  async (durability) => {
    const fs = new MemFs();
    const { db } = await openOn(fs, SMALL);
    await db.put('b1', Buffer.alloc(40_000, '1'));
    fs.injectFault({ op: 'write', path: '.wal', errno: 'EIO', shortBytes: 10 });
    fs.injectFault({ op: 'truncate', path: '.wal', errno: 'EIO' });
    const ends: string[] = [];
    const end = (what: string, write: Promise<void>): void => {
      ends.push(what);
      const at = ends.length - 1;
      void write.then(
        () => (ends[at] = `${what} done`),
        (error: unknown) => (ends[at] = `${what} ${(error as NokvError).outcome}`),
      );
    };
    // Of one turn: the second finds no room, so the first is written now.
    end('b2', db.put('b2', 'small', { durability }));
    end('b3', db.put('b3', Buffer.alloc(40_000, '3'), { durability }));
    end('sync', db.sync());
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    expect(ends[0]).toBe('b2 unknown');
    expect.soft(ends[1]).toMatch(/^b3 (none|unknown)$/);
    expect.soft(ends[2]).toMatch(/^sync (none|unknown)$/);
    const { db: after } = await openOn(fs.killClone(), SMALL);
    expect([...after.scan()].map(({ key }) => Buffer.from(key).toString())).toEqual(['b1']);
    await after.close();
  },
);

it('a sync that has to write the group first is refused with it', async () => {
  const fs = new MemFs();
  const { db } = await openOn(fs, SMALL);
  fs.injectFault({ op: 'write', path: '.wal', errno: 'EIO', shortBytes: 10 });
  fs.injectFault({ op: 'truncate', path: '.wal', errno: 'EIO' });
  const ends = new Map<string, string>();
  const end = (what: string, promise: Promise<void>): void => {
    ends.set(what, 'hangs');
    void promise.then(
      () => ends.set(what, 'done'),
      () => ends.set(what, 'refused'),
    );
  };
  end('put', db.put('b2', 'small'));
  end('sync', db.sync());
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  end('close', db.close());
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  expect(Object.fromEntries(ends)).toEqual({ put: 'refused', sync: 'refused', close: 'refused' });
});
