/**
 * What the rewriting of tables needs from the table format: a way to write one and to read one. The table
 * builder and reader satisfy it; jobs.ts connects them.
 */
import type { FsFile } from '../../base/env.js';
import type { EntryCursor } from '../iterators/entry-cursor.js';
import type { RangeTombstone } from '../range-tombstones.js';
import type { TableMeta } from '../table-meta.js';

/** A table being written; methods as of TableBuilder. */
export interface TableSink {
  readonly estimatedBytes: number;
  add(
    keyBytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    version: number,
    seq: number,
    kind: number,
    expiresAt: number,
    valueBytes: Uint8Array,
    valueStart: number,
    valueLength: number,
  ): void;
  addRangeTombstone(lower: Uint8Array, upper: Uint8Array, version: number, seq: number): void;
  noteStale(bytes: number): void;
  /** Bounds are derived: first key or tombstone to the end of the last of them. */
  finish(): TableMeta;
}

/** A table to be read from front to back, once. */
export interface TableSource {
  newCursor(): EntryCursor;
  rangeTombstones(): readonly RangeTombstone[];
  /** Idempotent. */
  close(): void;
}

export interface TableAccess {
  create(file: FsFile, fileNumber: number, identity: string, createdMs: number): TableSink;
  /** @throws CorruptionError, IoError */
  open(path: string, meta: TableMeta): TableSource;
}
