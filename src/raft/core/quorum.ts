/**
 * Quorums: which index a majority has acknowledged, and how a vote stands. A joint configuration
 * decides only what both of its majorities decide; an empty half agrees to everything.
 */
import { hex } from './ids.js';

/** The committed index of an empty majority: above every other. */
export const INDEX_INFINITE = Number.POSITIVE_INFINITY;

/** What each voter has acknowledged. */
export interface AckedIndexer {
  /** -1 when nothing is known of this voter. */
  ackedIndex(voter: number): number;
}

export const VOTE_PENDING = 1;
export const VOTE_LOST = 2;
export const VOTE_WON = 3;
export type VoteResult = typeof VOTE_PENDING | typeof VOTE_LOST | typeof VOTE_WON;

const VOTE_NAMES = { 1: 'VotePending', 2: 'VoteLost', 3: 'VoteWon' } as const;

export function voteResultName(result: VoteResult): string {
  return VOTE_NAMES[result];
}

export function indexText(index: number): string {
  return index === INDEX_INFINITE ? '∞' : String(index);
}

/** A set of node ids, iterated in ascending order. Groups are small: a sorted array beats a Set. */
export class IdSet {
  readonly #ids: number[] = [];

  constructor(ids: Iterable<number> = []) {
    for (const id of ids) this.add(id);
  }

  get size(): number {
    return this.#ids.length;
  }

  /** Sorted; borrowed: not to be changed, valid until the next change of the set. */
  get ids(): readonly number[] {
    return this.#ids;
  }

  has(id: number): boolean {
    return this.#ids.includes(id);
  }

  add(id: number): void {
    let at = this.#ids.length;
    while (at > 0 && (this.#ids[at - 1] as number) > id) at--;
    if (this.#ids[at - 1] !== id) this.#ids.splice(at, 0, id);
  }

  delete(id: number): void {
    const at = this.#ids.indexOf(id);
    if (at !== -1) this.#ids.splice(at, 1);
  }

  clone(): IdSet {
    return new IdSet(this.#ids);
  }

  /** "(1 2 a)" */
  toString(): string {
    return `(${this.#ids.map(hex).join(' ')})`;
  }
}

/** Voters that decide by majority. */
export class MajorityConfig extends IdSet {
  /** Sorting room of committedIndex(), so that it allocates nothing. */
  readonly #sorted: number[] = [];

  override clone(): MajorityConfig {
    return new MajorityConfig(this.ids);
  }

  /** The largest index that a majority has acknowledged; INDEX_INFINITE when there are no voters. */
  committedIndex(acked: AckedIndexer): number {
    const ids = this.ids;
    const count = ids.length;
    if (count === 0) return INDEX_INFINITE;
    const sorted = this.#sorted;
    sorted.length = count;
    for (let i = 0; i < count; i++) {
      const index = Math.max(0, acked.ackedIndex(ids[i] as number));
      let at = i;
      for (; at > 0 && (sorted[at - 1] as number) > index; at--) {
        sorted[at] = sorted[at - 1] as number;
      }
      sorted[at] = index;
    }
    // From the end, the smallest index that count/2+1 voters have reached.
    return sorted[count - ((count >> 1) + 1)] as number;
  }

  /** Voters missing from `votes` have not voted. */
  voteResult(votes: ReadonlyMap<number, boolean>): VoteResult {
    if (this.size === 0) return VOTE_WON;
    let granted = 0;
    let missing = 0;
    for (const id of this.ids) {
      const vote = votes.get(id);
      if (vote === undefined) missing++;
      else if (vote) granted++;
    }
    const quorum = (this.size >> 1) + 1;
    if (granted >= quorum) return VOTE_WON;
    return granted + missing >= quorum ? VOTE_PENDING : VOTE_LOST;
  }

  /** A bar per voter, for tests and people. */
  describe(acked: AckedIndexer): string {
    const count = this.size;
    if (count === 0) return '<empty majority quorum>';
    const rows = this.ids.map((id) => ({ id, index: acked.ackedIndex(id) }));
    const indexes = rows.map((row) => Math.max(0, row.index)).sort((a, b) => a - b);
    let text = `${' '.repeat(count)}    idx\n`;
    for (const { id, index } of rows) {
      // Equal indexes have equal bars: the rank of the first of them.
      const bar = indexes.indexOf(Math.max(0, index));
      text +=
        index === -1 ? `?${' '.repeat(count)}` : `${'x'.repeat(bar)}>${' '.repeat(count - bar)}`;
      text += ` ${indexText(Math.max(0, index)).padStart(5)}    (id=${hex(id)})\n`;
    }
    return text;
  }
}

/** Two majorities that must agree; `outgoing` is empty unless a change is under way. */
export class JointConfig {
  readonly incoming: MajorityConfig;
  outgoing: MajorityConfig;

  constructor(incoming: MajorityConfig, outgoing: MajorityConfig) {
    this.incoming = incoming;
    this.outgoing = outgoing;
  }

  get isJoint(): boolean {
    return this.outgoing.size > 0;
  }

  has(id: number): boolean {
    return this.incoming.has(id) || this.outgoing.has(id);
  }

  /** Sorted, each once; owned by the caller. */
  ids(): number[] {
    const all = new IdSet(this.incoming.ids);
    for (const id of this.outgoing.ids) all.add(id);
    return [...all.ids];
  }

  clone(): JointConfig {
    return new JointConfig(this.incoming.clone(), this.outgoing.clone());
  }

  committedIndex(acked: AckedIndexer): number {
    return Math.min(this.incoming.committedIndex(acked), this.outgoing.committedIndex(acked));
  }

  voteResult(votes: ReadonlyMap<number, boolean>): VoteResult {
    const incoming = this.incoming.voteResult(votes);
    const outgoing = this.outgoing.voteResult(votes);
    if (incoming === outgoing) return incoming;
    if (incoming === VOTE_LOST || outgoing === VOTE_LOST) return VOTE_LOST;
    return VOTE_PENDING;
  }

  describe(acked: AckedIndexer): string {
    return new MajorityConfig(this.ids()).describe(acked);
  }

  /** "(1 2)" or "(1 2)&&(1 2 3)" */
  toString(): string {
    return this.isJoint
      ? `${String(this.incoming)}&&${String(this.outgoing)}`
      : String(this.incoming);
  }
}
