/** What scripts cannot say: reads, limits on bytes, forwarding, bootstrap, repeated messages. */
import { describe, expect, it } from 'vitest';
import { ProposalDroppedError, RaftError } from '../../../src/base/errors.js';
import {
  CONF_ADD_LEARNER,
  confChange,
  confChangeV2,
  MemoryStorage,
  Message,
  MSG_APP,
  MSG_HEARTBEAT,
  MSG_HEARTBEAT_RESP,
  MSG_PROP,
  MSG_READ_INDEX_RESP,
  RaftNode,
  READ_ONLY_LEASE_BASED,
  STATE_FOLLOWER,
  STATE_LEADER,
  Entry,
  ENTRY_NORMAL,
} from '../../../src/raft/core/index.js';
import { Cluster, newNode, RANDOM } from './cluster.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const texts = (entries: readonly Entry[]): string[] =>
  entries.filter(({ data }) => data.length > 0).map(({ data }) => new TextDecoder().decode(data));

describe('readIndex', () => {
  it('is answered at the leader once a quorum has confirmed it', () => {
    const cluster = new Cluster(3);
    cluster.elect(1);
    const { commit } = cluster.node(1).basicStatus().hardState;
    cluster.isDropped = (m) => m.type === MSG_HEARTBEAT_RESP;
    cluster.node(1).readIndex(bytes('r1'));
    cluster.settle();
    expect(cluster.member(1).reads).toEqual([]);
    cluster.isDropped = (m) => m.type === MSG_HEARTBEAT_RESP && m.from === 3;
    // The next heartbeat confirms both reads, in order.
    cluster.node(1).readIndex(bytes('r2'));
    cluster.settle();
    expect(
      cluster
        .member(1)
        .reads.map(({ index, requestContext }) => [
          index,
          new TextDecoder().decode(requestContext),
        ]),
    ).toEqual([
      [commit, 'r1'],
      [commit, 'r2'],
    ]);
  });

  it('of a follower goes through the leader', () => {
    const cluster = new Cluster(3);
    cluster.elect(1);
    cluster.node(2).readIndex(bytes('from-2'));
    cluster.settle();
    expect(cluster.member(1).reads).toEqual([]);
    expect(cluster.member(2).reads).toHaveLength(1);
    expect(cluster.sent.filter((m) => m.type === MSG_READ_INDEX_RESP)).toHaveLength(1);
  });

  it('waits until the leader has committed in its term', () => {
    const cluster = new Cluster(3);
    cluster.isDropped = (m) => m.type === MSG_APP;
    cluster.elect(1);
    expect(cluster.node(1).basicStatus().softState.raftState).toBe(STATE_LEADER);
    cluster.node(1).readIndex(bytes('early'));
    cluster.settle();
    expect(cluster.member(1).reads).toEqual([]);
    cluster.isDropped = () => false;
    cluster.node(1).tick();
    cluster.settle();
    expect(cluster.member(1).reads).toHaveLength(1);
    expect(cluster.member(1).reads[0]?.index).toBe(3);
  });

  it('without a leader is lost, without an error', () => {
    const cluster = new Cluster(3);
    cluster.node(1).readIndex(bytes('nobody'));
    cluster.settle();
    expect(cluster.member(1).reads).toEqual([]);
  });

  it('in a group of one is answered at once', () => {
    const cluster = new Cluster(1);
    cluster.elect(1);
    cluster.node(1).readIndex(bytes('alone'));
    cluster.settle();
    expect(cluster.member(1).reads).toHaveLength(1);
    expect(cluster.sent).toEqual([]);
  });

  it('trusts the lease without a message when it is told to', () => {
    const cluster = new Cluster(3, { checkQuorum: true, readOnly: READ_ONLY_LEASE_BASED });
    cluster.elect(1);
    const before = cluster.sent.length;
    cluster.node(1).readIndex(bytes('lease'));
    cluster.settle();
    expect(cluster.member(1).reads).toHaveLength(1);
    expect(cluster.sent).toHaveLength(before);
  });

  it('ignores a confirmation that answers nothing', () => {
    const cluster = new Cluster(3);
    cluster.elect(1);
    cluster.isDropped = (m) => m.type === MSG_HEARTBEAT;
    cluster.node(1).readIndex(bytes('r'));
    cluster.settle();
    for (const context of [bytes('garbage'), new Uint8Array(8).fill(255), bytes('12345678')]) {
      for (const from of [2, 3]) {
        const m = new Message(MSG_HEARTBEAT_RESP, 1);
        m.from = from;
        m.term = cluster.node(1).basicStatus().hardState.term;
        m.context = context;
        cluster.node(1).step(m);
      }
    }
    cluster.settle();
    expect(cluster.member(1).reads).toEqual([]);
  });
});

