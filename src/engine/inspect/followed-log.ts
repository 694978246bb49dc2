/**
 * A log segment that a follower has read, and where it stopped: the next refresh reads on from there, into the same
 * arena, so that following costs what was written and not what lies there.
 *
 * Entries become part of the memtable at once, but nobody sees them before the follower's sequence number moves:
 * a refresh that fails half way leaves readers where they were, and the next one goes on behind them.
 */
import { readU32 } from '../../base/codec.js';
import type { Fs, FsFile } from '../../base/env.js';
import { entryKind, entrySeq, entryValueStart, KIND_VALUE_POINTER } from '../entry.js';
import type { LoggedMemtable } from '../logged-memtable.js';
import { crashOf } from '../record-log-tail.js';
import { type LogHeader, type RecordScanner, scanRecordsFrom } from '../record-log.js';
import { BatchScanner, WAL_BATCH } from '../wal/format.js';
import type { ReplayedSegment } from '../wal-recovery.js';

export class FollowedLog {
  /** undefined while the segment holds no entry. */
  readonly memtable: LoggedMemtable | undefined;
  /** Length of the file when it was last read, torn bytes included. */
  bytes: number;
  maxSeq: number;
  /** Value-log files that its entries point to. */
  readonly valueLogs: Set<number>;
  /** undefined when it can not be read on. */
  readonly #header: LogHeader | undefined;
  /** Behind the last whole record. */
  #end: number;
  #chain: number;
  /** Where the file holds that value; undefined when it has no header yet. */
  #chainAt: number | undefined;

  /** `bootId` is that of the machine now: only what a living process may still write is read on. */
  constructor(segment: ReplayedSegment, memtable: LoggedMemtable | undefined, bootId: string) {
    const { header } = segment;
    this.memtable = memtable;
    this.bytes = segment.bytes + segment.tornBytes;
    this.maxSeq = segment.maxSeq;
    this.valueLogs = new Set(segment.valueLogs);
    const isOfThisBoot = header !== undefined && crashOf(header.bootId, bootId) === 'process';
    this.#header = isOfThisBoot ? header : undefined;
    this.#end = segment.bytes;
    this.#chain = segment.chain;
    this.#chainAt = header === undefined ? undefined : segment.chainAt;
  }

  /**
   * Is what was read still there? Not when the workdir was begun anew, whose files have the same names, or when a
   * record was cut off and another one of its length took its place. @throws IoError
   */
  isIn(file: FsFile): boolean {
    if (this.#chainAt === undefined) return true;
    const chain = new Uint8Array(4);
    return file.read(chain, 0, 4, this.#chainAt) === 4 && readU32(chain, 0) === this.#chain;
  }

  /**
   * Takes over what was appended. `expected` is where the segment ends, once it is sealed. False, with nothing taken
   * over, when only reading it as a whole can tell: it was cut, is damaged, or outgrew its arena.
   * @throws IoError, CorruptionError
   */
  readOn(fs: Fs, path: string, expected: { bytes: number; chain: number } | undefined): boolean {
    const { memtable } = this;
    const header = this.#header;
    if (memtable === undefined || header === undefined) return false;
    const length = this.#load(fs, path, memtable.data);
    if (length === undefined) return false;
    const scanner = scanRecordsFrom(memtable.data, this.#end, length, this.#chain, header);
    const found = entriesOf(scanner, path);
    if (found === undefined || !isEnd(scanner, expected)) return false;
    if (!memtable.memtable.hasRoomFor(found.length)) return false;
    for (const at of found) this.#insert(memtable, at);
    if (scanner.end > this.#end) this.#chainAt = scanner.recordStart;
    this.#end = scanner.end;
    this.#chain = scanner.chain;
    this.bytes = length;
    memtable.cursor = scanner.end;
    return true;
  }

  /** Reads what lies behind the last record to its place in the arena; the length of the file, if that had room. */
  #load(fs: Fs, path: string, data: Uint8Array): number | undefined {
    const file = fs.open(path, 'read');
    try {
      const size = file.size();
      if (size < this.#end || size > data.length || !this.isIn(file)) return undefined;
      return this.#end + file.read(data, this.#end, size - this.#end, this.#end);
    } finally {
      file.close();
    }
  }

  #insert({ memtable, view }: LoggedMemtable, at: number): void {
    memtable.insert(at);
    this.maxSeq = Math.max(this.maxSeq, entrySeq(view, at));
    if (entryKind(view, at) === KIND_VALUE_POINTER) {
      this.valueLogs.add(view.getUint32(entryValueStart(view, at), true));
    }
  }
}

/** Offsets of the entries that follow; undefined when there is a record of another kind. */
function entriesOf(scanner: RecordScanner, path: string): number[] | undefined {
  const found: number[] = [];
  const batch = new BatchScanner(path, scanner.view);
  while (scanner.next()) {
    if (scanner.type !== WAL_BATCH) return undefined;
    batch.reset(scanner.payloadStart, scanner.payloadLength);
    while (batch.next()) found.push(batch.at);
  }
  return found;
}

/** A record may be half written, but not damaged; and a sealed segment ends where its seal says. */
function isEnd(
  scanner: RecordScanner,
  expected: { bytes: number; chain: number } | undefined,
): boolean {
  if (expected === undefined) return scanner.scanEnd !== 'bad';
  const { scanEnd, end, chain } = scanner;
  return scanEnd === 'clean' && end === expected.bytes && chain === expected.chain;
}
