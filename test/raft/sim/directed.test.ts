/** Schedules by hand, for what random ones hardly ever meet; watched by the same checker. */
import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { MSG_APP_RESP, NO_LIMIT, type Message } from '../../../src/raft/core/index.js';
import { plantStaleAcks } from './planted-bugs.js';
import type { SimOptions } from './sim-options.js';
import { Simulation } from './simulation.js';
import { Violation } from './violation.js';

const IDS = [1, 2, 3, 4, 5];

const OPTIONS: SimOptions = {
  nodeCount: IDS.length,
  voters: IDS,
  learners: [],
  isBootstrapped: false,
  nodes: IDS.map(() => ({
    isAsync: false,
    isAppDurable: true,
    hasAtomicWrites: true,
    diskPercent: 100,
  })),
  core: { electionTicks: 10, heartbeatTicks: 1 },
  isLockstep: true,
  messageAgeMax: NO_LIMIT,
  isCutHolding: false,
  workPercent: 100,
  pausePercent: 0,
  reorderPercent: 0,
  burst: 1,
};

class Schedule {
  readonly #random = new Prng(1);
  readonly sim = new Simulation(1, undefined, OPTIONS);
  /** These stay on their way. */
  isHeld: (m: Message) => boolean = () => false;

  /** Delivers what is between these nodes, until nothing is; everything else stays where it is. */
  among(...ids: readonly number[]): void {
    this.deliver((m) => ids.includes(m.from) && ids.includes(m.to));
  }

  deliver(isMeant: (m: Message) => boolean): void {
    const { network } = this.sim;
    const next = (): number => network.find((m) => isMeant(m) && !this.isHeld(m));
    this.sim.work(this.#random);
    for (let at = next(); at !== -1; at = next()) {
      this.sim.deliver(at);
      this.sim.work(this.#random);
    }
  }

  dropAll(): void {
    const { network } = this.sim;
    const next = (): number => network.find((m) => !this.isHeld(m));
    for (let at = next(); at !== -1; at = next()) network.drop(at);
  }

  elect(id: number, ...voters: readonly number[]): void {
    this.sim.node(id).call((raft) => raft.campaign());
    this.among(id, ...voters);
  }

  propose(id: number, count: number): void {
    for (let i = 0; i < count; i++) {
      const data = this.sim.content(this.#random);
      this.sim.node(id).call((raft) => raft.propose(data));
    }
    this.sim.work(this.#random);
  }
}

/** An acknowledgement of entries that were replaced since arrives when its receiver leads again. */
function staleAcknowledgement(): void {
  const schedule = new Schedule();
  const isLate = (m: Message): boolean => m.type === MSG_APP_RESP && m.from === 3 && m.index === 6;
  schedule.elect(1, 2, 3, 4, 5);
  // 4, 5 and 6 of term 2 reach node 3 alone; its acknowledgement is on its way for long.
  schedule.isHeld = isLate;
  schedule.propose(1, 3);
  schedule.deliver((m) => m.from === 1 && m.to === 3);
  schedule.dropAll();
  // Node 2 leads term 3 and replaces them by one entry, everywhere.
  schedule.elect(2, 4, 5);
  schedule.sim.tick([schedule.sim.node(2)]);
  schedule.among(1, 2, 3, 4, 5);
  // Node 1 leads term 4; its new entries reach node 4 alone.
  schedule.elect(1, 2, 3, 4, 5);
  schedule.propose(1, 2);
  schedule.among(1, 4);
  expect(schedule.sim.network.find(isLate)).not.toBe(-1);
  schedule.isHeld = (m) => !isLate(m);
  schedule.among(1, 3);
}

describe('an append response of an older term', () => {
  it('is not counted', () => {
    expect(staleAcknowledgement).not.toThrow();
  });

  it('commits what no quorum holds when it is counted, and that is seen', () => {
    const undo = plantStaleAcks();
    try {
      expect(staleAcknowledgement).toThrow(Violation);
      expect(staleAcknowledgement).toThrow(/commits 6 of term 4, which is durable on 1,4 of/);
    } finally {
      undo();
    }
  });
});
