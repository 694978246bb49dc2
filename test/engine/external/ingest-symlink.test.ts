/** Ingest of a symlink, on the real disk: the simulated one has none. */
import { lstatSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SILENT_LOG, type Env } from '../../../src/base/env.js';
import { openDb } from '../../../src/engine/db.js';
import { TableWriter } from '../../../src/engine/external/table-writer.js';
import { startJob } from '../../../src/engine/jobs.js';
import { InlineExecutor } from '../../../src/env/inline-executor.js';
import { createNodeEnv } from '../../../src/env/node-env.js';
import { temporaryDirectory } from '../../env/temp-directory.js';
import { rowsOf } from '../db-fixture.js';

function realDisk(): Env {
  const env = createNodeEnv({ log: SILENT_LOG });
  return { ...env, executor: new InlineExecutor(startJob, env) };
}

describe('an ingest of a symlink', () => {
  it.each([true, false])('takes the file that it points to, with move %s', async (move) => {
    const env = realDisk();
    const base = temporaryDirectory();
    const workdir = join(base, 'db');
    const links = join(base, 'links');
    mkdirSync(links);
    const writer = new TableWriter(env, join(base, 'store'));
    writer.put('a', '1');
    const file = (await writer.finish())[0]?.file ?? '';
    symlinkSync(join('..', 'store', 'table-000001.sst'), join(links, 'one'));
    // One symlink behind another.
    symlinkSync('one', join(links, 'two'));

    const db = await openDb(env, workdir);
    const { leftBehind } = await db.ingest([join(links, 'two')], { move });
    expect(leftBehind).toEqual([]);
    const isLink = (name: string): boolean => lstatSync(join(workdir, name)).isSymbolicLink();
    expect(readdirSync(workdir).filter(isLink)).toEqual([]);
    // The name that was given is gone; what it points to is not the database's to take, nor shared with it.
    expect(readdirSync(links)).toEqual(move ? ['one'] : ['one', 'two']);
    expect(lstatSync(file).nlink).toBe(1);
    await db.close();

    rmSync(join(base, 'store'), { recursive: true });
    const again = await openDb(realDisk(), workdir);
    expect(rowsOf(again.scan())).toEqual(['a=1']);
    await again.close();
  });
});
