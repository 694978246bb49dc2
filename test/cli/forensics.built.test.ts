import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crc32 } from '../../src/base/crc32.js';
import { LOG_HEADER_BYTES } from '../../src/engine/record-log.js';
import { open } from '../../src/index.js';
import { type DataCase, runDataDriven } from '../datadriven.js';
import { makeWorkdir } from './forensics-workdir.js';
import { nokv, ROOT } from './spawn.js';

const base = mkdtempSync(join(tmpdir(), 'nokv-forensics-'));
const SOUND = join(base, 'sound');
const DAMAGED = join(base, 'damaged');

/** Kept as it was written: what the commands print of it does not change with the engine. */
const FIXTURE = join(ROOT, 'test/cli/testdata/workdir');

beforeAll(async () => {
  if (process.env['REWRITE'] === '1') {
    rmSync(FIXTURE, { recursive: true, force: true });
    await makeWorkdir(FIXTURE);
  }
  cpSync(FIXTURE, SOUND, { recursive: true });
  cpSync(SOUND, DAMAGED, { recursive: true });
  const [table = ''] = readdirSync(DAMAGED).filter((name) => name.endsWith('.sst'));
  const bytes = readFileSync(join(DAMAGED, table));
  bytes[40] = (bytes[40] ?? 0) ^ 1;
  writeFileSync(join(DAMAGED, table), bytes);
  writeFileSync(join(DAMAGED, '00090.sst'), 'left over');
  writeFileSync(join(DAMAGED, 'notes.txt'), 'mine');
});

afterAll(() => rmSync(base, { recursive: true, force: true }));

/** `nokv` with the words of the input; what differs from run to run is blanked. */
function run({ command, args, input }: DataCase): string {
  const words = input
    .join(' ')
    .split(' ')
    .filter((word) => word !== '');
  const workdir = args.has('damaged') ? DAMAGED : SOUND;
  const place = words.includes('FILE') ? [] : ['--workdir', workdir];
  const file =
    readdirSync(workdir).find((name) => name.endsWith(`.${args.get('file') ?? ''}`)) ?? '';
  const given = words.map((word) => (word === 'FILE' ? join(workdir, file) : word));
  expect(command).toBe('nokv');
  const { status, stdout, stderr } = nokv([...given, ...place]);
  const shown = `${stdout}${stderr}${status === 0 ? '' : `exit ${String(status)}\n`}`
    .replaceAll(workdir, 'DIR')
    .replace(/free [\d.]+ \w+/, 'free N')
    .replace(/"free_bytes": \d+/, '"free_bytes": 0');
  return shown.replace(/^$/gm, '.').replace(/\.\n?$/, '');
}

/** Name, size, time of change and bytes of every file. */
function stateOf(directory: string): unknown[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      const { size, mtimeMs } = statSync(path);
      return [path, size, mtimeMs, readFileSync(path).toString('base64')];
    });
}

