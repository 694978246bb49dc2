/** What each kind of step does. Every choice is drawn from the step's own generator. */
import type { Prng } from '../../../src/base/prng.js';
import {
  CONF_ADD_LEARNER,
  CONF_ADD_NODE,
  CONF_REMOVE_NODE,
  CONF_UPDATE_NODE,
  confChange,
  confChangeV2,
  TRANSITION_AUTO,
  TRANSITION_JOINT_EXPLICIT,
  TRANSITION_JOINT_IMPLICIT,
  type AnyConfChange,
  type ConfChangeSingle,
  type ConfState,
} from '../../../src/raft/core/index.js';
import type { SimNode } from './sim-node.js';
import { pick } from './sim-options.js';
import type { Simulation } from './simulation.js';
import type { Op } from './steps.js';

type Action = (sim: Simulation, random: Prng) => void;

const PROPOSALS_MAX = 4;
const KEPT_MAX = 8;

export const ACTIONS: Readonly<Record<Op, Action>> = {
  tick(sim, random) {
    if (sim.options.isLockstep) {
      sim.tick(sim.nodes);
      return;
    }
    // Clocks drift: most tick, one a good deal more often than the others.
    const ticking = sim.nodes.filter(() => random.chance(4, 5));
    sim.tick(ticking);
    if (random.chance(1, 5)) anyNode(sim, random).call((raft) => raft.tick());
  },

  deliver(sim, random) {
    const count = 1 + random.below(sim.options.burst);
    for (let i = 0; i < count && sim.network.size > 0; i++) {
      const isAny = random.chance(sim.options.reorderPercent, 100);
      const to = sim.deliver(isAny ? random.below(sim.network.size) : 0);
      if (to !== undefined) sim.workOn(to, random);
    }
  },

  propose(sim, random) {
    const node = leaderOrAny(sim, random);
    const datas = Array.from({ length: 1 + random.below(PROPOSALS_MAX) }, () =>
      sim.content(random),
    );
    node.call((raft) => raft.proposeAll(datas));
  },

  read(sim, random) {
    // Whoever believes it leads is asked, too: who was cut off must not answer.
    const asked = sim.nodes.filter(({ raft, ghost }) => raft !== undefined && ghost.isLeader);
    if (asked.length === 0 || random.chance(1, 4)) asked.push(anyNode(sim, random));
    // A lease may be two timeouts old, a message some ticks more.
    const { core, messageAgeMax } = sim.options;
    const ticks = sim.isLease ? 2 * core.electionTicks + 2 * messageAgeMax : 0;
    const { checker, network } = sim;
    for (const node of asked) {
      const context = checker.reads.asked(network.now, checker.commitMax, ticks);
      node.call((raft) => raft.readIndex(context));
    }
  },

  change(sim, random) {
    const node = leaderOrAny(sim, random);
    const change = drawChange(sim, node.confInForce, random);
    node.call((raft) => raft.proposeConfChange(change));
  },

  compact(sim, random) {
    const node = random.chance(1, 2) ? leaderOrAny(sim, random) : anyNode(sim, random);
    node.compact(random.below(KEPT_MAX));
  },

  drop(sim, random) {
    for (let i = random.below(4); i >= 0 && sim.network.size > 0; i--) {
      sim.network.drop(random.below(sim.network.size));
      sim.counts.lost++;
    }
  },

  duplicate(sim, random) {
    for (let i = random.below(3); i >= 0 && sim.network.size > 0; i--) {
      sim.network.duplicate(random.below(sim.network.size));
    }
    for (let i = random.below(4); i > 0; i--) sim.network.repeat(random);
  },

  partition(sim, random) {
    const { network, nodes } = sim;
    const leader = sim.leader();
    if (random.chance(1, 2) && leader !== undefined) {
      // The leader with few others, or with none.
      const friends = nodes.filter((node) => node === leader || random.chance(1, 4));
      separate(sim, (node) => friends.includes(node), random.chance(1, 4));
    } else if (random.chance(1, 3)) {
      network.cut(anyNode(sim, random).id, anyNode(sim, random).id);
    } else {
      const side = nodes.map(() => random.chance(1, 2));
      separate(sim, (node) => side[node.id - 1] === true, random.chance(1, 4));
    }
  },

  heal(sim) {
    sim.network.healAll();
  },

  crash(sim, random) {
    const node = random.chance(1, 3) ? leaderOrAny(sim, random) : anyNode(sim, random);
    if (node.raft !== undefined) node.crash(random);
    // All at once, as when the power goes.
    if (!random.chance(1, 12)) return;
    for (const other of sim.nodes) if (other.raft !== undefined) other.crash(random);
  },

  restart(sim, random) {
    const down = sim.nodes.filter((node) => node.raft === undefined);
    if (down.length > 0) pick(random, ...down).start();
  },

  campaign(sim, random) {
    anyNode(sim, random).call((raft) => raft.campaign());
  },

  transfer(sim, random) {
    // Whoever is asked to take over is elected without regard to a lease: not with reads by lease.
    if (sim.isLease) return;
    const to = anyNode(sim, random).id;
    leaderOrAny(sim, random).call((raft) => raft.transferLeader(to));
  },

  forget(sim, random) {
    anyNode(sim, random).call((raft) => raft.forgetLeader());
  },

  unreachable(sim, random) {
    const id = anyNode(sim, random).id;
    sim.anyLeader(random)?.call((raft) => raft.reportUnreachable(id));
  },

  busy(sim, random) {
    const { disk } = anyNode(sim, random);
    disk.isSnapshotBusy = !disk.isSnapshotBusy;
  },
};

