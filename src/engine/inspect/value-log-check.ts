/**
 * Checks value-log segments from both ends: every record of a segment in turn, and every pointer of the
 * tables and logs. A segment is read once: the walk notes where each sound record lies and whose it is, and
 * a pointer only has to agree with that. Behind a damaged record, where the walk may have lost its way,
 * pointers are followed one by one.
 *
 * Memory: 16 bytes per record.
 */
import { viewOf } from '../../base/codec.js';
import { CorruptionError } from '../../base/errors.js';
import { hashEncodedKey, userKeyOf } from '../key.js';
import { VALUE_LOG_HEADER_BYTES, VALUE_RECORD_HEADER_BYTES } from '../vlog/format.js';
import { checkRecord, type ValueLogFile } from '../vlog/reader.js';
import { pointerFileNumber, pointerLength, pointerStart } from '../vlog/value-pointer.js';
import type { FindingList } from './findings.js';
import type { SegmentInspection } from './open-inspection.js';

/** Bytes read at a time. */
const WINDOW_BYTES = 4 * 1024 * 1024;

/** A list of u32 that grows by doubling. */
class U32List {
  #items = new Uint32Array(256);
  length = 0;

  push(value: number): void {
    if (this.length === this.#items.length) {
      const larger = new Uint32Array(2 * this.length);
      larger.set(this.#items);
      this.#items = larger;
    }
    this.#items[this.length++] = value;
  }

  at(index: number): number {
    return this.#items[index] as number;
  }

  /** Index of `value` in an ascending list, or -1. */
  find(value: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.at(middle) < value) low = middle + 1;
      else high = middle;
    }
    return low < this.length && this.at(low) === value ? low : -1;
  }
}

/** The sound records of one segment, and the places where the walk met others. */
class WalkedSegment {
  readonly starts = new U32List();
  readonly lengths = new U32List();
  readonly keyHashes = new U32List();
  /** Low 32 bits: enough to tell one write of a key from another. */
  readonly seqs = new U32List();
  readonly bad: { readonly offset: number; readonly what: string }[] = [];
  readonly segment: SegmentInspection;
  /** Furthest byte that a pointer leads to. */
  pointedEnd = 0;

  constructor(segment: SegmentInspection) {
    this.segment = segment;
  }
}

/** The pointer of an entry: 12 bytes at `at`. */
export interface EntryPointer {
  readonly ekey: Uint8Array;
  readonly seq: number;
  readonly bytes: Uint8Array;
  readonly at: number;
}

export class ValueLogCheck {
  /** Sound records and pointers met. */
  records = 0;
  pointers = 0;
  readonly #findings: FindingList;
  readonly #walked: Map<number, WalkedSegment>;
  readonly #nameOf: (fileNumber: number) => string;
  /** Bytes [#windowStart, #windowStart + #windowLength) of #windowFile. */
  #window = new Uint8Array(0);
  #windowFile: ValueLogFile | undefined;
  #windowStart = 0;
  #windowLength = 0;

  /** `nameOf`: the file that a pointer to an unknown segment is reported for. */
  constructor(findings: FindingList, nameOf: (fileNumber: number) => string) {
    this.#findings = findings;
    this.#walked = new Map();
    this.#nameOf = nameOf;
  }

  /** Walks a segment; its findings come with `finish`, when it is known which keys they concern. */
  walk(segment: SegmentInspection): void {
    const walked = new WalkedSegment(segment);
    this.#walked.set(segment.fileNumber, walked);
    const { file } = segment;
    if (file === undefined) return;
    let start = VALUE_LOG_HEADER_BYTES;
    while (start < segment.bytes) {
      const length = this.#walkRecord(walked, file, start);
      if (length === 0) break;
      start += length;
    }
  }