describe('inspecting commands', () => {
  it('print the same text and JSON for the same workdir, and leave it as it is', () => {
    const before = [stateOf(SOUND), stateOf(DAMAGED)];
    runDataDriven(new URL('testdata/forensics.txt', import.meta.url), run);
    expect([stateOf(SOUND), stateOf(DAMAGED)]).toEqual(before);
  });

  it.each([
    'stats',
    'manifest',
    'manifest dump',
    'manifest check',
    'vlog',
    'vlog gc --dry-run',
    'space',
    'check',
  ])('%s ends with status 3 where there is no database, and creates nothing', (command) => {
    const missing = join(base, 'nowhere');
    for (const flags of [[], ['--json']]) {
      const { status, stderr, stdout } = nokv([
        ...command.split(' '),
        '--workdir',
        missing,
        ...flags,
      ]);
      expect(status).toBe(3);
      expect(stderr + stdout).toContain('NOKV_NOT_FOUND');
    }
    expect(existsSync(missing)).toBe(false);
  });

  it('all end with the status of corruption when CURRENT is missing beside data files', () => {
    const workdir = join(base, 'without-current');
    cpSync(SOUND, workdir, { recursive: true });
    unlinkSync(join(workdir, 'CURRENT'));
    for (const command of ['stats', 'manifest', 'manifest check', 'vlog', 'space', 'scan']) {
      const { status, stderr } = nokv([...command.split(' '), '--workdir', workdir]);
      expect([command, status]).toEqual([command, 6]);
      expect(stderr).toContain('CURRENT is missing beside data files [NOKV_CORRUPTION]');
    }
    const checked = nokv(['check', '--workdir', workdir]);
    expect(checked.status).toBe(6);
    expect(checked.stdout).toContain('damage  CURRENT: file is missing');
  });

  it('all end with the status of a refused format when a file is newer and nothing else is wrong', () => {
    const workdir = join(base, 'newer');
    cpSync(SOUND, workdir, { recursive: true });
    const wal = readdirSync(workdir).find((name) => name.endsWith('.wal')) ?? '';
    const bytes = readFileSync(join(workdir, wal));
    bytes.writeUInt16LE(99, 8);
    bytes.writeUInt32LE(crc32(bytes, 0, LOG_HEADER_BYTES - 4), LOG_HEADER_BYTES - 4);
    writeFileSync(join(workdir, wal), bytes);
    for (const command of ['stats', 'manifest', 'space', 'check', 'wal check', 'get k']) {
      const { status, stderr } = nokv([...command.split(' '), '--workdir', workdir]);
      expect([command, status]).toEqual([command, 10]);
      expect(stderr).toContain('[NOKV_FORMAT]');
    }
    expect(nokv(['check', '--workdir', workdir]).stdout).toContain(`format  ${wal}: `);
    writeFileSync(join(workdir, 'CURRENT'), 'damage');
    expect(nokv(['check', '--workdir', workdir]).status).toBe(6);
  });

  it('refuse a file in the place of the workdir, as writing commands do', () => {
    const file = join(base, 'file');
    writeFileSync(file, 'text');
    for (const command of ['stats', 'check', 'scan', 'put k v --create', 'compact']) {
      const { status, stderr } = nokv([...command.split(' '), '--workdir', file]);
      expect([command, status]).toEqual([command, 2]);
      expect(stderr).toContain('the workdir is a file [NOKV_INVALID]');
    }
  });

  it('refuse an empty path, as writing commands do', () => {
    for (const command of ['stats', 'check', 'get k', 'put k v --create', 'compact']) {
      const { status, stderr } = nokv([...command.split(' '), '--workdir', '']);
      expect([command, status]).toEqual([command, 2]);
      expect(stderr).toContain('must be the path of a directory [NOKV_INVALID]');
    }
  });

  it('say of a directory in the place of a file that it is one', () => {
    for (const command of ['sst inspect', 'sst dump', 'wal dump', 'wal check']) {
      const { status, stderr } = nokv([...command.split(' '), base]);
      expect([command, status]).toEqual([command, 2]);
      expect(stderr).toContain('it is a directory [NOKV_INVALID]');
    }
  });

  it('need a workdir, an address or a file', () => {
    for (const command of [
      ['stats'],
      ['sst', 'inspect'],
      ['wal', 'check'],
      ['wal', 'dump'],
      ['manifest'],
    ]) {
      expect(nokv(command)).toMatchObject({ status: 2, stdout: '' });
    }
  });
});

describe('vlog gc', () => {
  it('collects, and says what it did with each segment', async () => {
    const workdir = join(base, 'garbage');
    const db = await open(workdir, {
      valueThreshold: 100,
      valueLogFileBytes: 64 * 1024,
      autoCompaction: false,
    });
    const put = (round: number): Promise<void[]> =>
      Promise.all(
        Array.from({ length: 100 }, (_, i) => db.put(`key${i}`, `${round}`.repeat(1000))),
      );
    await put(1);
    await db.flush();
    await put(2);
    await db.compact();
    await db.close();
    const done = nokv(['vlog', 'gc', '--workdir', workdir, '--ratio', '0.1', '--json']);
    expect(done).toMatchObject({ status: 0, stderr: '' });
    const { data } = JSON.parse(done.stdout) as {
      data: { bytes_after: number; is_dry_run: boolean };
    };
    expect(data.is_dry_run).toBe(false);
    expect(data.bytes_after).toBeLessThan(130_000);
    expect(nokv(['check', '--workdir', workdir]).status).toBe(0);
  });

  it.each(['.vlog', '.sst'])('says in a dry run that a %s file is missing', (ending) => {
    const workdir = join(base, `without${ending}`);
    cpSync(FIXTURE, workdir, { recursive: true });
    const names = readdirSync(workdir, { recursive: true, encoding: 'utf8' });
    const missing = names.find((name) => name.endsWith(ending)) ?? '';
    unlinkSync(join(workdir, missing));
    const text = nokv(['vlog', 'gc', '--dry-run', '--workdir', workdir]);
    expect(text.status).toBe(6);
    expect(text.stdout).toContain('would return');
    expect(text.stdout + text.stderr).toContain(missing);
    const json = nokv(['vlog', 'gc', '--dry-run', '--json', '--workdir', workdir]);
    expect(json.status).toBe(6);
    expect(json.stdout).toContain(missing);
  });

  it('is refused while another process holds the workdir; the dry run is not', async () => {
    const workdir = join(base, 'held');
    const db = await open(workdir);
    await db.put('a', '1');
    expect(nokv(['vlog', 'gc', '--workdir', workdir]).status).toBe(5);
    expect(nokv(['vlog', 'gc', '--workdir', workdir, '--dry-run']).status).toBe(0);
    await db.close();
  });
});
