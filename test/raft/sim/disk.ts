/**
 * The storage of a simulated node, which knows what was written and what was synced: a crash keeps
 * the synced state and the first of the writes behind it, as many as chance says, each as a whole.
 *
 * Invariant: `visible` is `durable` plus `pending`, in order.
 */
import type { Prng } from '../../../src/base/prng.js';
import {
  ConfState,
  Entry,
  ENTRY_NORMAL,
  entrySize,
  HardState,
  NO_DATA,
  Snapshot,
  type InitialState,
  type RaftStorage,
} from '../../../src/raft/core/index.js';
import { RaftError } from '../../../src/base/errors.js';

/** Takes effect as a whole, or not at all. */
export interface DiskWrite {
  readonly hardState?: HardState | undefined;
  readonly entries?: readonly Entry[] | undefined;
  /** Of a leader: replaces the log. */
  readonly snapshot?: Snapshot | undefined;
  /** Our own: the log stays, up to `compactTo` excepted. */
  readonly ownSnapshot?: Snapshot | undefined;
  readonly compactTo?: number | undefined;
}

/** A log with hard state and snapshot; `entries[0]` stands for the last compacted entry. */
export class DiskState {
  hardState = new HardState(0, 0, 0);
  snapshot = new Snapshot(0, 0, new ConfState(), NO_DATA);
  entries: Entry[] = [placeholder(0, 0)];

  clone(): DiskState {
    const copy = new DiskState();
    copy.hardState = this.hardState;
    copy.snapshot = this.snapshot;
    copy.entries = this.entries.slice();
    return copy;
  }

  /** Index of the last compacted entry. */
  get offset(): number {
    return (this.entries[0] as Entry).index;
  }

  get lastIndex(): number {
    return this.offset + this.entries.length - 1;
  }

  /** -1 before offset and behind the end. */
  term(index: number): number {
    return this.entries[index - this.offset]?.term ?? -1;
  }

  apply(write: DiskWrite): void {
    if (write.snapshot !== undefined) {
      this.snapshot = write.snapshot;
      this.entries = [placeholder(write.snapshot.index, write.snapshot.term)];
    }
    if (write.entries !== undefined) this.#append(write.entries);
    if (write.hardState !== undefined) this.hardState = write.hardState;
    if (write.ownSnapshot !== undefined) this.snapshot = write.ownSnapshot;
    if (write.compactTo !== undefined && write.compactTo > this.offset) {
      const first = placeholder(write.compactTo, this.term(write.compactTo));
      this.entries.splice(0, write.compactTo + 1 - this.offset, first);
    }
  }

  #append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    const skip = Math.max(0, this.offset + 1 - first.index);
    const at = first.index + skip - this.offset;
    if (at > this.entries.length) throw new Error(`disk: append at ${first.index} leaves a gap`);
    if (skip >= entries.length) return;
    this.entries.length = at;
    for (let i = skip; i < entries.length; i++) this.entries.push(entries[i] as Entry);
  }
}

export class Disk implements RaftStorage {
  visible = new DiskState();
  durable = new DiskState();
  pending: DiskWrite[] = [];
  /** What initialState() answers; the node decides it at its start. */
  initial: InitialState = { hardState: this.visible.hardState, confState: new ConfState() };
  /** No snapshot can be had now. */
  isSnapshotBusy = false;
  /** Makes one of what is applied now: who is sent one must be a member in it. */
  snapshotNow: () => Snapshot = () => this.visible.snapshot;

  write(write: DiskWrite): void {
    this.visible.apply(write);
    this.pending.push(write);
  }

  sync(): void {
    for (const write of this.pending) this.durable.apply(write);
    this.pending.length = 0;
  }

  crash(random: Prng): void {
    const kept = this.pending.length === 0 ? 0 : random.below(this.pending.length + 1);
    for (let i = 0; i < kept; i++) this.durable.apply(this.pending[i] as DiskWrite);
    this.pending.length = 0;
    this.visible = this.durable.clone();
  }

  initialState(): InitialState {
    return this.initial;
  }

  entries(lo: number, hi: number, bytesMax: number): Entry[] {
    const { offset, entries, lastIndex } = this.visible;
    if (lo <= offset) throw new RaftError('compacted', 'disk: compacted');
    if (hi > lastIndex + 1) throw new RaftError('unavailable', 'disk: unavailable');
    const found: Entry[] = [];
    let size = 0;
    for (let i = lo - offset; i < hi - offset; i++) {
      const entry = entries[i] as Entry;
      size += entrySize(entry);
      if (found.length > 0 && size > bytesMax) break;
      found.push(entry);
    }
    return found;
  }

  term(index: number): number {
    const term = this.visible.term(index);
    if (term !== -1) return term;
    const isOld = index < this.visible.offset;
    throw new RaftError(isOld ? 'compacted' : 'unavailable', 'disk: no such entry');
  }

  lastIndex(): number {
    return this.visible.lastIndex;
  }

  firstIndex(): number {
    return this.visible.offset + 1;
  }

  snapshot(): Snapshot | undefined {
    return this.isSnapshotBusy ? undefined : this.snapshotNow();
  }
}

function placeholder(index: number, term: number): Entry {
  return new Entry(ENTRY_NORMAL, term, index, NO_DATA);
}
