/** Campaigns and votes. */
import { RaftError } from '../../base/errors.js';
import { isConfChangeEntry } from './entry.js';
import { hex, INDEX_MAX, NONE, TERM_MAX } from './ids.js';
import { fatal } from './logger.js';
import {
  Message,
  messageTypeName,
  MSG_PRE_VOTE,
  MSG_PRE_VOTE_RESP,
  MSG_VOTE,
  MSG_VOTE_RESP,
  NO_CONTEXT,
  voteResponseType,
} from './messages.js';
import type { Raft } from './raft.js';
import { broadcastAppend } from './replication.js';
import { VOTE_LOST, VOTE_WON } from './quorum.js';
import { STATE_LEADER, STATE_PRE_CANDIDATE } from './state.js';

/** First phase of an election with preVote. */
export const CAMPAIGN_PRE_ELECTION = 0;
export const CAMPAIGN_ELECTION = 1;
/** On behalf of the leader: votes are asked for without regard to its lease. */
export const CAMPAIGN_TRANSFER = 2;
export type CampaignType =
  typeof CAMPAIGN_PRE_ELECTION | typeof CAMPAIGN_ELECTION | typeof CAMPAIGN_TRANSFER;

/** Context of a vote request of a CAMPAIGN_TRANSFER; frozen, it crosses the wire. */
const TRANSFER_CONTEXT = new TextEncoder().encode('CampaignTransfer');

/** Starts a campaign, if this node may. @throws RaftError `limit` when there is no further term or index. */
export function hup(r: Raft, campaignType: CampaignType): void {
  if (r.state === STATE_LEADER) {
    r.logger.debug(`${hex(r.id)} ignoring MsgHup because already leader`);
    return;
  }
  if (!r.isPromotable()) {
    r.logger.warning(`${hex(r.id)} is unpromotable and can not campaign`);
    return;
  }
  if (hasUnappliedConfChanges(r)) {
    r.logger.warning(
      `${hex(r.id)} cannot campaign at term ${r.term} since there are still ` +
        'pending configuration changes to apply',
    );
    return;
  }
  if (r.term >= TERM_MAX || r.log.lastIndex() >= INDEX_MAX) {
    throw new RaftError('limit', 'Cannot campaign: term or index would pass 2^53');
  }
  r.logger.info(`${hex(r.id)} is starting a new election at term ${r.term}`);
  campaign(r, campaignType);
}

/** A committed conf change that is not applied: this node does not know its own quorum. */
function hasUnappliedConfChanges(r: Raft): boolean {
  for (let lo = r.log.applied + 1; lo <= r.log.committed;) {
    // In pages of what may be applied at a time: the tail may be long.
    const page = r.log.slice(lo, r.log.committed + 1, r.log.applyingBytesMax);
    if (page === undefined || page.length === 0) {
      throw fatal(
        r.logger,
        `error scanning unapplied entries [${lo}, ${r.log.committed + 1}): ` +
          'requested index is unavailable due to compaction',
      );
    }
    if (page.some(isConfChangeEntry)) return true;
    lo += page.length;
  }
  return false;
}

/** Requires: promotable. */
export function campaign(r: Raft, campaignType: CampaignType): void {
  const isPreVote = campaignType === CAMPAIGN_PRE_ELECTION;
  if (isPreVote) r.becomePreCandidate();
  else r.becomeCandidate();
  const type = isPreVote ? MSG_PRE_VOTE : MSG_VOTE;
  // A pre-vote asks about the term it would raise.
  const term = isPreVote ? r.term + 1 : r.term;
  const lastIndex = r.log.lastIndex();
  const lastTerm = r.log.lastTerm();
  for (const id of r.tracker.config.voters.ids()) {
    if (id === r.id) {
      // Our own vote counts once it is durable, like everybody's.
      const vote = new Message(voteResponseType(type), id);
      vote.term = term;
      r.send(vote);
      continue;
    }
    r.logger.info(
      `${hex(r.id)} [logterm: ${lastTerm}, index: ${lastIndex}] sent ${messageTypeName(type)} ` +
        `request to ${hex(id)} at term ${r.term}`,
    );
    const m = new Message(type, id);
    m.term = term;
    m.index = lastIndex;
    m.logTerm = lastTerm;
    m.context = campaignType === CAMPAIGN_TRANSFER ? TRANSFER_CONTEXT : NO_CONTEXT;
    r.send(m);
  }
}

