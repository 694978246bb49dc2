/**
 * The steps of a seed, drawn before the run: what kind, and a number that every choice within the
 * step is drawn from. So a step does the same whatever is left out before it, as far as it can.
 * Weights change every few dozen steps: calm, lossy, cut off, crashing, changing members.
 */
import type { Prng } from '../../../src/base/prng.js';
import { pick } from './sim-options.js';

export const OPS = [
  'tick',
  'deliver',
  'propose',
  'read',
  'change',
  'compact',
  'drop',
  'duplicate',
  'partition',
  'heal',
  'crash',
  'restart',
  'campaign',
  'transfer',
  'forget',
  'unreachable',
  'busy',
] as const;
export type Op = (typeof OPS)[number];

export interface Step {
  readonly op: Op;
  /** Seed of the choices within the step. */
  readonly salt: number;
}

type Weights = Readonly<Partial<Record<Op, number>>>;

const USUAL: Weights = {
  tick: 24,
  deliver: 50,
  propose: 15,
  read: 5,
  change: 1,
  compact: 3,
  heal: 1,
  restart: 2,
};

const PHASES: readonly Weights[] = [
  {},
  { drop: 4, duplicate: 3, unreachable: 3, compact: 6 },
  { drop: 15, duplicate: 8, unreachable: 4, compact: 6 },
  { partition: 2, tick: 30, read: 8 },
  { partition: 2, tick: 35, read: 8, compact: 6 },
  { partition: 2, heal: 0, tick: 45, read: 10 },
  { drop: 10, duplicate: 6, unreachable: 8, compact: 14, propose: 20 },
  { partition: 4, heal: 3, campaign: 4, tick: 30, deliver: 40 },
  { partition: 5, heal: 4, campaign: 6, tick: 15, deliver: 40, duplicate: 4 },
  { crash: 3, restart: 6, campaign: 2 },
  { crash: 2, restart: 4, drop: 4, partition: 1, heal: 2, compact: 5, campaign: 2 },
  { change: 10, compact: 4, read: 8 },
  { change: 10, crash: 2, restart: 4, partition: 2, heal: 2, transfer: 1, read: 8 },
  { campaign: 6, transfer: 4, forget: 2, crash: 1, restart: 3, drop: 3 },
  { compact: 8, crash: 1, drop: 8, duplicate: 4, busy: 1, campaign: 2, unreachable: 2 },
  { tick: 40, campaign: 3, duplicate: 3, drop: 5, crash: 2, restart: 4 },
];

const PHASE_STEPS_MIN = 30;
const PHASE_STEPS_SPREAD = 120;

export function drawSteps(random: Prng, count: number): Step[] {
  const steps: Step[] = [{ op: 'campaign', salt: random.u32() }];
  // Some groups hardly keep a leader.
  const restless: Weights = random.chance(1, 3)
    ? { campaign: 7, partition: 4, heal: 4, duplicate: 6 }
    : {};
  while (steps.length < count) {
    const draw = drawer({ ...USUAL, ...pick(random, ...PHASES), ...restless });
    const end = steps.length + PHASE_STEPS_MIN + random.below(PHASE_STEPS_SPREAD);
    while (steps.length < Math.min(end, count)) {
      steps.push({ op: draw(random), salt: random.u32() });
    }
  }
  return steps;
}

function drawer(weights: Weights): (random: Prng) => Op {
  const pool: Op[] = [];
  for (const op of OPS) for (let i = weights[op] ?? 0; i > 0; i--) pool.push(op);
  return (random) => pool[random.below(pool.length)] as Op;
}
