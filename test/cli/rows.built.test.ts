import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { open } from '../../src/index.js';
import { cleanEnv, nokv, ROOT, RUN_JS, runNode } from './spawn.js';

const base = mkdtempSync(join(tmpdir(), 'nokv-rows-'));
const WORKDIR = join(base, 'data');
const env = { NOKV_WORKDIR: WORKDIR };

afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

const json = (text: string): unknown => JSON.parse(text);
const jsonLines = (text: string): unknown[] => text.trimEnd().split('\n').map(json);

describe('put, get and del', () => {
  it('create a workdir only when asked to', () => {
    const refused = nokv(['put', 'a', '1'], env);
    expect(refused).toMatchObject({ status: 3, stdout: '' });
    expect(refused.stderr).toContain('[NOKV_NOT_FOUND]');
    expect(existsSync(WORKDIR)).toBe(false);
    expect(nokv(['put', 'a', '1', '--create'], env)).toEqual({ status: 0, stdout: '', stderr: '' });
    expect(nokv(['get', 'a'], env)).toEqual({ status: 0, stdout: '1\n', stderr: '' });
  });

  it('take and print keys and values in every format', () => {
    expect(
      nokv(['put', '00ff', 'AAEC', '--key-format=hex', '--value-format=base64'], env).status,
    ).toBe(0);
    const read = nokv(['get', '\\0\\xff', '--key-format=escaped', '--value-format=hex'], env);
    expect(read).toEqual({ status: 0, stdout: '000102\n', stderr: '' });
    expect(json(nokv(['get', '00ff', '--key-format=hex', '--json'], env).stdout)).toEqual({
      ok: true,
      schema: 1,
      data: { key: 'AP8=', value: 'AAEC' },
    });
  });

  it('take a value of any size and content from a file or standard input, as it is', () => {
    const path = join(base, 'value.bin');
    const value = Buffer.alloc(300_000, Uint8Array.from([0, 10, 0xff, 0x41, 13]));
    writeFileSync(path, value);
    const read = (key: string): Buffer => {
      const { stdout } = nokv(['get', key, '--value-format=base64'], env);
      return Buffer.from(stdout, 'base64');
    };
    expect(nokv(['put', 'from a file', '--value-file', path], env).status).toBe(0);
    expect(read('from a file').equals(value)).toBe(true);
    const out = join(base, 'raw.bin');
    const stdout = openSync(out, 'w');
    const raw = [RUN_JS, 'get', 'from a file', '--value-format=raw'];
    expect(runNode(raw, env, { stdout })).toMatchObject({ status: 0, stderr: '' });
    closeSync(stdout);
    expect(readFileSync(out).equals(value)).toBe(true);
    const refused = runNode([...raw, '--json'], env);
    expect(refused.status).toBe(2);
    expect(refused.stdout).toContain('Cannot print raw bytes with --json');
    const piped = runNode([RUN_JS, 'put', 'piped', '--value-file=-', '--json'], env, {
      input: 'two\nlines\n',
    });
    expect(json(piped.stdout)).toMatchObject({ ok: true, data: { bytes: 10 } });
    expect(read('piped').toString()).toBe('two\nlines\n');
    const empty = runNode([RUN_JS, 'put', 'empty', '--value-file', '-'], env, { input: '' });
    expect(empty.status).toBe(0);
    expect(nokv(['get', 'empty'], env)).toMatchObject({ status: 0, stdout: '\n' });
  });

  it.each([
    ['neither a value nor a file', ['put', 'k'], 2],
    ['both', ['put', 'k', 'v', '--value-file', 'x'], 2],
    ['a format for a file', ['put', 'k', '--value-file', 'x', '--value-format=hex'], 2],
    ['a file that is not there', ['put', 'k', '--value-file', join(base, 'none')], 3],
    ['a directory', ['put', 'k', '--value-file', base], 2],
  ])('put is refused with %s, and writes nothing', (_what, args, status) => {
    const refused = nokv(args, env);
    expect(refused).toMatchObject({ status, stdout: '' });
    expect(refused.stderr).toMatch(/Cannot (put|open)/);
    expect(nokv(['get', 'k'], env).status).toBe(3);
  });

  it('delete several keys at once, and mind no missing one', () => {
    expect(nokv(['del', '\\0\\xff', 'missing', '--key-format=escaped'], env).status).toBe(0);
    expect(nokv(['get', '00ff', '--key-format=hex'], env).status).toBe(3);
  });

  it('refuse arguments that are no UTF-8, which would all be the same key', () => {
    const workdir = join(base, 'no-utf8');
    expect(nokv(['put', 'k', 'v', '-w', workdir, '--create']).status).toBe(0);
    for (const args of [
      'put $1 one',
      'put one $1',
      'get $1',
      'del $1',
      'scan --prefix $1',
      'scan --from $1',
    ]) {
      const command = `set -- "$(printf '\\377')"; exec "$NODE" "$RUN_JS" ${args} -w "$WORKDIR"`;
      const { status, stderr } = spawnSync('sh', ['-c', command], {
        encoding: 'utf8',
        env: cleanEnv({ NODE: process.execPath, RUN_JS, WORKDIR: workdir }),
      });
      expect([args, status]).toEqual([args, 2]);
      expect(stderr).toContain('it has bytes that are no UTF-8');
      expect(stderr).toContain('--key-format hex');
    }
    expect(nokv(['scan', '-w', workdir]).stdout).toBe('k\tv\n');
  });

  it('let a key expire', () => {
    expect(nokv(['put', 'short', 'x', '--ttl=1us'], env).status).toBe(0);
    expect(nokv(['get', 'short'], env).status).toBe(3);
  });

  it.each([
    ['a missing key', ['get', 'missing'], 3, 'NOKV_NOT_FOUND'],
    ['an empty key', ['get', ''], 2, 'NOKV_INVALID'],
    ['a malformed key', ['get', 'xyz', '--key-format=hex'], 2, 'NOKV_INVALID'],
    ['a malformed duration', ['put', 'k', 'v', '--ttl=5'], 2, 'NOKV_INVALID'],
    ['no key', ['get'], 2, 'NOKV_INVALID'],
    ['an unknown format', ['get', 'k', '--key-format=rot13'], 2, 'NOKV_INVALID'],
  ])('end for %s the same in text and JSON', (_what, args, status, code) => {
    const text = nokv(args, env);
    expect(text).toMatchObject({ status, stdout: '' });
    expect(text.stderr).toMatch(new RegExp(`^Error: .* \\[${code}\\]\n  hint: .*\n$`));
    const asJson = nokv([...args, '--json'], env);
    expect(asJson).toMatchObject({ status, stderr: '' });
    expect(json(asJson.stdout)).toMatchObject({ ok: false, schema: 1, error: { code } });
  });

  it('say who holds a workdir that is locked', async () => {
    const db = await open(WORKDIR);
    try {
      const refused = nokv(['put', 'a', '2'], env);
      expect(refused.status).toBe(5);
      expect(refused.stderr).toContain('[NOKV_LOCKED]');
      expect(refused.stderr).toContain(String(process.pid));
    } finally {
      await db.close();
    }
  });
});

