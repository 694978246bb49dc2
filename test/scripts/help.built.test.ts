import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const SCRIPTS = join(import.meta.dirname, '..', '..', 'scripts');
/** What is imported only. */
const PARTS = new Set(['usage.mjs']);
const scripts = readdirSync(SCRIPTS).filter((name) => name.endsWith('.mjs') && !PARTS.has(name));

function run(name: string, flag: string): ReturnType<typeof spawnSync> {
  return spawnSync(process.execPath, [join(SCRIPTS, name), flag], { encoding: 'utf8' });
}

describe('scripts', () => {
  it.each(scripts)('%s --help says what it does, and does nothing', (name) => {
    const { status, stdout, stderr } = run(name, '--help');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^[A-Z]/);
    expect(stdout).not.toMatch(/^ \*|\*\//m);
  });

  it.each(['crash.mjs', 'meta.mjs', 'raft-sim.mjs', 'redis-suite.mjs', 'soak.mjs'])(
    '%s refuses a flag that it does not know, without a trace',
    (name) => {
      const { status, stderr } = run(name, '--progams');
      expect(status).toBe(2);
      expect(stderr).toContain("Cannot run: Unknown option '--progams'");
      expect(stderr).toContain(`node scripts/${name} --help`);
      expect(stderr).not.toContain('    at ');
    },
  );
});
