/** bench ycsb as a user runs it: what happens to results, files and bases around the measuring. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { nokv, type Run } from './spawn.js';

const base = mkdtempSync(join(tmpdir(), 'nokv-bench-cli-'));
afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

const path = (name: string): string => join(base, name);
const bench = (args: readonly string[]): Run => {
  const few = ['--records=100', '--operations=100', '--workdir', path('work')];
  return nokv(['bench', 'ycsb', ...few, ...args], { NOKV_BENCH_ENGINES: 'null' });
};

describe('bench ycsb --csv and --html', () => {
  it.each(['--csv', '--html'])(
    '%s to a bad path ends the command before anything is measured',
    (flag) => {
      const args = ['--engines=nokv', '--workloads=C', flag];
      const refused = bench([...args, path('nowhere/report')]);
      expect(refused).toMatchObject({ status: 3, stdout: '' });
      expect(bench([...args, base])).toMatchObject({ status: 1, stdout: '' });
      expect(readdirSync(base)).toEqual([]);
    },
  );

  it('write the files, and leave none behind when the run fails', () => {
    const args = ['--workloads=C', '--csv', path('rows.csv'), '--html', path('report.html')];
    expect(bench([...args, '--engines=nobody']).status).toBe(2);
    expect(bench([...args, '--compare', path('none.json')]).status).toBe(3);
    expect(readdirSync(base)).toEqual([]);
    expect(bench(args).status).toBe(0);
    expect(readFileSync(path('rows.csv'), 'utf8').split('\n')).toHaveLength(4);
    expect(readFileSync(path('report.html'), 'utf8')).toContain('<html');
  });

  it.runIf(existsSync('/dev/full'))('print the results although a file cannot be written', () => {
    const text = bench(['--workloads=C', '--csv', '/dev/full', '--html', path('other.html')]);
    expect(text.status).toBe(8);
    expect(text.stdout).toContain('YCSB-C');
    expect(text.stderr).toContain('Cannot write /dev/full: no space left [NOKV_NO_SPACE]');
    expect(existsSync(path('other.html'))).toBe(true);
    const json = bench(['--workloads=C', '--csv', '/dev/full', '--json']);
    expect(json.status).toBe(8);
    const { ok, data } = JSON.parse(json.stdout) as { ok: boolean; data: { rows: unknown[] } };
    expect([ok, data.rows.length]).toEqual([false, 2]);
  });
});

describe('bench ycsb --compare', () => {
  it('says which rows and settings are not the same, and fails when no row is', () => {
    writeFileSync(path('base.json'), bench(['--workloads=AC', '--json']).stdout);
    const some = bench([
      '--workloads=CB',
      '--seed=7',
      '--fail-over=99.99%',
      '--compare',
      path('base.json'),
    ]);
    expect(some.status).toBe(0);
    expect(some.stderr).toContain(
      'not in the base: null B\nonly in the base: null A\nother settings: seed: 7, in the base 42\n',
    );
    writeFileSync(path('other.json'), '{"rows":[{"engine":"x","workload":"C","ops_per_sec":1}]}');
    const none = bench(['--workloads=C', '--compare', path('other.json')]);
    expect(none.status).toBe(2);
    expect(none.stdout).toContain('YCSB-C');
    expect(none.stderr).toContain('Cannot compare: the base has no row of this run [NOKV_INVALID]');
  });
});
