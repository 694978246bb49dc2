import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { boolean, integer, string } from '@oclif/core/flags';
import {
  BusyError,
  CorruptionError,
  IoError,
  LockedError,
  NokvError,
  type NokvErrorCode,
} from '../../src/base/errors.js';
import { BaseCommand } from '../../src/cli/base-command.js';
import { exitStatusOf } from '../../src/cli/exit-status.js';
import { Interrupted } from '../../src/cli/failure.js';
import { ROOT } from './spawn.js';

/** What the next run of the command below does; returns its result. */
let behavior: (command: Probe) => Promise<unknown>;

class Probe extends BaseCommand<typeof Probe> {
  static override id = 'probe';
  static override flags = {
    count: integer({ description: 'a number', env: 'NOKV_COUNT' }),
    workdir: string({ description: 'a directory', env: 'NOKV_WORKDIR' }),
    deep: boolean({ description: 'a switch', env: 'NOKV_DEEP' }),
  };

  override async run(): Promise<unknown> {
    return behavior(this);
  }

  fail(error: NokvError): void {
    this.failWith(error);
  }

  get parsedFlags(): Record<string, unknown> {
    return this.flags;
  }

  async emit(value: unknown): Promise<boolean> {
    return this.jsonLine(value);
  }
}

interface Answer {
  status: number;
  stdout: string;
  stderr: string;
}

async function run(argv: string[]): Promise<Answer> {
  const written = { stdout: '', stderr: '' };
  const capture = (name: 'stdout' | 'stderr'): void => {
    vi.spyOn(process[name], 'write').mockImplementation(((
      text: string,
      done?: (error?: Error) => void,
    ) => {
      written[name] += text;
      done?.();
      return true;
    }) as typeof process.stdout.write);
    vi.spyOn(console, name === 'stdout' ? 'log' : 'error').mockImplementation((text: string) => {
      written[name] += `${text}\n`;
    });
  };
  capture('stdout');
  capture('stderr');
  process.exitCode = undefined;
  try {
    await Probe.run(argv, ROOT);
    return { status: process.exitCode ?? 0, ...written };
  } finally {
    process.exitCode = undefined;
    vi.restoreAllMocks();
  }
}

const failingWith = (error: unknown) => (): Promise<unknown> => Promise.reject(error);