  /** Does it lead to the value of its entry? Requires that all segments were walked. */
  isReadable(pointer: EntryPointer): boolean {
    if (this.#isWalked(pointer)) return true;
    try {
      this.#follow(pointer);
      return (
        this.#walked.get(pointerFileNumber(pointer.bytes, pointer.at))?.segment.file !== undefined
      );
    } catch (error) {
      if (error instanceof CorruptionError) return false;
      throw error;
    }
  }

  /** The same; what is wrong becomes a finding. */
  checkPointer(pointer: EntryPointer): void {
    this.pointers++;
    const start = pointerStart(pointer.bytes, pointer.at);
    const walked = this.#walked.get(pointerFileNumber(pointer.bytes, pointer.at));
    if (walked !== undefined) {
      const end = start + pointerLength(pointer.bytes, pointer.at);
      walked.pointedEnd = Math.max(walked.pointedEnd, end);
    }
    if (this.#isWalked(pointer)) return;
    const key = userKeyOf(pointer.ekey);
    this.#findings.attempt(() => this.#follow(pointer), { lower: key, upper: key });
  }

  /** The walk met the very record. */
  #isWalked({ ekey, seq, bytes, at }: EntryPointer): boolean {
    const walked = this.#walked.get(pointerFileNumber(bytes, at));
    const found = walked?.starts.find(pointerStart(bytes, at)) ?? -1;
    if (walked === undefined || found < 0) return false;
    return (
      walked.lengths.at(found) === pointerLength(bytes, at) &&
      walked.seqs.at(found) === seq >>> 0 &&
      walked.keyHashes.at(found) === hashEncodedKey(ekey, 0, ekey.length)
    );
  }

  /**
   * Lists what no pointer has led to. With nothing behind it in use, a bad place may be what a crash tore: the
   * log was cut before it then, and the next open sealed the segment as it was. Else it is damage in garbage.
   */
  finish(): void {
    for (const { bad, segment, pointedEnd } of this.#walked.values()) {
      const name = this.#nameOf(segment.fileNumber);
      for (const { offset, what } of bad) {
        if (pointedEnd > offset) this.#findings.add('damage', name, offset, what);
        else this.#findings.add('tail', name, offset, `${what}; nothing points there or behind`);
      }
    }
  }

  /** The length of the record at `start`; 0 when the walk can not go on behind it. */
  #walkRecord(walked: WalkedSegment, file: ValueLogFile, start: number): number {
    const end = walked.segment.bytes;
    const header = this.#read(file, start, Math.min(VALUE_RECORD_HEADER_BYTES, end - start));
    const headerView = viewOf(header);
    if (header.length < VALUE_RECORD_HEADER_BYTES) {
      walked.bad.push({ offset: start, what: 'value record is incomplete' });
      return 0;
    }
    const length =
      VALUE_RECORD_HEADER_BYTES +
      (headerView.getUint32(8, true) & 0xff_ffff) +
      headerView.getUint32(4, true);
    if (start + length > end) {
      walked.bad.push({ offset: start, what: 'value record is incomplete' });
      return 0;
    }
    const record = this.#read(file, start, length);
    const fault = faultOf(file, record, start, length);
    if (fault === undefined) {
      this.#note(walked, record, start, length);
      return length;
    }
    walked.bad.push({ offset: start, what: fault });
    // A damaged value leaves the way to the next record intact.
    const next = start + length;
    const isWayLost = next < end && !this.#isRecordAt(file, next, end);
    return isWayLost ? 0 : length;
  }

  #note(walked: WalkedSegment, record: Uint8Array, start: number, length: number): void {
    const view = viewOf(record);
    const keyLength = view.getUint32(8, true) & 0xff_ffff;
    walked.starts.push(start);
    walked.lengths.push(length);
    walked.keyHashes.push(hashEncodedKey(record, VALUE_RECORD_HEADER_BYTES, keyLength));
    walked.seqs.push(view.getUint32(12, true));
    this.records++;
  }

  #isRecordAt(file: ValueLogFile, start: number, end: number): boolean {
    if (start + VALUE_RECORD_HEADER_BYTES > end) return false;
    const view = viewOf(this.#read(file, start, VALUE_RECORD_HEADER_BYTES));
    const keyLength = view.getUint32(8, true) & 0xff_ffff;
    const length = VALUE_RECORD_HEADER_BYTES + keyLength + view.getUint32(4, true);
    if (start + length > end) return false;
    return faultOf(file, this.#read(file, start, length), start, length) === undefined;
  }

  /** Reads the record itself. @throws CorruptionError when the pointer does not lead to the entry's value */
  #follow({ ekey, seq, bytes, at }: EntryPointer): void {
    const fileNumber = pointerFileNumber(bytes, at);
    const start = pointerStart(bytes, at);
    const length = pointerLength(bytes, at);
    const walked = this.#walked.get(fileNumber);
    const file = walked?.segment.file;
    if (walked === undefined) {
      const name = this.#nameOf(fileNumber);
      throw new CorruptionError('value pointer names an unknown segment', {
        file: name,
        offset: start,
      });
    }
    if (file === undefined) {
      // One finding for all: at the header.
      const name = this.#nameOf(fileNumber);
      throw new CorruptionError('value-log segment is unreadable', { file: name, offset: 0 });
    }
    const path = file.file.path;
    if (start + length > walked.segment.bytes) {
      const what = 'value pointer leads past the end of its segment';
      throw new CorruptionError(what, { file: path, offset: start });
    }
    const record = this.#read(file, start, length);
    checkRecord(file, record, 0, start, length);
    const view = viewOf(record);
    const keyLength = view.getUint32(8, true) & 0xff_ffff;
    const isOurs =
      view.getUint32(12, true) === seq >>> 0 &&
      keyLength === ekey.length &&
      ekey.every((byte, i) => byte === record[VALUE_RECORD_HEADER_BYTES + i]);
    if (isOurs) return;
    throw new CorruptionError('value pointer leads to the record of another entry', {
      file: path,
      offset: start,
    });
  }

  /** Bytes of the file through the window, fewer at its end; borrowed until the next call. */
  #read(file: ValueLogFile, start: number, length: number): Uint8Array {
    const isInside =
      this.#windowFile === file &&
      start >= this.#windowStart &&
      start + length <= this.#windowStart + this.#windowLength;
    if (!isInside) {
      const wanted = Math.max(WINDOW_BYTES, length);
      if (this.#window.length < wanted) this.#window = new Uint8Array(wanted);
      this.#windowFile = file;
      this.#windowStart = start;
      this.#windowLength = file.file.read(this.#window, 0, this.#window.length, start);
    }
    const from = start - this.#windowStart;
    return this.#window.subarray(from, Math.min(from + length, this.#windowLength));
  }
}

function faultOf(
  file: ValueLogFile,
  record: Uint8Array,
  start: number,
  length: number,
): string | undefined {
  if (record.length < length) return 'value record is incomplete';
  try {
    checkRecord(file, record, 0, start, length);
    return undefined;
  } catch (error) {
    if (!(error instanceof CorruptionError)) throw error;
    return String(error.details['what']);
  }
}
