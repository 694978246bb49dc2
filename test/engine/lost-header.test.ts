/**
 * A power loss takes the header of a value-log segment that nothing durable points into, and leaves its name. The open gives up
 * what was lost; what it leaves is a sound workdir, to everybody.
 */
import { expect, it } from 'vitest';
import { checkWorkdir } from '../../src/engine/inspect/check-workdir.js';
import { MemFs } from '../../src/env/mem-fs.js';
import { openOn, SMALL, WORKDIR } from '../crash/simulation.js';

it.each(['killed', 'closed'])('is no damage when the database that opened was %s', async (end) => {
  const fs = new MemFs();
  const { db } = await openOn(fs, SMALL);
  await db.put('a', 'old', { durability: 'disk' });
  await db.put('v', Buffer.alloc(3000, 'v'));
  // The names have reached the disk, and the edit that names the segment; its content has not.
  const cut = fs.crashClone({
    choose: ({ kind, path, count }) =>
      path.endsWith('.vlog') && kind === 'sector' ? 0 : count - 1,
  });
  const first = await openOn(cut, SMALL);
  expect(first.db.get('v')).toBeUndefined();
  if (end === 'closed') await first.db.close();
  const check = await checkWorkdir(first.env, WORKDIR);
  expect(check.findings.filter(({ kind }) => kind === 'damage')).toEqual([]);
  expect(check.is_sound).toBe(true);
});
