/**
 * Replays scripted tests of the consensus core, text for text (test/raft/harness/replay.ts):
 *
 *   npm run raft:replay -- test/raft/testdata
 *
 * Folders are walked for *.txt. Exit status 1 on any difference, and when no script was found.
 */
import { register } from 'tsx/esm/api';
import { answerHelp } from './usage.mjs';

answerHelp(import.meta.url);

process.env.NOKV_INVARIANTS ??= '1';
register();
const { main } = await import('../test/raft/harness/replay.ts');
process.exitCode = main(process.argv.slice(2));
