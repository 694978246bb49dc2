/** Global setup of the `built` project: dist is what the sources say. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export default function buildWhenStale(): void {
  const script = fileURLToPath(new URL('../scripts/build.mjs', import.meta.url));
  const result = spawnSync(process.execPath, [script, '--if-stale'], { stdio: 'inherit' });
  if (result.status !== 0) throw new Error('build failed: run npm run build');
}
