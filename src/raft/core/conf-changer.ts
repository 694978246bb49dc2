/**
 * What a configuration change makes of a configuration: pure functions from (tracker, changes) to a
 * new configuration and new progress, or to the reason of a refusal. The tracker is not touched.
 *
 *   simple      at most one voter changes; any two majorities then intersect
 *   enterJoint  (1 2 3) becomes (1 2 3)&&(1 2 3), and the changes apply to the left half
 *   leaveJoint  the left half decides alone; learners that were held back join
 */
import { AssertionError } from '../../base/assert.js';
import type { ProgressMap } from './progress.js';
import type { ProgressTracker, TrackerConfig } from './tracker.js';
import { IdSet, MajorityConfig } from './quorum.js';
import { isCount, NODE_ID_MAX } from './ids.js';
import type { ConfState } from './state.js';
import {
  CONF_ADD_LEARNER,
  CONF_ADD_NODE,
  CONF_REMOVE_NODE,
  CONF_UPDATE_NODE,
  type ConfChangeSingle,
} from './conf-change.js';

export interface Membership {
  readonly config: TrackerConfig;
  readonly progress: ProgressMap;
}

/** The new membership, or why there is none. */
export type ChangeResult = Membership | string;

/**
 * `lastIndex`: last entry of the log; newcomers are probed from there.
 * @throws AssertionError when the tracker breaks an invariant to begin with.
 */
export class ConfChanger {
  readonly #tracker: ProgressTracker;
  readonly #lastIndex: number;

  constructor(tracker: ProgressTracker, lastIndex: number) {
    this.#tracker = tracker;
    this.#lastIndex = lastIndex;
  }

  simple(changes: readonly ConfChangeSingle[]): ChangeResult {
    const next = this.#copy();
    if (next.config.voters.isJoint) return "can't apply simple config change in joint config";
    const refusal = this.#apply(next, changes);
    if (refusal !== undefined) return refusal;
    const before = this.#tracker.config.voters.incoming;
    if (differences(before, next.config.voters.incoming) > 1) {
      return 'more than one voter changed without entering joint config';
    }
    return checked(next);
  }

  enterJoint(autoLeave: boolean, changes: readonly ConfChangeSingle[]): ChangeResult {
    const next = this.#copy();
    const voters = next.config.voters;
    if (voters.isJoint) return 'config is already joint';
    // An empty configuration may get members one by one, but has no majority to agree with.
    if (voters.incoming.size === 0) return "can't make a zero-voter config joint";
    voters.outgoing = voters.incoming.clone();
    const refusal = this.#apply(next, changes);
    if (refusal !== undefined) return refusal;
    next.config.autoLeave = autoLeave;
    return checked(next);
  }

  leaveJoint(): ChangeResult {
    const next = this.#copy();
    const { config, progress } = next;
    if (!config.voters.isJoint) return "can't leave a non-joint config";
    for (const id of config.learnersNext.ids) {
      config.learners.add(id);
      const learner = progress.get(id);
      if (learner !== undefined) learner.isLearner = true;
    }
    config.learnersNext = new IdSet();
    for (const id of config.voters.outgoing.ids) {
      if (!config.voters.incoming.has(id) && !config.learners.has(id)) progress.delete(id);
    }
    config.voters.outgoing = new MajorityConfig();
    config.autoLeave = false;
    return checked(next);
  }