describe('propose', () => {
  it('drops what goes over the limit on uncommitted bytes, but never the first', () => {
    const cluster = new Cluster(3, { uncommittedBytesMax: 10 });
    cluster.elect(1);
    const leader = cluster.node(1);
    leader.propose(new Uint8Array(50));
    expect(() => leader.propose(new Uint8Array(1))).toThrow(ProposalDroppedError);
    leader.propose(new Uint8Array(0));
    cluster.settle();
    leader.propose(new Uint8Array(6));
    expect(() => leader.propose(new Uint8Array(5))).toThrow(ProposalDroppedError);
    leader.propose(new Uint8Array(4));
    cluster.settle();
    expect(cluster.member(3).applied.map(({ data }) => data.length)).toEqual([0, 50, 0, 6, 4]);
  });

  it('at a follower is dropped when it must not be forwarded', () => {
    const cluster = new Cluster(3, { disableProposalForwarding: true });
    cluster.elect(1);
    expect(() => cluster.node(2).propose(bytes('x'))).toThrow(ProposalDroppedError);
    cluster.node(1).propose(bytes('y'));
    cluster.settle();
    expect(texts(cluster.member(2).applied)).toEqual(['y']);
  });

  it('twice by a repeated message is appended twice, as two entries', () => {
    const cluster = new Cluster(3);
    cluster.elect(1);
    const m = new Message(MSG_PROP, 1);
    m.from = 2;
    m.entries = [new Entry(ENTRY_NORMAL, 0, 0, bytes('again'))];
    cluster.node(1).step(m);
    cluster.node(1).step(m);
    cluster.settle();
    const applied = cluster.member(2).applied.filter(({ data }) => data.length > 0);
    expect(applied.map(({ index }) => index)).toEqual([4, 5]);
    expect(texts(applied)).toEqual(['again', 'again']);
  });

  it('all appends together, by reference', () => {
    const cluster = new Cluster(2);
    cluster.elect(1);
    const datas = [bytes('a'), bytes('b'), bytes('c')];
    cluster.node(1).proposeAll(datas);
    cluster.node(1).proposeAll([]);
    cluster.settle();
    const applied = cluster.member(2).applied.filter(({ data }) => data.length > 0);
    expect(applied.map(({ data }) => datas.indexOf(data))).toEqual([0, 1, 2]);
  });
});

describe('append messages', () => {
  it('carry at most messageBytesMax, and no more are in flight than inflightBytesMax', () => {
    const cluster = new Cluster(2, { messageBytesMax: 250, inflightBytesMax: 300 });
    cluster.elect(1);
    cluster.isDropped = (m) => m.type === MSG_APP;
    cluster.sent.length = 0;
    for (let i = 0; i < 8; i++) cluster.node(1).propose(new Uint8Array(100));
    cluster.settle();
    const counts = cluster.sent.filter((m) => m.type === MSG_APP).map((m) => m.entries.length);
    expect(Math.max(...counts)).toBeLessThanOrEqual(2);
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(3);
    cluster.isDropped = () => false;
    for (let i = 0; i < 4; i++) {
      cluster.node(1).tick();
      cluster.settle();
    }
    expect(cluster.member(2).applied).toHaveLength(9);
  });

  it('carry one entry each when messageBytesMax is 0', () => {
    const cluster = new Cluster(2, { messageBytesMax: 0 });
    cluster.elect(1);
    cluster.node(1).proposeAll([bytes('a'), bytes('b'), bytes('c')]);
    cluster.settle();
    const counts = cluster.sent.map((m) => m.entries.length);
    expect(Math.max(...counts)).toBe(1);
    expect(texts(cluster.member(2).applied)).toEqual(['a', 'b', 'c']);
  });
});

