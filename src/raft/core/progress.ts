/**
 * A follower as its leader sees it: how far its log is known to match, what was sent, and whether
 * more may be sent. Owned by the tracker; transitions are made by the leader's steps.
 */
import { unreachable } from '../../base/assert.js';
import type { Inflights } from './inflights.js';

/** Where the follower's log ends is not known: one message per heartbeat interval, to find out. */
export const PROGRESS_PROBE = 0;
/** The log is known to match: entries are sent ahead of their acknowledgement. */
export const PROGRESS_REPLICATE = 1;
/** What it needs is compacted away: a snapshot was sent, nothing else is. */
export const PROGRESS_SNAPSHOT = 2;
export type ProgressState =
  typeof PROGRESS_PROBE | typeof PROGRESS_REPLICATE | typeof PROGRESS_SNAPSHOT;

const PROGRESS_NAMES = ['StateProbe', 'StateReplicate', 'StateSnapshot'] as const;

export function progressStateName(state: ProgressState): string {
  return PROGRESS_NAMES[state];
}

export class Progress {
  readonly id: number;
  /** The follower's log matches ours up to here. 0 <= match < next. */
  match: number;
  /** The next entry to send; everything between match and next is in flight. */
  next: number;
  /** The highest commit index sent, as far as it matters: it may sink when sending starts over. */
  sentCommit: number;
  state: ProgressState;
  /** Index of the snapshot that was sent; 0 unless in PROGRESS_SNAPSHOT. Then next is one above. */
  pendingSnapshot: number;
  /** Heard of since the last check of the quorum. Always true for the leader itself. */
  recentActive: boolean;
  /** Nothing more is sent until a heartbeat is answered: set by a probe, or by a full window. */
  isFlowPaused: boolean;
  inflights: Inflights;
  isLearner: boolean;

  constructor(id: number, next: number, inflights: Inflights, isLearner: boolean) {
    this.id = id;
    this.match = 0;
    this.next = next;
    this.sentCommit = 0;
    this.state = PROGRESS_PROBE;
    this.pendingSnapshot = 0;
    this.recentActive = false;
    this.isFlowPaused = false;
    this.inflights = inflights;
    this.isLearner = isLearner;
  }

  /** A copy that shares the window: enough for a configuration change that may yet be refused. */
  clone(): Progress {
    const copy = new Progress(this.id, this.next, this.inflights, this.isLearner);
    copy.match = this.match;
    copy.sentCommit = this.sentCommit;
    copy.state = this.state;
    copy.pendingSnapshot = this.pendingSnapshot;
    copy.recentActive = this.recentActive;
    copy.isFlowPaused = this.isFlowPaused;
    return copy;
  }

  /** Forgets everything but the role, as for a new term. */
  restart(match: number, next: number): void {
    this.match = match;
    this.next = next;
    this.sentCommit = 0;
    this.recentActive = false;
    this.#resetState(PROGRESS_PROBE);
  }

  becomeProbe(): void {
    // A snapshot that was sent is taken to have arrived: go on behind it.
    const after = this.state === PROGRESS_SNAPSHOT ? this.pendingSnapshot + 1 : 0;
    this.#resetState(PROGRESS_PROBE);
    this.next = Math.max(this.match + 1, after);
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
  }

  becomeReplicate(): void {
    this.#resetState(PROGRESS_REPLICATE);
    this.next = this.match + 1;
  }

  becomeSnapshot(index: number): void {
    this.#resetState(PROGRESS_SNAPSHOT);
    this.pendingSnapshot = index;
    this.next = index + 1;
    this.sentCommit = index;
  }

  /** Accounts for a MSG_APP with `count` entries of `bytes` from `next` on. Not in PROGRESS_SNAPSHOT. */
  sentEntries(count: number, bytes: number): void {
    switch (this.state) {
      case PROGRESS_REPLICATE:
        if (count > 0) {
          this.next += count;
          this.inflights.add(this.next - 1, bytes);
        }
        // Filling the window, or sending into a full one, counts as a probe: then wait.
        this.isFlowPaused = this.inflights.isFull;
        return;
      case PROGRESS_PROBE:
        if (count > 0) this.isFlowPaused = true;
        return;
      case PROGRESS_SNAPSHOT:
        unreachable('progress: append sent while a snapshot is pending');
    }
  }

  /** Sending this commit index may move the follower: none that reaches `next` was sent yet. */
  canBumpCommit(commit: number): boolean {
    return commit > this.sentCommit && this.sentCommit < this.next - 1;
  }

  /** Takes an acknowledgement up to `index`; false when it is old news. */
  maybeUpdate(index: number): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = Math.max(this.next, index + 1);
    this.isFlowPaused = false;
    return true;
  }

  /**
   * Takes the rejection of the append after `rejected`; `matchHint` is where the logs may match.
   * False, and nothing changes, when the rejection is stale: messages arrive late and twice.
   */
  maybeDecreaseTo(rejected: number, matchHint: number): boolean {
    if (this.state === PROGRESS_REPLICATE) {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
      this.sentCommit = Math.min(this.sentCommit, this.next - 1);
      return true;
    }
    // One probe is out at a time; an answer to another one is stale.
    if (this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, matchHint + 1), this.match + 1);
    this.sentCommit = Math.min(this.sentCommit, this.next - 1);
    this.isFlowPaused = false;
    return true;
  }

  /** No entries may be sent now. */
  get isPaused(): boolean {
    return this.state === PROGRESS_SNAPSHOT || this.isFlowPaused;
  }

  toString(): string {
    let text = `${progressStateName(this.state)} match=${this.match} next=${this.next}`;
    if (this.isLearner) text += ' learner';
    if (this.isPaused) text += ' paused';
    if (this.pendingSnapshot > 0) text += ` pendingSnap=${this.pendingSnapshot}`;
    if (!this.recentActive) text += ' inactive';
    if (this.inflights.count > 0) {
      text += ` inflight=${this.inflights.count}`;
      if (this.inflights.isFull) text += '[full]';
    }
    return text;
  }

  #resetState(state: ProgressState): void {
    this.isFlowPaused = false;
    this.pendingSnapshot = 0;
    this.state = state;
    this.inflights.reset();
  }
}

/** Progress by node, visited in ascending order of ids. */
export class ProgressMap {
  readonly #byId = new Map<number, Progress>();
  readonly #sorted: Progress[] = [];

  get(id: number): Progress | undefined {
    return this.#byId.get(id);
  }

  /** Sorted by id; borrowed until the next change of the map. */
  get all(): readonly Progress[] {
    return this.#sorted;
  }

  set(progress: Progress): void {
    this.delete(progress.id);
    this.#byId.set(progress.id, progress);
    let at = this.#sorted.length;
    while (at > 0 && (this.#sorted[at - 1] as Progress).id > progress.id) at--;
    this.#sorted.splice(at, 0, progress);
  }

  delete(id: number): void {
    const progress = this.#byId.get(id);
    if (progress === undefined) return;
    this.#byId.delete(id);
    this.#sorted.splice(this.#sorted.indexOf(progress), 1);
  }

  /** Copies each progress as Progress.clone() does. */
  clone(): ProgressMap {
    const copy = new ProgressMap();
    for (const progress of this.#sorted) copy.set(progress.clone());
    return copy;
  }

  /** A line per node. */
  toString(): string {
    return this.#sorted.map((progress) => `${progress.id}: ${String(progress)}\n`).join('');
  }
}
