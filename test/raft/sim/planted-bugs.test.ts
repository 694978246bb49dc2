import { describe, expect, it } from 'vitest';
import { checkSeeds, violationText } from './check-seeds.js';
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

describe('a violation', () => {
  it('is shrunk to a few steps and told with a trace and the command that repeats it', () => {
    const bug = PLANTED_BUGS.find(({ name }) => name === 'two conf changes are in flight');
    const undo = bug?.plant();
    try {
      const settings = { firstSeed: 1, seeds: SEEDS, steps: STEPS, shrinkAttempts: 400 };
      const { violation } = checkSeeds(settings);
      if (violation === undefined) throw new Error('not found');
      expect(violation.failure.invariant).toBe('one-change-at-a-time');
      expect(violation.shrunkSteps).toBeLessThan(40);
      expect(violation.trace.at(-1)).toContain('violation one-change-at-a-time');
      expect(violationText(violation)).toContain(
        `npm run test:raft -- --seed ${violation.seed} --seeds 1 --steps ${STEPS}`,
      );
    } finally {
      undo?.();
    }
  });
});
