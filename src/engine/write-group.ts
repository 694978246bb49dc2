/**
 * The group of a group commit (write-queue.ts): entries in one memtable's arena, behind room for the header of their
 * log record, and the promise of their writers. Made when its first write comes; written, synced and shown as one.
 */
import { entryBytes, entryKeyLength, entryKeyStart } from './entry.js';
import { hashEncodedKey } from './key.js';
import type { LoggedMemtable } from './logged-memtable.js';
import { RECORD_HEADER_BYTES } from './record-log.js';

/** u32 entry count before the entries of a batch record. */
export const BATCH_HEADER_BYTES = 4;

/** Learns of every write, in the order of the sequence numbers, when it gets its own: visible or not. */
export interface WriteTracker {
  /** The entry at `at` of a memtable's arena; it may still fail to be written. */
  note(view: DataView, data: Uint8Array, at: number, keyHash: number): void;
  /** All keys of [lower, upper) at once: the range of a table that was ingested. Bounds stay as they are. */
  noteRange(lower: Uint8Array, upper: Uint8Array, seq: number): void;
}

/** Entries that are written and acknowledged together. */
export class WriteGroup {
  readonly memtable: LoggedMemtable;
  readonly recordStart: number;
  readonly valueLogMark: number;
  /** The memtable's `separatedBytes` before it. */
  readonly separatedBefore: number;
  entries: number;
  lastSeq: number;
  needsSync: boolean;
  readonly promise: Promise<void>;
  resolve!: () => void;
  reject!: (error: unknown) => void;

  constructor(memtable: LoggedMemtable, valueLogMark: number) {
    this.memtable = memtable;
    this.recordStart = memtable.cursor;
    this.valueLogMark = valueLogMark;
    this.separatedBefore = memtable.separatedBytes;
    this.entries = 0;
    this.lastSeq = 0;
    this.needsSync = false;
    this.promise = new Promise<void>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** Arena offset of its first entry; the others follow one another. */
  get firstEntryAt(): number {
    return this.recordStart + RECORD_HEADER_BYTES + BATCH_HEADER_BYTES;
  }

  /** Tells of every entry, in the order of their numbers. */
  noteAll(tracker: WriteTracker): void {
    const { data, view } = this.memtable;
    let at = this.firstEntryAt;
    for (let i = 0; i < this.entries; i++) {
      const hash = hashEncodedKey(data, entryKeyStart(view, at), entryKeyLength(view, at));
      tracker.note(view, data, at, hash);
      at += entryBytes(view, at);
    }
  }
}
