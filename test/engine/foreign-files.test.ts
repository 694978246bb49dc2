/** What lies in a workdir and is none of ours, on the real disk: other things than regular files, and links. */
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Env } from '../../src/base/env.js';
import { IoError } from '../../src/base/errors.js';
import { openDb } from '../../src/engine/db.js';
import { checkWorkdir } from '../../src/engine/inspect/check-workdir.js';
import { listWorkdir } from '../../src/engine/inspect/workdir-files.js';
import { startJob } from '../../src/engine/jobs.js';
import { NodeFs } from '../../src/env/node-fs.js';
import { createSimEnv } from '../../src/env/sim-env.js';
import { temporaryDirectory } from '../env/temp-directory.js';
import { openSim, reopen, text, WORKDIR } from './db-fixture.js';

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

describe.skipIf(process.platform === 'win32')('a link in a workdir', () => {
  it('is foreign, and nobody follows it', async () => {
    const workdir = await makeWorkdir();
    mkdirSync(join(workdir, 'sub'));
    writeFileSync(join(workdir, 'sub/file'), 'x');
    const links = { around: '.', dangling: 'nowhere', etc: '/etc', itself: 'itself', up: 'sub' };
    for (const [name, target] of Object.entries(links)) symlinkSync(target, join(workdir, name));
    symlinkSync('itself', join(workdir, '000888.sst'));
    const found = await foreignIn(workdir);
    expect(found.sort()).toEqual(['000888.sst', ...Object.keys(links), 'sub/file'].sort());
  });

  it('may be the workdir, the value log, a bucket or a file of ours', async () => {
    const workdir = await makeWorkdir();
    const elsewhere = join(workdir, '../elsewhere');
    mkdirSync(join(elsewhere, 'bucket'), { recursive: true });
    writeFileSync(join(elsewhere, 'bucket/000123.vlog'), 'abc');
    symlinkSync(elsewhere, join(workdir, 'vlog'));
    symlinkSync('bucket', join(elsewhere, 'bucket-000'));
    symlinkSync('bucket-000/000123.vlog', join(elsewhere, '000123.sst'));
    symlinkSync('vlog/000123.sst', join(workdir, '000123.sst'));
    symlinkSync(workdir, join(workdir, '../linked'));
    const files = listWorkdir(new NodeFs(), join(workdir, '../linked'));
    const ours = files.filter(({ kind }) => kind === 'valueLog' || kind === 'table');
    expect(ours).toMatchObject([
      { name: '000123.sst', kind: 'table', bytes: 3 },
      { name: 'vlog/bucket-000/000123.vlog', kind: 'valueLog', bytes: 3 },
    ]);
  });
});

describe('a foreign directory that cannot be read', () => {
  class UnreadableFs extends NodeFs {
    constructor(
      private readonly directory: string,
      private readonly errno: string,
    ) {
      super();
    }

    override list(directory: string): string[] {
      if (!directory.endsWith(this.directory)) return super.list(directory);
      throw new IoError({ op: 'list', path: directory, errno: this.errno });
    }
  }

  it.each([
    ['EACCES', ['private']],
    ['EPERM', ['private']],
    ['ENOENT', []],
  ])('is no end of an inspection: %s', async (errno, listed) => {
    const workdir = await makeWorkdir();
    mkdirSync(join(workdir, 'private'));
    const report = await checkWorkdir(diskEnv(new UnreadableFs('private', errno)), workdir);
    expect(report.is_sound).toBe(true);
    expect(report.findings.map(({ file }) => file)).toEqual(listed);
  });

  it.each(['vlog', 'vlog/bucket-000'])('is one of ours: %s', async (directory) => {
    const workdir = await makeWorkdir();
    mkdirSync(join(workdir, 'vlog/bucket-000'), { recursive: true });
    const fs = new UnreadableFs(directory, 'EACCES');
    expect(() => listWorkdir(fs, workdir)).toThrow('EACCES');
  });
});

describe('a number that this database can not have given out', () => {
  const names = ['4294967295.sst', '9999999999.wal'];

  it.each(names)('is not used up, and what has it is left alone: %s', async (name) => {
    const opened = await openSim();
    await opened.db.close();
    const { fs } = opened.env;
    const path = `${WORKDIR}/${name}`;
    const make = {
      directory: (): void => fs.makeDirectory(path),
      file: (): void => fs.open(path, 'create').close(),
    };
    for (const kind of ['directory', 'file'] as const) {
      make[kind]();
      for (const key of ['a', 'b']) {
        const { db } = await reopen(opened);
        await db.put(key, '1');
        await db.close();
      }
      expect(fs.stat(path)?.isFile).toBe(kind === 'file');
      if (kind === 'directory') fs.removeDirectory(path);
    }
    const { db } = await reopen(opened);
    expect(text(db.get('b'))).toBe('1');
    await db.close();
  });

  it('a directory where CURRENT is prepared does not lock the workdir up', async () => {
    const opened = await openSim();
    await opened.db.close();
    opened.env.fs.makeDirectory(`${WORKDIR}/CURRENT.tmp`);
    const { db } = await reopen(opened);
    await db.put('a', '1');
    await db.close();
  });
});