/** Candidate: a vote came in. */
export function handleVoteResponse(r: Raft, m: Message): void {
  const type = messageTypeName(m.type);
  const isGranted = !m.reject;
  r.logger.info(
    `${hex(r.id)} received ${type}${isGranted ? '' : ' rejection'} from ${hex(m.from)} at term ${r.term}`,
  );
  r.tracker.recordVote(m.from, isGranted);
  if (m.reject) {
    const { state } = r;
    learnCommit(r, m);
    if (r.state !== state) return;
  }
  const { granted, rejected, result } = r.tracker.tallyVotes();
  r.logger.info(
    `${hex(r.id)} has received ${granted} ${type} votes and ${rejected} vote rejections`,
  );
  if (result === VOTE_LOST) {
    // A granted pre-vote carries the term after ours; ours stays.
    r.becomeFollower(r.term, NONE);
  } else if (result === VOTE_WON) {
    if (r.state === STATE_PRE_CANDIDATE) {
      campaign(r, CAMPAIGN_ELECTION);
    } else if (r.likeEtcd || r.tracker.hasVoted(r.id)) {
      // Not before our own vote is durable, whatever the others say (asynchronous writes): led and
      // forgotten, the term could be won once more, and its entries appended a second time.
      r.becomeLeader();
      broadcastAppend(r);
    }
  }
}

/** The type of votes this candidate waits for; others are left over from an earlier phase. */
export function awaitedVoteType(r: Raft): number {
  return r.state === STATE_PRE_CANDIDATE ? MSG_PRE_VOTE_RESP : MSG_VOTE_RESP;
}

/** Any role: somebody asks for our vote, at our term or, for a pre-vote, at a later one. */
export function handleVoteRequest(r: Raft, m: Message): void {
  const canVote =
    r.vote === m.from ||
    (r.vote === NONE && r.lead === NONE) ||
    (m.type === MSG_PRE_VOTE && m.term > r.term);
  const line = voteLine(r, m);
  const response = new Message(voteResponseType(m.type), m.from);
  // Learners vote, too: the candidate may know of a promotion that has not reached this node.
  if (canVote && r.log.isUpToDate(m.index, m.logTerm)) {
    r.logger.info(`${line.before} cast ${messageTypeName(m.type)} for ${line.after}`);
    // The term of the request: a candidate that asks for a later one ignores answers of ours.
    response.term = m.term;
    r.send(response);
    if (m.type === MSG_VOTE) {
      r.electionElapsed = 0;
      r.vote = m.from;
    }
    return;
  }
  r.logger.info(`${line.before} rejected ${messageTypeName(m.type)} from ${line.after}`);
  response.term = r.term;
  response.reject = true;
  if (!r.likeEtcd && !r.isPromotable()) {
    // Removed, perhaps, by a change that the candidate does not know to be committed. With a longer
    // log we refuse it for ever, and cannot lead ourselves: so it learns what we know.
    response.index = r.log.committed;
    response.logTerm = r.log.termOrZero(r.log.committed);
  }
  r.send(response);
}

/** Candidate: who cannot lead refuses, and says what is committed. That may end the campaign. */
function learnCommit(r: Raft, m: Message): void {
  if (r.log.maybeCommit(m.index, m.logTerm) && hasUnappliedConfChanges(r)) {
    r.becomeFollower(r.term, NONE);
  }
}

/** The two halves of what is logged about a vote request, around the verdict. */
export function voteLine(r: Raft, m: Message): { before: string; after: string } {
  return {
    before:
      `${hex(r.id)} [logterm: ${r.log.lastTerm()}, index: ${r.log.lastIndex()}, ` +
      `vote: ${hex(r.vote)}]`,
    after: `${hex(m.from)} [logterm: ${m.logTerm}, index: ${m.index}] at term ${r.term}`,
  };
}

/** The leader itself asked this candidate to take over. */
export function isTransferCampaign(m: Message): boolean {
  const { context } = m;
  return (
    context.length === TRANSFER_CONTEXT.length &&
    TRANSFER_CONTEXT.every((byte, i) => byte === context[i])
  );
}
