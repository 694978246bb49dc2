/**
 * The state of one replica and what every role does with it: send, change the role, append, commit.
 * Internal to the core: RaftNode owns it and is what others see. The rules live beside it, each file
 * on top of the one before:
 *
 *   raft.ts -> replication.ts -> membership.ts -> election.ts -> step-leader.ts, step-follower.ts
 *           -> step.ts -> raft-node.ts
 *
 * Fields are public to those files only. Nothing here waits, reads a clock or touches a disk.
 */
import type { Random } from '../../base/env.js';
import type { CheckedConfig } from './config.js';
import { EMPTY_DATA, ENTRY_NORMAL, Entry, NO_DATA, payloadsSize, type Entries } from './entry.js';
import { hex, NONE } from './ids.js';
import { RaftLog } from './log.js';
import { fatal, type RaftLogger } from './logger.js';
import {
  messageTypeName,
  MSG_APP_RESP,
  MSG_PRE_VOTE,
  MSG_PRE_VOTE_RESP,
  MSG_PROP,
  MSG_READ_INDEX,
  MSG_VOTE,
  MSG_VOTE_RESP,
  Message,
} from './messages.js';
import { ReadIndexQueue, type ReadOnlyOption } from './read-index.js';
import {
  type ReadState,
  STATE_CANDIDATE,
  STATE_FOLLOWER,
  STATE_LEADER,
  STATE_PRE_CANDIDATE,
  type StateType,
} from './state.js';
import { ProgressTracker } from './tracker.js';

export class Raft {
  readonly id: number;
  readonly log: RaftLog;
  readonly logger: RaftLogger;
  readonly #random: Random;
  readonly messageBytesMax: number;
  readonly #uncommittedBytesMax: number;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly checkQuorum: boolean;
  readonly preVote: boolean;
  readonly readOnly: ReadOnlyOption;
  readonly disableProposalForwarding: boolean;
  readonly disableConfChangeValidation: boolean;
  readonly stepDownOnRemoval: boolean;
  readonly likeEtcd: boolean;

  term = 0;
  /** Who got our vote in `term`. */
  vote = NONE;
  state: StateType = STATE_FOLLOWER;
  lead = NONE;
  isLearner = false;
  tracker: ProgressTracker;
  reads = new ReadIndexQueue();
  readStates: ReadState[] = [];
  /** Reads that came before the leader had committed in its term. */
  pendingReads: Message[] = [];
  /** To be sent at once. Never to ourselves. */
  messages: Message[] = [];
  /** Votes and acknowledgements: sent, also to ourselves, once what is unstable now is durable. */
  messagesAfterAppend: Message[] = [];
  /** Whom the leader hands its leadership to, or NONE. */
  leadTransferee = NONE;
  /** At or above the index of the latest conf change that may not be applied yet. */
  pendingConfIndex = 0;
  /** Data bytes appended and not committed; an estimate that is never too high. */
  #uncommittedBytes = 0;
  /** Ticks since the last election timeout; on a follower, since its leader was heard of. */
  electionElapsed = 0;
  /** Leader only. */
  heartbeatElapsed = 0;
  randomizedElectionTicks = 0;

  constructor(config: CheckedConfig) {
    this.id = config.id;
    this.logger = config.logger;
    this.#random = config.random;
    this.log = new RaftLog(config.storage, config.logger, config.applyingBytesMax);
    this.messageBytesMax = config.messageBytesMax;
    this.#uncommittedBytesMax = config.uncommittedBytesMax;
    this.electionTicks = config.electionTicks;
    this.heartbeatTicks = config.heartbeatTicks;
    this.checkQuorum = config.checkQuorum;
    this.preVote = config.preVote;
    this.readOnly = config.readOnly;
    this.disableProposalForwarding = config.disableProposalForwarding;
    this.disableConfChangeValidation = config.disableConfChangeValidation;
    this.stepDownOnRemoval = config.stepDownOnRemoval;
    this.likeEtcd = config.likeEtcd;
    this.tracker = new ProgressTracker(config.inflightMessagesMax, config.inflightBytesMax);
  }

  /** Queues the message. Votes and acknowledgements wait until the state they vouch for is durable. */
  send(m: Message): void {
    if (m.from === NONE) m.from = this.id;
    const { type } = m;
    const isCampaign =
      type === MSG_VOTE ||
      type === MSG_VOTE_RESP ||
      type === MSG_PRE_VOTE ||
      type === MSG_PRE_VOTE_RESP;
    if (isCampaign) {
      // The term is the one campaigned for, which for a pre-vote is not ours.
      if (m.term === 0) {
        throw fatal(this.logger, `term should be set when sending ${messageTypeName(type)}`);
      }
    } else {
      if (m.term !== 0) {
        throw fatal(
          this.logger,
          `term should not be set when sending ${messageTypeName(type)} (was ${m.term})`,
        );
      }
      // Proposals and reads are forwarded to whoever leads when they arrive: they have no term.
      if (type !== MSG_PROP && type !== MSG_READ_INDEX) m.term = this.term;
    }
    if (type === MSG_APP_RESP || type === MSG_VOTE_RESP || type === MSG_PRE_VOTE_RESP) {
      // Rejections wait, too: they may rest on state that is not durable, and they are rare.
      this.messagesAfterAppend.push(m);
      return;
    }
    if (m.to === this.id) {
      throw fatal(
        this.logger,
        `message should not be self-addressed when sending ${messageTypeName(type)}`,
      );
    }
    this.messages.push(m);
  }

