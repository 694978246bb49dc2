/** What an atomic batch is made of: its operations, and who decides on it when it gets its place in the log. */

/** One operation of an atomic batch, already checked. */
export interface BatchOperation {
  readonly kind: number;
  readonly family: number;
  readonly key: Uint8Array | string;
  /** Value; for a range delete the encoded end key. */
  readonly value: Uint8Array;
  /** Wall milliseconds or NO_EXPIRY. */
  readonly expiresAt: number;
  /** Managed version, or 0 for version = seq. */
  readonly version: number;
}

/** Decides on a batch at the moment when its place is sure, before its first entry. */
export interface BatchGuard {
  /** Nothing is encoded between this call and the batch. @throws what the batch is refused with */
  validate(): void;
  /** The batch has its place: its entries have numbers up to this one. */
  placed(lastSeq: number): void;
}
