/**
 * Input that cannot be right: refused with a typed error or ignored as docs/raft-core.md says, never
 * a TypeError, never a log that changed.
 */
import { describe, expect, it } from 'vitest';
import { NokvError, RaftError } from '../../../src/base/errors.js';
import { Prng } from '../../../src/base/prng.js';
import {
  ConfState,
  describeEntries,
  ENTRY_CONF_CHANGE_V2,
  ENTRY_NORMAL,
  Entry,
  HardState,
  INDEX_MAX,
  LOCAL_APPEND_THREAD,
  MemoryStorage,
  Message,
  MESSAGE_TYPE_NAMES,
  MSG_APP,
  MSG_APP_RESP,
  MSG_HEARTBEAT,
  MSG_PROP,
  MSG_SNAP,
  MSG_STORAGE_APPEND_RESP,
  MSG_VOTE,
  NO_DATA,
  NO_LIMIT,
  RaftNode,
  Snapshot,
  TERM_MAX,
  type RaftConfig,
  type RaftStorage,
} from '../../../src/raft/core/index.js';
import { Cluster, newNode, RANDOM, type Member } from './cluster.js';

function message(type: number, from: number, fields: Partial<Message> = {}): Message {
  const m = new Message(type, 1);
  m.from = from;
  m.term = 2;
  return Object.assign(m, fields);
}

const entry = (term: number, index: number): Entry => new Entry(ENTRY_NORMAL, term, index, NO_DATA);

function reasonOf(run: () => void): string {
  try {
    run();
  } catch (error) {
    if (error instanceof RaftError) return error.reason;
    throw error;
  }
  return 'taken';
}

/** A leader at term 3 whose log holds entries 3 and 4, of terms 2 and 3. */
function leader(): Member {
  const cluster = new Cluster(3);
  cluster.elect(2);
  cluster.elect(1);
  return cluster.member(1);
}

function logOf({ storage }: Member): string {
  const first = storage.firstIndex();
  return describeEntries(storage.entries(first, storage.lastIndex() + 1, NO_LIMIT));
}

