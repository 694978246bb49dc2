import { describe, expect, it } from 'vitest';
import { checkSeeds, coverageProblems, violationText } from './check-seeds.js';
import { Counts } from './counts.js';
import { runSteps, stepsOf } from './run-seed.js';

const SEEDS = 150;
const STEPS = 1000;

describe('random groups of replicas', () => {
  it(`break no invariant in ${SEEDS} seeds, and do enough for that to mean something`, () => {
    const settings = { firstSeed: 1, seeds: SEEDS, steps: STEPS, shrinkAttempts: 500 };
    const result = checkSeeds(settings);
    const { violation } = result;
    expect(violation === undefined ? '' : violationText(violation)).toBe('');
    expect(coverageProblems(result, STEPS)).toEqual([]);
  });

  it('are no proof when nothing happens in them', () => {
    const idle = { seedsDone: SEEDS, counts: new Counts(), violation: undefined };
    expect(coverageProblems(idle, STEPS)).toContain('0.0 commits per seed, which should be 100.0');
  });

  it('have one history per seed', () => {
    const history = (): string => {
      const lines: string[] = [];
      runSteps(7, stepsOf(7, 300), (line) => lines.push(line));
      return lines.join('\n');
    };
    expect(history()).toBe(history());
  });
});
