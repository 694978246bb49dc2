/**
 * Micro benchmarks of the hot structures, one after the other: `npm run bench:micro [-- NAME ...]`, NAME being a file of
 * scripts/micro without its ending. Nothing else should run on the machine meanwhile.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { answerHelp } from './usage.mjs';

answerHelp(import.meta.url);

const directory = new URL('micro/', import.meta.url);
const known = readdirSync(directory)
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.slice(0, -3))
  .sort();
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`Cannot run ${unknown.join(', ')}: known are ${known.join(', ')}`);
  process.exit(2);
}
for (const name of wanted.length > 0 ? wanted : known) {
  console.log(`== ${name}`);
  const file = new URL(`${name}.ts`, directory).pathname;
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', file], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