describe('step refuses', () => {
  const cases: readonly (readonly [string, Message, string])[] = [
    ['an unknown type', message(99, 2), 'invalid'],
    ['a fraction as term', message(MSG_APP, 2, { term: 1.5 }), 'invalid'],
    ['a term above the limit', message(MSG_VOTE, 2, { term: TERM_MAX + 1 }), 'invalid'],
    ['an index above the limit', message(MSG_APP, 2, { index: INDEX_MAX + 1 }), 'invalid'],
    ['a negative commit', message(MSG_APP, 2, { commit: -1 }), 'invalid'],
    ['NaN', message(MSG_APP_RESP, 2, { index: Number.NaN }), 'invalid'],
    ['no sender', message(MSG_VOTE, 0), 'invalid'],
    ['no term', message(MSG_APP, 2, { term: 0 }), 'invalid'],
    ['a leader message from itself', message(MSG_HEARTBEAT, 1), 'invalid'],
    [
      'entries with a gap',
      message(MSG_APP, 2, { index: 3, logTerm: 1, entries: [entry(1, 4), entry(1, 6)] }),
      'invalid',
    ],
    [
      'terms that sink',
      message(MSG_APP, 2, { index: 3, logTerm: 2, entries: [entry(1, 4)] }),
      'invalid',
    ],
    ['entries of the future', message(MSG_APP, 2, { entries: [entry(9, 1)] }), 'invalid'],
    ['a previous term of the future', message(MSG_APP, 2, { logTerm: 3 }), 'invalid'],
    ['a proposal of nothing', message(MSG_PROP, 2, { term: 0 }), 'invalid'],
    [
      'a conf change that is no bytes of one',
      message(MSG_PROP, 2, {
        term: 0,
        entries: [new Entry(ENTRY_CONF_CHANGE_V2, 0, 0, Uint8Array.of(8))],
      }),
      'invalid',
    ],
    ['an acknowledgement beyond the log', message(MSG_APP_RESP, 2, { index: 77 }), 'invalid'],
    ['a local message', message(0, 2), 'local-message'],
    ['storage work of a stranger', message(MSG_STORAGE_APPEND_RESP, 2), 'local-message'],
    ['an answer of a stranger', message(MSG_APP_RESP, 9), 'unknown-peer'],
    [
      'values of other types',
      message(MSG_APP, 2, { entries: 'x' as unknown as Entry[] }),
      'invalid',
    ],
    [
      'entries that are none',
      message(MSG_APP, 2, { entries: [{} as unknown as Entry] }),
      'invalid',
    ],
    [
      'a snapshot that is none',
      message(MSG_SNAP, 2, { snapshot: {} as unknown as Snapshot }),
      'invalid',
    ],
  ];

  it.each(cases)('%s', (_name, m, reason) => {
    const member = leader();
    const before = [logOf(member), JSON.stringify(member.raft.status())];
    if (m.type === MSG_APP_RESP && m.from === 2) m.term = member.raft.status().hardState.term;
    expect(reasonOf(() => member.raft.step(m))).toBe(reason);
    expect([logOf(member), JSON.stringify(member.raft.status())]).toEqual(before);
    expect(member.raft.failure).toBeUndefined();
  });

  it('a snapshot with members that contradict themselves, and keeps its log', () => {
    const { raft } = newNode(1, [1, 2, 3]);
    const snapshot = new Snapshot(9, 2, new ConfState([1, 2], [2]), NO_DATA);
    expect(reasonOf(() => raft.step(message(MSG_SNAP, 2, { snapshot })))).toBe('invalid');
    expect(raft.basicStatus().hardState.commit).toBe(2);
    raft.step(message(MSG_HEARTBEAT, 2, { commit: 2 }));
    expect(raft.failure).toBeUndefined();
  });

  it('nothing of an old term: it is ignored', () => {
    const member = leader();
    const before = logOf(member);
    for (const type of [MSG_APP, MSG_HEARTBEAT, MSG_APP_RESP, MSG_VOTE]) {
      member.raft.step(message(type, 2, { term: 1, index: 2, logTerm: 1, entries: [] }));
    }
    expect(logOf(member)).toBe(before);
    expect(member.raft.hasReady()).toBe(false);
  });
});

describe('an append before the commit index', () => {
  it('is answered with the commit index, and replaces nothing', () => {
    const member = newNode(1, [1, 2, 3]);
    const { raft, storage } = member;
    const entries = [entry(2, 3), entry(2, 4)];
    raft.step(message(MSG_APP, 2, { index: 2, logTerm: 1, entries, commit: 4 }));
    storage.append(raft.ready().entries);
    raft.advance();
    const before = logOf(member);
    const other = { term: 3, index: 2, logTerm: 1, entries: [entry(3, 3)], commit: 3 };
    raft.step(message(MSG_APP, 3, other));
    const ready = raft.ready();
    expect(ready.entries).toEqual([]);
    expect(ready.messages).toMatchObject([{ type: MSG_APP_RESP, to: 3, index: 4, reject: false }]);
    expect(logOf(member)).toBe(before);
  });
});

describe('2^53', () => {
  it('is not passed by a proposal: it is refused, and the replica goes on', () => {
    const storage = new MemoryStorage();
    storage.applySnapshot(new Snapshot(INDEX_MAX - 2, 1, new ConfState([1]), NO_DATA));
    const raft = new RaftNode(config(storage));
    raft.campaign();
    while (raft.hasReady()) {
      storage.append(raft.ready().entries);
      raft.advance();
    }
    const datas = [NO_DATA, NO_DATA];
    expect(reasonOf(() => raft.proposeAll(datas))).toBe('limit');
    raft.propose(NO_DATA);
    expect(reasonOf(() => raft.propose(NO_DATA))).toBe('limit');
    expect(raft.ready().entries.map(({ index }) => index)).toEqual([INDEX_MAX]);
  });

  it('is not passed by a term: there is no campaign after the last one', () => {
    const storage = new MemoryStorage();
    storage.applySnapshot(new Snapshot(5, 1, new ConfState([1]), NO_DATA));
    storage.setHardState(new HardState(TERM_MAX, 0, 5));
    const raft = new RaftNode(config(storage));
    expect(reasonOf(() => raft.campaign())).toBe('limit');
    for (let i = 0; i < 100; i++) raft.tick();
    expect(raft.basicStatus().hardState.term).toBe(TERM_MAX);
    expect(raft.failure).toBeUndefined();
  });
});

