/** Runs many seeds, adds up what happened, and describes the first violation with its short trace. */
import { Counts } from './counts.js';
import { runSteps, stepsOf, type Failure } from './run-seed.js';
import { shrinkSteps } from './shrink-steps.js';

export interface SimSettings {
  /** The others follow it. */
  readonly firstSeed: number;
  readonly seeds: number;
  /** Steps of each seed. */
  readonly steps: number;
  readonly shrinkAttempts: number;
}

export interface SimResult {
  readonly seedsDone: number;
  readonly counts: Counts;
  readonly violation: SeedViolation | undefined;
}

export interface SeedViolation {
  readonly seed: number;
  readonly failure: Failure;
  /** What is left of the steps that break the same invariant, and what happens in them. */
  readonly shrunkSteps: number;
  readonly trace: readonly string[];
  readonly replay: string;
}

/** Lines of the trace that are shown, from its end. */
const TRACE_LINES = 80;

/** Stops at the first violation. `onSeed` is told after each seed that passed. */
export function checkSeeds(
  settings: SimSettings,
  onSeed: (done: number, counts: Counts) => void = () => undefined,
): SimResult {
  const counts = new Counts();
  for (let done = 0; done < settings.seeds; done++) {
    const seed = settings.firstSeed + done;
    const outcome = runSteps(seed, stepsOf(seed, settings.steps));
    if (outcome.failure !== undefined) {
      const violation = describe(seed, settings, outcome.failure);
      return { seedsDone: done, counts, violation };
    }
    counts.add(outcome.counts);
    onSeed(done + 1, counts);
  }
  return { seedsDone: settings.seeds, counts, violation: undefined };
}

function describe(seed: number, settings: SimSettings, failure: Failure): SeedViolation {
  const short = shrinkSteps(
    stepsOf(seed, settings.steps),
    failure,
    (steps) => runSteps(seed, steps).failure,
    settings.shrinkAttempts,
  );
  const lines: string[] = [];
  runSteps(seed, short.steps, (line) => lines.push(line));
  const [options, ...rest] = lines;
  return {
    seed,
    failure,
    shrunkSteps: short.steps.length,
    trace: [options ?? '', ...rest.slice(-TRACE_LINES)],
    replay: `npm run test:raft -- --seed ${seed} --seeds 1 --steps ${settings.steps}`,
  };
}

/** Text for people. */
export function violationText(violation: SeedViolation): string {
  const { seed, failure, shrunkSteps, trace, replay } = violation;
  return [
    `Seed ${seed} breaks ${failure.invariant} at step ${failure.step}: ${failure.message}`,
    `Shrunk to ${shrunkSteps} steps, which end with:`,
    ...trace.map((line) => `  ${line}`),
    'Repeat it with:',
    `  ${replay}`,
  ].join('\n');
}

/** What a seed of a thousand steps must come to on average; less is a run that proves little. */
const LEAST: Readonly<Partial<Record<keyof Counts, number>>> = {
  leaders: 3,
  commits: 100,
  changes: 2,
  reads: 8,
  compactions: 5,
  restores: 1,
  crashes: 3,
};
/** Fewer seeds say nothing about averages. */
const SEEDS_FOR_AVERAGES = 50;

/** What there was too little of; empty when the run was worth something. */
export function coverageProblems({ counts, seedsDone }: SimResult, steps: number): string[] {
  if (seedsDone < SEEDS_FOR_AVERAGES) return [];
  const problems: string[] = [];
  for (const [name, least] of Object.entries(LEAST)) {
    const needed = (least * steps) / 1000;
    const actual = Number(counts[name as keyof typeof LEAST]) / seedsDone;
    if (actual < needed) {
      problems.push(`${actual.toFixed(1)} ${name} per seed, which should be ${needed.toFixed(1)}`);
    }
  }
  return problems;
}

/** Averages per seed. */
export function averages({ counts, seedsDone }: SimResult): Record<string, number> {
  const entries = Object.entries(counts).map(([name, value]): [string, number] => {
    if (name === 'healTicksMax') return [name, Number(value)];
    return [name, Math.round((10 * Number(value)) / Math.max(1, seedsDone)) / 10];
  });
  return Object.fromEntries(entries);
}
