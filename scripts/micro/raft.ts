/**
 * Micro benchmark of the consensus core: `npx tsx scripts/micro/raft.ts`. Everything in memory, in one
 * thread, messages handed over by reference: what the core itself costs. Prints medians of rounds.
 *
 *   commit   entries of 1 KiB (by reference) that a leader proposes in batches until all nodes applied them
 *   idle     one tick of many groups where nothing happens, on followers and on leaders
 *   read     a ReadIndex confirmed by a quorum
 */
import {
  isLocalTarget,
  MemoryStorage,
  NO_DATA,
  RaftNode,
  STATE_LEADER,
  Snapshot,
  ConfState,
  type Message,
} from '../../src/raft/core/index.js';
import { Prng } from '../../src/base/prng.js';

const ROUNDS = 5;
const PAYLOAD = new Uint8Array(1024);
/** Storage is compacted behind this many applied entries, as an embedder would. */
const COMPACT_EVERY = 4096;

interface Member {
  readonly raft: RaftNode;
  readonly storage: MemoryStorage;
  applied: number;
  compacted: number;
}

/** A group whose members have voted for node 1. */
class Group {
  readonly members: Member[] = [];
  #inFlight: Message[] = [];
  reads = 0;

  constructor(count: number) {
    const voters = Array.from({ length: count }, (_, i) => i + 1);
    for (const id of voters) {
      const storage = new MemoryStorage();
      storage.applySnapshot(new Snapshot(2, 1, new ConfState(voters), NO_DATA));
      const raft = new RaftNode({
        id,
        storage,
        random: new Prng(id),
        electionTicks: 10,
        heartbeatTicks: 2,
        messageBytesMax: 1 << 20,
        applied: 2,
      });
      this.members.push({ raft, storage, applied: 2, compacted: 2 });
    }
    this.leader.raft.campaign();
    this.run();
    if (this.leader.raft.basicStatus().softState.raftState !== STATE_LEADER) {
      throw new Error('no leader');
    }
  }

  get leader(): Member {
    return this.members[0] as Member;
  }

  /** Handles Readys and messages until nothing is left. */
  run(): void {
    for (let isBusy = true; isBusy;) {
      isBusy = false;
      for (const member of this.members) {
        if (!member.raft.hasReady()) continue;
        isBusy = true;
        this.#handleReady(member);
      }
      const messages = this.#inFlight;
      this.#inFlight = [];
      for (const m of messages) (this.members[m.to - 1] as Member).raft.step(m);
    }
  }

  #handleReady(member: Member): void {
    const { raft, storage } = member;
    const ready = raft.ready();
    if (ready.hardState !== undefined) storage.setHardState(ready.hardState);
    storage.append(ready.entries);
    for (const m of ready.messages) if (!isLocalTarget(m.to)) this.#inFlight.push(m);
    const last = ready.committedEntries[ready.committedEntries.length - 1];
    if (last !== undefined) member.applied = last.index;
    this.reads += ready.readStates.length;
    raft.advance();
    if (member.applied - member.compacted >= COMPACT_EVERY) {
      member.compacted = member.applied - 128;
      storage.compact(member.compacted);
    }
  }
}

function median(figures: readonly number[]): number {
  return [...figures].sort((a, b) => a - b)[figures.length >> 1] as number;
}

/** Median milliseconds of a run; the first two rounds warm up. */
function timed(run: () => void): number {
  const figures: number[] = [];
  for (let round = 0; round < ROUNDS + 2; round++) {
    const start = performance.now();
    run();
    if (round >= 2) figures.push(performance.now() - start);
  }
  return median(figures);
}

function commit(nodes: number, batch: number, count: number): void {
  const group = new Group(nodes);
  const datas = Array.from({ length: batch }, () => PAYLOAD);
  const ms = timed(() => {
    for (let done = 0; done < count; done += batch) {
      if (batch === 1) group.leader.raft.propose(PAYLOAD);
      else group.leader.raft.proposeAll(datas);
      group.run();
    }
  });
  const applied = group.leader.applied;
  if (group.members.some((member) => member.applied !== applied)) throw new Error('not applied');
  const perSecond = Math.round((count / ms) * 1000).toLocaleString('en');
  console.log(
    `commit  ${nodes} nodes  batch ${String(batch).padStart(2)}  ${perSecond.padStart(10)} entries/s`,
  );
}

/** Nodes of groups of three; a leader's peers are not there, so nothing comes back. */
function idle(role: 'followers' | 'leaders', count: number): void {
  const nodes: RaftNode[] = [];
  for (let i = 0; i < count; i++) {
    const group = new Group(3);
    nodes.push((group.members[role === 'leaders' ? 0 : 1] as Member).raft);
  }
  const figures: number[] = [];
  for (let round = 0; round < 8; round++) {
    const start = performance.now();
    for (const node of nodes) node.tick();
    figures.push(performance.now() - start);
    let pending = 0;
    const readyStart = performance.now();
    for (const node of nodes) if (node.hasReady()) pending++;
    const readyMs = performance.now() - readyStart;
    if (role === 'followers' && pending > 0) throw new Error('followers are not idle');
    if (round === 7) {
      console.log(
        `idle    ${count.toLocaleString('en')} ${role.padEnd(9)}  tick ${median(figures).toFixed(2)} ms` +
          `  worst ${Math.max(...figures).toFixed(2)} ms  hasReady ${readyMs.toFixed(2)} ms`,
      );
    }
    for (const node of nodes) {
      if (!node.hasReady()) continue;
      node.ready();
      node.advance();
    }
  }
}

function read(count: number): void {
  const group = new Group(3);
  const context = new Uint8Array(8);
  const ms = timed(() => {
    for (let i = 0; i < count; i++) {
      group.leader.raft.readIndex(context);
      group.run();
    }
  });
  if (group.reads !== count * (ROUNDS + 2)) throw new Error('reads are missing');
  console.log(`read    3 nodes  ${((ms / count) * 1000).toFixed(2)} us per round`);
}

commit(1, 1, 100_000);
commit(1, 64, 256_000);
commit(3, 1, 50_000);
commit(3, 64, 256_000);
idle('followers', 10_000);
idle('leaders', 10_000);
read(20_000);
