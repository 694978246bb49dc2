/** What lies in a workdir and is none of ours, on the real disk: other things than regular files, and links. */
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Env } from '../../src/base/env.js';
import { openDb } from '../../src/engine/db.js';
import { checkWorkdir } from '../../src/engine/inspect/check-workdir.js';
import { startJob } from '../../src/engine/jobs.js';
import { NodeFs } from '../../src/env/node-fs.js';
import { createSimEnv } from '../../src/env/sim-env.js';
import { temporaryDirectory } from '../env/temp-directory.js';

/** A disk with links and pipes; no job is run on it. */
function diskEnv(fs = new NodeFs()): Env {
  return { ...createSimEnv(1, undefined, { startJob }), fs };
}

async function makeWorkdir(): Promise<string> {
  const workdir = join(temporaryDirectory(), 'db');
  const db = await openDb(diskEnv(), workdir);
  await db.close();
  return workdir;
}

async function foreignIn(workdir: string): Promise<string[]> {
  const report = await checkWorkdir(diskEnv(), workdir);
  expect(report.findings.filter(({ kind }) => kind !== 'foreign')).toEqual([]);
  expect(report.is_sound).toBe(true);
  return report.findings.map(({ file }) => file);
}

describe.skipIf(process.platform === 'win32')('a name of ours on what is no regular file', () => {
  const make = {
    directory: (path: string): void => {
      mkdirSync(path, { recursive: true });
    },
    pipe: (path: string): void => {
      execFileSync('mkfifo', [path]);
    },
  };
  const names = ['000999.sst', '012345.wal', 'MANIFEST-000777', 'vlog/bucket-000/000500.vlog'];

  it.each(['directory', 'pipe'] as const)('is foreign, and left alone: a %s', async (what) => {
    const workdir = await makeWorkdir();
    mkdirSync(join(workdir, 'vlog/bucket-000'), { recursive: true });
    for (const name of names) make[what](join(workdir, name));
    const db = await openDb(diskEnv(), workdir);
    await db.close();
    const reader = await openDb(diskEnv(), workdir, { readOnly: true });
    await reader.close();
    for (const name of names) expect(lstatSync(join(workdir, name)).isFile()).toBe(false);
    // A directory is not listed, what is in it is.
    expect(await foreignIn(workdir)).toEqual(what === 'pipe' ? names : []);
  });

  it('is foreign also for a directory that becomes a workdir', async () => {
    const fresh = join(temporaryDirectory(), 'fresh');
    make.directory(join(fresh, '000999.sst'));
    const db = await openDb(diskEnv(), fresh);
    await db.close();
  });

  it('does not make a bucket, or the value log, of a file', async () => {
    const workdir = await makeWorkdir();
    make.directory(join(workdir, 'vlog'));
    make.pipe(join(workdir, 'vlog/bucket-007'));
    const db = await openDb(diskEnv(), workdir);
    await db.close();
  });
});
