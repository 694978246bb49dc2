/**
 * The entry of every message: terms first, then what any role does, then the role. And ticks, which
 * are messages to oneself.
 */
import { RaftError } from '../../base/errors.js';
import { ENTRY_CONF_CHANGE_V2, entriesSize, Entry, NO_DATA, payloadsSize } from './entry.js';
import {
  CAMPAIGN_ELECTION,
  CAMPAIGN_PRE_ELECTION,
  handleVoteRequest,
  hup,
  isTransferCampaign,
  voteLine,
} from './election.js';
import { hex, NONE } from './ids.js';
import {
  Message,
  messageTypeName,
  MSG_APP,
  MSG_APP_RESP,
  MSG_BEAT,
  MSG_CHECK_QUORUM,
  MSG_HEARTBEAT,
  MSG_HUP,
  MSG_PRE_VOTE,
  MSG_PRE_VOTE_RESP,
  MSG_PROP,
  MSG_SNAP,
  MSG_STORAGE_APPEND_RESP,
  MSG_STORAGE_APPLY_RESP,
  MSG_VOTE,
  voteResponseType,
} from './messages.js';
import type { Raft } from './raft.js';
import { STATE_FOLLOWER, STATE_LEADER, type Snapshot } from './state.js';
import { stepCandidate, stepFollower } from './step-follower.js';
import { stepLeader } from './step-leader.js';

/** Takes a message, which is the replica's from now on. False when a proposal was dropped. */
export function step(r: Raft, m: Message): boolean {
  if (m.term !== 0 && m.term !== r.term) {
    if (m.term < r.term) {
      stepOlderTerm(r, m);
      return true;
    }
    if (!stepLaterTerm(r, m)) return true;
  }
  switch (m.type) {
    case MSG_HUP:
      hup(r, r.preVote ? CAMPAIGN_PRE_ELECTION : CAMPAIGN_ELECTION);
      return true;
    case MSG_STORAGE_APPEND_RESP:
      if (m.index !== 0) r.log.unstable.stableTo(m.index, m.logTerm);
      if (m.snapshot !== undefined) appliedSnapshot(r, m.snapshot);
      return true;
    case MSG_STORAGE_APPLY_RESP:
      applied(r, m);
      return true;
    case MSG_VOTE:
    case MSG_PRE_VOTE:
      handleVoteRequest(r, m);
      return true;
    default:
      if (r.state === STATE_LEADER) return stepLeader(r, m);
      return r.state === STATE_FOLLOWER ? stepFollower(r, m) : stepCandidate(r, m);
  }
}

/** A message of a later term: usually we follow. False when it is ignored. */
function stepLaterTerm(r: Raft, m: Message): boolean {
  if (m.type === MSG_VOTE || m.type === MSG_PRE_VOTE) {
    const hasLease = r.checkQuorum && r.lead !== NONE && r.electionElapsed < r.electionTicks;
    if (hasLease && !isTransferCampaign(m)) {
      // The leader was heard of within an election timeout: whoever asks is cut off from it.
      const line = voteLine(r, m);
      r.logger.info(
        `${line.before} ignored ${messageTypeName(m.type)} from ${line.after}: ` +
          `lease is not expired (remaining ticks: ${r.electionTicks - r.electionElapsed})`,
      );
      return false;
    }
  }
  // A pre-vote binds nobody. A granted one carries the term that we asked about, in our future.
  if (m.type === MSG_PRE_VOTE || (m.type === MSG_PRE_VOTE_RESP && !m.reject)) return true;
  r.logger.info(
    `${hex(r.id)} [term: ${r.term}] received a ${messageTypeName(m.type)} message ` +
      `with higher term from ${hex(m.from)} [term: ${m.term}]`,
  );
  const isFromLeader = m.type === MSG_APP || m.type === MSG_HEARTBEAT || m.type === MSG_SNAP;
  r.becomeFollower(m.term, isFromLeader ? m.from : NONE);
  return true;
}