describe('a replica fails, and says so from every call,', () => {
  const failsFor = (storage: RaftStorage): string => reasonOf(() => new RaftNode(config(storage)));

  it('when a leader has committed what its log does not have', () => {
    const { raft } = newNode(1, [1, 2, 3]);
    const m = message(MSG_HEARTBEAT, 2, { commit: 50 });
    expect(reasonOf(() => raft.step(m))).toBe('failed');
    for (const call of [
      (): void => raft.tick(),
      (): void => raft.propose(NO_DATA),
      (): void => void raft.ready(),
      (): void => void raft.hasReady(),
      (): void => raft.step(message(MSG_HEARTBEAT, 2)),
    ]) {
      expect(reasonOf(call)).toBe('failed');
    }
    expect(raft.failure).toBeInstanceOf(RaftError);
  });

  it('when its storage throws', () => {
    class Broken extends MemoryStorage {
      isBroken = false;
      override lastIndex(): number {
        if (this.isBroken) throw new Error('disk on fire');
        return super.lastIndex();
      }
    }
    const storage = new Broken();
    storage.applySnapshot(new Snapshot(5, 1, new ConfState([1]), NO_DATA));
    const raft = new RaftNode(config(storage));
    storage.isBroken = true;
    expect(reasonOf(() => raft.campaign())).toBe('failed');
    storage.isBroken = false;
    expect(reasonOf(() => raft.campaign())).toBe('failed');
    expect((raft.failure as NokvError).cause).toMatchObject({ message: 'disk on fire' });
  });

  it('when its storage contradicts itself', () => {
    const stub = (fields: Partial<RaftStorage>): RaftStorage => {
      const storage = new MemoryStorage();
      storage.applySnapshot(new Snapshot(5, 3, new ConfState([1, 2]), NO_DATA));
      return {
        initialState: () => storage.initialState(),
        entries: (lo, hi, max) => storage.entries(lo, hi, max),
        term: (index) => storage.term(index),
        lastIndex: () => storage.lastIndex(),
        firstIndex: () => storage.firstIndex(),
        snapshot: () => storage.snapshot(),
        ...fields,
      };
    };
    const members = new ConfState([1, 2]);
    const started = (hardState: HardState, confState = members): RaftStorage =>
      stub({ initialState: () => ({ hardState, confState }) });
    expect(failsFor(stub({}))).toBe('taken');
    expect(failsFor(stub({ lastIndex: () => 3 }))).toBe('failed');
    expect(failsFor(stub({ lastIndex: () => 1.5 }))).toBe('failed');
    expect(failsFor(stub({ firstIndex: () => 0 }))).toBe('failed');
    expect(failsFor(stub({ term: () => -7 }))).toBe('failed');
    expect(failsFor(started(new HardState(3, 0, 9)))).toBe('failed');
    expect(failsFor(started(new HardState(3, 0, 4)))).toBe('failed');
    expect(failsFor(started(new HardState(2, 0, 5)))).toBe('taken');
    expect(failsFor(started(new HardState(3.5, 0, 5)))).toBe('failed');
    expect(failsFor(started(new HardState(3, 0, 5), new ConfState([1], [1])))).toBe('failed');
    const shifted = stub({ lastIndex: () => 7, term: () => 3, entries: () => [entry(3, 9)] });
    const raft = new RaftNode(config(shifted, { id: 1 }));
    const m = message(MSG_HEARTBEAT, 2, { term: 3, commit: 7 });
    raft.step(m);
    expect(reasonOf(() => void raft.ready())).toBe('failed');
  });
});

