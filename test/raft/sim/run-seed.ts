/** One seed from its first step to its healed end, and what was found. */
import { Prng } from '../../../src/base/prng.js';
import { ACTIONS } from './actions.js';
import type { Counts } from './counts.js';
import { heal } from './heal.js';
import { Simulation, type Trace } from './simulation.js';
import { drawSteps, type Step } from './steps.js';
import { Violation, type Invariant } from './violation.js';

export interface Failure {
  readonly invariant: Invariant;
  readonly message: string;
  /** Of the step that broke it; the number of steps when it broke while healing. */
  readonly step: number;
}

export interface Outcome {
  readonly counts: Counts;
  readonly failure: Failure | undefined;
}

/** Keeps the steps apart from what the seed decides for the group. */
const STEPS_SALT = 0x5eed_0001;

export function stepsOf(seed: number, count: number): Step[] {
  return drawSteps(new Prng(seed + STEPS_SALT), count);
}

/** Runs these steps on the group of the seed. Errors that are no violation are thrown. */
export function runSteps(seed: number, steps: readonly Step[], trace?: Trace): Outcome {
  const sim = new Simulation(seed, trace);
  let at = 0;
  try {
    for (; at < steps.length; at++) {
      const { op, salt } = steps[at] as Step;
      trace?.(`step ${at} ${op}`);
      const random = new Prng(salt);
      ACTIONS[op](sim, random);
      sim.work(random);
    }
    heal(sim, new Prng(seed));
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    trace?.(`violation ${error.invariant}: ${error.message}`);
    const { invariant, message } = error;
    return { counts: sim.counts, failure: { invariant, message, step: at } };
  }
  return { counts: sim.counts, failure: undefined };
}