describe('put --ttl', () => {
  it.each(['0', '0ms', '100000001d', '1e400d'])('%s is refused, and writes nothing', (ttl) => {
    const refused = nokv(['put', 'short-lived', 'v', '--ttl', ttl], env);
    expect(refused).toMatchObject({ status: 2, stdout: '' });
    expect(refused.stderr).toContain('[NOKV_INVALID]');
    expect(nokv(['get', 'short-lived'], env).status).toBe(3);
  });
});

describe('a workdir without a database', () => {
  it('is refused with what would begin one', () => {
    const refused = nokv(['put', 'k', 'v', '-w', join(base, 'nothing')]);
    expect(refused.status).toBe(3);
    expect(refused.stderr).toContain('put --create');
  });
});

describe('stats --expvar', () => {
  it.each(['ftp://127.0.0.1', 'http://'])('%s is wrong usage', (url) => {
    expect(nokv(['stats', '--expvar', url])).toMatchObject({ status: 2, stdout: '' });
  });
});

describe('standard streams', () => {
  it.each([[['get', 'a']], [['scan']], [['export']], [['stats', '--json']]])(
    '%j ends with the status of a full disk when stdout is on one',
    (args) => {
      const full = openSync('/dev/full', 'w');
      onTestFinished(() => {
        closeSync(full);
      });
      const { status, stderr } = runNode([RUN_JS, ...args], env, { stdout: full });
      expect(stderr).toBe(
        'Error: Cannot write standard output: no space left [NOKV_NO_SPACE]\n' +
          '  hint: Check the file, or the device, that it goes to, and run the command again\n',
      );
      expect(status).toBe(8);
    },
  );

  it('cannot keep a command from its work by a stderr that is full', () => {
    const full = openSync('/dev/full', 'w');
    onTestFinished(() => {
      closeSync(full);
    });
    const rows = join(base, 'few.jsonl');
    writeFileSync(rows, '{"key":"few","value":"rows"}\n');
    const workdir = join(base, 'few');
    const imported = runNode([RUN_JS, 'import', rows, '-w', workdir], env, { stderr: full });
    expect(imported.status).toBe(0);
    expect(nokv(['get', 'few', '-w', workdir]).stdout).toBe('rows\n');
    expect(runNode([RUN_JS, 'get', 'none'], env, { stderr: full }).status).toBe(3);
  });

  it('show no code that a terminal obeys, whatever a message quotes', () => {
    const rows = join(base, 'codes.jsonl');
    writeFileSync(rows, '\u001b[31mred\n{"key":"a","value":"b"}\n');
    const refused = nokv(['import', rows, '-w', join(base, 'codes')]);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain('\\x1b[31mred');
    expect(refused.stderr).not.toContain('\u001b');
    const skipped = nokv(['import', rows, '-w', join(base, 'codes'), '--skip-bad']);
    expect(skipped.status).toBe(0);
    expect(skipped.stderr).not.toContain('\u001b');
  });

  it('are left alone by who does not read them: a pipe on stdin is shared with a shell', () => {
    const watch = join(base, 'watch.cjs');
    writeFileSync(
      watch,
      `Object.defineProperty(process, 'stdin', { get() { console.error('stdin was opened'); } });`,
    );
    for (const args of [['get', 'a'], ['export'], ['stats'], ['check']]) {
      const run = runNode(['-r', watch, RUN_JS, ...args, '--quiet'], env, { input: '' });
      expect(run).toMatchObject({ status: 0, stderr: '' });
    }
  });

  it('give no arguments that were left out', () => {
    const inspected = runNode([RUN_JS, 'sst', 'inspect'], env, { input: 'no-such-file\n' });
    expect(inspected).toMatchObject({ status: 0, stderr: '' });
    expect(runNode([RUN_JS, 'get'], env, { input: 'a\n' }).status).toBe(2);
    const rows = '{"key":"piped","value":"row"}\n';
    const workdir = join(base, 'piped');
    const args = ['import', '-', '--quiet', '-w', workdir];
    expect(runNode([RUN_JS, ...args], {}, { input: rows }).status).toBe(0);
    expect(nokv(['export', '--out', '-', '-w', workdir]).stdout).toBe(rows);
  });
});

