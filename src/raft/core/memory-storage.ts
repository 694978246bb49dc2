/**
 * A RaftStorage in memory: for tests, simulations, and as the reference of the interface. Owned by
 * one embedder, which appends and compacts; nothing is copied but the arrays.
 *
 * Invariant: #entries[0] stands for the last entry of the snapshot (its data is not there), and
 * #entries[i] has index #entries[0].index + i.
 */
import { RaftError } from '../../base/errors.js';
import { countWithin, Entry, ENTRY_NORMAL, NO_DATA, type Entries } from './entry.js';
import { ConfState, EMPTY_HARD_STATE, Snapshot, type HardState } from './state.js';
import type { InitialState, RaftStorage } from './storage.js';

export class MemoryStorage implements RaftStorage {
  #hardState: HardState = EMPTY_HARD_STATE;
  #snapshot = new Snapshot(0, 0, new ConfState(), NO_DATA);
  #entries: Entry[] = [placeholder(0, 0)];

  initialState(): InitialState {
    return { hardState: this.#hardState, confState: this.#snapshot.confState };
  }

  setHardState(state: HardState): void {
    this.#hardState = state;
  }

  entries(lo: number, hi: number, bytesMax: number): Entry[] {
    const offset = this.#offset;
    if (lo <= offset) throw compacted();
    if (hi > this.lastIndex() + 1) {
      throw new RaftError(
        'failed',
        `entries' hi(${hi}) is out of bound lastindex(${this.lastIndex()})`,
      );
    }
    if (this.#entries.length === 1) throw unavailable();
    const found = this.#entries.slice(lo - offset, hi - offset);
    const count = countWithin(found, bytesMax);
    if (count < found.length) found.length = count;
    return found;
  }

  term(index: number): number {
    if (index < this.#offset) throw compacted();
    const entry = this.#entries[index - this.#offset];
    if (entry === undefined) throw unavailable();
    return entry.term;
  }

  lastIndex(): number {
    return this.#offset + this.#entries.length - 1;
  }

  firstIndex(): number {
    return this.#offset + 1;
  }

  snapshot(): Snapshot {
    return this.#snapshot;
  }

  /** Replaces everything. @throws RaftError `snapshot-out-of-date` when it is not newer. */
  applySnapshot(snapshot: Snapshot): void {
    if (this.#snapshot.index !== 0 && this.#snapshot.index >= snapshot.index) throw outOfDate();
    this.#snapshot = snapshot;
    this.#entries = [placeholder(snapshot.term, snapshot.index)];
  }

  /**
   * Makes a snapshot at `index` of the state machine in `data`; the log stays. `confState`: the
   * members at `index`, when they changed since the last snapshot.
   * @throws RaftError `snapshot-out-of-date` when there is a newer one.
   */
  createSnapshot(index: number, confState: ConfState | undefined, data: Uint8Array): Snapshot {
    if (index <= this.#snapshot.index) throw outOfDate();
    if (index > this.lastIndex()) {
      throw new RaftError(
        'failed',
        `snapshot ${index} is out of bound lastindex(${this.lastIndex()})`,
      );
    }
    const members = confState ?? this.#snapshot.confState;
    this.#snapshot = new Snapshot(index, this.term(index), members, data);
    return this.#snapshot;
  }

  /** Drops the entries up to and with `index`. @throws RaftError `compacted` when they are gone. */
  compact(index: number): void {
    if (index <= this.#offset) throw compacted();
    if (index > this.lastIndex()) {
      throw new RaftError(
        'failed',
        `compact ${index} is out of bound lastindex(${this.lastIndex()})`,
      );
    }
    const kept = this.#entries.slice(index - this.#offset);
    kept[0] = placeholder(this.term(index), index);
    this.#entries = kept;
  }

  /** Appends; what is there from the first index on is replaced, what is compacted is skipped. */
  append(entries: Entries): void {
    const first = entries[0];
    if (first === undefined) return;
    if (first.index > this.lastIndex() + 1) {
      throw new RaftError(
        'failed',
        `missing log entry [last: ${this.lastIndex()}, append at: ${first.index}]`,
      );
    }
    const skip = Math.max(0, this.firstIndex() - first.index);
    if (skip >= entries.length) return;
    const at = first.index + skip - this.#offset;
    if (at < this.#entries.length) this.#entries.length = at;
    for (let i = skip; i < entries.length; i++) this.#entries.push(entries[i] as Entry);
  }

  get #offset(): number {
    return (this.#entries[0] as Entry).index;
  }
}

function placeholder(term: number, index: number): Entry {
  return new Entry(ENTRY_NORMAL, term, index, NO_DATA);
}

function compacted(): RaftError {
  return new RaftError('compacted', 'requested index is unavailable due to compaction');
}

function unavailable(): RaftError {
  return new RaftError('unavailable', 'requested entry at index is unavailable');
}

function outOfDate(): RaftError {
  return new RaftError(
    'snapshot-out-of-date',
    'requested index is older than the existing snapshot',
  );
}
