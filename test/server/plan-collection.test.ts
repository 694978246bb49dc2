import { cpSync, readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { planCollection } from '../../src/server/workdir.js';
import { temporaryDirectory } from '../env/temp-directory.js';

const FIXTURE = fileURLToPath(new URL('../cli/testdata/workdir', import.meta.url));

/** Names of the files of that kind, of a copy of the kept workdir. */
function copyTo(workdir: string, ending: string): string[] {
  cpSync(FIXTURE, workdir, { recursive: true });
  const names = readdirSync(workdir, { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith(ending));
}

it.each(['.vlog', '.sst'])('a planned collection tells of a missing %s file', (ending) => {
  const workdir = join(temporaryDirectory(), 'db');
  const [missing = ''] = copyTo(workdir, ending);
  expect(planCollection(workdir, 0.5).findings).toEqual([]);
  unlinkSync(join(workdir, missing));
  const { findings, segments } = planCollection(workdir, 0.5);
  expect(findings).toMatchObject([{ kind: 'missing', file: missing }]);
  expect(segments.length).toBeGreaterThan(0);
});
