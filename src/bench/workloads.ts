/**
 * The workloads: which operations, in which shares, on which records. A to F are YCSB's, G is pure
 * insertion; users may give their own mix or a YCSB core property file (property-file.ts). Pure.
 */
import { closestName } from '../base/closest-name.js';
import { NokvError } from '../base/errors.js';

/** Operation kinds as they stand in the drawn streams. */
export const READ = 0;
export const UPDATE = 1;
export const INSERT = 2;
export const SCAN = 3;
export const READ_MODIFY_WRITE = 4;

export const OPERATIONS = ['read', 'update', 'insert', 'scan', 'rmw'] as const;
export type Operation = (typeof OPERATIONS)[number];

export const DISTRIBUTIONS = ['zipfian', 'uniform', 'latest', 'sequential', 'hotspot'] as const;
export type Distribution = (typeof DISTRIBUTIONS)[number];

/** Shares of the operations; they sum to 1. */
export type Mix = Readonly<Record<Operation, number>>;

export interface Workload {
  /** Letter, or the name a user gave. */
  readonly name: string;
  readonly mix: Mix;
  readonly distribution: Distribution;
  /** Overrides the run's longest scan, rows. */
  readonly scanLengthMax?: number;
}

const NOTHING: Mix = { read: 0, update: 0, insert: 0, scan: 0, rmw: 0 };

export const WORKLOADS: readonly Workload[] = [
  { name: 'A', mix: { ...NOTHING, read: 0.5, update: 0.5 }, distribution: 'zipfian' },
  { name: 'B', mix: { ...NOTHING, read: 0.95, update: 0.05 }, distribution: 'zipfian' },
  { name: 'C', mix: { ...NOTHING, read: 1 }, distribution: 'zipfian' },
  { name: 'D', mix: { ...NOTHING, read: 0.95, insert: 0.05 }, distribution: 'latest' },
  { name: 'E', mix: { ...NOTHING, scan: 0.95, insert: 0.05 }, distribution: 'zipfian' },
  { name: 'F', mix: { ...NOTHING, read: 0.5, rmw: 0.5 }, distribution: 'zipfian' },
  { name: 'G', mix: { ...NOTHING, insert: 1 }, distribution: 'sequential' },
];

/** How every run begins. */
export const LOAD: Workload = {
  name: 'load',
  mix: { ...NOTHING, insert: 1 },
  distribution: 'sequential',
};

/**
 * Takes "AC", "A,C", "a c" and combinations; the order is kept, repetitions are dropped.
 * @throws NokvError NOKV_INVALID for an unknown letter or an empty list.
 */
export function parseWorkloads(text: string): Workload[] {
  const chosen: Workload[] = [];
  for (const letter of text.toUpperCase().replaceAll(/[\s,]+/g, '')) {
    const workload = WORKLOADS.find((candidate) => candidate.name === letter);
    if (workload === undefined) {
      throw invalid(
        `unknown workload "${letter}"`,
        'Give letters from A to G, such as "AC" or "A,C"',
      );
    }
    if (!chosen.includes(workload)) chosen.push(workload);
  }
  if (chosen.length === 0) throw invalid('no workloads selected', 'Give letters from A to G');
  return chosen;
}

/**
 * "read=50,update=30,scan=20": weights of any sum above zero.
 * @throws NokvError NOKV_INVALID for an unknown operation, a bad weight or nothing at all.
 */
export function parseMix(text: string): Mix {
  const weights: Record<Operation, number> = { ...NOTHING };
  for (const part of text.split(',')) {
    const [name = '', weight = ''] = part.split('=').map((piece) => piece.trim());
    const value = Number(weight);
    if (!isOperation(name)) throw unknownOperation(name);
    if (weight === '' || !Number.isFinite(value) || value < 0) {
      throw invalid(`weight of "${name}" is not a number`, 'Write it as read=50,update=30,scan=20');
    }
    weights[name] += value;
  }
  return normalizeMix(weights);
}

/** Scales weights so that they sum to 1. @throws NokvError NOKV_INVALID when all are zero, or their sum is no number. */
export function normalizeMix(weights: Mix): Mix {
  const sum = OPERATIONS.reduce((total, name) => total + weights[name], 0);
  if (sum <= 0) throw invalid('the mix has no operations', 'Give at least one weight above zero');
  if (!Number.isFinite(sum)) throw invalid('the weights of the mix are too large', 'Give shares');
  const mix: Record<Operation, number> = { ...NOTHING };
  for (const name of OPERATIONS) mix[name] = weights[name] / sum;
  return mix;
}

/** The order on one load: those that insert come last, D before E, so that A to F read the loaded rows. */
export function orderForOneLoad(workloads: readonly Workload[]): Workload[] {
  const inserts = (workload: Workload): number => (workload.mix.insert > 0 ? 1 : 0);
  return [...workloads].sort((a, b) => inserts(a) - inserts(b));
}

/** Short text such as "read 95 % insert 5 %". */
export function describeMix(mix: Mix): string {
  return OPERATIONS.filter((name) => mix[name] > 0)
    .map((name) => `${name} ${Number((mix[name] * 100).toFixed(2))} %`)
    .join(' ');
}

function isOperation(name: string): name is Operation {
  return (OPERATIONS as readonly string[]).includes(name);
}

function unknownOperation(name: string): NokvError {
  const closest = closestName(name, OPERATIONS);
  const suggestion = closest === undefined ? '' : `; did you mean "${closest}"?`;
  return invalid(`unknown operation "${name}"${suggestion}`, `Known are ${OPERATIONS.join(', ')}`);
}

/** Wrong settings of a benchmark run. `reason` finishes "Cannot run the benchmark: ...". */
export function invalid(reason: string, hint: string): NokvError {
  return new NokvError('NOKV_INVALID', `Cannot run the benchmark: ${reason}`, { hint });
}