describe('options', () => {
  it.each<[string, Partial<RaftConfig>]>([
    ['no id', { id: 0 }],
    ['an id of a local thread', { id: LOCAL_APPEND_THREAD }],
    ['no heartbeats', { heartbeatTicks: 0 }],
    ['elections as often as heartbeats', { electionTicks: 1, heartbeatTicks: 1 }],
    ['no window', { inflightMessagesMax: 0 }],
    ['a window below a message', { messageBytesMax: 100, inflightBytesMax: 99 }],
    ['a lease without a check of the quorum', { readOnly: 1 }],
    ['applied beyond 2^53', { applied: 2 ** 53 }],
  ])('refuse %s', (_name, options) => {
    expect(reasonOf(() => new RaftNode(config(new MemoryStorage(), options)))).toBe('invalid');
  });

  it('refuse data that is no bytes, as a wrong argument', () => {
    const { raft } = newNode(1, [1]);
    expect(() => raft.propose('text' as unknown as Uint8Array)).toThrow(TypeError);
    expect(reasonOf(() => raft.transferLeader(-1))).toBe('invalid');
    expect(reasonOf(() => raft.reportUnreachable(Number.NaN))).toBe('invalid');
  });
});

describe('random messages', () => {
  const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

  it.each(SEEDS)('never break a replica otherwise than by a typed error: seed %i', (seed) => {
    const random = new Prng(seed);
    const numbers = [0, 1, 2, 3, 4, 5, 9, -1, 1.5, Number.NaN, 2 ** 53, INDEX_MAX, TERM_MAX];
    const number = (): number => numbers[random.below(numbers.length)] as number;
    const small = (): number => (random.chance(1, 8) ? number() : random.below(6));
    let member = newNode(1, [1, 2, 3], { preVote: random.chance(1, 2) });
    for (let i = 0; i < 4000; i++) {
      const m = new Message(
        small() % 2 === 0 ? MSG_APP : random.below(MESSAGE_TYPE_NAMES.length),
        1,
      );
      m.from = small();
      m.term = small();
      m.logTerm = small();
      m.index = small();
      m.commit = small();
      m.rejectHint = small();
      m.reject = random.chance(1, 4);
      m.entries = Array.from({ length: random.below(3) }, (_, at) =>
        random.chance(1, 10)
          ? new Entry(ENTRY_CONF_CHANGE_V2, small(), small(), Uint8Array.of(random.below(256)))
          : entry(Math.max(1, m.logTerm), m.index + 1 + at),
      );
      if (random.chance(1, 10)) {
        m.snapshot = new Snapshot(small(), small(), new ConfState([small(), 1]), NO_DATA);
      }
      try {
        member.raft.step(m);
        if (random.chance(1, 20)) member.raft.tick();
        if (member.raft.hasReady() && random.chance(1, 2)) handle(member);
      } catch (error) {
        if (!(error instanceof NokvError)) throw error;
        if (member.raft.failure !== undefined) member = newNode(1, [1, 2, 3]);
      }
    }
  });

  function handle({ raft, storage }: Member): void {
    const before = raft.basicStatus().applied;
    const ready = raft.ready();
    if (ready.snapshot !== undefined) storage.applySnapshot(ready.snapshot);
    storage.append(ready.entries);
    if (ready.hardState !== undefined) storage.setHardState(ready.hardState);
    let index = ready.snapshot === undefined ? before : ready.snapshot.index;
    // Whatever came in: what goes out to be applied is a run.
    for (const one of ready.committedEntries) expect(one.index).toBe(++index);
    raft.advance();
  }
});

function config(storage: RaftStorage, options: Partial<RaftConfig> = {}): RaftConfig {
  return { id: 1, storage, random: RANDOM, electionTicks: 10, heartbeatTicks: 1, ...options };
}
