/**
 * Write-ahead log: what a segment holds. Page: docs/formats/wal.md. The framing is record-log.ts.
 *
 *   segment = file header (continues: durable part of the manifest) , record*
 *   record  = record header , payload by type
 *   payload of BATCH = u32 entry count , entry*   (entry.ts; one write group, atomic)
 *
 * Types 2 to 4 are reserved for raft state and carried through unread.
 */
import { CorruptionError } from '../../base/errors.js';
import { entryBytes, entryFault } from '../entry.js';
import { RECORD_TYPE_MAX } from '../record-log.js';

/** Record types; on disk, frozen. */
export const WAL_BATCH = 1;
export const WAL_RAFT_ENTRIES = 2;
export const WAL_RAFT_HARD_STATE = 3;
export const WAL_RAFT_SNAPSHOT = 4;
export const WAL_TYPE_MAX = 4;

const TYPE_NAMES: readonly string[] = [
  '',
  'batch',
  'raft-entries',
  'raft-hard-state',
  'raft-snapshot',
];

/** Bytes of the entry count at the start of a batch payload; on disk, frozen. */
export const BATCH_COUNT_BYTES = 4;

export function walTypeName(type: number): string {
  return TYPE_NAMES[type] ?? `unknown-${type}`;
}

/** Records and bytes (headers included) by record type. */
export class RecordCounts {
  readonly records: Float64Array;
  readonly bytes: Float64Array;

  constructor() {
    this.records = new Float64Array(RECORD_TYPE_MAX + 1);
    this.bytes = new Float64Array(RECORD_TYPE_MAX + 1);
  }

  /** Hot: once per append. */
  add(type: number, bytes: number): void {
    this.records[type] = (this.records[type] as number) + 1;
    this.bytes[type] = (this.bytes[type] as number) + bytes;
  }

  /** Plain data, types that occur only. */
  toRows(): { type: string; records: number; bytes: number }[] {
    const rows = [];
    for (let type = 1; type <= RECORD_TYPE_MAX; type++) {
      const records = this.records[type] as number;
      if (records > 0)
        rows.push({ type: walTypeName(type), records, bytes: this.bytes[type] as number });
    }
    return rows;
  }
}

/**
 * Walks the entries of one batch payload in place. While next() is true, `at` is the offset of a whole
 * entry. Requires a payload whose checksum was verified: what is wrong here was written wrong.
 */
export class BatchScanner {
  readonly #file: string;
  readonly #view: DataView;
  #next: number;
  #end: number;
  #left: number;
  /** Offset of the current entry. */
  at: number;

  constructor(file: string, view: DataView) {
    this.#file = file;
    this.#view = view;
    this.#next = 0;
    this.#end = 0;
    this.#left = 0;
    this.at = 0;
  }

  /** Starts on the payload at `start`. @throws CorruptionError when it is too short for its count. */
  reset(start: number, length: number): void {
    if (length < BATCH_COUNT_BYTES)
      throw this.#fault('batch is shorter than its entry count', start);
    this.#next = start + BATCH_COUNT_BYTES;
    this.#end = start + length;
    this.#left = this.#view.getUint32(start, true);
    this.at = start;
  }

  /** @throws CorruptionError when the bytes are no whole entry, or count and length disagree. */
  next(): boolean {
    const at = this.#next;
    if (this.#left === 0) {
      if (at !== this.#end) throw this.#fault('batch is longer than its entries', at);
      return false;
    }
    const fault = entryFault(this.#view, at, this.#end);
    if (fault !== undefined) throw this.#fault(fault, at);
    this.at = at;
    this.#left--;
    this.#next = at + entryBytes(this.#view, at);
    return true;
  }

  #fault(what: string, offset: number): CorruptionError {
    return new CorruptionError(what, { file: this.#file, offset });
  }
}
