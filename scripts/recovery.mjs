/**
 * The recovery matrix (test/recovery): every state in which a crash, damage or a hand may leave a workdir, and what
 * opening it comes to. Arguments are parts of names of cases.
 *
 *   npm run test:recovery -- CURRENT half-finished
 */
import { register } from 'tsx/esm/api';
import { answerHelp } from './usage.mjs';

answerHelp(import.meta.url);

process.env.NOKV_INVARIANTS ??= '1';
register();
const { main } = await import('../test/recovery/main.ts');
process.exitCode = await main(process.argv.slice(2));