/** A message of an earlier term is ignored, or answered so that its sender learns of ours. */
function stepOlderTerm(r: Raft, m: Message): void {
  const isFromLeader = m.type === MSG_HEARTBEAT || m.type === MSG_APP;
  if (isFromLeader && (r.checkQuorum || r.preVote || !isReachedByOurCampaigns(r, m.from))) {
    // Votes of a later term may be ignored in this mode, so a node that was cut off and raised its
    // term could never come back: this answer makes the leader of the earlier term step down.
    r.send(new Message(MSG_APP_RESP, m.from));
  } else if (m.type === MSG_PRE_VOTE || isVoteToAnswer(r, m)) {
    // Silence could lock the group: the candidate may have the longer log and an old term.
    const line = voteLine(r, m);
    r.logger.info(`${line.before} rejected ${messageTypeName(m.type)} from ${line.after}`);
    const response = new Message(voteResponseType(m.type), m.from);
    response.term = r.term;
    response.reject = true;
    r.send(response);
  } else if (m.type === MSG_STORAGE_APPEND_RESP) {
    if (m.index !== 0) {
      // The entries may have been replaced since, and the write of the new ones may be on its way:
      // see storage-messages.ts.
      r.logger.info(
        `${hex(r.id)} [term: ${r.term}] ignored entry appends from a ` +
          `${messageTypeName(m.type)} message with lower term [term: ${m.term}]`,
      );
    }
    // A snapshot holds committed state, whatever the term.
    if (m.snapshot !== undefined) appliedSnapshot(r, m.snapshot);
  } else {
    r.logger.info(
      `${hex(r.id)} [term: ${r.term}] ignored a ${messageTypeName(m.type)} message ` +
        `with lower term from ${hex(m.from)} [term: ${m.term}]`,
    );
  }
}

/** It will learn our term from a campaign of ours, if from nothing else. */
function isReachedByOurCampaigns(r: Raft, id: number): boolean {
  if (r.likeEtcd) return true;
  return r.isPromotable() && r.tracker.config.voters.has(id);
}

/**
 * Its candidate would never learn our term, and may need our vote. With a leader we keep silent: who
 * was removed shall not learn how to depose it.
 */
function isVoteToAnswer(r: Raft, m: Message): boolean {
  return m.type === MSG_VOTE && r.lead === NONE && !isReachedByOurCampaigns(r, m.from);
}

function applied(r: Raft, m: Message): void {
  const last = m.entries[m.entries.length - 1];
  if (last === undefined) return;
  appliedTo(r, last.index, entriesSize(m.entries));
  r.reduceUncommitted(payloadsSize(m.entries));
}

function appliedSnapshot(r: Raft, snapshot: Snapshot): void {
  r.log.unstable.stableSnapshotTo(snapshot.index);
  appliedTo(r, snapshot.index, 0);
}

function appliedTo(r: Raft, index: number, bytes: number): void {
  const newApplied = Math.max(index, r.log.applied);
  r.log.appliedTo(newApplied, bytes);
  const { config } = r.tracker;
  if (!config.autoLeave || newApplied < r.pendingConfIndex || r.state !== STATE_LEADER) return;
  // The joint configuration is in force and nothing else is pending: leave it. Refused while
  // leadership is being transferred; then the next applied entry, or the next leader, tries again.
  const m = new Message(MSG_PROP, NONE);
  m.entries = [new Entry(ENTRY_CONF_CHANGE_V2, 0, 0, NO_DATA)];
  if (tryStep(r, m)) {
    r.logger.info(
      `initiating automatic transition out of joint configuration ${String(r.tracker.config)}`,
    );
  } else {
    r.logger.debug(
      'not initiating automatic transition out of joint configuration ' +
        `${String(r.tracker.config)}: raft proposal dropped`,
    );
  }
}

/** As step(); a limit counts as dropped. */
function tryStep(r: Raft, m: Message): boolean {
  try {
    return step(r, m);
  } catch (error) {
    if (error instanceof RaftError && error.reason === 'limit') return false;
    throw error;
  }
}

/** A tick of the embedder's clock. */
export function tick(r: Raft): void {
  if (r.state === STATE_LEADER) tickHeartbeat(r);
  else tickElection(r);
}

/** Followers and candidates campaign when their time is over. */
function tickElection(r: Raft): void {
  r.electionElapsed++;
  // Compared first: asking whether we are promotable is the dearer half.
  if (r.electionElapsed < r.randomizedElectionTicks || !r.isPromotable()) return;
  r.electionElapsed = 0;
  if (!tryStep(r, fromSelf(r, MSG_HUP))) {
    r.logger.debug('error occurred during election: term or index would pass 2^53');
  }
}

/** Leaders check their quorum and send heartbeats. */
function tickHeartbeat(r: Raft): void {
  r.heartbeatElapsed++;
  r.electionElapsed++;
  if (r.electionElapsed >= r.electionTicks) {
    r.electionElapsed = 0;
    if (r.checkQuorum) step(r, fromSelf(r, MSG_CHECK_QUORUM));
    // A transfer that took longer than an election timeout has failed: lead on.
    if (r.state === STATE_LEADER) r.leadTransferee = NONE;
  }
  if (r.state !== STATE_LEADER || r.heartbeatElapsed < r.heartbeatTicks) return;
  r.heartbeatElapsed = 0;
  step(r, fromSelf(r, MSG_BEAT));
}

function fromSelf(r: Raft, type: number): Message {
  const m = new Message(type, NONE);
  m.from = r.id;
  return m;
}
