/**
 * The end of a run: all faults stop, clocks tick together, messages arrive in order. Then a leader
 * must be elected and commit a proposal within a bounded number of ticks.
 */
import type { Prng } from '../../../src/base/prng.js';
import type { SimNode } from './sim-node.js';
import type { Simulation } from './simulation.js';
import { Violation } from './violation.js';

/** A proposal must commit within so many election timeouts, and ticks: short timeouts collide often. */
const TIMEOUTS_MAX = 60;
const EXTRA_TICKS = 400;
/** Messages delivered in one tick: more is a storm. */
const DELIVERIES_MAX = 20_000;

/** @throws Violation `liveness`, and whatever the checker finds on the way. */
export function heal(sim: Simulation, random: Prng): void {
  const { electionTicks } = sim.options.core;
  sim.trace?.('heal');
  sim.network.healAll();
  for (const node of sim.nodes) {
    node.disk.isSnapshotBusy = false;
    if (node.raft === undefined) node.start();
  }
  let target: number | undefined;
  let ticksStrange = 0;
  const ticksMax = TIMEOUTS_MAX * electionTicks + EXTRA_TICKS;
  for (let ticks = 0; ticks < ticksMax; ticks++) {
    settle(sim, random);
    const leader = sim.leader();
    if (target !== undefined && sim.checker.commitMax >= target && leader !== undefined) {
      sim.counts.healTicksMax = ticks;
      return;
    }
    // Who leads and is no member any more goes on to lead, unless it is stopped; others know by now.
    ticksStrange = leader?.isStranger === true ? ticksStrange + 1 : 0;
    if (ticksStrange > 2 * electionTicks) leader?.crash(random);
    else if (leader !== undefined && proposed(sim, leader, random)) {
      // Committed by a leader after healing: one more than was there before it was asked.
      target ??= sim.checker.commitMax + 1;
    }
    sim.tick(sim.nodes);
  }
  const states = sim.nodes.map(describeNode).join('; ');
  throw new Violation('liveness', `nothing was committed in ${ticksMax} ticks: ${states}`);
}

function proposed(sim: Simulation, leader: SimNode, random: Prng): boolean {
  const data = sim.content(random);
  return leader.call((raft) => raft.propose(data));
}

function settle(sim: Simulation, random: Prng): void {
  for (let i = 0; i < DELIVERIES_MAX; i++) {
    for (const node of sim.nodes) if (node.hasWork) node.work(random, 0, true);
    if (sim.network.size > 0) sim.deliver(0);
    else if (!sim.nodes.some((node) => node.hasWork)) return;
  }
  throw new Violation('liveness', `more than ${DELIVERIES_MAX} messages in one tick`);
}

function describeNode(node: SimNode): string {
  const { ghost, confInForce } = node;
  const role = ghost.isLeader ? 'leads' : 'follows';
  const voters = confInForce.voters.join(',');
  return `${node.id} ${role} term ${ghost.term} commit ${ghost.commit} voters ${voters}`;
}
