/** Values and times that are legal and larger than text takes them for granted. */
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { MIB } from '../../src/base/limits.js';
import { open } from '../../src/index.js';
import { nokv, RUN_JS, runNode } from './spawn.js';

const base = mkdtempSync(join(tmpdir(), 'nokv-large-'));
afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

describe('a time of expiry that no date can hold', () => {
  it('is printed as the number that it is', async () => {
    const workdir = join(base, 'expiry');
    const db = await open(workdir);
    await db.put('in a table', 'v', { expiresAt: Number.MAX_SAFE_INTEGER });
    await db.flush();
    await db.put('in a log', 'v', { expiresAt: Number.MAX_SAFE_INTEGER });
    await db.close();
    const table = join(workdir, readdirSync(workdir).find((name) => name.endsWith('.sst')) ?? '');
    const shown = [
      nokv(['wal', 'dump', '--workdir', workdir]),
      nokv(['sst', 'dump', table]),
      nokv(['sst', 'inspect', table]),
    ];
    for (const { status, stdout, stderr } of shown) {
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toMatch(/expir(es|y) +9007199254740991/);
    }
  });
});

describe('a value whose text is longer than a string can be', () => {
  it('is printed by scan, and refused with --json', async () => {
    const workdir = join(base, 'value');
    const db = await open(workdir);
    await db.put('large', new Uint8Array(140 * MIB).fill(1));
    await db.close();
    const nowhere = openSync('/dev/null', 'w');
    const scan = [RUN_JS, 'scan', '--workdir', workdir];
    expect(runNode(scan, {}, { stdout: nowhere })).toMatchObject({ status: 0, stderr: '' });
    closeSync(nowhere);
    const refused = runNode([...scan, '--json']);
    expect(refused.status).toBe(2);
    expect(refused.stdout).toContain('Cannot print value as JSON: it is too large');
    expect(runNode([...scan, '--json', '--keys-only']).status).toBe(0);
  });
});
