/**
 * What the core reads back from stable storage. The embedder writes to it while handling a Ready; the
 * core never does. All calls are synchronous: an implementation keeps what they ask for in memory, or
 * reads it with blocking calls. Whatever a method throws makes the replica fail.
 */
import type { Entry } from './entry.js';
import type { ConfState, HardState, Snapshot } from './state.js';

export interface InitialState {
  readonly hardState: HardState;
  readonly confState: ConfState;
}

export interface RaftStorage {
  /** Asked for once, when the replica is built. */
  initialState(): InitialState;

  /**
   * Entries lo .. hi-1, cut so that their encoded sizes (entrySize) add up to at most `bytesMax`, but
   * at least one. Requires firstIndex() <= lo < hi <= lastIndex() + 1. The array is the caller's; the
   * entries are shared and immutable.
   * @throws RaftError `compacted` when `lo` is not there any more, `unavailable` when it never was.
   */
  entries(lo: number, hi: number, bytesMax: number): Entry[];

  /**
   * Term of the entry at `index`. Requires firstIndex() - 1 <= index <= lastIndex(): the term of the
   * entry before the first one is kept, to match logs.
   * @throws RaftError `compacted` or `unavailable`.
   */
  term(index: number): number;

  /** firstIndex() - 1 when the log is empty. */
  lastIndex(): number;

  /** Index of the first entry that is there; what is before it is in the snapshot. */
  firstIndex(): number;

  /** The latest snapshot; undefined: none can be had now, ask again later. */
  snapshot(): Snapshot | undefined;
}
