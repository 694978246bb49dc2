/**
 * Damages every byte, every length and every file of a small workdir, one at a time, and opens it:
 * test/crash/corruption.test.ts without sampling. Takes minutes.
 *
 *   node scripts/corruption.mjs [vitest arguments]
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { answerHelp } from './usage.mjs';

answerHelp(import.meta.url);

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
const file = join('test', 'crash', 'corruption.test.ts');
const result = spawnSync(process.execPath, [vitest, 'run', file, ...process.argv.slice(2)], {
  cwd: root,
  env: { ...process.env, FULL: '1' },
  stdio: 'inherit',
});
process.exit(result.status ?? 1);
