/**
 * The merge of several sorted sources in internal order, in both directions.
 *
 * A loser tree: leaf i is source i, every inner node keeps the loser of the match below it, and the
 * overall winner is the current entry. Moving the winner replays the matches on its path only,
 * log2(n) comparisons. When the same source wins twice in a row, the best of the losers on its path
 * (the runner-up) is worked out once, and from then on each further win of that source costs one
 * comparison: in a merge of a large level with small runs this is the usual case.
 *
 * The keys of the sources' current entries are mirrored in `Head` objects, so that comparisons see one
 * shape whatever the sources are. No move allocates.
 *
 * Two sources may hold the identical entry (key, version, sequence number): the earlier source is
 * shown, the others skip theirs when the entry is left.
 *
 * Ownership: the cursor owns its sources and closes them. Buffers are borrowed until the next move.
 */
import { assert, INVARIANTS } from '../../base/assert.js';
import { compareBytes, copyBytes, equalBytes } from '../../base/bytes.js';
import type { EntryCursor } from './entry-cursor.js';
import type { RowBatch } from './row-batch.js';

const NO_BYTES = new Uint8Array(0);

/** The place of one source in the tree: a copy of what comparisons need. */
class Head {
  readonly source: EntryCursor;
  /** Index among the sources: the earlier one wins a tie. */
  readonly order: number;
  valid: boolean;
  keyBytes: Uint8Array;
  keyStart: number;
  keyLength: number;
  version: number;
  seq: number;

  constructor(source: EntryCursor, order: number) {
    this.source = source;
    this.order = order;
    this.valid = false;
    this.keyBytes = NO_BYTES;
    this.keyStart = 0;
    this.keyLength = 0;
    this.version = 0;
    this.seq = 0;
  }

  load(): void {
    const source = this.source;
    this.valid = source.valid;
    this.keyBytes = source.keyBytes;
    this.keyStart = source.keyStart;
    this.keyLength = source.keyLength;
    this.version = source.version;
    this.seq = source.seq;
  }
}

/** Internal order of two valid heads: negative when `a` comes first; zero for the identical entry. */
function compareHeads(a: Head, b: Head): number {
  const byKey = compareBytes(
    a.keyBytes,
    a.keyStart,
    a.keyLength,
    b.keyBytes,
    b.keyStart,
    b.keyLength,
  );
  if (byKey !== 0) return byKey;
  if (a.version !== b.version) return b.version - a.version;
  return b.seq - a.seq;
}

function sameEntry(a: Head, b: Head): boolean {
  return a.seq === b.seq && a.version === b.version && sameKey(a, b);
}

/** Compares from the end: neighbouring keys differ there. */
function sameKey(a: Head, b: Head): boolean {
  if (!a.valid || !b.valid || a.keyLength !== b.keyLength) return false;
  const { keyBytes, keyStart } = a;
  const others = b.keyBytes;
  const otherStart = b.keyStart;
  for (let i = a.keyLength - 1; i >= 0; i--) {
    if (keyBytes[keyStart + i] !== others[otherStart + i]) return false;
  }
  return true;
}

export class MergingCursor implements EntryCursor {
  valid: boolean;
  keyBytes: Uint8Array;
  keyStart: number;
  keyLength: number;
  version: number;
  seq: number;
  kind: number;
  expiresAt: number;
  valueBytes: Uint8Array;
  valueStart: number;
  valueLength: number;
  isValueOwned: boolean;

  readonly #heads: Head[];
  /** #losers[1 ... n - 1] are inner nodes; the parent of leaf i is (i + n) >> 1. */
  readonly #losers: Head[];
  #winner: Head | undefined;
  /** Best loser on the winner's path, or undefined while it is not known. */
  #runnerUp: Head | undefined;
  #forward: boolean;
  #closed: boolean;
  /** Scratch copy of a key that must outlive a move. */
  #saved: Uint8Array;

  /** Earlier sources win ties; nothing is positioned yet. */
  constructor(sources: readonly EntryCursor[]) {
    this.valid = false;
    this.keyBytes = NO_BYTES;
    this.keyStart = 0;
    this.keyLength = 0;
    this.version = 0;
    this.seq = 0;
    this.kind = 0;
    this.expiresAt = 0;
    this.valueBytes = NO_BYTES;
    this.valueStart = 0;
    this.valueLength = 0;
    this.isValueOwned = false;
    this.#heads = sources.map((source, order) => new Head(source, order));
    this.#losers = this.#heads.slice();
    this.#winner = undefined;
    this.#runnerUp = undefined;
    this.#forward = true;
    this.#closed = false;
    this.#saved = new Uint8Array(64);
  }