function anyNode(sim: Simulation, random: Prng): SimNode {
  return sim.nodes[random.below(sim.nodes.length)] as SimNode;
}

function leaderOrAny(sim: Simulation, random: Prng): SimNode {
  const isAny = random.chance(1, 6);
  return (isAny ? undefined : sim.anyLeader(random)) ?? anyNode(sim, random);
}

/** `isOneWay`: what the inside sends still arrives. */
function separate(sim: Simulation, isInside: (node: SimNode) => boolean, isOneWay: boolean): void {
  for (const a of sim.nodes) {
    for (const b of sim.nodes) {
      if (!isInside(a) || isInside(b)) continue;
      sim.network.cut(b.id, a.id);
      if (!isOneWay) sim.network.cut(a.id, b.id);
    }
  }
}

function drawChange(sim: Simulation, conf: ConfState, random: Prng): AnyConfChange {
  const isJoint = conf.votersOutgoing.length > 0;
  // Mostly what is due, sometimes what must be refused.
  if (isJoint ? random.chance(3, 4) : random.chance(1, 20)) return confChangeV2([]);
  const count = pick(random, 1, 1, 2, 3);
  const singles = Array.from({ length: count }, () => drawSingle(sim, conf, random));
  const first = singles[0] as ConfChangeSingle;
  if (count === 1 && random.chance(1, 2)) return confChange(first.type, first.nodeId);
  const transition = pick(
    random,
    TRANSITION_AUTO,
    TRANSITION_AUTO,
    TRANSITION_JOINT_IMPLICIT,
    TRANSITION_JOINT_EXPLICIT,
  );
  return confChangeV2(singles, transition);
}

function drawSingle(sim: Simulation, conf: ConfState, random: Prng): ConfChangeSingle {
  const nodeId = 1 + random.below(sim.nodes.length);
  // Groups stay large enough to be interesting, mostly.
  const isSmall = conf.voters.length <= 3;
  const isRemoved = conf.voters.includes(nodeId) && random.chance(1, isSmall ? 4 : 2);
  if (random.chance(1, 20)) return { type: CONF_UPDATE_NODE, nodeId };
  if (isRemoved) return { type: CONF_REMOVE_NODE, nodeId };
  const isLearner = random.chance(1, 5);
  if (isLearner && !(isSmall && conf.voters.includes(nodeId))) {
    return { type: CONF_ADD_LEARNER, nodeId };
  }
  return { type: CONF_ADD_NODE, nodeId };
}
