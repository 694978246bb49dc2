/**
 * Writes the fragments of range tombstones to a table so that one that goes on over neighbouring fragments is
 * stored once, not once per fragment:
 *
 *     fragments   a--[9,5]--f--[9,5,3]--m--[5]--z      stored   [a, m)@9   [a, z)@5   [f, m)@3
 *
 * Else n tombstones that overlap are stored as up to n²/2 pieces, which every compaction reads and writes again.
 *
 * Invariant: the open ones all end at #end, newest first; what they were opened with is not in the sink yet.
 */
import { compareArrays } from '../../base/bytes.js';
import type { RangeTombstone } from '../range-tombstones.js';
import type { TableSink } from './table-access.js';

/** One that may go on in the next fragment. */
type OpenTombstone = Omit<RangeTombstone, 'upper'>;

export class TombstoneJoiner {
  readonly #sink: TableSink;
  #open: OpenTombstone[];
  #end: Uint8Array;

  constructor(sink: TableSink) {
    this.#sink = sink;
    this.#open = [];
    this.#end = new Uint8Array(0);
  }

  /**
   * The next fragment: those of `versions` and `seqs` (in parallel, newest first, each once) that `isNeeded`. Fragments
   * come in ascending order. Bounds are kept until `finish`.
   */
  add(
    lower: Uint8Array,
    upper: Uint8Array,
    versions: readonly number[],
    seqs: readonly number[],
    isNeeded: (index: number) => boolean,
  ): void {
    if (this.#open.length > 0 && compareArrays(this.#end, lower) !== 0) this.finish();
    const open: OpenTombstone[] = [];
    let at = 0; // in #open: what is before it has ended, or is open again
    for (let i = 0; i < seqs.length; i++) {
      if (!isNeeded(i)) continue;
      const version = versions[i] as number;
      const seq = seqs[i] as number;
      for (; at < this.#open.length; at++) {
        const other = this.#open[at] as OpenTombstone;
        if (other.version < version || (other.version === version && other.seq <= seq)) break;
        this.#write(other);
      }
      const same = this.#open[at];
      if (same?.version === version && same.seq === seq) {
        open.push(same);
        at++;
      } else {
        open.push({ lower, version, seq });
      }
    }
    for (; at < this.#open.length; at++) this.#write(this.#open[at] as OpenTombstone);
    this.#open = open;
    this.#end = upper;
  }

  /** Writes those that are open. */
  finish(): void {
    for (const tombstone of this.#open) this.#write(tombstone);
    this.#open = [];
  }

  #write({ lower, version, seq }: OpenTombstone): void {
    this.#sink.addRangeTombstone(lower, this.#end, version, seq);
  }
}
