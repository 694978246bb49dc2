/**
 * A group of replicas in memory, moved step by step. Everything that happens follows from the seed
 * and the steps; the same seed and steps give the same history, and a violation at the same step.
 * What a step does: actions.ts.
 */
import { Prng } from '../../../src/base/prng.js';
import {
  CONF_ADD_NODE,
  confChange,
  ConfState,
  describeMessage,
  encodeConfChange,
  Entry,
  ENTRY_CONF_CHANGE,
  NO_DATA,
  READ_ONLY_LEASE_BASED,
  Snapshot,
  type Message,
} from '../../../src/raft/core/index.js';
import { Checker, FIRST_TERM } from './checker.js';
import { Counts } from './counts.js';
import { Network } from './network.js';
import { SimNode, type World } from './sim-node.js';
import { drawOptions, optionsText, type SimOptions } from './sim-options.js';

/** Told what happens, a line each. */
export type Trace = (line: string) => void;

const SNAPSHOT_INDEX = 2;
const CONTENT_BYTES_MAX = 40;

export class Simulation {
  readonly options: SimOptions;
  readonly counts = new Counts();
  readonly nodes: SimNode[] = [];
  readonly checker: Checker;
  readonly network: Network;
  readonly trace: Trace | undefined;
  readonly isLease: boolean;
  #proposals = 0;

  constructor(seed: number, trace?: Trace, options = drawOptions(new Prng(seed))) {
    this.trace = trace;
    this.options = options;
    this.isLease = options.core.readOnly === READ_ONLY_LEASE_BASED;
    this.network = new Network(options.messageAgeMax, options.isCutHolding, (m) =>
      this.reportSnapshot(m, false),
    );
    const { voters, isBootstrapped } = options;
    const first = isBootstrapped ? voters.map(bootstrapEntry) : [];
    const firstIndex = isBootstrapped ? voters.length : SNAPSHOT_INDEX;
    this.checker = new Checker(this.nodes, this.counts, firstIndex, first);
    trace?.(`options ${optionsText(options)}`);
    this.#build(seed);
  }

  #build(seed: number): void {
    const { options } = this;
    const world: World = {
      checker: this.checker,
      counts: this.counts,
      trace: this.trace,
      send: (m) => {
        this.trace?.(`    sent ${describeMessage(m)}`);
        this.network.send(m);
      },
    };
    const members = new ConfState(options.voters, options.learners);
    const peers = options.voters.map((id) => ({ id }));
    options.nodes.forEach((one, i) => {
      const node = new SimNode(i + 1, options.core, one, seed, world);
      this.nodes.push(node);
      const isVoter = options.voters.includes(node.id);
      if (!options.isBootstrapped && (isVoter || options.learners.includes(node.id))) {
        node.install(new Snapshot(SNAPSHOT_INDEX, FIRST_TERM, members, NO_DATA));
      }
      node.start(options.isBootstrapped && isVoter ? peers : []);
    });
  }

  node(id: number): SimNode {
    return this.nodes[id - 1] as SimNode;
  }

  /** Nodes with something to do do it, or some of it. */
  work(random: Prng): void {
    for (const node of this.nodes) this.workOn(node, random);
  }

  workOn(node: SimNode, random: Prng): void {
    const { workPercent, pausePercent } = this.options;
    if (!node.hasWork || (workPercent < 100 && !random.chance(workPercent, 100))) return;
    node.work(random, pausePercent, false);
  }

  /** Hands the message at this place of the network over, unless it gets lost; true when it did. */
  deliver(at: number): SimNode | undefined {
    const m = this.network.take(at);
    const to = m === undefined ? undefined : this.node(m.to);
    if (m === undefined || to?.raft === undefined) {
      if (m !== undefined) this.reportSnapshot(m, false);
      this.counts.lost++;
      return undefined;
    }
    this.trace?.(`    to ${m.to}: ${describeMessage(m)}`);
    this.counts.delivered++;
    const { from } = m;
    const isSnapshot = m.snapshot !== undefined;
    to.call((raft) => raft.step(m));
    if (isSnapshot) this.node(from).call((raft) => raft.reportSnapshot(to.id, true));
    return to;
  }

  /** The duty of whoever sends snapshots. */
  reportSnapshot(m: Message, isReceived: boolean): void {
    if (m.snapshot === undefined) return;
    this.node(m.from).call((raft) => raft.reportSnapshot(m.to, isReceived));
  }

  /** All clocks, or those of `nodes` only. */
  tick(nodes: readonly SimNode[]): void {
    this.network.now++;
    this.checker.reads.tick(this.network.now, this.checker.commitMax);
    for (const node of nodes) node.call((raft) => raft.tick());
  }

  /** Any that believes it leads: who was cut off may not know better. */
  anyLeader(random: Prng): SimNode | undefined {
    const leaders = this.nodes.filter((node) => node.raft !== undefined && node.ghost.isLeader);
    return leaders.length === 0 ? undefined : leaders[random.below(leaders.length)];
  }

  /** The one in the latest term, if any. */
  leader(): SimNode | undefined {
    let found: SimNode | undefined;
    for (const node of this.nodes) {
      if (node.raft === undefined || !node.ghost.isLeader) continue;
      if (found === undefined || node.ghost.term > found.ghost.term) found = node;
    }
    return found;
  }

  /** Content that was never proposed before. */
  content(random: Prng): Uint8Array {
    const data = new Uint8Array(4 + random.below(CONTENT_BYTES_MAX));
    new DataView(data.buffer).setUint32(0, ++this.#proposals);
    return data;
  }
}

function bootstrapEntry(id: number, i: number): Entry {
  const data = encodeConfChange(confChange(CONF_ADD_NODE, id));
  return new Entry(ENTRY_CONF_CHANGE, FIRST_TERM, i + 1, data);
}
