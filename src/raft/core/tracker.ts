/**
 * The configuration in force, the progress of every member and the votes of the current campaign.
 * Quorum questions about a group are answered here. Owned by one Raft.
 */
import { Inflights } from './inflights.js';
import { Progress, ProgressMap } from './progress.js';
import { IdSet, JointConfig, MajorityConfig, VOTE_WON, type AckedIndexer } from './quorum.js';
import type { VoteResult } from './quorum.js';
import { ConfState } from './state.js';

/** Who is a member, in which role. Voters and learners never intersect, joint or not. */
export class TrackerConfig {
  readonly voters: JointConfig;
  readonly learners: IdSet;
  /** Voters of the outgoing half that become learners when the joint configuration is left. */
  learnersNext: IdSet;
  /** The leader leaves the joint configuration by itself. */
  autoLeave: boolean;

  constructor(voters: JointConfig, learners: IdSet, learnersNext: IdSet, autoLeave: boolean) {
    this.voters = voters;
    this.learners = learners;
    this.learnersNext = learnersNext;
    this.autoLeave = autoLeave;
  }

  static empty(): TrackerConfig {
    const voters = new JointConfig(new MajorityConfig(), new MajorityConfig());
    return new TrackerConfig(voters, new IdSet(), new IdSet(), false);
  }

  clone(): TrackerConfig {
    return new TrackerConfig(
      this.voters.clone(),
      this.learners.clone(),
      this.learnersNext.clone(),
      this.autoLeave,
    );
  }

  confState(): ConfState {
    return new ConfState(
      [...this.voters.incoming.ids],
      [...this.learners.ids],
      [...this.voters.outgoing.ids],
      [...this.learnersNext.ids],
      this.autoLeave,
    );
  }

  toString(): string {
    let text = `voters=${String(this.voters)}`;
    if (this.learners.size > 0) text += ` learners=${String(this.learners)}`;
    if (this.learnersNext.size > 0) text += ` learners_next=${String(this.learnersNext)}`;
    if (this.autoLeave) text += ' autoleave';
    return text;
  }
}

export interface VoteTally {
  readonly granted: number;
  readonly rejected: number;
  readonly result: VoteResult;
}

export class ProgressTracker implements AckedIndexer {
  readonly #inflightCountMax: number;
  readonly #inflightBytesMax: number;
  readonly #votes = new Map<number, boolean>();
  config: TrackerConfig;
  progress: ProgressMap;

  constructor(inflightCountMax: number, inflightBytesMax: number) {
    this.#inflightCountMax = inflightCountMax;
    this.#inflightBytesMax = inflightBytesMax;
    this.config = TrackerConfig.empty();
    this.progress = new ProgressMap();
  }

  /** The progress of a member that joins: probed from `next` on. */
  newProgress(id: number, next: number, isLearner: boolean): Progress {
    const inflights = new Inflights(this.#inflightCountMax, this.#inflightBytesMax);
    const progress = new Progress(id, next, inflights, isLearner);
    // A newcomer counts as heard of, or a check of the quorum could depose the leader before it spoke.
    progress.recentActive = true;
    return progress;
  }

  /** A tracker with the same limits and no members. */
  emptied(): ProgressTracker {
    return new ProgressTracker(this.#inflightCountMax, this.#inflightBytesMax);
  }

  /** The one voter, and no change under way. A leader that was removed is none, though one may be left. */
  isOnlyVoter(id: number): boolean {
    const { incoming, isJoint } = this.config.voters;
    return incoming.size === 1 && incoming.has(id) && !isJoint;
  }

  ackedIndex(voter: number): number {
    const progress = this.progress.get(voter);
    return progress === undefined ? -1 : progress.match;
  }

  /** The largest index that the voters have made durable by quorum. */
  committed(): number {
    return this.config.voters.committedIndex(this);
  }

  /** A quorum of voters was heard of since the last check. */
  isQuorumActive(): boolean {
    const votes = new Map<number, boolean>();
    for (const progress of this.progress.all) {
      if (!progress.isLearner) votes.set(progress.id, progress.recentActive);
    }
    return this.config.voters.voteResult(votes) === VOTE_WON;
  }

  resetVotes(): void {
    this.#votes.clear();
  }

  /** The first vote of a node counts. */
  recordVote(id: number, isGranted: boolean): void {
    if (!this.#votes.has(id)) this.#votes.set(id, isGranted);
  }

  hasVoted(id: number): boolean {
    return this.#votes.has(id);
  }

  tallyVotes(): VoteTally {
    let granted = 0;
    let rejected = 0;
    for (const progress of this.progress.all) {
      const vote = progress.isLearner ? undefined : this.#votes.get(progress.id);
      if (vote === true) granted++;
      else if (vote === false) rejected++;
    }
    return { granted, rejected, result: this.config.voters.voteResult(this.#votes) };
  }
}
