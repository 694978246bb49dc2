/**
 * Makes testdata/workdir, a workdir with a bit of everything, on the simulated disk from one seed and one clock.
 * It is kept: REWRITE=1 makes it anew.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Fs } from '../../src/base/env.js';
import { openSim, TINY, WORKDIR } from '../engine/db-fixture.js';

export async function makeWorkdir(target: string): Promise<void> {
  const { db, env } = await openSim({ ...TINY, valueThreshold: 400, l0CompactionTrigger: 3 });
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 50; i++) {
      const key = `user:${String(i).padStart(3, '0')}`;
      await db.put(key, `${round}`.repeat(i % 5 === 0 ? 500 : 40));
    }
    await db.flush();
    await db.settle();
  }
  await db.deleteRange('user:010', 'user:015');
  await db.del('user:001');
  await db.put(Uint8Array.of(0, 255, 10), 'bytes');
  await db.put('session', 'x'.repeat(450), { expiresAt: 4_000_000_000_000 });
  await db.put('managed', 'v7', { version: 7 });
  await db.close();
  copy(env.fs, WORKDIR, target);
}

function copy(fs: Fs, from: string, to: string): void {
  for (const name of fs.list(from)) {
    const path = `${from}/${name}`;
    if (fs.stat(path)?.isDirectory === true) {
      copy(fs, path, join(to, name));
      continue;
    }
    mkdirSync(dirname(join(to, name)), { recursive: true });
    writeFileSync(join(to, name), fs.readFile(path));
  }
}
