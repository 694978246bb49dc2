/**
 * Random programs under many option sets, compared with a model (test/metamorphic):
 *
 *   npm run test:meta -- --programs 200 --operations 10000 --options 10 --seed 1
 *
 * Invariant checks are on unless NOKV_INVARIANTS=0. Harness and engine are bundled first: a loader's helpers around
 * every function would cost a tenth of the time.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { answerHelp, orUsage } from './usage.mjs';

answerHelp(import.meta.url);

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bundle = join(root, 'dist', 'meta', 'main.mjs');

await build({
  entryPoints: [join(root, 'test', 'metamorphic', 'main.ts')],
  outfile: bundle,
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  external: ['fs-native-extensions', 'lz4-napi'],
  logLevel: 'warning',
});
process.env.NOKV_INVARIANTS ??= '1';
process.setSourceMapsEnabled(true);
const { main, readSettings } = await import(pathToFileURL(bundle).href);
process.exitCode = await main(orUsage(import.meta.url, () => readSettings(process.argv.slice(2))));
