/**
 * Appends records to one log file (record-log.ts), for the write-ahead log and the manifest. One
 * owner, one thread; only sync() leaves the thread.
 *
 * States: open -> latched (for ever) -> closed. A failed or short write is cut back to the last good
 * record and leaves the writer as it was, so a later append may succeed. When the cut fails too, or
 * a sync fails, nobody can say what the disk holds: the writer latches and refuses everything after.
 *
 * Invariants: syncedBytes <= bytes; bytes is the offset after the last whole record, and `chain` its
 * headerCrc (the file header's checksum at first).
 */
import { assert } from '../base/assert.js';
import { checksum, newChecksumType } from '../base/checksum.js';
import { crc32 } from '../base/crc32.js';
import { ClosedError, IoError, type Outcome, ReadOnlyError } from '../base/errors.js';
import type { Fs, FsFile } from '../base/env.js';
import { writeWhole } from './write-whole.js';
import { recordHeaderCrc } from './record-log-crc.js';
import {
  encodeLogHeader,
  LOG_BYTES_MAX,
  LOG_HEADER_BYTES,
  type LogHeaderInit,
  type LogMagic,
  type LogPosition,
  RECORD_HEADER_BYTES,
  RECORD_TYPE_MAX,
  tagOf,
} from './record-log.js';

/** An open file and where its next record goes. */
export interface LogFile {
  readonly file: FsFile;
  readonly fileNumber: number;
  /** Of the payloads: base/checksum.ts. */
  readonly checksumType: number;
  /** Checksum of the file header. */
  readonly headerChain: number;
  readonly bytes: number;
  readonly chain: number;
  /** Bytes known to be durable. */
  readonly syncedBytes: number;
}

/**
 * Creates the file and writes its header; nothing is durable yet: sync the file, then its directory,
 * before anything depends on it. @throws IoError; a file of that name is left alone, one of ours is removed.
 */
export function createLogFile(fs: Fs, path: string, magic: LogMagic, init: LogHeaderInit): LogFile {
  const checksumType = newChecksumType();
  const header = encodeLogHeader(magic, init, checksumType);
  const file = fs.open(path, 'create');
  try {
    writeWhole(file, header, 0, header.length, 0);
  } catch (error) {
    abandonFile(fs, file);
    throw error;
  }
  const chain = crc32(header, 0, LOG_HEADER_BYTES - 4);
  return {
    file,
    fileNumber: init.fileNumber,
    checksumType,
    headerChain: chain,
    bytes: LOG_HEADER_BYTES,
    chain,
    syncedBytes: 0,
  };
}

/** Closes and removes a file that nothing refers to, as far as that goes: it is on the way of another error. */
export function abandonFile(fs: Fs, file: FsFile): void {
  file.close();
  try {
    fs.remove(file.path);
  } catch (error) {
    // What stays behind is an orphan that the next open removes.
    if (!(error instanceof IoError)) throw error;
  }
}

export class RecordLogWriter {
  readonly #file: FsFile;
  readonly #fileNumber: number;
  readonly #checksumType: number;
  /** The tag, shifted to where it stands beside the type. */
  readonly #tagBits: number;
  #bytes: number;
  #chain: number;
  #syncedBytes: number;
  #syncedChain: number;
  /** Failed writes that were cut back, and those of them that are durable: what was cut off is gone for good. */
  #cuts: number;
  #cutsSynced: number;
  #syncsRunning: number;
  #isClosed: boolean;
  #failure: IoError | undefined;

  constructor(log: LogFile) {
    assert(log.syncedBytes <= log.bytes, 'record log: synced part within the file');
    this.#file = log.file;
    this.#fileNumber = log.fileNumber;
    this.#checksumType = log.checksumType;
    this.#tagBits = (tagOf(log.headerChain) << 8) >>> 0;
    this.#bytes = log.bytes;
    this.#chain = log.chain;
    this.#syncedBytes = log.syncedBytes;
    this.#syncedChain = log.syncedBytes === log.bytes ? log.chain : log.headerChain;
    this.#cuts = 0;
    this.#cutsSynced = 0;
    this.#syncsRunning = 0;
    this.#isClosed = false;
    this.#failure = undefined;
  }

  get path(): string {
    return this.#file.path;
  }

  get fileNumber(): number {
    return this.#fileNumber;
  }

  /** Length of the file: header and whole records. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Chain value after the last record, unsigned. */
  get chain(): number {
    return this.#chain;
  }

  /** Bytes known to be durable; goes into the records appended from now on. */
  get syncedBytes(): number {
    return this.#syncedBytes;
  }

  /** All that was appended is durable, and nothing else is in the file. */
  get isSynced(): boolean {
    return this.#syncedBytes === this.#bytes && this.#cutsSynced === this.#cuts;
  }

  /** The failure that latched the writer. */
  get failure(): IoError | undefined {
    return this.#failure;
  }

