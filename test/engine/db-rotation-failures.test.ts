/** The step from one log segment to the next, when it fails half way: nothing acknowledged is taken for damage later. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { killAndReopen, openSim, text, TINY } from './db-fixture.js';

const MIB = 1024 * 1024;
const isManifest = (path: string): boolean => /MANIFEST-\d+$/.test(path);

afterEach(() => vi.unstubAllGlobals());

describe('a rotation of the log', () => {
  it('that finds no memory has not begun: the segment before goes on', async () => {
    const opened = await openSim({ ...TINY, valueThreshold: 100 * MIB });
    const { db } = opened;
    await db.put('a', '1');
    const small = new Proxy(SharedArrayBuffer, {
      construct: (target, args: [number]) => {
        if (args[0] > MIB) throw new RangeError('Array buffer allocation failed');
        return new target(...args);
      },
    });
    vi.stubGlobal('SharedArrayBuffer', small);
    await expect(db.put('large', new Uint8Array(5 * MIB))).rejects.toThrow('allocation failed');
    vi.unstubAllGlobals();
    await db.put('b', '2');
    const again = await killAndReopen(opened, TINY);
    expect([text(again.db.get('a')), text(again.db.get('b'))]).toEqual(['1', '2']);
    await again.db.close();
  });

  it.each(['flush', 'first large value'])(
    'of which nobody knows whether the manifest names it ends the writes (%s)',
    async (cause) => {
      const opened = await openSim({ ...TINY, valueThreshold: 500 });
      const { db, env } = opened;
      await db.put('a', '1');
      const lasting = { path: isManifest, errno: 'EIO', times: Infinity };
      env.fs.injectFault({ op: 'write', ...lasting, applied: true });
      env.fs.injectFault({ op: 'truncate', ...lasting });
      const call = cause === 'flush' ? db.flush() : db.put('large', 'x'.repeat(600));
      await expect(call).rejects.toMatchObject({ name: 'IoError' });
      const isWritten = await db.put('b', '2').then(
        () => true,
        () => false,
      );
      const again = await killAndReopen(opened, TINY);
      expect(text(again.db.get('a'))).toBe('1');
      if (isWritten) expect(text(again.db.get('b'))).toBe('2');
      await again.db.close();
    },
  );
});