  #copy(): Membership {
    const { config, progress } = this.#tracker;
    return checked({ config: config.clone(), progress: progress.clone() });
  }

  /** Applies to the incoming half; the outgoing one keeps what was. Returns why not, if so. */
  #apply(next: Membership, changes: readonly ConfChangeSingle[]): string | undefined {
    for (const { type, nodeId } of changes) {
      if (nodeId === 0) continue;
      if (!isCount(nodeId, NODE_ID_MAX)) return 'node id is out of range';
      if (type === CONF_ADD_NODE) this.#makeVoter(next, nodeId);
      else if (type === CONF_ADD_LEARNER) this.#makeLearner(next, nodeId);
      else if (type === CONF_REMOVE_NODE) remove(next, nodeId);
      else if (type !== CONF_UPDATE_NODE) return `unexpected conf type ${type}`;
    }
    return next.config.voters.incoming.size === 0 ? 'removed all voters' : undefined;
  }

  #makeVoter({ config, progress }: Membership, id: number): void {
    const known = progress.get(id);
    if (known === undefined) progress.set(this.#newcomer(id, false));
    else known.isLearner = false;
    config.learners.delete(id);
    config.learnersNext.delete(id);
    config.voters.incoming.add(id);
  }

  /**
   * A voter of the outgoing half stays a voter until the joint configuration is left, and is only
   * noted as a learner to be; anybody else becomes one at once.
   */
  #makeLearner(next: Membership, id: number): void {
    const { config, progress } = next;
    const known = progress.get(id);
    if (known === undefined) {
      config.learners.add(id);
      progress.set(this.#newcomer(id, true));
      return;
    }
    if (known.isLearner) return;
    remove(next, id);
    progress.set(known);
    if (config.voters.outgoing.has(id)) {
      config.learnersNext.add(id);
    } else {
      known.isLearner = true;
      config.learners.add(id);
    }
  }

  #newcomer(id: number, isLearner: boolean): ReturnType<ProgressTracker['newProgress']> {
    return this.#tracker.newProgress(id, Math.max(this.#lastIndex, 1), isLearner);
  }
}

/** Who still votes in the outgoing half keeps its progress. */
function remove({ config, progress }: Membership, id: number): void {
  if (progress.get(id) === undefined) return;
  config.voters.incoming.delete(id);
  config.learners.delete(id);
  config.learnersNext.delete(id);
  if (!config.voters.outgoing.has(id)) progress.delete(id);
}

function differences(a: IdSet, b: IdSet): number {
  const missing = (from: IdSet, other: IdSet): number =>
    from.ids.reduce((count, id) => (other.has(id) ? count : count + 1), 0);
  return missing(a, b) + missing(b, a);
}

/** Members and progress belong together; the roles do not overlap. */
function checked(next: Membership): Membership {
  const { config, progress } = next;
  const must = (holds: boolean, what: string, id: number): void => {
    if (!holds) throw new AssertionError(`conf change: ${what}: ${id}`);
  };
  for (const ids of [config.voters.ids(), config.learners.ids, config.learnersNext.ids]) {
    for (const id of ids) must(progress.get(id) !== undefined, 'no progress', id);
  }
  for (const id of config.learnersNext.ids) {
    must(config.voters.outgoing.has(id), 'learner to be, but no outgoing voter', id);
    must(progress.get(id)?.isLearner === false, 'learner to be, but learner already', id);
  }
  for (const id of config.learners.ids) {
    must(!config.voters.has(id), 'learner and voter', id);
    must(progress.get(id)?.isLearner === true, 'learner, but not marked as one', id);
  }
  if (!config.voters.isJoint) {
    must(config.learnersNext.size === 0, 'learners to be, but not joint', 0);
    must(!config.autoLeave, 'leaves by itself, but not joint', 0);
  }
  return next;
}

/** Builds the membership that `state` describes. `tracker` must be empty; it is left with the result. */
export function restoreMembership(
  tracker: ProgressTracker,
  lastIndex: number,
  state: ConfState,
): ChangeResult {
  const change = (type: number) => (nodeId: number) => ({ type, nodeId });
  const outgoing = state.votersOutgoing.map(change(CONF_ADD_NODE));
  const incoming = [
    ...state.votersOutgoing.map(change(CONF_REMOVE_NODE)),
    ...state.voters.map(change(CONF_ADD_NODE)),
    ...state.learners.map(change(CONF_ADD_LEARNER)),
    ...state.learnersNext.map(change(CONF_ADD_LEARNER)),
  ];
  // Without an outgoing half the members join one by one. With one, it is built first, and becomes
  // the outgoing half when the joint configuration is entered.
  for (const single of outgoing.length === 0 ? incoming : outgoing) {
    const result = new ConfChanger(tracker, lastIndex).simple([single]);
    if (typeof result === 'string') return result;
    tracker.config = result.config;
    tracker.progress = result.progress;
  }
  if (outgoing.length > 0) {
    const result = new ConfChanger(tracker, lastIndex).enterJoint(state.autoLeave, incoming);
    if (typeof result === 'string') return result;
    tracker.config = result.config;
    tracker.progress = result.progress;
  }
  return { config: tracker.config, progress: tracker.progress };
}
