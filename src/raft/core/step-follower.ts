/** What candidates and followers do with a message of their term. */
import { CAMPAIGN_TRANSFER, awaitedVoteType, handleVoteResponse, hup } from './election.js';
import type { Entry } from './entry.js';
import { hex, NONE } from './ids.js';
import { handleSnapshot } from './membership.js';
import {
  MSG_APP,
  MSG_FORGET_LEADER,
  MSG_HEARTBEAT,
  MSG_PRE_VOTE_RESP,
  MSG_PROP,
  MSG_READ_INDEX,
  MSG_READ_INDEX_RESP,
  MSG_SNAP,
  MSG_TIMEOUT_NOW,
  MSG_TRANSFER_LEADER,
  MSG_VOTE_RESP,
  type Message,
} from './messages.js';
import { READ_ONLY_LEASE_BASED } from './read-index.js';
import type { Raft } from './raft.js';
import { handleAppendEntries, handleHeartbeat } from './replication.js';
import { ReadState, stateName } from './state.js';

/** False when a proposal was dropped. */
export function stepCandidate(r: Raft, m: Message): boolean {
  switch (m.type) {
    case MSG_PROP:
      return dropProposal(r);
    case MSG_APP:
    case MSG_HEARTBEAT:
    case MSG_SNAP:
      // Somebody won this term.
      r.becomeFollower(m.term, m.from);
      handleFromLeader(r, m);
      return true;
    case MSG_VOTE_RESP:
    case MSG_PRE_VOTE_RESP:
      if (m.type === awaitedVoteType(r)) handleVoteResponse(r, m);
      return true;
    case MSG_TIMEOUT_NOW:
      r.logger.debug(
        `${hex(r.id)} [term ${r.term} state ${stateName(r.state)}] ` +
          `ignored MsgTimeoutNow from ${hex(m.from)}`,
      );
      return true;
    default:
      return true;
  }
}

/** False when a proposal was dropped. */
export function stepFollower(r: Raft, m: Message): boolean {
  switch (m.type) {
    case MSG_PROP:
      return forwardProposal(r, m);
    case MSG_APP:
    case MSG_HEARTBEAT:
    case MSG_SNAP:
      r.electionElapsed = 0;
      r.lead = m.from;
      handleFromLeader(r, m);
      return true;
    case MSG_TRANSFER_LEADER:
      if (r.lead === NONE) {
        r.logger.info(`${hex(r.id)} no leader at term ${r.term}; dropping leader transfer msg`);
      } else {
        r.forwardToLeader(m);
      }
      return true;
    case MSG_FORGET_LEADER:
      forgetLeader(r);
      return true;
    case MSG_TIMEOUT_NOW:
      r.logger.info(
        `${hex(r.id)} [term ${r.term}] received MsgTimeoutNow from ${hex(m.from)} ` +
          'and starts an election to get leadership.',
      );
      // Never with a pre-vote: the leader asked, so this node was not cut off.
      hup(r, CAMPAIGN_TRANSFER);
      return true;
    case MSG_READ_INDEX:
      if (r.lead === NONE) {
        r.logger.info(`${hex(r.id)} no leader at term ${r.term}; dropping index reading msg`);
      } else {
        r.forwardToLeader(m);
      }
      return true;
    case MSG_READ_INDEX_RESP:
      takeReadResponse(r, m);
      return true;
    default:
      return true;
  }
}

function handleFromLeader(r: Raft, m: Message): void {
  if (m.type === MSG_APP) handleAppendEntries(r, m);
  else if (m.type === MSG_HEARTBEAT) handleHeartbeat(r, m);
  else handleSnapshot(r, m);
}

function dropProposal(r: Raft): false {
  r.logger.info(`${hex(r.id)} no leader at term ${r.term}; dropping proposal`);
  return false;
}

function forwardProposal(r: Raft, m: Message): boolean {
  if (r.lead === NONE) return dropProposal(r);
  if (r.disableProposalForwarding) {
    r.logger.info(
      `${hex(r.id)} not forwarding to leader ${hex(r.lead)} at term ${r.term}; dropping proposal`,
    );
    return false;
  }
  r.forwardToLeader(m);
  return true;
}

function forgetLeader(r: Raft): void {
  if (r.readOnly === READ_ONLY_LEASE_BASED) {
    // Another leader could be elected while this one still trusts its lease.
    r.logger.error('ignoring MsgForgetLeader due to ReadOnlyLeaseBased');
    return;
  }
  if (r.lead === NONE) return;
  r.logger.info(`${hex(r.id)} forgetting leader ${hex(r.lead)} at term ${r.term}`);
  r.lead = NONE;
}

function takeReadResponse(r: Raft, m: Message): void {
  if (m.entries.length !== 1) {
    r.logger.error(
      `${hex(r.id)} invalid format of MsgReadIndexResp from ${hex(m.from)}, ` +
        `entries count: ${m.entries.length}`,
    );
    return;
  }
  r.readStates.push(new ReadState(m.index, (m.entries[0] as Entry).data));
}