describe('bootstrap', () => {
  const fresh = (id: number): { raft: RaftNode; storage: MemoryStorage } => {
    const storage = new MemoryStorage();
    const raft = new RaftNode({
      id,
      storage,
      random: RANDOM,
      electionTicks: 10,
      heartbeatTicks: 1,
    });
    return { raft, storage };
  };

  it('hands out an entry per member, and lets the node campaign at once', () => {
    const { raft, storage } = fresh(1);
    raft.bootstrap([{ id: 1, context: bytes('addr') }]);
    const ready = raft.ready();
    storage.append(ready.entries);
    expect(ready.entries).toHaveLength(1);
    expect(ready.hardState).toMatchObject({ term: 1, commit: 1 });
    expect(ready.committedEntries).toHaveLength(1);
    raft.advance();
    raft.campaign();
    raft.ready();
    raft.advance();
    expect(raft.basicStatus().softState.raftState).toBe(STATE_LEADER);
  });

  it('refuses no peers, wrong ids, and a storage that holds something', () => {
    const { raft } = fresh(1);
    expect(() => raft.bootstrap([])).toThrow(RaftError);
    expect(() => raft.bootstrap([{ id: 0 }])).toThrow(RaftError);
    expect(() => raft.bootstrap([{ id: 1.5 }])).toThrow(RaftError);
    expect(() => newNode(1, [1]).raft.bootstrap([{ id: 1 }])).toThrow(RaftError);
    raft.bootstrap([{ id: 1 }]);
    expect(raft.failure).toBeUndefined();
  });
});

describe('a restart', () => {
  it('continues from storage, and does not hand out what was applied', () => {
    const cluster = new Cluster(1);
    cluster.elect(1);
    cluster.node(1).propose(bytes('before'));
    cluster.settle();
    const { storage, raft } = cluster.member(1);
    const { hardState, applied } = raft.basicStatus();
    const again = new RaftNode({
      id: 1,
      storage,
      random: RANDOM,
      electionTicks: 10,
      heartbeatTicks: 1,
      applied,
    });
    expect(again.basicStatus().hardState).toEqual(hardState);
    expect(again.basicStatus().softState.raftState).toBe(STATE_FOLLOWER);
    expect(again.hasReady()).toBe(false);
  });
});

describe('conf changes', () => {
  it('that a replica cannot make are refused and change nothing', () => {
    const cluster = new Cluster(2);
    cluster.elect(1);
    const before = String(cluster.node(1).status().config);
    const leave = confChangeV2([]);
    expect(() => cluster.node(1).applyConfChange(leave)).toThrow("can't leave a non-joint config");
    const wrong = confChangeV2([{ type: 9, nodeId: 2 }]);
    expect(() => cluster.node(1).applyConfChange(wrong)).toThrow(RaftError);
    expect(() => cluster.node(1).applyConfChange(confChange(CONF_ADD_LEARNER, 2 ** 53))).toThrow(
      RaftError,
    );
    expect(String(cluster.node(1).status().config)).toBe(before);
    expect(cluster.node(1).failure).toBeUndefined();
  });
});

describe('ready and advance', () => {
  it('take turns', () => {
    const cluster = new Cluster(1);
    cluster.node(1).campaign();
    cluster.node(1).ready();
    expect(() => cluster.node(1).ready()).toThrow('without call to Advance');
    cluster.node(1).advance();
    expect(cluster.node(1).hasReady()).toBe(true);
  });

  it('advance is not for asynchronous writes', () => {
    const { raft } = newNode(1, [1], { asyncStorageWrites: true });
    raft.campaign();
    raft.ready();
    expect(() => raft.advance()).toThrow(RaftError);
    expect(raft.failure).toBeUndefined();
  });
});

describe('Status', () => {
  it('is a copy, and JSON', () => {
    const cluster = new Cluster(2);
    cluster.elect(1);
    const status = cluster.node(1).status();
    const text = String(status.progress);
    cluster.node(1).propose(bytes('later'));
    cluster.settle();
    expect(String(status.progress)).toBe(text);
    expect(JSON.parse(JSON.stringify(status))).toMatchObject({
      id: '1',
      lead: '1',
      raftState: 'StateLeader',
      progress: { 1: { match: 3 }, 2: { match: 3, state: 'StateReplicate' } },
    });
  });
});
