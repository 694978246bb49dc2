/**
 * Runs many programs under many option sets, and describes the first failure: the shrunk program, the
 * options, and the command that repeats it.
 */
import { shorten } from './answers.js';
import { type Failure, runProgram } from './db-run.js';
import { generateProgram, type Step, type WriteSpec } from './program.js';
import { shrink } from './shrink.js';

export interface MetaSettings {
  /** Seed of the first program; the others follow it. */
  readonly seed: number;
  readonly programs: number;
  /** Steps of each program. */
  readonly operations: number;
  /** Option sets that each program runs under. */
  readonly options: number;
  /** Number of the first option set. */
  readonly firstOption: number;
  /** Runs spent on making a failing program smaller. */
  readonly shrinkAttempts: number;
}

/** Steps shown of a failing program that is still long. */
const LAST_STEPS = 40;

/** Told before every step: the program's seed, the option set, the step. */
export type OnStep = (seed: number, run: number, step: number) => void;

/** undefined when every run repeats the model's history. `onProgram` is told after each program. */
export async function checkPrograms(
  settings: MetaSettings,
  onStep: OnStep = () => undefined,
  onProgram: (seed: number) => void = () => undefined,
): Promise<string | undefined> {
  for (let i = 0; i < settings.programs; i++) {
    const program = generateProgram(settings.seed + i, settings.operations);
    for (let run = settings.firstOption; run < settings.firstOption + settings.options; run++) {
      const failure = await runProgram(program, run, (step) => onStep(program.seed, run, step));
      if (failure === undefined) continue;
      return describeFailure(settings, program.seed, program.steps, run, failure, onStep);
    }
    onProgram(program.seed);
  }
  return undefined;
}

async function describeFailure(
  settings: MetaSettings,
  seed: number,
  steps: readonly Step[],
  run: number,
  failure: Failure,
  onStep: OnStep,
): Promise<string> {
  const fails = (candidate: readonly Step[]): Promise<Failure | undefined> => {
    const program = { seed, steps: candidate };
    return runProgram(program, run, (step) => onStep(seed, run, step));
  };
  const small = await shrink(steps, failure, fails, settings.shrinkAttempts);
  const first = Math.max(0, small.steps.length - LAST_STEPS);
  const shown = small.steps
    .slice(first)
    .map((step, i) => `  ${first + i}  ${describeStep(step)}`)
    .join('\n');
  return [
    `Program ${seed} fails under option set ${run}, at step ${failure.stepIndex}: ${failure.message}`,
    `Shrunk to ${small.steps.length} of ${steps.length} steps, which fail with: ${small.failure.message}`,
    shown,
    `Options: ${JSON.stringify(small.failure.options)}`,
    'Repeat it with:',
    `  npm run test:meta -- --seed ${seed} --programs 1 --operations ${settings.operations}` +
      ` --first-option ${run} --options 1`,
  ].join('\n');
}

/** One line. */
export function describeStep(step: Step): string {
  const { op, ...rest } = step;
  return `${op} ${JSON.stringify(rest, describePart)}`;
}

function describePart(name: string, value: unknown): unknown {
  if (typeof value === 'string' && value.length > 80) return shorten(value);
  if (name === 'writes' && Array.isArray(value) && value.length > 20) {
    return [`${value.length} writes`, ...(value as WriteSpec[]).slice(-5)];
  }
  return value;
}
