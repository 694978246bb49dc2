/**
 * Flush and compaction jobs as plain data: what the foreground hands to a worker and gets back. Everything a
 * job decides by is in its spec, so a job can be repeated and tested; it reads no shared state but the
 * memtable's arenas (sealed, read only) and the cancel flag.
 *
 * File numbers are reserved by the caller before the job starts, and never used again if it fails.
 */
import type { MemtableDescriptor } from '../memtable/memtable.js';
import type { PlainPrefixRule } from '../sst/prefix-rules.js';
import type { TableMeta, ValueLogReference } from '../table-meta.js';
import type { KeyRange, Retention } from './drop-rules.js';

/** How tables are written. */
export interface TableSettings {
  /** Data block target, bytes before compression. */
  readonly blockBytes: number;
  /** 0 writes no filter. */
  readonly filterBitsPerKey: number;
  readonly compression: 'none' | 'lz4';
  /** Parts of keys that filters hold, too; absent: none. */
  readonly prefixRules?: readonly PlainPrefixRule[];
}

interface RewriteJob {
  /** Where tables are written. */
  readonly directory: string;
  /** Identities of the outputs are derived from it; a random safe integer, different for every job. */
  readonly identitySeed: number;
  readonly table: TableSettings;
  readonly retention: Retention;
  /** One Int32; not zero asks the job to stop. It ends with ClosedError and leaves no file. */
  readonly cancel?: SharedArrayBuffer | undefined;
}

/** One sealed memtable to one table of L0. */
export interface FlushJob extends RewriteJob {
  readonly kind: 'flush';
  readonly memtable: MemtableDescriptor;
  readonly fileNumber: number;
  /** Where tables may hold older data; all keys when absent. */
  readonly olderRanges?: readonly KeyRange[] | undefined;
}

export interface FlushResult {
  /** undefined when nothing was left to write. */
  readonly table: TableMeta | undefined;
  readonly discard: readonly ValueLogReference[];
  readonly statistics: RewriteStatistics;
}

export interface CompactionJobInput {
  readonly level: number;
  readonly meta: TableMeta;
  readonly path: string;
}

/** A value-log file to be emptied. */
export interface ValueLogSource {
  readonly fileNumber: number;
  readonly path: string;
  readonly identity: string;
}

/** Where the values of emptied files go; created only when there is one. */
export interface ValueLogTarget {
  readonly fileNumber: number;
  /** The bucket's directory. */
  readonly directory: string;
  readonly bucket: number;
  readonly identity: string;
  /** No value is moved beyond this size, bytes; what is left stays where it is. */
  readonly bytesMax: number;
}

/** Sorted tables merged into sorted tables. */
export interface CompactionJob extends RewriteJob {
  readonly kind: 'compaction';
  /** L0 newest first, then by level, then by key. */
  readonly inputs: readonly CompactionJobInput[];
  readonly outputLevel: number;
  /** Outputs are cut between user keys at this size, as long as file numbers last. */
  readonly targetTableBytes: number;
  readonly fileNumbers: { readonly first: number; readonly count: number };
  /** Where tables that are not inputs may hold older data of the same keys; sorted, disjoint. */
  readonly olderRanges: readonly KeyRange[];
  readonly valueLog?:
    { readonly sources: readonly ValueLogSource[]; readonly target: ValueLogTarget } | undefined;
}

/** A value-log file written by a compaction; durable. */
export interface NewValueLog {
  readonly fileNumber: number;
  readonly bucket: number;
  readonly identity: string;
  /** Exact length of the file. */
  readonly bytes: number;
  /** Values moved. */
  readonly count: number;
}

export interface CompactionResult {
  /** Sorted, disjoint. Durable, directory included. */
  readonly outputs: readonly TableMeta[];
  /** Value-log records that lost their pointer because the entry was dropped; moved values not counted. */
  readonly discard: readonly ValueLogReference[];
  readonly newValueLog: NewValueLog | undefined;
  readonly statistics: RewriteStatistics;
}

export interface RewriteStatistics {
  /** Table bytes, or memtable key and value bytes. */
  readonly bytesRead: number;
  /** Table bytes. */
  readonly bytesWritten: number;
  /** Value-log bytes. */
  readonly valueLogBytesWritten: number;
  /** Entries; range tombstones not counted. */
  readonly entriesIn: number;
  readonly entriesOut: number;
  /** Dropped entries by reason: a newer entry, a range tombstone, expiry, a delete with nothing below. */
  readonly droppedShadowed: number;
  readonly droppedCovered: number;
  readonly droppedExpired: number;
  readonly droppedTombstones: number;
}

/** Every encoded key: the first byte is a family, below 0xFF. */
export const ALL_KEYS: KeyRange = { lower: new Uint8Array(0), upper: Uint8Array.of(0xff) };
