/**
 * What must hold between the nodes of a simulated group, checked with every event: a ghost that sees
 * everything and remembers who led, what was committed and what was applied. Looks only at what comes
 * out of a replica and at what is on its disk, never inside. A check costs what changed, not the state.
 *
 * Throws Violation. INVARIANTS (violation.ts) says what each name means. Who observed what when:
 * the node calls `observe` after every call of its replica, and the other methods as it does its work.
 */
import {
  ENTRY_NORMAL,
  MSG_APP,
  MSG_APP_RESP,
  MSG_HEARTBEAT,
  MSG_SNAP,
  MSG_TIMEOUT_NOW,
  MSG_VOTE_RESP,
  messageTypeName,
  type AnyConfChange,
  type ConfState,
  type Entry,
  type Message,
  type Snapshot,
} from '../../../src/raft/core/index.js';
import { changed, confText, isQuorum } from './conf-model.js';
import type { Counts } from './counts.js';
import type { DiskState } from './disk.js';
import { ReadChecks } from './read-checks.js';
import type { StateMachine } from './state-machine.js';
import { TermLog } from './term-log.js';
import { Violation, type Invariant } from './violation.js';

/** What the checker knows of a node, and what it may look at. */
export interface Watched {
  readonly id: number;
  /** Of the current life. */
  readonly lives: number;
  readonly disk: { readonly durable: DiskState; readonly visible: DiskState };
  readonly app: StateMachine;
  /** The members that the replica was last told, or said itself, are in force. */
  readonly confInForce: ConfState;
  /** Asks the replica. */
  readonly status: () => NodeStatus;
  readonly ghost: Ghost;
}

export interface NodeStatus {
  readonly term: number;
  readonly vote: number;
  readonly commit: number;
  readonly isLeader: boolean;
  readonly conf: () => ConfState;
}

/** The checker's notes on one node. */
export class Ghost {
  term = 0;
  commit = 0;
  isLeader = false;
  /** In this term the log of a leader only grows from now on; 0: none. */
  appendOnlyTerm = 0;
  log = new TermLog();
  /** Index of the latest conf change in `log`, as far as it was appended while watched. */
  lastChange = 0;
  /** Votes by term that will never change: durable, or told behind a later durable term. */
  readonly votes = new Map<number, number>();
  durableTerm = 0;
  durableCommit = 0;
}

interface Leader {
  readonly id: number;
  readonly life: number;
}

interface ElectedLog {
  readonly term: number;
  readonly log: TermLog;
}

interface Seen {
  readonly entry: Entry;
  readonly previousTerm: number;
}

const TERM_LIMIT = 100_000;
/** Of everything that is there before the first election. */
export const FIRST_TERM = 1;

export class Checker {
  readonly reads: ReadChecks;
  readonly #nodes: readonly Watched[];
  readonly #counts: Counts;
  /** Changes before this index are those of bootstrap(), in force before they are applied. */
  readonly #firstIndex: number;
  readonly #leaders = new Map<number, Leader>();
  readonly #elected: ElectedLog[] = [];
  readonly #seen = new Map<number, Seen>();
  /** Terms of committed entries, by index; and the terms of the leaders that committed them. */
  readonly #committed: number[] = [];
  readonly #committedIn: number[] = [];
  readonly #hashes: number[] = [];
  readonly #confs = new Map<number, string>();

  /** The group starts with `firstIndex` entries committed: `entries`, or those of a snapshot without hash. */
  constructor(
    nodes: readonly Watched[],
    counts: Counts,
    firstIndex: number,
    entries: readonly Entry[],
  ) {
    this.#nodes = nodes;
    this.#counts = counts;
    this.reads = new ReadChecks(counts);
    this.#firstIndex = firstIndex;
    this.#committed.push(0);
    this.#committedIn.push(0);
    for (let index = 1; index <= firstIndex; index++) {
      this.#committed.push(FIRST_TERM);
      this.#committedIn.push(FIRST_TERM);
    }
    for (const entry of entries) {
      const previousTerm = entry.index === 1 ? 0 : FIRST_TERM;
      this.#seen.set(keyOf(entry.index, entry.term), { entry, previousTerm });
    }
    if (entries.length === 0) this.#hashes[firstIndex] = 0;
  }

  /** Highest index known to be committed, by anybody. */
  get commitMax(): number {
    return this.#committed.length - 1;
  }