  /** The place after the last record that is durable (the header before the first sync). */
  syncedPosition(): LogPosition {
    return {
      fileNumber: this.#fileNumber,
      bytes: Math.max(this.#syncedBytes, LOG_HEADER_BYTES),
      chain: this.#syncedChain,
    };
  }

  /**
   * Appends one record whose payload lies at `buffer[start + 20, ...)`: fills in the 20 bytes before it
   * and writes both at once. `view` is over the same memory as `buffer`.
   * Requires: 1 <= type <= 15, and the file stays within LOG_BYTES_MAX.
   * @throws IoError when the write failed: nothing was appended (outcome 'none'), or, when it could
   * not be cut back either, nobody knows ('unknown', and the writer is latched); ReadOnlyError when latched.
   */
  append(
    buffer: Uint8Array,
    view: DataView,
    start: number,
    payloadLength: number,
    type: number,
  ): void {
    if (this.#failure !== undefined || this.#isClosed) throw this.#refusal('append');
    const position = this.#bytes;
    const chain = this.#chain;
    const length = RECORD_HEADER_BYTES + payloadLength;
    assert(type >= 1, 'record log: type starts at 1');
    assert(type <= RECORD_TYPE_MAX, 'record log: type is at most 15');
    assert(position + length <= LOG_BYTES_MAX, 'record log: offsets fit u32');
    const typeAndTag = (type | this.#tagBits) >>> 0;
    const synced = this.#syncedBytes;
    const payloadStart = start + RECORD_HEADER_BYTES;
    const payloadSum = checksum(this.#checksumType, buffer, payloadStart, payloadLength, chain);
    const headerCrc = recordHeaderCrc(payloadLength, typeAndTag, synced, payloadSum, chain);
    view.setUint32(start, headerCrc, true);
    view.setUint32(start + 4, payloadLength, true);
    view.setUint32(start + 8, typeAndTag, true);
    view.setUint32(start + 12, synced, true);
    view.setUint32(start + 16, payloadSum, true);
    try {
      writeWhole(this.#file, buffer, start, length, position);
    } catch (error) {
      throw this.#cutBack(error);
    }
    this.#chain = headerCrc;
    this.#bytes = position + length;
  }

  /** After a failed write: the error to throw. */
  #cutBack(error: unknown): unknown {
    try {
      this.#file.truncate(this.#bytes);
      this.#cuts++;
      return error;
    } catch (cutError) {
      if (cutError instanceof IoError) this.#failure = cutError;
      if (!(error instanceof IoError) || !(cutError instanceof IoError)) return cutError;
      return new IoError(
        { op: error.op, path: error.path, errno: error.errno },
        { outcome: 'unknown', retryable: false, cause: cutError },
      );
    }
  }

  /**
   * Makes everything appended before the call durable, off the thread; appends may go on meanwhile. With `mark`, an
   * earlier end of this log, no more than what lies before it is called durable.
   * @throws IoError when the sync failed (latched from then on); ReadOnlyError when latched before or meanwhile.
   */
  async sync(mark?: LogPosition): Promise<void> {
    if (this.#failure !== undefined || this.#isClosed) throw this.#refusal('sync');
    const bytes = mark?.bytes ?? this.#bytes;
    const chain = mark?.chain ?? this.#chain;
    const cuts = this.#cuts;
    if (this.#syncedBytes >= bytes && this.#cutsSynced === cuts) return;
    this.#syncsRunning++;
    try {
      await this.#file.sync();
    } catch (error) {
      throw this.#latch(error);
    } finally {
      this.#syncsRunning--;
      if (this.#isClosed && this.#syncsRunning === 0) this.#file.close();
    }
    this.#setSynced(bytes, chain, cuts);
  }

  /** The same, blocking the thread. */
  syncBlocking(): void {
    if (this.#failure !== undefined || this.#isClosed) throw this.#refusal('sync');
    if (this.isSynced) return;
    try {
      this.#file.syncBlocking();
    } catch (error) {
      throw this.#latch(error);
    }
    this.#setSynced(this.#bytes, this.#chain, this.#cuts);
  }

  #setSynced(bytes: number, chain: number, cuts: number): void {
    // Two syncs in flight: the failure of one may have dropped the pages that the other reports as
    // written, so its success means nothing: what was appended may be there or not.
    if (this.#failure !== undefined) throw this.#refusal('sync', 'unknown');
    this.#cutsSynced = Math.max(this.#cutsSynced, cuts);
    if (bytes <= this.#syncedBytes) return;
    this.#syncedBytes = bytes;
    this.#syncedChain = chain;
  }

  /** Refuses everything from now on, for a failure that was met elsewhere. */
  latch(failure: IoError): void {
    this.#failure ??= failure;
  }

  /** The first failed sync is the one that counts; returns the error to throw. */
  #latch(error: unknown): unknown {
    if (!(error instanceof IoError)) return error;
    this.#failure ??= error;
    return new IoError(
      { op: error.op, path: error.path, errno: error.errno },
      { outcome: 'unknown', retryable: false, cause: error },
    );
  }

  #refusal(call: string, outcome: Outcome = 'none'): Error {
    if (this.#failure === undefined) return new ClosedError(call);
    return new ReadOnlyError(`Cannot ${call} ${this.#file.path}: an earlier write or sync failed`, {
      cause: this.#failure,
      outcome,
    });
  }

  /** Closes the file, after the syncs in flight have ended. Idempotent; does not sync. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#syncsRunning === 0) this.#file.close();
  }
}
