/**
 * What makes a table external: it was written outside of any database, before anybody knew which sequence numbers
 * its entries would get. Its stored numbers are relative. The ingest that takes it in picks a base, notes it in the
 * manifest's entry of the table (`seqBase`), and readers add it:
 *
 *   sequence number = stored number + seqBase
 *   version         = sequence number, of an ordinary entry (stored without a version)
 *                     the stored one, of a managed entry
 *
 * "Version equals sequence number" is how an ordinary entry is told from a managed one, so the base must not
 * make a managed entry's number equal to its version: the facts say which bases never do. Pure.
 * Pages: docs/formats/sst.md, docs/external-tables.md.
 *
 * Invariant of the file: a key has either ordinary entries or managed ones. Only then does every base keep the order.
 */
import type { RangeTombstone } from '../range-tombstones.js';

export interface ManagedFacts {
  readonly maxVersion: number;
  /** Least and greatest of version - stored number: a base below or above them makes no two equal. */
  readonly minOffset: number;
  readonly maxOffset: number;
}

/** Of entries and range tombstones together. In the properties of the table, as JSON. */
export interface ExternalFacts {
  /** Highest stored number of an ordinary one, 0 when there is none. */
  readonly maxOrdinarySeq: number;
  /** null when nothing is managed. */
  readonly managed: ManagedFacts | null;
}

/** Collects the facts of a table while it is written, and again when it is verified. */
export class FactCounter {
  readonly #seqBase: number;
  #maxOrdinarySeq: number;
  #maxVersion: number;
  #minOffset: number;
  #maxOffset: number;

  /** `seqBase`: what `note` has to take away from sequence numbers to have the stored ones. */
  constructor(seqBase = 0) {
    this.#seqBase = seqBase;
    this.#maxOrdinarySeq = 0;
    this.#maxVersion = 0;
    this.#minOffset = Number.MAX_SAFE_INTEGER;
    this.#maxOffset = Number.MIN_SAFE_INTEGER;
  }

  /** An entry as a reader shows it. */
  note(version: number, seq: number): void {
    if (version === seq) this.noteStored(seq - this.#seqBase, seq - this.#seqBase);
    else this.noteStored(version, seq - this.#seqBase);
  }

  /** An entry or a range tombstone as it is stored. */
  noteStored(version: number, seq: number): void {
    if (version === seq) {
      if (seq > this.#maxOrdinarySeq) this.#maxOrdinarySeq = seq;
      return;
    }
    if (version > this.#maxVersion) this.#maxVersion = version;
    const offset = version - seq;
    if (offset < this.#minOffset) this.#minOffset = offset;
    if (offset > this.#maxOffset) this.#maxOffset = offset;
  }

  facts(): ExternalFacts {
    const managed = {
      maxVersion: this.#maxVersion,
      minOffset: this.#minOffset,
      maxOffset: this.#maxOffset,
    };
    return {
      maxOrdinarySeq: this.#maxOrdinarySeq,
      managed: this.#maxVersion === 0 ? null : managed,
    };
  }
}

/** The facts in a table's properties; undefined when they are none. */
export function decodeExternalFacts(json: unknown): ExternalFacts | undefined {
  const { maxOrdinarySeq, managed } = (json ?? {}) as Record<string, unknown>;
  if (!isNumber(maxOrdinarySeq) || managed === undefined) return undefined;
  if (managed === null) return { maxOrdinarySeq, managed };
  const { maxVersion, minOffset, maxOffset } = managed as Record<string, unknown>;
  if (!isNumber(maxVersion) || !Number.isSafeInteger(minOffset) || !Number.isSafeInteger(maxOffset))
    return undefined;
  const offsets = { minOffset: minOffset as number, maxOffset: maxOffset as number };
  return { maxOrdinarySeq, managed: { maxVersion, ...offsets } };
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function sameFacts(a: ExternalFacts, b: ExternalFacts): boolean {
  if (a.maxOrdinarySeq !== b.maxOrdinarySeq) return false;
  if (a.managed === null || b.managed === null) return a.managed === b.managed;
  return (
    a.managed.maxVersion === b.managed.maxVersion &&
    a.managed.minOffset === b.managed.minOffset &&
    a.managed.maxOffset === b.managed.maxOffset
  );
}

/**
 * The least base, at or above `base`, that leaves managed entries managed in every one of the tables. It jumps over
 * the versions of a table rather than look for a gap between them: numbers are plenty.
 */
export function freeBase(base: number, tables: readonly ExternalFacts[]): number {
  let free = base;
  for (let isMoved = true; isMoved;) {
    isMoved = false;
    for (const { managed } of tables) {
      if (managed === null || free < managed.minOffset || free > managed.maxOffset) continue;
      free = managed.maxOffset + 1;
      isMoved = true;
    }
  }
  return free;
}

/** Range tombstones as they count in the tree. */
export function rebased(
  tombstones: readonly RangeTombstone[],
  seqBase: number,
): readonly RangeTombstone[] {
  if (seqBase === 0) return tombstones;
  return tombstones.map(({ lower, upper, version, seq }) => ({
    lower,
    upper,
    version: version === seq ? seq + seqBase : version,
    seq: seq + seqBase,
  }));
}
