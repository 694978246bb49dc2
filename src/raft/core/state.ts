/** Plain values of a replica: what must be durable, what a snapshot says, what role it plays. */
import { NONE } from './ids.js';

/** Must be durable before the messages of the same Ready are sent. */
export class HardState {
  readonly term: number;
  /** The node that got our vote in `term`, or NONE. */
  readonly vote: number;
  /** Highest index known to be committed; may lag behind. */
  readonly commit: number;

  constructor(term: number, vote: number, commit: number) {
    this.term = term;
    this.vote = vote;
    this.commit = commit;
  }
}

export const EMPTY_HARD_STATE = new HardState(0, NONE, 0);

export function isEmptyHardState(state: HardState): boolean {
  return state.term === 0 && state.vote === NONE && state.commit === 0;
}

/** The members of a group as plain data. Ids are sorted. */
export class ConfState {
  readonly voters: readonly number[];
  readonly learners: readonly number[];
  /** The voters before the change, while a joint change is under way; empty otherwise. */
  readonly votersOutgoing: readonly number[];
  /** Voters that become learners when the joint change ends. */
  readonly learnersNext: readonly number[];
  /** The leader ends the joint change by itself. */
  readonly autoLeave: boolean;

  constructor(
    voters: readonly number[] = [],
    learners: readonly number[] = [],
    votersOutgoing: readonly number[] = [],
    learnersNext: readonly number[] = [],
    autoLeave = false,
  ) {
    this.voters = voters;
    this.learners = learners;
    this.votersOutgoing = votersOutgoing;
    this.learnersNext = learnersNext;
    this.autoLeave = autoLeave;
  }
}

/** Same members in the same roles, in any order. */
export function equalConfStates(a: ConfState, b: ConfState): boolean {
  return (
    sameIds(a.voters, b.voters) &&
    sameIds(a.learners, b.learners) &&
    sameIds(a.votersOutgoing, b.votersOutgoing) &&
    sameIds(a.learnersNext, b.learnersNext) &&
    a.autoLeave === b.autoLeave
  );
}

function sameIds(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  const left = [...a].sort((x, y) => x - y);
  const right = [...b].sort((x, y) => x - y);
  return left.every((id, i) => id === right[i]);
}

/** The state machine after entry `index`. Its data belongs to the application. */
export class Snapshot {
  readonly index: number;
  /** Term of the entry at `index`. */
  readonly term: number;
  readonly confState: ConfState;
  readonly data: Uint8Array;

  constructor(index: number, term: number, confState: ConfState, data: Uint8Array) {
    this.index = index;
    this.term = term;
    this.confState = confState;
    this.data = data;
  }
}

export const STATE_FOLLOWER = 0;
export const STATE_CANDIDATE = 1;
export const STATE_LEADER = 2;
export const STATE_PRE_CANDIDATE = 3;
export type StateType =
  typeof STATE_FOLLOWER | typeof STATE_CANDIDATE | typeof STATE_LEADER | typeof STATE_PRE_CANDIDATE;

const STATE_NAMES = [
  'StateFollower',
  'StateCandidate',
  'StateLeader',
  'StatePreCandidate',
] as const;

export function stateName(state: StateType): string {
  return STATE_NAMES[state];
}

/** Volatile; for routing and for people. */
export class SoftState {
  /** The leader as far as known, or NONE. */
  readonly lead: number;
  readonly raftState: StateType;

  constructor(lead: number, raftState: StateType) {
    this.lead = lead;
    this.raftState = raftState;
  }
}

/** Answer to a readIndex: once `index` is applied, a read sees every write before the request. */
export class ReadState {
  readonly index: number;
  /** The context that came with the request. */
  readonly requestContext: Uint8Array;

  constructor(index: number, requestContext: Uint8Array) {
    this.index = index;
    this.requestContext = requestContext;
  }
}
