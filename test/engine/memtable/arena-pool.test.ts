import { describe, expect, it } from 'vitest';
import { ArenaPool } from '../../../src/engine/memtable/arena-pool.js';

describe('ArenaPool', () => {
  it('hands a released arena out again', () => {
    const pool = new ArenaPool(4096, 1024, 2);
    const arena = pool.acquire();
    expect(arena.data.byteLength).toBe(4096);
    expect(arena.index.byteLength).toBe(1024);
    pool.release(arena);
    expect(pool.acquire()).toBe(arena);
    expect(pool.acquire()).not.toBe(arena);
  });

  it('keeps at most its limit, whatever comes back', () => {
    const pool = new ArenaPool(4096, 1024, 2);
    const arenas = [pool.acquire(), pool.acquire(), pool.acquire(), pool.acquire()];
    expect(pool.inspect()).toEqual({ free: 0, used: 4, bytes: 4 * 5120 });
    for (const arena of arenas) pool.release(arena);
    expect(pool.inspect()).toEqual({ free: 2, used: 0, bytes: 2 * 5120 });
    pool.clear();
    expect(pool.inspect()).toEqual({ free: 0, used: 0, bytes: 0 });
  });

  it('serves an oversized request with a fresh arena that it does not keep', () => {
    const pool = new ArenaPool(4096, 1024, 2);
    const byData = pool.acquire(10_000, 100);
    expect([byData.data.byteLength, byData.index.byteLength]).toEqual([10_000, 1024]);
    const byIndex = pool.acquire(100, 5000);
    expect([byIndex.data.byteLength, byIndex.index.byteLength]).toEqual([4096, 5000]);
    pool.release(byData);
    pool.release(byIndex);
    expect(pool.inspect()).toEqual({ free: 0, used: 0, bytes: 0 });
  });

  it('serves a small request with a usual arena', () => {
    const pool = new ArenaPool(4096, 1024, 2);
    const arena = pool.acquire(10, 10);
    expect([arena.data.byteLength, arena.index.byteLength]).toEqual([4096, 1024]);
  });

  it('refuses an arena that is released twice or is not its own', () => {
    const pool = new ArenaPool(4096, 1024, 2);
    const arena = pool.acquire();
    pool.release(arena);
    expect(() => pool.release(arena)).toThrow('released once');
    const foreign = new ArenaPool(4096, 1024, 2).acquire();
    expect(() => pool.release(foreign)).toThrow('released once');
  });
});