  /** After every call of the replica. */
  observe(node: Watched): void {
    const { ghost } = node;
    const { term, commit, isLeader } = node.status();
    if (term < ghost.term) fail('durable-state', node, `term ${ghost.term} sank to ${term}`);
    if (commit < ghost.commit) {
      fail('durable-state', node, `commit ${ghost.commit} sank to ${commit}`);
    }
    if (isLeader && (!ghost.isLeader || term !== ghost.term)) this.#elect(node, term);
    if (commit > ghost.commit) {
      if (isLeader) this.#leaderCommits(node, term, commit);
      else if (commit > this.commitMax) {
        fail('commit-truth', node, `holds ${commit} to be committed, which no leader committed`);
      }
    }
    ghost.term = term;
    ghost.commit = commit;
    ghost.isLeader = isLeader;
  }

  #elect(node: Watched, term: number): void {
    const before = this.#leaders.get(term);
    if (before !== undefined && (before.id !== node.id || before.life !== node.lives)) {
      const again = before.id === node.id ? ' before it restarted' : '';
      fail('election-safety', node, `leads term ${term}, which node ${before.id} led${again}`);
    }
    this.#leaders.set(term, { id: node.id, life: node.lives });
    this.#counts.leaders++;
    this.#checkInForce(node);
    const hasVoted = (id: number): boolean => this.#watched(id).ghost.votes.get(term) === node.id;
    if (!hasVoted(node.id)) {
      fail('election-quorum', node, `leads term ${term}, and its own vote is not durable`);
    }
    if (!isQuorum(node.confInForce, hasVoted)) {
      const conf = confText(node.confInForce);
      fail('election-quorum', node, `leads term ${term} without durable votes of ${conf}`);
    }
  }

  #checkInForce(node: Watched): void {
    const actual = confText(node.status().conf());
    const expected = confText(node.confInForce);
    if (actual === expected) return;
    fail('configuration-in-force', node, `decides by ${actual}, but has applied ${expected}`);
  }

  #leaderCommits(node: Watched, term: number, commit: number): void {
    const { ghost } = node;
    if (commit <= this.commitMax) {
      this.#checkCommitTruth(node, ghost.commit, commit);
      return;
    }
    this.#checkInForce(node);
    const last = ghost.log.term(commit);
    if (last !== term) {
      fail('commit-term', node, `commits ${commit} of term ${last} as leader of term ${term}`);
    }
    const isDurable = (id: number): boolean => {
      const disk = this.#watched(id).disk.durable;
      return commit <= disk.offset || disk.term(commit) === last;
    };
    if (!isQuorum(node.confInForce, isDurable)) {
      const holders = this.#nodes.filter(({ id }) => isDurable(id)).map(({ id }) => id);
      fail(
        'commit-quorum',
        node,
        `commits ${commit} of term ${last}, which is durable on ${holders.join(',') || 'none'} ` +
          `of ${confText(node.confInForce)}`,
      );
    }
    this.#checkCommitTruth(node, ghost.commit, this.commitMax);
    for (let index = this.commitMax + 1; index <= commit; index++) {
      this.#committed.push(ghost.log.term(index));
      this.#committedIn.push(term);
      this.#counts.commits++;
    }
    for (const elected of this.#elected) {
      if (elected.term > term) this.#mustContain(node, elected, commit);
    }
  }

  #mustContain(node: Watched, elected: ElectedLog, index: number): void {
    const { log, term } = elected;
    if (index <= log.offset || log.term(index) === this.#committed[index]) return;
    fail(
      'leader-completeness',
      node,
      `entry ${index} of term ${this.#committed[index]}, committed in term ` +
        `${this.#committedIn[index]}, is not in the log of the leader of term ${term}`,
    );
  }

  /** What the node holds to be committed behind `from` is what was committed. */
  #checkCommitTruth(node: Watched, from: number, to: number): void {
    const { log } = node.ghost;
    for (let index = Math.max(from, log.offset) + 1; index <= to; index++) {
      if (log.term(index) === this.#committed[index]) continue;
      fail(
        'commit-truth',
        node,
        `holds entry ${index} of term ${log.term(index)} to be committed; ` +
          `committed is that of term ${this.#committed[index] ?? 'none'}`,
      );
    }
  }

  /** What a replica hands out, before anything of it is done. */
  handedOut(node: Watched, entries: readonly Entry[], snapshot: Snapshot | undefined): void {
    const { ghost } = node;
    if (snapshot !== undefined) {
      this.#checkSnapshot(node, snapshot);
      ghost.log.restore(snapshot.index, snapshot.term);
    }
    const first = entries[0];
    if (first !== undefined) {
      if (ghost.isLeader && ghost.appendOnlyTerm === ghost.term) {
        if (first.index <= ghost.log.lastIndex) {
          fail('leader-append-only', node, `replaces its log from ${first.index} on while leading`);
        }
      }
      for (const entry of entries) this.#appended(node, entry);
    }
    if (ghost.isLeader && ghost.appendOnlyTerm !== ghost.term) this.#firstReadyOfLeader(node);
  }

  /** The commit index that a Ready carries; its entries were handed out. */
  committed(node: Watched, from: number, commit: number): void {
    this.#checkCommitTruth(node, from, commit);
  }

  #appended(node: Watched, entry: Entry): void {
    const { ghost } = node;
    const { index, term } = entry;
    if (index > ghost.log.lastIndex + 1) fail('log-matching', node, `leaves a gap before ${index}`);
    const previousTerm = ghost.log.term(index - 1);
    if (index <= ghost.commit && index <= this.commitMax && term !== this.#committed[index]) {
      fail('commit-truth', node, `replaces committed entry ${index} by one of term ${term}`);
    }
    const key = keyOf(index, term);
    const seen = this.#seen.get(key);
    if (seen === undefined) {
      if (this.#leaders.get(term)?.id !== node.id) {
        fail('log-matching', node, `has entry ${index} of term ${term}, which no leader appended`);
      }
      this.#seen.set(key, { entry, previousTerm });
      if (entry.type !== ENTRY_NORMAL) this.#checkOneChange(node, entry);
    } else if (!isSame(seen.entry, entry) || (seen.previousTerm !== previousTerm && index > 1)) {
      fail(
        'log-matching',
        node,
        `has another entry ${index} of term ${term} than others, or after term ${previousTerm} ` +
          `instead of ${seen.previousTerm}`,
      );
    }
    ghost.log.put(index, term);
    if (entry.type !== ENTRY_NORMAL) ghost.lastChange = index;
    else if (ghost.lastChange >= index) ghost.lastChange = 0;
  }

  #checkOneChange(node: Watched, { index }: Entry): void {
    const { ghost, app } = node;
    if (ghost.lastChange >= index || ghost.lastChange <= app.applied) return;
    fail(
      'one-change-at-a-time',
      node,
      `appends the change ${index} while ${ghost.lastChange} is not applied (${app.applied} is)`,
    );
  }

  #firstReadyOfLeader(node: Watched): void {
    const { ghost } = node;
    ghost.appendOnlyTerm = ghost.term;
    const elected = { term: ghost.term, log: ghost.log.copy() };
    this.#elected.push(elected);
    let index = this.commitMax;
    while (index > 0 && (this.#committedIn[index] as number) >= ghost.term) index--;
    this.#mustContain(node, elected, index);
  }

  /** Before a message goes to another node. */
  sent(node: Watched, m: Message): void {
    const { durable } = node.disk;
    switch (m.type) {
      case MSG_VOTE_RESP:
        if (!m.reject) this.#votes(node, m);
        return;
      case MSG_APP_RESP:
        this.#mustHaveTerm(node, m);
        if (m.reject || durable.hardState.term !== m.term || m.index <= durable.lastIndex) return;
        fail(
          'durable-before-told',
          node,
          `acknowledges ${m.index}, and ${durable.lastIndex} is the last durable entry`,
        );
        return;
      case MSG_APP:
      case MSG_HEARTBEAT:
        if (m.commit > this.commitMax) {
          fail('durable-before-told', node, `tells of commit ${m.commit}, which nobody committed`);
        }
        this.#mustHaveTerm(node, m);
        return;
      case MSG_SNAP:
      case MSG_TIMEOUT_NOW:
        this.#mustHaveTerm(node, m);
        return;
      default:
    }
  }

  /** A vote is durable, or a later term is: then no other vote in this term can be cast. */
  #votes(node: Watched, { term, to }: Message): void {
    const { ghost, disk } = node;
    const before = ghost.votes.get(term);
    if (before === to) return;
    if (before !== undefined || disk.durable.hardState.term <= term) {
      fail('durable-before-told', node, `votes for ${to} in term ${term}; durable is ${before}`);
    }
    ghost.votes.set(term, to);
  }

  #mustHaveTerm(node: Watched, m: Message): void {
    const { term } = node.disk.durable.hardState;
    if (m.term <= term) return;
    const type = messageTypeName(m.type);
    fail('durable-before-told', node, `sends ${type} of term ${m.term}; durable is term ${term}`);
  }

  /** After anything became durable, also by surviving a crash. */
  synced(node: Watched): void {
    const { ghost, disk } = node;
    const { term, vote, commit } = disk.durable.hardState;
    if (term < ghost.durableTerm) fail('durable-state', node, `durable term sank to ${term}`);
    if (commit < ghost.durableCommit) {
      fail('durable-state', node, `durable commit ${ghost.durableCommit} sank to ${commit}`);
    }
    ghost.durableTerm = term;
    ghost.durableCommit = commit;
    if (vote === 0) return;
    const before = ghost.votes.get(term);
    if (before !== undefined && before !== vote) {
      fail('durable-state', node, `votes for ${vote} in term ${term} after ${before}`);
    }
    ghost.votes.set(term, vote);
  }

  /** Before the state machine takes `entry`. */
  applying(node: Watched, entry: Entry): void {
    const { index, term } = entry;
    if (index !== node.app.applied + 1) {
      fail('state-machine-safety', node, `applies ${index} after ${node.app.applied}`);
    }
    if (this.#committed[index] !== term) {
      const actual = this.#committed[index] ?? 'none';
      fail(
        'state-machine-safety',
        node,
        `applies ${index} of term ${term}; committed is ${actual}`,
      );
    }
    const seen = this.#seen.get(keyOf(index, term));
    if (seen === undefined || !isSame(seen.entry, entry)) {
      fail('state-machine-safety', node, `applies another entry ${index} than was committed`);
    }
  }

  /** After it did. */
  applied(node: Watched): void {
    const { applied, hash } = node.app;
    const known = this.#hashes[applied];
    this.#hashes[applied] = hash;
    this.#counts.applied++;
    if (known !== undefined && known !== hash) {
      fail('state-machine-safety', node, `has another state after ${applied} than others`);
    }
  }

  /** A conf change was applied: `result` are the members, undefined when the core rejected it. */
  changed(
    node: Watched,
    index: number,
    change: AnyConfChange,
    result: ConfState | undefined,
  ): void {
    if (index <= this.#firstIndex) return;
    const expected = changed(node.app.conf, change);
    const text = result === undefined ? 'rejected' : confText(result);
    const modelText = expected === undefined ? 'rejected' : confText(expected);
    if (text !== modelText) {
      fail('configuration-safety', node, `after ${index}: ${text}; it should be: ${modelText}`);
    }
    const known = this.#confs.get(index);
    if (known === undefined) this.#counts.changes++;
    this.#confs.set(index, text);
    if (known === undefined || known === text) return;
    fail('configuration-safety', node, `after ${index}: ${text}; elsewhere it is: ${known}`);
  }

  #checkSnapshot(node: Watched, { index, term }: Snapshot): void {
    if (index > this.commitMax || this.#committed[index] !== term) {
      fail('commit-truth', node, `takes a snapshot at ${index} of term ${term}, not committed`);
    }
    if (index <= node.app.applied) {
      fail('state-machine-safety', node, `takes snapshot ${index} over ${node.app.applied}`);
    }
  }

  /** The state machine was replaced by a snapshot. */
  restored(node: Watched): void {
    const { applied, hash } = node.app;
    if (this.#hashes[applied] === hash) return;
    fail('state-machine-safety', node, `restores another state at ${applied} than was applied`);
  }

  /** The replica was built from its disk. */
  started(node: Watched): void {
    const { ghost } = node;
    const { term, commit } = node.status();
    const { durable } = node.disk;
    if (term < ghost.durableTerm || commit < ghost.durableCommit) {
      fail('durable-state', node, `starts with term ${term} and commit ${commit} behind its disk`);
    }
    ghost.term = term;
    ghost.commit = commit;
    ghost.isLeader = false;
    ghost.appendOnlyTerm = 0;
    ghost.log = TermLog.of(durable.entries);
    ghost.lastChange = 0;
    for (const entry of durable.entries) {
      if (entry.type !== ENTRY_NORMAL) ghost.lastChange = entry.index;
    }
    if (commit > this.commitMax) fail('commit-truth', node, `starts with commit ${commit}`);
    this.#checkCommitTruth(node, 0, commit);
  }

  #watched(id: number): Watched {
    return this.#nodes[id - 1] as Watched;
  }
}

function keyOf(index: number, term: number): number {
  return index * TERM_LIMIT + term;
}

function isSame(a: Entry, b: Entry): boolean {
  if (a === b) return true;
  if (a.type !== b.type || a.data.length !== b.data.length) return false;
  return a.data === b.data || a.data.every((byte, i) => byte === b.data[i]);
}

function fail(invariant: Invariant, node: Watched, message: string): never {
  throw new Violation(invariant, `node ${node.id}: ${message}`);
}
