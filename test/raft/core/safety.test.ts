/** Bugs that random groups (test/raft/sim) found in the core, each in as few steps as it takes. */
import { describe, expect, it } from 'vitest';
import {
  CONF_ADD_LEARNER,
  CONF_REMOVE_NODE,
  confChange,
  ConfState,
  encodeConfChange,
  Entry,
  ENTRY_CONF_CHANGE,
  ENTRY_NORMAL,
  HardState,
  Message,
  MSG_APP,
  MSG_APP_RESP,
  MSG_HEARTBEAT,
  MSG_SNAP,
  MSG_STORAGE_APPEND,
  MSG_VOTE,
  MSG_VOTE_RESP,
  NO_DATA,
  RaftNode,
  Snapshot,
  STATE_CANDIDATE,
  STATE_FOLLOWER,
  STATE_LEADER,
} from '../../../src/raft/core/index.js';
import { Cluster, newNode, RANDOM, type Member } from './cluster.js';

const CONTEXT = new Uint8Array([7]);

function message(type: number, from: number, to: number, fields: Partial<Message>): Message {
  return Object.assign(new Message(type, to), { from, ...fields });
}

function roleOf({ raft }: Member): number {
  return raft.basicStatus().softState.raftState;
}

/** Durable, with nothing sent or applied. */
function write({ raft, storage }: Member): void {
  const ready = raft.ready();
  storage.append(ready.entries);
  if (ready.hardState !== undefined) storage.setHardState(ready.hardState);
  raft.advance();
}

/** A new replica on the same storage. */
function restarted({ raft, storage, applied, reads }: Member): Member {
  const config = { electionTicks: 10, heartbeatTicks: 1, applied: 2, random: RANDOM };
  return { raft: new RaftNode({ ...config, id: raft.id, storage }), storage, applied, reads };
}

describe('a candidate with asynchronous writes', () => {
  it('leads only when its own vote is durable, however many others voted for it', () => {
    const node = newNode(1, [1, 2, 3], { asyncStorageWrites: true });
    node.raft.campaign();
    const { messages } = node.raft.ready();
    const append = messages.find(({ type }) => type === MSG_STORAGE_APPEND);
    node.raft.step(message(MSG_VOTE_RESP, 2, 1, { term: 2 }));
    node.raft.step(message(MSG_VOTE_RESP, 3, 1, { term: 2 }));
    expect(roleOf(node)).toBe(STATE_CANDIDATE);

    node.storage.setHardState(new HardState(2, 1, 2));
    for (const response of append?.responses ?? []) node.raft.step(response);
    expect(roleOf(node)).toBe(STATE_LEADER);
  });
});

describe('a read', () => {
  it('is not answered by a leader that was removed and left one voter behind', () => {
    const cluster = new Cluster(2);
    cluster.elect(1);
    cluster.node(1).proposeConfChange(confChange(CONF_REMOVE_NODE, 1));
    cluster.settle();
    expect(roleOf(cluster.member(1))).toBe(STATE_LEADER);

    cluster.isDropped = () => true;
    cluster.node(1).readIndex(CONTEXT);
    cluster.settle();
    expect(cluster.member(1).reads).toEqual([]);
  });

  it('waits on an only voter until it has committed in its term: its commit index may be old', () => {
    const before = newNode(1, [1]);
    before.storage.append([3, 4, 5].map((index) => new Entry(ENTRY_NORMAL, 1, index, NO_DATA)));
    const again = restarted(before);
    again.raft.campaign();
    write(again);
    expect(roleOf(again)).toBe(STATE_LEADER);
    again.raft.readIndex(CONTEXT);

    const first = again.raft.ready();
    expect(first.readStates).toEqual([]);
    again.storage.append(first.entries);
    again.raft.advance();
    expect(again.raft.ready().readStates).toEqual([{ index: 6, requestContext: CONTEXT }]);
  });
});

describe('a snapshot', () => {
  it('is not taken while a conf change is being applied, which would be made on top of it', () => {
    const { raft, storage } = newNode(3, [1, 2, 3]);
    const change = confChange(CONF_ADD_LEARNER, 4);
    const entries = [new Entry(ENTRY_CONF_CHANGE, 1, 3, encodeConfChange(change))];
    raft.step(message(MSG_APP, 1, 3, { term: 1, index: 2, logTerm: 1, entries, commit: 3 }));
    const ready = raft.ready();
    storage.append(ready.entries);
    expect(ready.committedEntries).toHaveLength(1);

    const snapshot = new Snapshot(9, 1, new ConfState([1, 2, 3, 5]), NO_DATA);
    raft.step(message(MSG_SNAP, 1, 3, { term: 1, snapshot }));
    expect(raft.applyConfChange(change)).toEqual(new ConfState([1, 2, 3], [4]));
    raft.advance();

    raft.step(message(MSG_SNAP, 1, 3, { term: 1, snapshot }));
    expect(raft.ready().snapshot).toBe(snapshot);
  });
});

