/**
 * Makes a failing run short: leaves out runs of steps, long ones first, as long as what is left still
 * breaks the same invariant.
 */
import type { Failure } from './run-seed.js';
import type { Step } from './steps.js';

export interface Shrunk {
  readonly steps: readonly Step[];
  readonly failure: Failure;
}

/** `run` runs steps and says how they fail; at most `attemptsMax` times. */
export function shrinkSteps(
  steps: readonly Step[],
  failure: Failure,
  run: (steps: readonly Step[]) => Failure | undefined,
  attemptsMax: number,
): Shrunk {
  let best: Shrunk = { steps: steps.slice(0, failure.step + 1), failure };
  let attempts = 0;
  const attempt = (candidate: readonly Step[]): boolean => {
    attempts++;
    const found = run(candidate);
    if (found?.invariant !== failure.invariant) return false;
    best = { steps: candidate.slice(0, found.step + 1), failure: found };
    return true;
  };
  for (let hasShrunk = true; hasShrunk && attempts < attemptsMax;) {
    hasShrunk = false;
    let size = Math.ceil(best.steps.length / 2);
    for (; size >= 1 && attempts < attemptsMax; size = Math.floor(size / 2)) {
      for (let at = best.steps.length - size; at >= 0 && attempts < attemptsMax; at -= size) {
        const { steps: current } = best;
        if (attempt([...current.slice(0, at), ...current.slice(at + size)])) hasShrunk = true;
        at = Math.min(at, best.steps.length);
      }
    }
  }
  return best;
}
