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

  it('say so when CURRENT is missing', () => {
    const workdir = join(base, 'without-current');
    cpSync(SOUND, workdir, { recursive: true });
    unlinkSync(join(workdir, 'CURRENT'));
    expect(nokv(['manifest', '--workdir', workdir])).toMatchObject({ status: 3 });
    const checked = nokv(['check', '--workdir', workdir]);
    expect(checked.status).toBe(6);
    expect(checked.stdout).toContain('damage  CURRENT: file is missing');
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

  it('is refused while another process holds the workdir; the dry run is not', async () => {
    const workdir = join(base, 'held');
    const db = await open(workdir);
    await db.put('a', '1');
    expect(nokv(['vlog', 'gc', '--workdir', workdir]).status).toBe(5);
    expect(nokv(['vlog', 'gc', '--workdir', workdir, '--dry-run']).status).toBe(0);
    await db.close();
  });
});
