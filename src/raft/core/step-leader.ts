/** What a leader does with a message of its term. */
import { RaftError } from '../../base/errors.js';
import { decodeEntryChange } from './conf-change-codec.js';
import { asV2, type AnyConfChange } from './conf-change.js';
import { describeConfChange } from './describe.js';
import { isConfChangeEntry, type Entries, type Entry } from './entry.js';
import { hex, INDEX_MAX, NONE } from './ids.js';
import {
  Message,
  MSG_APP_RESP,
  MSG_BEAT,
  MSG_CHECK_QUORUM,
  MSG_FORGET_LEADER,
  MSG_HEARTBEAT_RESP,
  MSG_PROP,
  MSG_READ_INDEX,
  MSG_READ_INDEX_RESP,
  MSG_SNAP_STATUS,
  MSG_TRANSFER_LEADER,
  MSG_UNREACHABLE,
} from './messages.js';
import {
  PROGRESS_PROBE,
  PROGRESS_REPLICATE,
  PROGRESS_SNAPSHOT,
  type Progress,
} from './progress.js';
import { READ_ONLY_LEASE_BASED, READ_ONLY_SAFE } from './read-index.js';
import { refusedEntry, type Raft } from './raft.js';
import {
  broadcastAppend,
  broadcastHeartbeat,
  maybeSendAppend,
  sendAppend,
  sendTimeoutNow,
} from './replication.js';
import { ReadState } from './state.js';

/** False when a proposal was dropped. */
export function stepLeader(r: Raft, m: Message): boolean {
  switch (m.type) {
    case MSG_BEAT:
      broadcastHeartbeat(r);
      return true;
    case MSG_CHECK_QUORUM:
      checkQuorum(r);
      return true;
    case MSG_PROP:
      return propose(r, m.entries);
    case MSG_READ_INDEX:
      readIndex(r, m);
      return true;
    case MSG_FORGET_LEADER:
      return true;
    default:
      stepFromPeer(r, m);
      return true;
  }
}

function stepFromPeer(r: Raft, m: Message): void {
  const progress = r.tracker.progress.get(m.from);
  if (progress === undefined) {
    r.logger.debug(`${hex(r.id)} no progress available for ${hex(m.from)}`);
    return;
  }
  switch (m.type) {
    case MSG_APP_RESP:
      progress.recentActive = true;
      if (m.reject) handleRejection(r, m, progress);
      else handleAck(r, m, progress);
      return;
    case MSG_HEARTBEAT_RESP:
      handleHeartbeatResponse(r, m, progress);
      return;
    case MSG_SNAP_STATUS:
      handleSnapshotStatus(r, m, progress);
      return;
    case MSG_UNREACHABLE:
      // What was sent ahead is probably lost: find out where the follower is.
      if (progress.state === PROGRESS_REPLICATE) progress.becomeProbe();
      r.logger.debug(
        `${hex(r.id)} failed to send message to ${hex(m.from)} because it is unreachable ` +
          `[${String(progress)}]`,
      );
      return;
    case MSG_TRANSFER_LEADER:
      transferLeader(r, progress);
      return;
    default:
  }
}

/** Steps down when no quorum was heard of since the last check. */
function checkQuorum(r: Raft): void {
  if (!r.tracker.isQuorumActive()) {
    r.logger.warning(`${hex(r.id)} stepped down to follower since quorum is not active`);
    r.becomeFollower(r.term, NONE);
  }
  for (const progress of r.tracker.progress.all) {
    if (progress.id !== r.id) progress.recentActive = false;
  }
}

function propose(r: Raft, proposed: Entries): boolean {
  // Removed while leading: what it appends now, nobody would wait for.
  if (r.tracker.progress.get(r.id) === undefined) return false;
  if (r.leadTransferee !== NONE) {
    r.logger.debug(
      `${hex(r.id)} [term ${r.term}] transfer leadership to ${hex(r.leadTransferee)} ` +
        'is in progress; dropping proposal',
    );
    return false;
  }
  if (r.log.lastIndex() > INDEX_MAX - proposed.length) {
    throw new RaftError('limit', 'Cannot propose: the index would pass 2^53');
  }
  const entries = proposed.some(isConfChangeEntry) ? admitChanges(r, proposed) : proposed;
  if (!r.appendEntries(entries)) return false;
  broadcastAppend(r);
  return true;
}

