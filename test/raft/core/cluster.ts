/**
 * A few replicas in memory, moved to a standstill: for tests of what scripts cannot say. Deterministic;
 * messages are delivered in order, unless a filter drops them.
 */
import {
  ConfState,
  decodeEntryChange,
  HardState,
  isLocalTarget,
  MemoryStorage,
  NO_DATA,
  RaftNode,
  Snapshot,
  type Entry,
  type Message,
  type RaftConfig,
  type ReadState,
} from '../../../src/raft/core/index.js';

export interface Member {
  readonly raft: RaftNode;
  readonly storage: MemoryStorage;
  readonly applied: Entry[];
  readonly reads: ReadState[];
}

export type Options = Partial<Omit<RaftConfig, 'id' | 'storage' | 'random'>>;

/** Shortest timeouts. */
export const RANDOM = { u32: (): number => 0 };

export function newNode(id: number, voters: readonly number[], options: Options = {}): Member {
  const storage = new MemoryStorage();
  storage.applySnapshot(new Snapshot(2, 1, new ConfState(voters), NO_DATA));
  storage.setHardState(new HardState(1, 0, 2));
  const raft = new RaftNode({
    electionTicks: 10,
    heartbeatTicks: 1,
    applied: 2,
    ...options,
    id,
    storage,
    random: RANDOM,
  });
  return { raft, storage, applied: [], reads: [] };
}

export class Cluster {
  readonly members: Member[];
  /** Everything that was sent, delivered or not. */
  readonly sent: Message[] = [];
  isDropped: (m: Message) => boolean = () => false;
  #inFlight: Message[] = [];

  constructor(count: number, options: Options = {}) {
    const voters = Array.from({ length: count }, (_, i) => i + 1);
    this.members = voters.map((id) => newNode(id, voters, options));
  }

  node(id: number): RaftNode {
    return this.member(id).raft;
  }

  member(id: number): Member {
    return this.members[id - 1] as Member;
  }

  elect(id: number): void {
    this.node(id).campaign();
    this.settle();
  }

  /** Handles Readys and delivers messages until nothing happens any more. */
  settle(): void {
    for (let turn = 0; turn < 1000; turn++) {
      const busy = this.members.filter(({ raft }) => raft.hasReady());
      for (const member of busy) this.handleReady(member);
      const messages = this.#inFlight;
      this.#inFlight = [];
      for (const m of messages) if (!this.isDropped(m)) this.node(m.to).step(m);
      if (busy.length === 0 && messages.length === 0) return;
    }
    throw new Error('the cluster does not come to rest');
  }

  handleReady(member: Member): void {
    const { raft, storage } = member;
    const ready = raft.ready();
    if (ready.snapshot !== undefined) storage.applySnapshot(ready.snapshot);
    storage.append(ready.entries);
    if (ready.hardState !== undefined) storage.setHardState(ready.hardState);
    for (const m of ready.messages) {
      if (isLocalTarget(m.to)) throw new Error('no local threads here');
      this.sent.push(m);
      this.#inFlight.push(m);
    }
    for (const entry of ready.committedEntries) {
      const change = decodeEntryChange(entry);
      if (change !== undefined) raft.applyConfChange(change);
      member.applied.push(entry);
    }
    member.reads.push(...ready.readStates);
    raft.advance();
  }
}
