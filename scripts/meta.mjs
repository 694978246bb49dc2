/**
 * Random programs under many option sets, compared with a model (test/metamorphic):
 *
 *   npm run test:meta -- --programs 200 --operations 10000 --options 10 --seed 1
 *
 * Invariant checks are on unless NOKV_INVARIANTS=0.
 */
import { register } from 'tsx/esm/api';

process.env.NOKV_INVARIANTS ??= '1';
register();
const { main } = await import('../test/metamorphic/main.ts');
process.exitCode = await main(process.argv.slice(2));
