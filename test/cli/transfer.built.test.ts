/** import, export and compact as a user runs them, with a kill -9 in the middle. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  read,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { open } from '../../src/index.js';
import { cleanEnv, nokv, ROOT, type Run } from './spawn.js';

const base = mkdtempSync(join(tmpdir(), 'nokv-transfer-'));
afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

const path = (name: string): string => join(base, name);
const jsonOf = (run: Run): { data: Record<string, unknown> } =>
  JSON.parse(run.stdout) as { data: Record<string, unknown> };

/** Lines in key order, some KiB each. */
const lineOf = (i: number): string =>
  `{"key":"row:${String(i).padStart(6, '0')}","value":"${String(i).repeat(300)}"}\n`;

function writeLines(name: string, count: number): { file: string; text: string } {
  const text = Array.from({ length: count }, (_, i) => lineOf(i)).join('');
  writeFileSync(path(name), text);
  return { file: path(name), text };
}

const COMMAND = [join(ROOT, 'bin/run.js')];

const exitOf = (child: ChildProcess): Promise<string | number | null> =>
  new Promise((resolve) => child.on('exit', (status, signal) => resolve(signal ?? status)));

/** Whether a process has a file open; Linux only. */
function hasOpen(child: ChildProcess, file: string): boolean {
  const directory = `/proc/${child.pid}/fd`;
  return readdirSync(directory).some((name) => {
    try {
      return readlinkSync(join(directory, name)) === file;
    } catch {
      return false;
    }
  });
}

function nokvWithInput(args: readonly string[], input: string): Run {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...COMMAND, ...args], {
    encoding: 'utf8',
    env: cleanEnv(),
    input,
    maxBuffer: 64 * 1024 * 1024,
  });
  return { status, stdout, stderr };
}