describe('--options', () => {
  const FILE = join(base, 'nokv.toml');

  it('opens the workdir with the options of a file, under the flags', () => {
    writeFileSync(FILE, 'value_threshold = 1\nvalue_log_buckets = 1\n');
    const workdir = join(base, 'options');
    expect(nokv(['put', 'k', 'v', '--create', '-w', workdir, '--options', FILE]).status).toBe(0);
    const valueLog = json(nokv(['vlog', '-w', workdir, '--json']).stdout) as {
      data: { buckets: { segments: unknown[] }[] };
    };
    expect(valueLog.data.buckets.map(({ segments }) => segments.length)).toEqual([1]);
    expect(nokv(['get', 'k', '-w', workdir]).stdout).toBe('v\n');
    for (const command of [['del', 'k'], ['compact'], ['vlog', 'gc']]) {
      expect(nokv([...command, '-w', workdir, '--options', FILE]).status).toBe(0);
    }
    const existing = join(base, 'error-if-exists.toml');
    writeFileSync(existing, 'error_if_exists = true\ncreate_if_missing = true\n');
    expect(nokv(['compact', '-w', workdir, '--options', existing]).status).not.toBe(0);
    expect(nokv(['compact', '-w', join(base, 'none'), '--options', existing]).status).toBe(3);
  });

  it.each([
    ['cache_byte = 1', 2, 'nokv.toml, line 1: unknown option "cache_byte"; did you mean'],
    ['\ndurability = 1', 2, 'nokv.toml, line 2: "durability" must be one of os, disk'],
    ['durability =', 2, 'nokv.toml, line 1: it is no TOML'],
  ])('refuses the file "%s" and leaves the workdir alone', (text, status, message) => {
    writeFileSync(FILE, text);
    const workdir = join(base, 'untouched');
    const refused = nokv(['put', 'k', 'v', '--create', '-w', workdir, '--options', FILE]);
    expect(refused).toMatchObject({ status, stdout: '' });
    expect(refused.stderr).toContain(message);
    expect(existsSync(workdir)).toBe(false);
  });

  it('ends with status 3 when the file is not there', () => {
    const refused = nokv(['compact', '--options', join(base, 'no.toml')], env);
    expect(refused).toMatchObject({ status: 3, stdout: '' });
    expect(refused.stderr).toContain('no.toml [NOKV_NOT_FOUND]');
  });
});

