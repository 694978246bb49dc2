/**
 * Snapshots: a sequence number (and a time, for expiry) that reads can be pinned to. As long as one is
 * open, flush and compaction keep every version it sees.
 */
import { ClosedError } from '../base/errors.js';
import type { ReadState } from './read-view.js';

/** A pinned moment. Close it: an open snapshot keeps old versions on disk. */
export class Snapshot {
  /** Writes up to this sequence number are seen. */
  readonly seq: number;
  /** Expiry is judged at this time; wall milliseconds. */
  readonly createdMs: number;
  /**
   * Of a read-only database: what it read from then. Nobody keeps old versions for it in another process, so
   * that it keeps the files themselves. undefined otherwise: all of the database's state serves.
   */
  readonly state: ReadState | undefined;
  #registry: SnapshotRegistry | undefined;

  /** Made by `Db.snapshot()`. Retains `state`. */
  constructor(
    seq: number,
    createdMs: number,
    registry: SnapshotRegistry,
    state: ReadState | undefined,
  ) {
    this.seq = seq;
    this.createdMs = createdMs;
    this.state = state;
    this.#registry = registry;
    state?.retain();
  }

  get isOpen(): boolean {
    return this.#registry !== undefined;
  }

  /** Its numbers mean nothing to another database. @throws ClosedError; RangeError when it is none of `registry` */
  mustBeOpenOf(registry: SnapshotRegistry): void {
    if (this.#registry === registry) return;
    if (this.#registry === undefined) throw new ClosedError('read from this snapshot', 'snapshot');
    throw new RangeError('Cannot read from this snapshot: it is one of another database');
  }

  /** Releases the versions it pins. Idempotent. */
  close(): void {
    const registry = this.#registry;
    if (registry === undefined) return;
    this.#registry = undefined;
    registry.remove(this);
    this.state?.release();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The open snapshots of a database. */
export class SnapshotRegistry {
  readonly #open: Set<Snapshot>;

  constructor() {
    this.#open = new Set();
  }

  create(seq: number, nowMs: number, state?: ReadState): Snapshot {
    const snapshot = new Snapshot(seq, nowMs, this, state);
    this.#open.add(snapshot);
    return snapshot;
  }

  remove(snapshot: Snapshot): void {
    this.#open.delete(snapshot);
  }

  /** undefined stands for no snapshot. @throws TypeError, ClosedError; RangeError when it is one of another database */
  check(snapshot: Snapshot | undefined): void {
    if (snapshot === undefined) return;
    if (!(snapshot instanceof Snapshot)) {
      throw new TypeError('Cannot read from this snapshot: it is none');
    }
    snapshot.mustBeOpenOf(this);
  }

  get count(): number {
    return this.#open.size;
  }

  /** Pinned sequence numbers, ascending, each once. */
  pinned(): number[] {
    const seqs = [...new Set([...this.#open].map((snapshot) => snapshot.seq))];
    return seqs.sort((a, b) => a - b);
  }

  /** Creation time of the oldest open snapshot, or undefined. */
  oldestMs(): number | undefined {
    let oldest: number | undefined;
    for (const { createdMs } of this.#open) {
      if (oldest === undefined || createdMs < oldest) oldest = createdMs;
    }
    return oldest;
  }

  closeAll(): void {
    for (const snapshot of [...this.#open]) snapshot.close();
  }
}
