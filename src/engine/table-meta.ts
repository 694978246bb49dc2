/**
 * What the manifest knows of a table: plain data, shared by the table builder, the version set and
 * the compaction picker. Written as JSON in manifest edits (docs/formats/manifest.md).
 */

/** Bytes of value-log records that one table refers to, per value-log file. */
export interface ValueLogReference {
  readonly fileNumber: number;
  /** Whole records, header included. */
  readonly bytes: number;
  readonly count: number;
}

export interface TableMeta {
  readonly fileNumber: number;
  /** Exact length of the file. */
  readonly bytes: number;
  /** 16 hexadecimal digits, also in the file's footer: tells a foreign or stale file of the same name. */
  readonly identity: string;
  /** The table's half-open range of encoded keys, range tombstones included. */
  readonly lower: Uint8Array;
  readonly upper: Uint8Array;
  /** Entries of all kinds but range tombstones. */
  readonly entries: number;
  /** Entries of kind DELETE. */
  readonly tombstones: number;
  readonly rangeTombstones: number;
  readonly minSeq: number;
  readonly maxSeq: number;
  /** Highest version of any entry or range tombstone: a read may stop when it holds a newer one. */
  readonly maxVersion: number;
  /** Key and value bytes before prefix compression, value-log records not counted. */
  readonly rawBytes: number;
  /** Entries known to be shadowed, deleted or expired when the table was written, bytes. */
  readonly staleBytes: number;
  /** Earliest expiry of an entry in wall milliseconds, 0 when none expires. */
  readonly earliestExpiry: number;
  readonly valueLog: readonly ValueLogReference[];
  /** Wall milliseconds. */
  readonly createdMs: number;
  /**
   * Only of a table that was made outside and taken in by an ingest: what its stored sequence numbers count
   * from. minSeq, maxSeq and maxVersion here include it. May be 0.
   */
  readonly seqBase?: number;
}

/** Sum of the value-log bytes a table refers to. */
export function valueLogBytes(meta: TableMeta): number {
  let sum = 0;
  for (const reference of meta.valueLog) sum += reference.bytes;
  return sum;
}

/** Of its blocks, roughly: a small file is mostly something else, a compressed one smaller than its entries. */
export function dataBytes(meta: TableMeta): number {
  return Math.min(meta.rawBytes, meta.bytes);
}
