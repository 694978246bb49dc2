/** A replica as plain data, for people, tests and schedulers. Copies: nothing here changes later. */
import { hex } from './ids.js';
import { progressStateName, ProgressMap, type Progress } from './progress.js';
import type { Raft } from './raft.js';
import { HardState, SoftState, STATE_LEADER, stateName } from './state.js';
import type { TrackerConfig } from './tracker.js';

export class BasicStatus {
  readonly id: number;
  readonly hardState: HardState;
  readonly softState: SoftState;
  readonly applied: number;
  /** Whom leadership is being handed to, or NONE. */
  readonly leadTransferee: number;

  constructor(r: Raft) {
    this.id = r.id;
    this.hardState = new HardState(r.term, r.vote, r.log.committed);
    this.softState = new SoftState(r.lead, r.state);
    this.applied = r.log.applied;
    this.leadTransferee = r.leadTransferee;
  }
}

export class Status extends BasicStatus {
  readonly config: TrackerConfig;
  /** Empty unless this node leads. */
  readonly progress: ProgressMap;

  constructor(r: Raft) {
    super(r);
    this.config = r.tracker.config.clone();
    this.progress = new ProgressMap();
    if (r.state !== STATE_LEADER) return;
    for (const progress of r.tracker.progress.all) this.progress.set(copyOf(progress));
  }

  toJSON(): Record<string, unknown> {
    const progress: Record<string, unknown> = {};
    for (const one of this.progress.all) {
      progress[hex(one.id)] = {
        match: one.match,
        next: one.next,
        state: progressStateName(one.state),
      };
    }
    return {
      id: hex(this.id),
      term: this.hardState.term,
      vote: hex(this.hardState.vote),
      commit: this.hardState.commit,
      lead: hex(this.softState.lead),
      raftState: stateName(this.softState.raftState),
      applied: this.applied,
      progress,
      leadtransferee: hex(this.leadTransferee),
    };
  }
}

function copyOf(progress: Progress): Progress {
  const copy = progress.clone();
  copy.inflights = progress.inflights.clone();
  return copy;
}