describe('import and export', () => {
  it('give back what they were given, byte for byte, sorted by key', () => {
    const text =
      '{"key_base64":"/wA=","value":"no UTF-8"}\n' +
      '{"key":"b","value":"\\u0000\\"é\\n"}\n' +
      '{"key":"a!","value_base64":"gA=="}\n' +
      '{"key":"a","value":""}\n';
    writeFileSync(path('few.jsonl'), text);
    const imported = nokv(['import', path('few.jsonl'), '--workdir', path('few'), '--quiet']);
    expect(imported).toMatchObject({ status: 0, stderr: '' });
    expect(imported.stdout).toMatch(/^4 rows, \d+ B, /);
    const sorted = text.trimEnd().split('\n').reverse().join('\n');
    expect(nokv(['export', '--workdir', path('few')])).toEqual({
      status: 0,
      stdout: `${sorted}\n`,
      stderr: '',
    });
  });

  it('continue behind the last batch after kill -9, as often as need be', async () => {
    const { text } = writeLines('killed.jsonl', 6000); // 7 MiB
    const workdir = path('killed');
    // Killed while it waits for more, when all but what a pipe holds was taken.
    for (const share of [0.4, 0.8]) {
      const child = spawn(process.execPath, [...COMMAND, 'import', '-', '--workdir', workdir], {
        env: cleanEnv(),
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      const exit = exitOf(child);
      const part = text.slice(0, Math.floor(share * text.length));
      await new Promise((resolve) => child.stdin.write(part, resolve));
      child.kill('SIGKILL');
      expect(await exit).toBe('SIGKILL');
    }
    const last = nokvWithInput(['import', '-', '--workdir', workdir, '--json'], text);
    expect(last.status).toBe(0);
    const { data } = jsonOf(last);
    expect(data['continued_from']).toMatchObject({ line: expect.any(Number) as unknown });
    expect(data['rows']).toBeLessThan(3000);
    expect(data['total']).toMatchObject({ rows: 6000, lines: 6000, bytes: text.length });
    expect(nokv(['export', '--workdir', workdir]).stdout).toBe(text);
    // Done: the next one begins at the first line.
    const again = jsonOf(nokvWithInput(['import', '-', '--workdir', workdir, '--json'], text));
    expect(again.data).toMatchObject({ rows: 6000, continued_from: null });
  });

  it('end in order at SIGINT, also when the pipe is silent', async () => {
    const text = lineOf(1) + lineOf(2);
    const args = ['import', '-', '--workdir', path('interrupted')];
    const child = spawn(process.execPath, [...COMMAND, ...args], {
      env: cleanEnv(),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const exit = exitOf(child);
    let stderr = '';
    child.stderr.on('data', (chunk) => (stderr += String(chunk)));
    await new Promise((resolve) => child.stdin.write(text, resolve));
    while (!existsSync(path('interrupted/CURRENT'))) await new Promise(setImmediate);
    child.kill('SIGINT');
    expect(await exit).toBe(130);
    expect(stderr).toContain('[NOKV_INTERRUPTED]');
    // Closed, not killed: nothing is locked, and the workdir opens.
    expect(nokvWithInput([...args, '--quiet'], text).status).toBe(0);
    expect(nokv(['export', '--workdir', path('interrupted')]).stdout).toBe(text);
  });

  it('end at a signal when the reader stands still', async () => {
    writeLines('stalled.jsonl', 6000);
    expect(nokv(['import', path('stalled.jsonl'), '-w', path('stalled')]).status).toBe(0);
    const child = spawn(process.execPath, [...COMMAND, 'export', '-w', path('stalled')], {
      env: cleanEnv(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exit = exitOf(child);
    let stderr = '';
    child.stderr.on('data', (chunk) => (stderr += String(chunk)));
    await new Promise((resolve) => child.stdout.once('readable', resolve));
    child.kill('SIGTERM');
    expect(await exit).toBe(143);
    expect(stderr).toContain('[NOKV_INTERRUPTED]');
  });

  it.runIf(process.platform === 'linux')(
    'import ends in order at SIGINT while nobody opens the other end of a named pipe',
    async () => {
      spawnSync('mkfifo', [path('none.fifo')]);
      const args = ['import', path('none.fifo'), '-w', path('of a pipe')];
      const child = spawn(process.execPath, [...COMMAND, ...args], { env: cleanEnv() });
      const exit = exitOf(child);
      while (!hasOpen(child, path('none.fifo'))) await new Promise(setImmediate);
      child.kill('SIGINT');
      expect(await exit).toBe(130);
    },
  );

  it('end at the second signal, whatever the system keeps them waiting for', async () => {
    writeLines('waits.jsonl', 2000);
    expect(nokv(['import', path('waits.jsonl'), '-w', path('waits')]).status).toBe(0);
    spawnSync('mkfifo', [path('full.fifo')]);
    const reader = openSync(path('full.fifo'), 'r+');
    onTestFinished(() => closeSync(reader));
    const args = ['export', '-w', path('waits'), '--out', path('full.fifo')];
    const child = spawn(process.execPath, [...COMMAND, ...args], { env: cleanEnv() });
    const exit = exitOf(child);
    // The first write is larger than a pipe: with one byte of it here, it waits for the rest to be read.
    await new Promise((resolve) => read(reader, Buffer.alloc(1), 0, 1, null, resolve));
    let ended: string | number | null | undefined;
    void exit.then((status) => (ended = status));
    while (ended === undefined) {
      child.kill('SIGINT');
      await new Promise(setImmediate);
    }
    expect(ended).toBe('SIGINT');
  });

  it('name a bad line, keep what is before it, and leave it out when told to', () => {
    writeFileSync(path('bad.jsonl'), `${lineOf(1)}oops\n${lineOf(2)}`);
    const args = ['import', path('bad.jsonl'), '--workdir', path('bad')];
    const refused = nokv(args);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toMatch(
      /^Error: Cannot import line 2 of .*bad\.jsonl: it is no JSON .* \[NOKV_INVALID\]\n {2}hint: .*--skip-bad\n$/,
    );
    expect(nokv(['export', '--workdir', path('bad')]).stdout).toBe(lineOf(1));
    const skipped = nokv([...args, '--skip-bad']);
    expect(skipped.status).toBe(0);
    expect(skipped.stderr).toContain('continues behind line 1');
    expect(skipped.stderr).toContain('left out line 2: it is no JSON');
    expect(skipped.stdout).toContain('1 bad line left out');
    expect(nokv(['export', '--workdir', path('bad')]).stdout).toBe(lineOf(1) + lineOf(2));
  });

  it.each([
    ['a missing file', ['import', 'missing.jsonl', '--workdir', path('none')], 3],
    ['a directory', ['import', base, '--workdir', path('none')], 2],
    ['a missing workdir', ['export', '--workdir', path('none')], 3],
    ['a missing workdir', ['compact', '--workdir', path('none')], 3],
    ['a directory to write to', ['export', '--workdir', path('few'), '--out', base], 1],
  ])('refuse %s, and create nothing', (_what, args, status) => {
    expect(nokv(args)).toMatchObject({ status, stdout: '' });
    expect(existsSync(path('none'))).toBe(false);
  });

  it('refuse to continue with a file that changed, until told to begin again', () => {
    writeFileSync(path('changed.jsonl'), `${lineOf(1)}oops\n`);
    const args = ['import', path('changed.jsonl'), '--workdir', path('changed'), '--quiet'];
    expect(nokv(args).status).toBe(2);
    writeFileSync(path('changed.jsonl'), lineOf(2).repeat(2));
    const refused = nokv(args);
    expect(refused.status).toBe(9);
    expect(refused.stderr).toContain('--restart');
    expect(nokv([...args, '--restart']).status).toBe(0);
    expect(nokv(['export', '--workdir', path('changed')]).stdout).toBe(lineOf(1) + lineOf(2));
  });
});

describe('export', () => {
  it('writes a file that appears when it is whole, and says so', () => {
    const { file, text } = writeLines('out.jsonl', 500);
    const workdir = path('out');
    expect(nokv(['import', file, '--workdir', workdir]).status).toBe(0);
    const out = path('exported.jsonl');
    const run = nokv(['export', '--workdir', workdir, '--out', out, '--json', '--quiet']);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    expect(jsonOf(run).data).toEqual({ rows: 500, bytes: text.length });
    expect(readFileSync(out, 'utf8')).toBe(text);
    expect(readdirSync(base).filter((name) => name.endsWith('.partial'))).toEqual([]);
    expect(nokv(['export', '--workdir', workdir, '--out', '/dev/null']).status).toBe(0);
    expect(existsSync('/dev/null.partial')).toBe(false);
  });

  it('keeps within a prefix, bounds and a limit; with --json the last line says that it is whole', () => {
    const workdir = path('out');
    const range = ['export', '--workdir', workdir, '--from', 'row:000010', '--to', 'row:000013'];
    expect(nokv(range).stdout).toBe(lineOf(10) + lineOf(11) + lineOf(12));
    expect(nokv([...range, '--prefix', 'row:', '--limit', '1', '--json']).stdout).toBe(
      `${lineOf(10)}{"end":true,"rows":1}\n`,
    );
    expect(nokv(['export', '--workdir', workdir, '--prefix', 'x']).stdout).toBe('');
  });

  it('writes at the pace of the reader, and stops with status 0 when it goes away', async () => {
    const { file } = writeLines('piped.jsonl', 20_000);
    expect(nokv(['import', file, '--workdir', path('piped')]).status).toBe(0);
    const child = spawn(process.execPath, [...COMMAND, 'export', '--workdir', path('piped')], {
      env: cleanEnv(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (text) => (stderr += String(text)));
    child.stdout.once('data', () => child.stdout.destroy());
    const status = await exitOf(child);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

describe('compact', () => {
  it('drops what is deleted, and shows the tree before and after', async () => {
    const workdir = path('compacted');
    const { file } = writeLines('compacted.jsonl', 3000);
    expect(nokv(['import', file, '--workdir', workdir]).status).toBe(0);
    const db = await open(workdir);
    await db.deleteRange('row:001000', 'row:9');
    await db.close();
    const { data } = jsonOf(nokv(['compact', '--workdir', workdir, '--json', '--quiet']));
    const before = data['before'] as Record<string, number>;
    const after = data['after'] as Record<string, number>;
    expect(before['entries']).toBeGreaterThanOrEqual(3000);
    expect(after).toMatchObject({ entries: 1000, tombstones: 0, tables: 1 });
    expect(after['table_bytes']).toBeLessThan(before['table_bytes'] as number);
    const text = nokv(['compact', '--workdir', workdir, '--quiet']);
    expect(text).toMatchObject({ status: 0, stderr: '' });
    expect(text.stdout).toMatch(/^entries +1,000 +1,000$/m);
    expect(nokv(['export', '--workdir', workdir, '--limit', '1']).stdout).toBe(lineOf(0));
  });
});