describe('scan', () => {
  const SCANNED = join(base, 'scanned');
  const scanned = { NOKV_WORKDIR: SCANNED };
  const ROWS = 20_000;

  beforeAll(async () => {
    const db = await open(SCANNED);
    const put = (key: string): Promise<void> => db.put(key, `value of ${key}`);
    await Promise.all(
      Array.from({ length: ROWS }, (_, i) => put(`row:${String(i).padStart(5, '0')}`)),
    );
    await put('other\n');
    await db.close();
  });

  it('prints keys and values in order, within bounds, in either direction', () => {
    expect(nokv(['scan', '--limit=2'], scanned).stdout).toBe(
      'other\\n\tvalue of other\\n\nrow:00000\tvalue of row:00000\n',
    );
    const bounded = ['scan', '--from=row:00010', '--to=row:00013', '--keys-only'];
    expect(nokv(bounded, scanned).stdout).toBe('row:00010\nrow:00011\nrow:00012\n');
    expect(nokv([...bounded, '--reverse'], scanned).stdout).toBe(
      'row:00012\nrow:00011\nrow:00010\n',
    );
    expect(nokv(['scan', '--prefix=none'], scanned)).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it('prints JSON Lines, and a last line that says it is whole', () => {
    const lines = jsonLines(nokv(['scan', '--prefix=row:', '--json'], scanned).stdout);
    expect(lines).toHaveLength(ROWS + 1);
    expect(lines[0]).toMatchObject({ key_utf8: 'row:00000', value_utf8: 'value of row:00000' });
    expect(lines.at(-1)).toEqual({ end: true, rows: ROWS });
  });

  it('stops with status 0 when the reader of the pipe goes away', async () => {
    const child = spawn(process.execPath, [join(ROOT, 'bin/run.js'), 'scan'], {
      env: cleanEnv(scanned),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (text) => (stderr += String(text)));
    child.stdout.once('data', () => child.stdout.destroy());
    const status = await new Promise((resolve) => child.on('exit', resolve));
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});
