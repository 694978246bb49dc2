/** sst build, ingest and export as a user runs them. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { nokv, type Run } from './spawn.js';

const base = mkdtempSync(join(tmpdir(), 'nokv-tables-'));
afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

const path = (name: string): string => join(base, name);
const ROWS = Array.from({ length: 3000 }, (_, i) => `row:${String(i).padStart(6, '0')}`);
const lineOf = (key: string): string => `{"key":"${key}","value":"of ${key}"}`;
const textOf = (keys: readonly string[]): string => keys.map((key) => `${lineOf(key)}\n`).join('');

interface Answer {
  readonly data: {
    readonly tables: readonly { readonly file: string }[];
    readonly entries: number;
  };
  readonly error: { readonly code: string; readonly details: Record<string, unknown> };
}
const answerOf = (run: Run): Answer => JSON.parse(run.stdout) as Answer;
const filesOf = (run: Run): string[] => answerOf(run).data.tables.map(({ file }) => file);

describe('sst build, ingest and export', () => {
  it('bring rows into a database and out of it again', () => {
    writeFileSync(path('sorted.jsonl'), textOf(ROWS));
    const args = ['--out', path('built'), '--table-size', '32KiB', '--json'];
    const built = nokv(['sst', 'build', path('sorted.jsonl'), ...args]);
    expect(built.status).toBe(0);
    const files = filesOf(built);
    expect(files.length).toBeGreaterThan(1);

    const data = ['--workdir', path('data')];
    const ingested = nokv(['sst', 'ingest', ...data, ...files]);
    expect(ingested.status).toBe(0);
    expect(ingested.stdout).toContain('L6');
    expect(files.every((file) => existsSync(file))).toBe(true);
    expect(nokv(['export', ...data]).stdout).toBe(textOf(ROWS));
    expect(nokv(['check', ...data]).stdout).toContain('sound');
    expect(nokv(['manifest', 'dump', ...data]).stdout).toContain('ingested, numbers from 0');
    expect(nokv(['stats', ...data, '--json']).stdout).toContain(
      `"external_tables": ${files.length}`,
    );
    expect(nokv(['manifest', 'check', ...data]).stdout).toContain('sound');
    expect(nokv(['space', ...data]).status).toBe(0);
    expect(nokv(['sst', 'inspect', '--workdir', path('data')]).stdout).toContain('BASE');

    const out = ['--out', path('out'), '--prefix', 'row:0001', '--all-versions', '--json'];
    const exported = nokv(['sst', 'export', ...data, ...out]);
    expect(answerOf(exported).data.entries).toBe(100);
    expect(nokv(['sst', 'inspect', ...filesOf(exported)]).stdout).toContain('made outside');
    const copy = ['--workdir', path('copy')];
    expect(nokv(['sst', 'ingest', ...copy, '--move', ...filesOf(exported)]).status).toBe(0);
    expect(readdirSync(path('out'))).toEqual([]);
    const expected = textOf(ROWS.filter((key) => key.startsWith('row:0001')));
    expect(nokv(['export', ...copy]).stdout).toBe(expected);
  });

  it('name the line that is out of order, and sort when asked to', () => {
    writeFileSync(path('mixed.jsonl'), textOf([...ROWS].reverse()));
    const refused = nokv(['sst', 'build', path('mixed.jsonl'), '--out', path('refused'), '--json']);
    expect(refused.status).toBe(2);
    expect(answerOf(refused).error).toMatchObject({
      code: 'NOKV_INVALID',
      details: { line: 2, key: 'row:002998' },
    });
    expect(readdirSync(path('refused'))).toEqual([]);
    const sort = ['--out', path('mixed'), '--sort', '--json'];
    const built = nokv(['sst', 'build', path('mixed.jsonl'), ...sort]);
    expect(answerOf(built).data.entries).toBe(ROWS.length);
    expect(readdirSync(path('mixed'))).toEqual(['table-000001.sst']);
  });

  it('sort beside what is in the directory, and leave nothing of it behind', () => {
    mkdirSync(path('used/.sort'), { recursive: true });
    writeFileSync(path('used/.sort/mine'), 'x');
    writeFileSync(path('bad.jsonl'), `${lineOf('b')}\nno row\n`);
    const args = ['--out', path('used'), '--sort', '--json'];
    expect(nokv(['sst', 'build', path('bad.jsonl'), ...args]).status).toBe(2);
    expect(readdirSync(path('used'))).toEqual(['.sort']);
    writeFileSync(path('two.jsonl'), textOf(['b', 'a']));
    expect(answerOf(nokv(['sst', 'build', path('two.jsonl'), ...args])).data.entries).toBe(2);
    expect(readdirSync(path('used')).sort()).toEqual(['.sort', 'table-000001.sst']);
    expect(readdirSync(path('used/.sort'))).toEqual(['mine']);
  });

  it('end with the status of what is wrong', () => {
    const ingest = (file: string): number | null =>
      nokv(['sst', 'ingest', '--workdir', path('other'), file]).status;
    writeFileSync(path('text.sst'), 'x'.repeat(200));
    expect(ingest(path('none.sst'))).toBe(3);
    expect(ingest(base)).toBe(2);
    expect(readdirSync(base), 'a workdir is left behind').not.toContain('other');
    expect(ingest(path('text.sst'))).toBe(6);
  });
});
