/**
 * Random groups of replicas of the consensus core, checked after every step (test/raft/sim):
 *
 *   npm run test:raft -- --seeds 10000 --steps 1000 --seed 1
 *
 * Exit status 1 on a violation, and when too little happened for the run to prove anything.
 */
import { register } from 'tsx/esm/api';
import { answerHelp, orUsage } from './usage.mjs';

answerHelp(import.meta.url);

process.env.NOKV_INVARIANTS ??= '1';
register();
const { main, readSettings } = await import('../test/raft/sim/main.ts');
process.exitCode = main(orUsage(import.meta.url, () => readSettings(process.argv.slice(2))));
