/** What a seed decides before the first step: members, options of the core, clocks, disks, network. */
import type { Prng } from '../../../src/base/prng.js';
import { NO_LIMIT, READ_ONLY_LEASE_BASED, type RaftConfig } from '../../../src/raft/core/index.js';

export type CoreOptions = Omit<RaftConfig, 'id' | 'storage' | 'random' | 'applied'>;

export interface NodeOptions {
  readonly isAsync: boolean;
  /** The state machine is durable with every entry; else it restarts from the last snapshot. */
  readonly isAppDurable: boolean;
  /** A Ready is one write; else entries come before the hard state. */
  readonly hasAtomicWrites: boolean;
  /** Percent: the disk gets on with asynchronous writes while the node works. */
  readonly diskPercent: number;
}

export interface SimOptions {
  /** All there are, members or not yet: ids 1 ... nodeCount. */
  readonly nodeCount: number;
  readonly voters: readonly number[];
  readonly learners: readonly number[];
  /** The group starts with bootstrap(); else from a snapshot. */
  readonly isBootstrapped: boolean;
  readonly nodes: readonly NodeOptions[];
  readonly core: CoreOptions;
  /** All clocks tick together. */
  readonly isLockstep: boolean;
  /** Older messages are lost, ticks. Only matters to leases. */
  readonly messageAgeMax: number;
  /** What is on a cut link arrives after all, when the link is healed. */
  readonly isCutHolding: boolean;
  /** Percent: a node with something to do does it in a step. */
  readonly workPercent: number;
  /** Percent: it stops between two stages of handling a Ready. */
  readonly pausePercent: number;
  /** Percent: the next message delivered is any, instead of the oldest. */
  readonly reorderPercent: number;
  /** Most messages delivered in one step. */
  readonly burst: number;
}

export const NODES_MIN = 3;
export const NODES_MAX = 7;

export function drawOptions(random: Prng): SimOptions {
  const nodeCount = NODES_MIN + random.below(NODES_MAX - NODES_MIN + 1);
  const voterCount = random.chance(1, 8)
    ? 1 + random.below(2)
    : Math.min(nodeCount, pick(random, 3, 3, 3, 4, 5, 5));
  const ids = Array.from({ length: nodeCount }, (_, i) => i + 1);
  const isBootstrapped = random.chance(1, 4);
  const hasLearner = !isBootstrapped && voterCount < nodeCount && random.chance(1, 3);
  const isLease = random.chance(1, 4);
  const asyncMode = pick(random, 'none', 'all', 'all', 'mixed');
  return {
    nodeCount,
    voters: ids.slice(0, voterCount),
    learners: hasLearner ? [voterCount + 1] : [],
    isBootstrapped,
    nodes: ids.map(() => ({
      isAsync: asyncMode === 'all' || (asyncMode === 'mixed' && random.chance(1, 2)),
      isAppDurable: random.chance(1, 2),
      hasAtomicWrites: random.chance(1, 2),
      diskPercent: pick(random, 100, 100, 70, 30, 10, 3),
    })),
    core: drawCore(random, isLease),
    isLockstep: isLease || random.chance(1, 3),
    messageAgeMax: isLease ? 2 : NO_LIMIT,
    isCutHolding: random.chance(1, 2),
    workPercent: pick(random, 100, 95, 80, 60),
    pausePercent: pick(random, 0, 5, 10, 30),
    reorderPercent: pick(random, 0, 2, 10, 30),
    burst: pick(random, 10, 14, 20, 30),
  };
}

function drawCore(random: Prng, isLease: boolean): CoreOptions {
  const heartbeatTicks = 1 + random.below(2);
  const messageBytesMax = pick(random, NO_LIMIT, NO_LIMIT, 0, 64, 256);
  const inflightBytesMax = pick(random, NO_LIMIT, NO_LIMIT, 256, 1000);
  return {
    heartbeatTicks,
    // Short timeouts for leases, so that they run out while the group is cut apart.
    electionTicks: heartbeatTicks + (isLease ? pick(random, 2, 3) : pick(random, 2, 3, 4, 6, 10)),
    preVote: random.chance(1, 3),
    checkQuorum: isLease || random.chance(1, 3),
    ...(isLease ? { readOnly: READ_ONLY_LEASE_BASED } : {}),
    messageBytesMax,
    applyingBytesMax: pick(random, 0, 0, 1, 100),
    uncommittedBytesMax: pick(random, NO_LIMIT, NO_LIMIT, 200, 1000),
    inflightMessagesMax: pick(random, 1, 2, 8, 256, 256),
    inflightBytesMax: Math.max(inflightBytesMax, messageBytesMax),
    disableProposalForwarding: random.chance(1, 4),
    stepDownOnRemoval: random.chance(1, 2),
  };
}

export function pick<T>(random: Prng, ...choices: readonly T[]): T {
  return choices[random.below(choices.length)] as T;
}

/** One line. */
export function optionsText(options: SimOptions): string {
  return JSON.stringify(options, (_, value: unknown) => (value === NO_LIMIT ? 'none' : value));
}