/** Replaces conf changes that may not be made now by empty entries. */
function admitChanges(r: Raft, proposed: Entries): Entries {
  // All are decoded before anything changes: malformed ones are refused with the whole proposal.
  const changes = proposed.map((entry) => decodeEntryChange(entry));
  return proposed.map((entry: Entry, i) => {
    const change = changes[i];
    if (change === undefined) return entry;
    const refusal = refusalOf(r, change);
    if (refusal !== '' && !r.disableConfChangeValidation) {
      r.logger.info(
        `${hex(r.id)} ignoring conf change ${describeConfChange(change)} ` +
          `at config ${String(r.tracker.config)}: ${refusal}`,
      );
      return refusedEntry();
    }
    r.pendingConfIndex = r.log.lastIndex() + i + 1;
    return entry;
  });
}

/** One change at a time, and out of a joint configuration before the next. '' when it may be made. */
function refusalOf(r: Raft, change: AnyConfChange): string {
  const isJoint = r.tracker.config.voters.isJoint;
  const isEmpty = asV2(change).changes.length === 0;
  if (r.pendingConfIndex > r.log.applied) {
    return (
      `possible unapplied conf change at index ${r.pendingConfIndex} ` +
      `(applied to ${r.log.applied})`
    );
  }
  if (isJoint && !isEmpty) return 'must transition out of joint config first';
  if (!isJoint && isEmpty) return 'not in joint state; refusing empty conf change';
  return '';
}

function handleRejection(r: Raft, m: Message, progress: Progress): void {
  r.logger.debug(
    `${hex(r.id)} received MsgAppResp(rejected, hint: (index ${m.rejectHint}, ` +
      `term ${m.logTerm})) from ${hex(m.from)} for index ${m.index}`,
  );
  // The follower named the end of its log, with its term there. Where our terms are later the logs
  // cannot match, so all those indexes are skipped: one probe per term instead of one per entry.
  const probe = m.logTerm > 0 ? r.log.findConflictByTerm(m.rejectHint, m.logTerm) : m.rejectHint;
  if (!progress.maybeDecreaseTo(m.index, probe)) return;
  r.logger.debug(`${hex(r.id)} decreased progress of ${hex(m.from)} to [${String(progress)}]`);
  if (progress.state === PROGRESS_REPLICATE) progress.becomeProbe();
  sendAppend(r, progress);
}

function handleAck(r: Raft, m: Message, progress: Progress): void {
  if (m.index > r.log.lastIndex() && !r.likeEtcd) {
    throw new RaftError('invalid', 'Cannot take an acknowledgement: the index is not in the log');
  }
  // An answer that says nothing new still ends probing.
  const endsProbe = progress.match === m.index && progress.state === PROGRESS_PROBE;
  if (!progress.maybeUpdate(m.index) && !endsProbe) return;
  advanceState(r, m, progress);
  if (r.maybeCommit()) {
    releasePendingReads(r);
    broadcastAppend(r);
  } else if (r.id !== m.from && progress.canBumpCommit(r.log.committed)) {
    // Heartbeats carry the commit index too, but later.
    sendAppend(r, progress);
  }
  // Room in the window: fill it, without empty messages.
  if (r.id !== m.from) while (maybeSendAppend(r, progress, false));
  if (m.from === r.leadTransferee && progress.match === r.log.lastIndex()) {
    r.logger.info(`${hex(r.id)} sent MsgTimeoutNow to ${hex(m.from)} after received MsgAppResp`);
    sendTimeoutNow(r, m.from);
  }
}

function advanceState(r: Raft, m: Message, progress: Progress): void {
  if (progress.state === PROGRESS_PROBE) {
    progress.becomeReplicate();
  } else if (progress.state === PROGRESS_REPLICATE) {
    progress.inflights.freeUpTo(m.index);
  } else if (progress.match + 1 >= r.log.firstIndex()) {
    // Whatever brought it there, the follower is back within our log: go on from the log.
    r.logger.debug(
      `${hex(r.id)} recovered from needing snapshot, resumed sending replication messages ` +
        `to ${hex(m.from)} [${String(progress)}]`,
    );
    progress.becomeProbe();
    progress.becomeReplicate();
  }
}

