/**
 * Makes a failing program small: drops runs of steps, long ones first, then calls and writes inside the
 * steps that are left, as long as the rest still fails. Any failure counts, not only the first one met.
 */
import type { Step } from './program.js';

/** Runs a program; undefined when it passes. */
export type FailsWith<F> = (steps: readonly Step[]) => Promise<F | undefined>;

/** The smallest failing program found in at most `attemptsMax` runs, and how it fails. */
export async function shrink<F extends { readonly stepIndex: number }>(
  steps: readonly Step[],
  failure: F,
  fails: FailsWith<F>,
  attemptsMax: number,
): Promise<{ steps: readonly Step[]; failure: F }> {
  let best = { steps: steps.slice(0, failure.stepIndex + 1), failure };
  let attempts = 0;
  const attempt = async (candidate: readonly Step[]): Promise<boolean> => {
    if (attempts >= attemptsMax) return false;
    attempts++;
    const found = await fails(candidate);
    if (found === undefined) return false;
    best = { steps: candidate.slice(0, found.stepIndex + 1), failure: found };
    return true;
  };
  for (let hasShrunk = true; hasShrunk && attempts < attemptsMax;) {
    const before = best.steps;
    await dropSteps(() => best.steps, attempt);
    await dropParts(() => best.steps, attempt);
    hasShrunk = best.steps !== before;
  }
  return best;
}

async function dropSteps(
  current: () => readonly Step[],
  attempt: (candidate: readonly Step[]) => Promise<boolean>,
): Promise<void> {
  for (let size = Math.ceil(current().length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = Math.max(0, current().length - size); at >= 0; at -= size) {
      await attempt(without(current(), at, size));
      at = Math.min(at, current().length);
    }
  }
}

/** Parts of batches, bursts and lists of keys. */
async function dropParts(
  current: () => readonly Step[],
  attempt: (candidate: readonly Step[]) => Promise<boolean>,
): Promise<void> {
  for (let i = current().length - 1; i >= 0; i--) {
    for (
      let size = Math.ceil(partCount(current()[i]) / 2);
      size >= 1;
      size = Math.floor(size / 2)
    ) {
      for (let at = partCount(current()[i]) - size; at >= 0; at -= size) {
        const step = current()[i];
        if (step === undefined) break;
        await attempt(current().with(i, withoutParts(step, at, size)));
      }
    }
  }
}

function partCount(step: Step | undefined): number {
  if (step?.op === 'batch') return step.writes.length;
  if (step === undefined) return 0;
  if ('calls' in step) return step.calls.length;
  if ('moves' in step) return step.moves.length;
  if ('keys' in step) return step.keys.length;
  return 0;
}

function withoutParts(step: Step, at: number, size: number): Step {
  if (step.op === 'batch') return { ...step, writes: without(step.writes, at, size) };
  if ('calls' in step) return { ...step, calls: without(step.calls, at, size) };
  if ('moves' in step) return { ...step, moves: without(step.moves, at, size) };
  if ('keys' in step) return { ...step, keys: without(step.keys, at, size) };
  return step;
}

function without<T>(list: readonly T[], at: number, size: number): T[] {
  return [...list.slice(0, at), ...list.slice(at + size)];
}