  seek(key: Uint8Array, start: number, length: number): void {
    for (const head of this.#heads) head.source.seek(key, start, length);
    this.#rebuild(true);
  }

  seekBefore(key: Uint8Array, start: number, length: number): void {
    for (const head of this.#heads) head.source.seekBefore(key, start, length);
    this.#rebuild(false);
  }

  first(): void {
    for (const head of this.#heads) head.source.first();
    this.#rebuild(true);
  }

  last(): void {
    for (const head of this.#heads) head.source.last();
    this.#rebuild(false);
  }

  next(): void {
    assert(this.valid, 'merging cursor: next needs a current entry');
    if (!this.#forward) {
      this.#turnForward();
      return;
    }
    const winner = this.#winner as Head;
    if (this.#hasTwin(winner)) {
      this.#skipTwins(winner);
      return;
    }
    winner.source.next();
    winner.load();
    this.#settle(winner);
  }

  prev(): void {
    assert(this.valid, 'merging cursor: prev needs a current entry');
    if (this.#forward) {
      this.#turnBackward();
      return;
    }
    const winner = this.#winner as Head;
    if (this.#hasTwin(winner)) {
      this.#skipTwins(winner);
      return;
    }
    winner.source.prev();
    winner.load();
    this.#settle(winner);
  }

  nextKey(): void {
    assert(this.valid, 'merging cursor: nextKey needs a current entry');
    if (!this.#forward) {
      this.#leaveKey();
      return;
    }
    const winner = this.#winner as Head;
    if (this.#isKeyShared(winner)) {
      this.#leaveKey();
      return;
    }
    winner.source.nextKey();
    winner.load();
    this.#settle(winner);
  }

  /** The first source runs up to where the second one stands, when its values need no copy. */
  nextKeyInto(batch: RowBatch): void {
    assert(this.valid, 'merging cursor: nextKeyInto needs a current entry');
    const winner = this.#winner as Head;
    if (!this.#forward || this.#isKeyShared(winner)) {
      this.#leaveKey();
      return;
    }
    if (winner.source.isValueOwned) this.#runnerUp ??= this.#bestLoser(winner);
    const runnerUp = this.#runnerUp;
    if (runnerUp === undefined && this.#heads.length > 1) {
      this.nextKey();
      return;
    }
    if (runnerUp?.valid === true) {
      batch.stopBefore(runnerUp.keyBytes, runnerUp.keyStart, runnerUp.keyLength);
    }
    winner.source.nextKeyInto(batch);
    winner.load();
    this.#settle(winner);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.valid = false;
    for (const head of this.#heads) head.source.close();
  }

  /** True when `a` is to be shown before `b` in the current direction; an exhausted source is last. */
  #before(a: Head, b: Head): boolean {
    if (!a.valid) return false;
    if (!b.valid) return true;
    const order = compareHeads(a, b);
    if (order === 0) return a.order < b.order;
    return this.#forward ? order < 0 : order > 0;
  }

  /** After a move of the winner: finds the new winner and shows it. */
  #settle(winner: Head): void {
    if (!this.#wins(winner)) this.#replay(winner);
    this.#show();
  }

  /** One comparison that proves the moved winner still wins; false when it is not known. */
  #wins(winner: Head): boolean {
    const runnerUp = this.#runnerUp;
    return runnerUp !== undefined && this.#before(winner, runnerUp);
  }

  /** Plays the matches from the leaf of `from` to the root. */
  #replay(from: Head): void {
    const losers = this.#losers;
    let best = from;
    for (let node = (from.order + losers.length) >> 1; node > 0; node >>= 1) {
      const other = losers[node] as Head;
      if (this.#before(other, best)) {
        losers[node] = best;
        best = other;
      }
    }
    this.#runnerUp = best === from ? this.#bestLoser(best) : undefined;
    this.#winner = best;
  }

  #bestLoser(winner: Head): Head | undefined {
    const losers = this.#losers;
    let best: Head | undefined;
    for (let node = (winner.order + losers.length) >> 1; node > 0; node >>= 1) {
      const other = losers[node] as Head;
      if (best === undefined || this.#before(other, best)) best = other;
    }
    return best;
  }

  /** Plays every match: after all sources were moved. */
  #rebuild(forward: boolean): void {
    assert(!this.#closed, 'merging cursor: used after close');
    this.#forward = forward;
    this.#runnerUp = undefined;
    const count = this.#heads.length;
    for (const head of this.#heads) head.load();
    this.#winner = count === 0 ? undefined : this.#play(1);
    this.#show();
  }

  /** Winner of the subtree at `node`; nodes from `count` on are leaves. */
  #play(node: number): Head {
    const count = this.#heads.length;
    if (node >= count) return this.#heads[node - count] as Head;
    const left = this.#play(2 * node);
    const right = this.#play(2 * node + 1);
    const leftWins = !this.#before(right, left);
    this.#losers[node] = leftWins ? right : left;
    return leftWins ? left : right;
  }

  /** Does another source stand at the identical entry? It then is a loser on the winner's path. */
  #hasTwin(winner: Head): boolean {
    if (this.#runnerUp !== undefined) return sameEntry(winner, this.#runnerUp);
    const losers = this.#losers;
    for (let node = (winner.order + losers.length) >> 1; node > 0; node >>= 1) {
      if (sameEntry(winner, losers[node] as Head)) return true;
    }
    return false;
  }

  /** Does another source stand at the same key? One that does is a loser on the winner's path. */
  #isKeyShared(winner: Head): boolean {
    if (this.#runnerUp !== undefined) return sameKey(winner, this.#runnerUp);
    const losers = this.#losers;
    for (let node = (winner.order + losers.length) >> 1; node > 0; node >>= 1) {
      if (sameKey(winner, losers[node] as Head)) return true;
    }
    return false;
  }

  /** Moves every source that stands at the current key past it. */
  #leaveKey(): void {
    const length = this.#saveKey();
    if (!this.#forward) this.#turnForward();
    const saved = this.#saved;
    let head = this.#winner as Head;
    while (
      head.valid &&
      head.keyLength === length &&
      equalBytes(saved, 0, head.keyBytes, head.keyStart, length)
    ) {
      head.source.nextKey();
      head.load();
      if (this.#wins(head)) break; // past the key, and before every other source
      this.#replay(head);
      head = this.#winner as Head;
    }
    this.#show();
  }

  #skipTwins(winner: Head): void {
    for (const head of this.#heads) {
      if (head === winner || !sameEntry(winner, head)) continue;
      this.#step(head.source);
    }
    this.#step(winner.source);
    this.#rebuild(this.#forward);
  }

  #step(source: EntryCursor): void {
    if (this.#forward) source.next();
    else source.prev();
  }

  /** From the last entry at or before the current one in every source, to the first one after it. */
  #turnForward(): void {
    const length = this.#saveKey();
    for (const head of this.#heads) {
      const source = head.source;
      if (source.valid) source.next();
      else source.first();
      while (source.valid && this.#compareToSaved(source, length) <= 0) source.next();
    }
    this.#rebuild(true);
  }

  #turnBackward(): void {
    const length = this.#saveKey();
    for (const head of this.#heads) {
      const source = head.source;
      if (source.valid) source.prev();
      else source.last();
      while (source.valid && this.#compareToSaved(source, length) >= 0) source.prev();
    }
    this.#rebuild(false);
  }

  /** Order of a source's entry against the entry this cursor showed when #saveKey was called. */
  #compareToSaved(source: EntryCursor, length: number): number {
    const byKey = compareBytes(
      source.keyBytes,
      source.keyStart,
      source.keyLength,
      this.#saved,
      0,
      length,
    );
    if (byKey !== 0) return byKey;
    if (source.version !== this.version) return this.version - source.version;
    return this.seq - source.seq;
  }

  #saveKey(): number {
    const length = this.keyLength;
    if (this.#saved.length < length) this.#saved = new Uint8Array(2 * length);
    copyBytes(this.keyBytes, this.keyStart, this.#saved, 0, length);
    return length;
  }

  #show(): void {
    const winner = this.#winner;
    if (winner === undefined || !winner.valid) {
      this.valid = false;
      return;
    }
    if (INVARIANTS) this.#check(winner);
    const source = winner.source;
    this.valid = true;
    this.keyBytes = winner.keyBytes;
    this.keyStart = winner.keyStart;
    this.keyLength = winner.keyLength;
    this.version = winner.version;
    this.seq = winner.seq;
    this.kind = source.kind;
    this.expiresAt = source.expiresAt;
    this.valueBytes = source.valueBytes;
    this.valueStart = source.valueStart;
    this.valueLength = source.valueLength;
    this.isValueOwned = source.isValueOwned;
  }

  #check(winner: Head): void {
    for (const head of this.#heads) {
      assert(
        head === winner || !this.#before(head, winner),
        'merging cursor: the winner is not the first',
      );
    }
  }
}