  /** A request on its way to the leader. It may have been forwarded before, with a term of then. */
  forwardToLeader(m: Message): void {
    m.to = this.lead;
    m.term = 0;
    this.send(m);
  }

  becomeFollower(term: number, lead: number): void {
    this.#reset(term);
    this.lead = lead;
    this.state = STATE_FOLLOWER;
    this.logger.info(`${hex(this.id)} became follower at term ${this.term}`);
  }

  /** Requires: not the leader, and a term below TERM_MAX. */
  becomeCandidate(): void {
    if (this.state === STATE_LEADER) {
      throw fatal(this.logger, 'invalid transition [leader -> candidate]');
    }
    this.#reset(this.term + 1);
    this.vote = this.id;
    this.state = STATE_CANDIDATE;
    this.logger.info(`${hex(this.id)} became candidate at term ${this.term}`);
  }

  /** Keeps term and vote: asking binds nobody. */
  becomePreCandidate(): void {
    if (this.state === STATE_LEADER) {
      throw fatal(this.logger, 'invalid transition [leader -> pre-candidate]');
    }
    this.tracker.resetVotes();
    this.lead = NONE;
    this.state = STATE_PRE_CANDIDATE;
    this.logger.info(`${hex(this.id)} became pre-candidate at term ${this.term}`);
  }

  becomeLeader(): void {
    if (this.state === STATE_FOLLOWER) {
      throw fatal(this.logger, 'invalid transition [follower -> leader]');
    }
    this.#reset(this.term);
    this.lead = this.id;
    this.state = STATE_LEADER;
    const self = this.tracker.progress.get(this.id);
    if (self === undefined) throw fatal(this.logger, 'a leader without progress of its own');
    self.becomeReplicate();
    self.recentActive = true;
    // There may be a conf change in the tail. Looking for it costs more than waiting for the tail.
    this.pendingConfIndex = this.log.lastIndex();
    // An entry of this term commits what earlier terms left. Empty, it is never over a limit.
    if (!this.appendEntries([new Entry(ENTRY_NORMAL, 0, 0, NO_DATA)])) {
      throw fatal(this.logger, 'empty entry was dropped');
    }
    this.logger.info(`${hex(this.id)} became leader at term ${this.term}`);
  }

  /** A new term, or a new role in the old one. */
  #reset(term: number): void {
    if (this.term !== term) {
      this.term = term;
      this.vote = NONE;
    }
    this.lead = NONE;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    this.randomizedElectionTicks =
      this.electionTicks + Math.floor((this.#random.u32() / 4_294_967_296) * this.electionTicks);
    this.leadTransferee = NONE;
    this.tracker.resetVotes();
    const lastIndex = this.log.lastIndex();
    for (const progress of this.tracker.progress.all) {
      progress.restart(progress.id === this.id ? lastIndex : 0, lastIndex + 1);
    }
    this.pendingConfIndex = 0;
    this.#uncommittedBytes = 0;
    this.reads = new ReadIndexQueue();
  }

  /**
   * Leader: appends proposals, giving them term and index; false when too much is uncommitted. An
   * entry that was in a log before (a message that arrived twice) is copied, a new one is taken.
   */
  appendEntries(proposed: Entries): boolean {
    const bytes = payloadsSize(proposed);
    if (!this.#increaseUncommitted(bytes)) {
      this.logger.warning(
        `${hex(this.id)} appending new entries to log would exceed ` +
          'uncommitted entry size limit; dropping proposal',
      );
      return false;
    }
    let index = this.log.lastIndex();
    const entries: Entry[] = [];
    for (let i = 0; i < proposed.length; i++) {
      const one = proposed[i] as Entry;
      const entry = one.index === 0 ? one : new Entry(one.type, 0, 0, one.data);
      entry.term = this.term;
      entry.index = ++index;
      entries.push(entry);
    }
    this.log.append(entries);
    // The leader acknowledges its own entries like everybody else: once they are durable.
    const ack = new Message(MSG_APP_RESP, this.id);
    ack.index = index;
    this.send(ack);
    return true;
  }

  /** Empty data is never refused: a new leader, and leaving a joint configuration, depend on it. */
  #increaseUncommitted(bytes: number): boolean {
    const total = this.#uncommittedBytes + bytes;
    if (this.#uncommittedBytes > 0 && bytes > 0 && total > this.#uncommittedBytesMax) return false;
    this.#uncommittedBytes = total;
    return true;
  }

  /** Entries of `bytes` were applied. Some may have been appended under an earlier leader. */
  reduceUncommitted(bytes: number): void {
    this.#uncommittedBytes = Math.max(0, this.#uncommittedBytes - bytes);
  }

  /** Leader: commits what a quorum holds; true when the commit index moved. */
  maybeCommit(): boolean {
    return this.log.maybeCommit(this.tracker.committed(), this.term);
  }

  /** Only then does a leader know what is committed. */
  hasCommittedInTerm(): boolean {
    return this.log.termOrZero(this.log.committed) === this.term;
  }

  /** A voter whose log is complete may campaign. */
  isPromotable(): boolean {
    const self = this.tracker.progress.get(this.id);
    return self !== undefined && !self.isLearner && this.log.unstable.snapshot === undefined;
  }
}

/** What stands in the log for a proposal that was refused at its place. */
export function refusedEntry(): Entry {
  return new Entry(ENTRY_NORMAL, 0, 0, EMPTY_DATA);
}
