/**
 * What conf changes do to members, written a second time from the rules instead of from the core:
 * what the checker believes. Pure functions over ConfState.
 */
import {
  CONF_ADD_LEARNER,
  CONF_ADD_NODE,
  CONF_REMOVE_NODE,
  ConfState,
  TRANSITION_AUTO,
  TRANSITION_JOINT_EXPLICIT,
  type AnyConfChange,
  type ConfChangeSingle,
} from '../../../src/raft/core/index.js';

interface Sets {
  readonly voters: Set<number>;
  readonly learners: Set<number>;
  readonly outgoing: Set<number>;
  readonly learnersNext: Set<number>;
}

/** The members after the change; undefined when it does not fit and must be rejected. */
export function changed(before: ConfState, change: AnyConfChange): ConfState | undefined {
  const singles: readonly ConfChangeSingle[] = change.version === 1 ? [change] : change.changes;
  const transition = change.version === 1 ? TRANSITION_AUTO : change.transition;
  const isJoint = before.votersOutgoing.length > 0;
  if (singles.length === 0 && transition === TRANSITION_AUTO) {
    return isJoint ? left(before) : undefined;
  }
  if (isJoint) return undefined;
  const entersJoint = transition !== TRANSITION_AUTO || singles.length > 1;
  if (entersJoint && before.voters.length === 0) return undefined;
  const sets: Sets = {
    voters: new Set(before.voters),
    learners: new Set(before.learners),
    outgoing: new Set(entersJoint ? before.voters : []),
    learnersNext: new Set(before.learnersNext),
  };
  for (const single of singles) apply(sets, single);
  if (sets.voters.size === 0) return undefined;
  if (!entersJoint && distance(before.voters, sets.voters) > 1) return undefined;
  return stateOf(sets, entersJoint && transition !== TRANSITION_JOINT_EXPLICIT);
}

function left(before: ConfState): ConfState {
  const learners = [...before.learners, ...before.learnersNext];
  return new ConfState(before.voters, learners.sort(ascending), [], [], false);
}

function apply(sets: Sets, { type, nodeId }: ConfChangeSingle): void {
  if (nodeId === 0) return;
  const { voters, learners, outgoing, learnersNext } = sets;
  const isVoting = voters.has(nodeId) || outgoing.has(nodeId);
  if (type === CONF_ADD_NODE) {
    learners.delete(nodeId);
    learnersNext.delete(nodeId);
    voters.add(nodeId);
  } else if (type === CONF_ADD_LEARNER) {
    if (learners.has(nodeId)) return;
    voters.delete(nodeId);
    // It still votes in the old half, and becomes a learner with the end of it.
    if (isVoting && outgoing.has(nodeId)) learnersNext.add(nodeId);
    else learners.add(nodeId);
  } else if (type === CONF_REMOVE_NODE) {
    voters.delete(nodeId);
    learners.delete(nodeId);
    learnersNext.delete(nodeId);
  }
}

function stateOf(sets: Sets, autoLeave: boolean): ConfState {
  const sorted = (set: Set<number>): number[] => [...set].sort(ascending);
  return new ConfState(
    sorted(sets.voters),
    sorted(sets.learners),
    sorted(sets.outgoing),
    sorted(sets.learnersNext),
    autoLeave,
  );
}

function distance(before: readonly number[], after: ReadonlySet<number>): number {
  const kept = before.filter((id) => after.has(id)).length;
  return before.length - kept + (after.size - kept);
}

const ascending = (a: number, b: number): number => a - b;

/** A majority of the voters and, while a joint change is under way, of the voters before it. */
export function isQuorum(conf: ConfState, has: (id: number) => boolean): boolean {
  return isMajority(conf.voters, has) && isMajority(conf.votersOutgoing, has);
}

function isMajority(ids: readonly number[], has: (id: number) => boolean): boolean {
  if (ids.length === 0) return true;
  let count = 0;
  for (const id of ids) if (has(id)) count++;
  return count * 2 > ids.length;
}

/** In any role. */
export function isMember(conf: ConfState, id: number): boolean {
  return conf.voters.includes(id) || conf.learners.includes(id) || conf.votersOutgoing.includes(id);
}

/** One line; equal states give equal lines. */
export function confText(conf: ConfState): string {
  const part = (name: string, ids: readonly number[]): string =>
    ids.length === 0 ? '' : ` ${name}=${ids.join(',')}`;
  return (
    `voters=${conf.voters.join(',')}${part('outgoing', conf.votersOutgoing)}` +
    `${part('learners', conf.learners)}${part('next', conf.learnersNext)}` +
    (conf.autoLeave ? ' autoleave' : '')
  );
}
