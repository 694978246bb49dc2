/** `npm run test:raft`: random groups of replicas, as many as wanted. Run by scripts/raft-sim.mjs. */
import { parseArgs } from 'node:util';
import {
  averages,
  checkSeeds,
  coverageProblems,
  violationText,
  type SimSettings,
} from './check-seeds.js';

const PROGRESS_EVERY_MS = 5000;

interface SimArguments {
  readonly settings: SimSettings;
  readonly isJson: boolean;
}

/** Returns the exit status: 1 for a violation, or when too little happened. */
export function main({ settings, isJson }: SimArguments): number {
  const startMs = performance.now();
  let shownMs = startMs;
  const result = checkSeeds(settings, (done) => {
    const nowMs = performance.now();
    if (isJson || nowMs - shownMs < PROGRESS_EVERY_MS) return;
    shownMs = nowMs;
    console.log(`${done}/${settings.seeds} seeds, ${((nowMs - startMs) / 1000).toFixed(0)} s`);
  });
  const seconds = Math.round((performance.now() - startMs) / 100) / 10;
  const problems = result.violation === undefined ? coverageProblems(result, settings.steps) : [];
  const perSeed = averages(result);
  if (isJson) {
    const { seedsDone, violation } = result;
    console.log(JSON.stringify({ ...settings, seedsDone, seconds, perSeed, problems, violation }));
  } else {
    const numbers = Object.entries(perSeed).map(([name, value]) => `${name} ${value}`);
    console.log(`${result.seedsDone} seeds of ${settings.steps} steps in ${seconds} s`);
    console.log(`per seed: ${numbers.join(', ')}`);
    if (result.violation !== undefined) console.error(violationText(result.violation));
    for (const problem of problems) console.error(`Too little happened: ${problem}`);
  }
  return result.violation === undefined && problems.length === 0 ? 0 : 1;
}

/** @throws RangeError for what is no positive integer, TypeError for an unknown flag */
export function readSettings(args: string[]): SimArguments {
  const { values } = parseArgs({
    args,
    options: {
      seeds: { type: 'string', default: '1000' },
      steps: { type: 'string', default: '1000' },
      seed: { type: 'string', default: '1' },
      'shrink-attempts': { type: 'string', default: '1500' },
      json: { type: 'boolean', default: false },
    },
  });
  const numberOf = (name: 'seeds' | 'steps' | 'seed' | 'shrink-attempts'): number => {
    const number = Number(values[name]);
    if (Number.isSafeInteger(number) && number >= 0) return number;
    throw new RangeError(`--${name} must be an integer, and not negative`);
  };
  const settings = {
    firstSeed: numberOf('seed'),
    seeds: numberOf('seeds'),
    steps: numberOf('steps'),
    shrinkAttempts: numberOf('shrink-attempts'),
  };
  return { settings, isJson: values.json };
}
