import { describe, expect, it } from 'vitest';
import { PLANTED_BUGS, type PlantedBug } from './planted-bugs.js';
import { runSteps, stepsOf, type Failure } from './run-seed.js';

const SEEDS = 100;
const STEPS = 1000;

function firstFailure({ plant }: PlantedBug): { seed: number; failure: Failure } | undefined {
  const undo = plant();
  try {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { failure } = runSteps(seed, stepsOf(seed, STEPS));
      if (failure !== undefined) return { seed, failure };
    }
    return undefined;
  } finally {
    undo();
  }
}

describe(`a bug is found within ${SEEDS} seeds`, () => {
  it.each(PLANTED_BUGS)('when $name', (bug) => {
    const found = firstFailure(bug);
    expect(found, 'no seed found it').toBeDefined();
    expect(bug.breaks, JSON.stringify(found)).toContain(found?.failure.invariant);
  });
});