describe('a vote', () => {
  it('is refused with the commit index by who cannot lead itself', () => {
    const stranger = newNode(4, [1, 2, 3]);
    stranger.raft.step(message(MSG_VOTE, 1, 4, { term: 2, index: 1, logTerm: 1 }));
    const [answer] = stranger.raft.ready().messages;
    expect(answer).toMatchObject({ type: MSG_VOTE_RESP, reject: true, index: 2, logTerm: 1 });
  });

  it('of an older term is refused with our term, when the candidate cannot learn it otherwise', () => {
    const node = newNode(4, [2, 3, 4]);
    node.raft.campaign();
    write(node);
    node.raft.campaign();
    write(node);
    // A member asks: it hears our own campaign.
    node.raft.step(message(MSG_VOTE, 2, 4, { term: 2, index: 9, logTerm: 1 }));
    expect(node.raft.hasReady()).toBe(false);
    node.raft.step(message(MSG_VOTE, 1, 4, { term: 2, index: 9, logTerm: 1 }));
    const [answer] = node.raft.ready().messages;
    expect(answer).toMatchObject({ type: MSG_VOTE_RESP, to: 1, term: 3, reject: true });
  });

  it('of an older term is ignored when there is a leader', () => {
    const { raft } = newNode(4, [2, 3, 4]);
    raft.step(message(MSG_APP, 2, 4, { term: 3, index: 2, logTerm: 1, commit: 2 }));
    raft.ready();
    raft.advance();
    raft.step(message(MSG_VOTE, 1, 4, { term: 2, index: 9, logTerm: 1 }));
    expect(raft.hasReady()).toBe(false);
  });

  it('that is refused brings a committed conf change to a candidate, which then does not go on', () => {
    const node = newNode(1, [1, 2, 3]);
    const data = encodeConfChange(confChange(CONF_REMOVE_NODE, 2));
    const entries = [new Entry(ENTRY_CONF_CHANGE, 1, 3, data)];
    node.raft.step(message(MSG_APP, 2, 1, { term: 1, index: 2, logTerm: 1, entries, commit: 2 }));
    write(node);
    node.raft.campaign();
    write(node);
    expect(roleOf(node)).toBe(STATE_CANDIDATE);

    const refusal = { term: 2, reject: true, index: 3, logTerm: 1 };
    node.raft.step(message(MSG_VOTE_RESP, 2, 1, refusal));
    expect(roleOf(node)).toBe(STATE_FOLLOWER);
    expect(node.raft.ready().committedEntries).toEqual(entries);
  });

  it('that is refused with an entry of another term commits nothing', () => {
    const node = newNode(1, [1, 2, 3]);
    node.raft.campaign();
    write(node);
    const refusal = { term: 2, reject: true, index: 3, logTerm: 1 };
    node.raft.step(message(MSG_VOTE_RESP, 2, 1, refusal));
    expect(node.raft.basicStatus().hardState.commit).toBe(2);
    expect(roleOf(node)).toBe(STATE_CANDIDATE);
  });
});

describe('a leader of an older term', () => {
  const heartbeat = message(MSG_HEARTBEAT, 2, 4, { term: 2, commit: 0 });

  it('is told ours by who never campaigns, and would go on for ever', () => {
    const { raft } = newNode(4, [1, 2, 3]);
    raft.step(message(MSG_VOTE, 1, 4, { term: 3, index: 2, logTerm: 1 }));
    raft.ready();
    raft.advance();
    raft.step(heartbeat);
    const [answer] = raft.ready().messages;
    expect(answer).toMatchObject({ type: MSG_APP_RESP, to: 2, term: 3 });
  });

  it('is not answered by a voter, which will campaign', () => {
    const { raft } = newNode(4, [1, 2, 3, 4]);
    raft.step(message(MSG_VOTE, 1, 4, { term: 3, index: 2, logTerm: 1 }));
    raft.ready();
    raft.advance();
    raft.step(heartbeat);
    expect(raft.hasReady()).toBe(false);
  });
});