function handleHeartbeatResponse(r: Raft, m: Message, progress: Progress): void {
  progress.recentActive = true;
  progress.isFlowPaused = false;
  // Into a full window this is an empty message, which recovers from losing all that was in flight.
  if (progress.match < r.log.lastIndex() || progress.state === PROGRESS_PROBE) {
    sendAppend(r, progress);
  }
  if (r.readOnly !== READ_ONLY_SAFE || m.context.length === 0) return;
  r.reads.receiveAck(m.from, m.context);
  for (const { request, index } of r.reads.takeConfirmed(r.tracker.config.voters)) {
    answerRead(r, request, index);
  }
}

function handleSnapshotStatus(r: Raft, m: Message, progress: Progress): void {
  if (progress.state !== PROGRESS_SNAPSHOT) return;
  if (m.reject) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  r.logger.debug(
    `${hex(r.id)} snapshot ${m.reject ? 'failed' : 'succeeded'}, ` +
      `resumed sending replication messages to ${hex(m.from)} [${String(progress)}]`,
  );
  // Finished: wait for the follower's answer. Failed: wait for a heartbeat before the next attempt.
  progress.isFlowPaused = true;
}

function transferLeader(r: Raft, progress: Progress): void {
  const to = progress.id;
  if (progress.isLearner) {
    r.logger.debug(`${hex(r.id)} is learner. Ignored transferring leadership`);
    return;
  }
  if (r.leadTransferee !== NONE) {
    if (r.leadTransferee === to) {
      r.logger.info(
        `${hex(r.id)} [term ${r.term}] transfer leadership to ${hex(to)} is in progress, ` +
          `ignores request to same node ${hex(to)}`,
      );
      return;
    }
    const last = r.leadTransferee;
    r.leadTransferee = NONE;
    r.logger.info(
      `${hex(r.id)} [term ${r.term}] abort previous transferring leadership to ${hex(last)}`,
    );
  }
  if (to === r.id) {
    r.logger.debug(`${hex(r.id)} is already leader. Ignored transferring leadership to self`);
    return;
  }
  r.logger.info(`${hex(r.id)} [term ${r.term}] starts to transfer leadership to ${hex(to)}`);
  // It has one election timeout from here on.
  r.electionElapsed = 0;
  r.leadTransferee = to;
  if (progress.match === r.log.lastIndex()) {
    sendTimeoutNow(r, to);
    r.logger.info(
      `${hex(r.id)} sends MsgTimeoutNow to ${hex(to)} immediately as ${hex(to)} ` +
        'already has up-to-date log',
    );
  } else {
    sendAppend(r, progress);
  }
}

function readIndex(r: Raft, m: Message): void {
  if (!r.hasCommittedInTerm()) {
    // Also when we are the only voter: the commit index may have been lost in a restart.
    r.pendingReads.push(m);
  } else if (r.tracker.isOnlyVoter(r.id)) {
    answerRead(r, m, r.log.committed);
  } else {
    confirmRead(r, m);
  }
}

function confirmRead(r: Raft, m: Message): void {
  if (r.readOnly === READ_ONLY_LEASE_BASED) {
    answerRead(r, m, r.log.committed);
    return;
  }
  r.reads.add(r.log.committed, m);
  r.reads.receiveAck(r.id, r.reads.heartbeatContext());
  broadcastHeartbeat(r);
}

/** The leader has committed in its term: reads that waited for that go on. */
function releasePendingReads(r: Raft): void {
  if (r.pendingReads.length === 0) return;
  if (!r.hasCommittedInTerm()) {
    r.logger.error(
      'pending MsgReadIndex should be released only after first commit in current term',
    );
    return;
  }
  const pending = r.pendingReads;
  r.pendingReads = [];
  for (const m of pending) readIndex(r, m);
}

/** A local request is answered by a read state, one of another node by a message. */
function answerRead(r: Raft, request: Message, index: number): void {
  if (request.from === NONE || request.from === r.id) {
    r.readStates.push(new ReadState(index, (request.entries[0] as Entry).data));
    return;
  }
  const m = new Message(MSG_READ_INDEX_RESP, request.from);
  m.index = index;
  m.entries = request.entries;
  r.send(m);
}