describe('BaseCommand', () => {
  beforeEach(() => {
    behavior = () => Promise.resolve({ answer: 42 });
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('prints the result in an envelope with --json, and nothing of its own without', async () => {
    expect(await run([])).toEqual({ status: 0, stdout: '', stderr: '' });
    const answer = await run(['--json']);
    expect(JSON.parse(answer.stdout)).toEqual({ ok: true, schema: 1, data: { answer: 42 } });
    expect(answer).toMatchObject({ status: 0, stderr: '' });
  });

  it('prints bytes, bigints and maps, and null for no result', async () => {
    behavior = () => Promise.resolve({ n: 1n, key: Uint8Array.of(97), map: new Map([['a', 1]]) });
    expect(JSON.parse((await run(['--json'])).stdout)).toEqual({
      ok: true,
      schema: 1,
      data: { n: '1', key: 'YQ==', key_utf8: 'a', map: { a: 1 } },
    });
    behavior = () => Promise.resolve(undefined);
    expect(JSON.parse((await run(['--json'])).stdout)).toEqual({ ok: true, schema: 1, data: null });
  });

  const codes: NokvErrorCode[] = [
    'NOKV_IO',
    'NOKV_NO_SPACE',
    'NOKV_CORRUPTION',
    'NOKV_FORMAT',
    'NOKV_MODE',
    'NOKV_LOCKED',
    'NOKV_CLOSED',
    'NOKV_BUSY',
    'NOKV_TIMEOUT',
    'NOKV_NOT_FOUND',
    'NOKV_CONFLICT',
    'NOKV_READ_ONLY',
    'NOKV_CHANGED',
    'NOKV_INVALID',
    'NOKV_UNHEALTHY',
    'NOKV_RAFT',
    'NOKV_PROPOSAL_DROPPED',
  ];
  it.each(codes)('ends with the status of %s, the same in text and JSON', async (code) => {
    behavior = failingWith(new NokvError(code, 'Cannot do it: reason', { hint: 'Do that' }));
    const text = await run([]);
    expect(text.status).toBe(exitStatusOf(code));
    expect(text.stdout).toBe('');
    expect(text.stderr).toBe(`Error: Cannot do it: reason [${code}]\n  hint: Do that\n`);
    const json = await run(['--json']);
    expect(json.status).toBe(text.status);
    expect(json.stderr).toBe('');
    expect(JSON.parse(json.stdout)).toEqual({
      ok: false,
      schema: 1,
      error: { code, message: 'Cannot do it: reason', hint: 'Do that', details: {} },
    });
  });

  it.each([
    [
      'a wrapped error',
      new Error('outer', { cause: new LockedError({ workdir: 'd', holder: 'h' }) }),
      5,
    ],
    [
      'a full queue',
      new BusyError('Cannot write: latched', { queue: 'q', limit: 1, backoffMs: 1 }),
      7,
    ],
    [
      'damage as the cause',
      new NokvError('NOKV_READ_ONLY', 'Cannot write: failed', {
        cause: new CorruptionError('bad', { file: 'f', offset: 1 }),
      }),
      6,
    ],
    ['an I/O error', new IoError({ op: 'read', path: 'p', errno: 'EIO' }), 1],
    ['a full disk', new IoError({ op: 'write', path: 'p', errno: 'ENOSPC' }), 8],
    [
      'a missing file of the caller',
      Object.assign(new Error('ENOENT'), { code: 'ENOENT', syscall: 'open', path: 'p' }),
      3,
    ],
    ['SIGINT', new Interrupted(), 130],
    ['SIGTERM', new Interrupted(143), 143],
    ['a defect', new TypeError('x is not a function'), 1],
    ['something thrown that is no error', 'text', 1],
  ])('ends with the status of %s', async (_what, error, status) => {
    behavior = failingWith(error);
    expect((await run([])).status).toBe(status);
    expect((await run(['--json'])).status).toBe(status);
  });

  it.each([
    ['an unknown flag', ['--wrokdir', 'x']],
    ['a flag without value', ['--count']],
    ['a value of the wrong type', ['--count', 'many']],
    ['an argument too many', ['extra']],
  ])('ends with status 2 for %s, in text and JSON', async (_what, argv) => {
    const text = await run(argv);
    expect(text.status).toBe(2);
    expect(text.stdout).toBe('');
    const json = await run([...argv, '--json']);
    expect(json.status).toBe(2);
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, error: { code: 'NOKV_INVALID' } });
  });

  it('names the flag that was meant', async () => {
    expect((await run(['--wrokdir', 'x'])).stderr).toContain('Did you mean --workdir?');
    expect((await run(['--jsno'])).stderr).toContain('Did you mean --json?');
  });

  it('prints a stack for a defect only under DEBUG', async () => {
    behavior = failingWith(new TypeError('x is not a function'));
    expect((await run([])).stderr).not.toContain('base-command.test.ts');
    vi.stubEnv('DEBUG', 'nokv');
    expect((await run([])).stderr).toContain('base-command.test.ts');
  });

  it('answers with findings and their status', async () => {
    behavior = (command) => {
      command.fail(new NokvError('NOKV_UNHEALTHY', 'Found 2 problems'));
      return Promise.resolve({ findings: [1, 2] });
    };
    const text = await run([]);
    expect(text).toMatchObject({ status: 4, stdout: '' });
    expect(text.stderr).toContain('Found 2 problems');
    const json = await run(['--json']);
    expect(json.status).toBe(4);
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: false,
      error: { code: 'NOKV_UNHEALTHY' },
      data: { findings: [1, 2] },
    });
  });

  it('reads every flag from its NOKV_ variable too', async () => {
    let seen: unknown;
    behavior = (command) => {
      seen = { ...command.parsedFlags };
      return Promise.resolve(null);
    };
    vi.stubEnv('NOKV_COUNT', '7');
    vi.stubEnv('NOKV_WORKDIR', '/data');
    vi.stubEnv('NOKV_DEEP', 'true');
    vi.stubEnv('NOKV_JSON', '1');
    const answer = await run([]);
    expect(seen).toMatchObject({ count: 7, workdir: '/data', deep: true, json: true });
    expect(JSON.parse(answer.stdout)).toMatchObject({ ok: true });
  });

  it('keeps the lines before an error, and says it on stderr once a listing began', async () => {
    behavior = async (command) => {
      await command.emit({ key: Uint8Array.of(97) });
      throw new NokvError('NOKV_UNHEALTHY', 'Cannot go on: it is late');
    };
    const { status, stdout, stderr } = await run(['--json']);
    expect(status).toBe(4);
    expect(stdout).toBe('{"key":"YQ==","key_utf8":"a"}\n');
    expect(stderr).toMatch(/^Error: Cannot go on: it is late \[NOKV_UNHEALTHY\]\n/);
  });

  it('prints JSON Lines without envelope', async () => {
    behavior = async (command) => {
      await command.emit({ key: Uint8Array.of(97) });
      await command.emit({ end: true });
      return undefined;
    };
    expect((await run(['--json'])).stdout).toBe('{"key":"YQ==","key_utf8":"a"}\n{"end":true}\n');
  });
});
