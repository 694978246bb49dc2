/** Who is in the group: taking conf changes and snapshots into force. */
import { RaftError } from '../../base/errors.js';
import {
  entersJoint,
  leavesByItself,
  leavesJoint,
  TRANSITION_JOINT_EXPLICIT,
  type ConfChangeV2,
} from './conf-change.js';
import { ConfChanger, restoreMembership, type Membership } from './conf-changer.js';
import { hex, NO_LIMIT, NONE } from './ids.js';
import { fatal } from './logger.js';
import { Message, MSG_APP_RESP } from './messages.js';
import type { Raft } from './raft.js';
import { broadcastAppend, maybeSendAppend } from './replication.js';
import { ConfState, equalConfStates, Snapshot, STATE_FOLLOWER, STATE_LEADER } from './state.js';
import { confStateText } from './go-text.js';
import { isConfChangeEntry, NO_DATA } from './entry.js';

/** @throws RaftError `invalid`, and nothing changes, when the change does not fit the configuration. */
export function applyConfChange(r: Raft, change: ConfChangeV2): ConfState {
  if (change.transition > TRANSITION_JOINT_EXPLICIT) {
    throw new RaftError('invalid', 'Cannot apply the configuration change: unknown transition');
  }
  const changer = new ConfChanger(r.tracker, r.log.lastIndex());
  const result = leavesJoint(change)
    ? changer.leaveJoint()
    : entersJoint(change)
      ? changer.enterJoint(leavesByItself(change), change.changes)
      : changer.simple(change.changes);
  if (typeof result === 'string') throw new RaftError('invalid', result);
  return switchTo(r, result);
}

/** Puts a membership into force, with what follows from it for a leader. */
export function switchTo(r: Raft, membership: Membership): ConfState {
  r.tracker.config = membership.config;
  r.tracker.progress = membership.progress;
  r.logger.info(`${hex(r.id)} switched to configuration ${String(r.tracker.config)}`);
  const state = r.tracker.config.confState();
  const self = r.tracker.progress.get(r.id);
  r.isLearner = self !== undefined && self.isLearner;
  if (r.state !== STATE_LEADER) return state;
  if (self === undefined || r.isLearner) {
    if (r.stepDownOnRemoval) r.becomeFollower(r.term, NONE);
    return state;
  }
  if (state.voters.length === 0) return state;
  if (r.maybeCommit()) {
    // A smaller quorum may have committed more.
    broadcastAppend(r);
  } else {
    // Newcomers are probed now instead of at the next heartbeat.
    for (const progress of r.tracker.progress.all) {
      if (progress.id !== r.id) maybeSendAppend(r, progress, false);
    }
  }
  if (!r.tracker.config.voters.has(r.leadTransferee)) r.leadTransferee = NONE;
  return state;
}

/** Follower. Answers with how far the log reaches now, whether the snapshot was taken or not. */
export function handleSnapshot(r: Raft, m: Message): void {
  const snapshot = m.snapshot ?? NO_SNAPSHOT;
  const isRestored = restore(r, snapshot);
  r.logger.info(
    `${hex(r.id)} [commit: ${r.log.committed}] ${isRestored ? 'restored' : 'ignored'} snapshot ` +
      `[index: ${snapshot.index}, term: ${snapshot.term}]`,
  );
  const response = new Message(MSG_APP_RESP, m.from);
  response.index = isRestored ? r.log.lastIndex() : r.log.committed;
  r.send(response);
}

const NO_SNAPSHOT = new Snapshot(0, 0, new ConfState(), NO_DATA);

/** False when the snapshot is ignored: old, not for us, or what it holds is in our log. */
function restore(r: Raft, snapshot: Snapshot): boolean {
  const { index, term, confState } = snapshot;
  if (index <= r.log.committed) return false;
  if (r.state !== STATE_FOLLOWER) {
    throw fatal(r.logger, `${hex(r.id)} attempted to restore snapshot as leader`);
  }
  const isMember =
    confState.voters.includes(r.id) ||
    confState.learners.includes(r.id) ||
    confState.votersOutgoing.includes(r.id);
  if (!isMember) {
    r.logger.warning(
      `${hex(r.id)} attempted to restore snapshot but it is not in the ConfState ` +
        `${confStateText(confState)}; should never happen`,
    );
    return false;
  }
  if (!r.likeEtcd && isChangeBeingApplied(r)) {
    // It would be made on top of the snapshot's members. The leader sends a snapshot again.
    r.logger.info(`${hex(r.id)} ignored snapshot while a conf change is being applied`);
    return false;
  }
  if (r.log.matchTerm(index, term)) {
    r.logger.info(
      `${hex(r.id)} [commit: ${r.log.committed}, lastindex: ${r.log.lastIndex()}, ` +
        `lastterm: ${r.log.lastTerm()}] fast-forwarded commit to snapshot ` +
        `[index: ${index}, term: ${term}]`,
    );
    r.log.commitTo(index);
    return false;
  }
  const membership = membershipOf(r, index, confState);
  if (typeof membership === 'string') throw new RaftError('invalid', membership);
  r.log.restore(snapshot);
  switchTo(r, membership);
  r.logger.info(
    `${hex(r.id)} [commit: ${r.log.committed}, lastindex: ${r.log.lastIndex()}, ` +
      `lastterm: ${r.log.lastTerm()}] restored snapshot [index: ${index}, term: ${term}]`,
  );
  return true;
}

/** A conf change was handed out, and the application has not yet said that it is applied. */
function isChangeBeingApplied(r: Raft): boolean {
  const { applied, applying } = r.log;
  if (applying <= applied) return false;
  const entries = r.log.slice(applied + 1, applying + 1, NO_LIMIT);
  return entries === undefined || entries.some(isConfChangeEntry);
}

/** The membership that `state` describes, with fresh progress; or why it cannot be. */
export function membershipOf(r: Raft, lastIndex: number, state: ConfState): Membership | string {
  const result = restoreMembership(r.tracker.emptied(), lastIndex, state);
  if (typeof result === 'string')
    return `unable to restore config ${confStateText(state)}: ${result}`;
  if (equalConfStates(result.config.confState(), state)) return result;
  return `unable to restore config ${confStateText(state)}: it contradicts itself`;
}
