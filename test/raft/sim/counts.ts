/** What happened, added up: whether a run was worth anything is seen here. */

export class Counts {
  leaders = 0;
  /** Entries committed by their group. */
  commits = 0;
  /** Entries applied, on any node. */
  applied = 0;
  /** Conf changes applied by their group, rejected ones included. */
  changes = 0;
  /** Reads answered. */
  reads = 0;
  /** Snapshots that nodes made of their own state, with compaction. */
  compactions = 0;
  /** Snapshots of a leader that nodes restored. */
  restores = 0;
  crashes = 0;
  /** Syncs that were lost with writes. */
  lostWrites = 0;
  delivered = 0;
  lost = 0;
  /** Ticks from healing to a commit, the longest. */
  healTicksMax = 0;

  add(other: Counts): void {
    for (const key of Object.keys(this) as (keyof Omit<Counts, 'add'>)[]) {
      this[key] = key === 'healTicksMax' ? Math.max(this[key], other[key]) : this[key] + other[key];
    }
  }
}
