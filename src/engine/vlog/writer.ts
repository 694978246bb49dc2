/**
 * Appends records to one value-log segment. Records are gathered in a buffer and reach the file by
 * `flush`, before the log record that points to them is written; a failed group is undone by
 * `rewind`. Used by the write queue (the active segment) and by compaction jobs (survivors).
 *
 * Invariant: syncedBytes <= flushedBytes <= bytes; everything below flushedBytes is in the file, and below syncedBytes
 * durable.
 */
import { copyBytes } from '../../base/bytes.js';
import { putU64, viewOf } from '../../base/codec.js';
import { checksum, newChecksumType } from '../../base/checksum.js';
import type { Fs, FsFile } from '../../base/env.js';
import { IoError } from '../../base/errors.js';
import { KIB } from '../../base/limits.js';
import { writeWhole } from '../write-whole.js';
import {
  encodeValueLogHeader,
  recordSeed,
  VALUE_LOG_HEADER_BYTES,
  VALUE_RECORD_HEADER_BYTES,
  type ValueLogHeader,
  type ValueLogHeaderInit,
} from './format.js';

const BUFFER_BYTES = 256 * KIB;

export class ValueLogWriter {
  readonly header: ValueLogHeader;
  readonly file: FsFile;
  /** End of the last appended record, buffered ones included. */
  bytes: number;
  flushedBytes: number;
  /** Everything below is durable. */
  syncedBytes: number;
  /** Place of the last appended record: what its pointer holds. */
  lastStart: number;
  lastLength: number;
  #buffer: Uint8Array;
  #view: DataView;
  #fill: number;
  #failure: unknown;
  /** Times that something was cut off the file, and those of them that are durable: it must not come back behind a sealed end. */
  #cuts: number;
  #cutsSynced: number;
  /** What each sync that is under way will have made durable. */
  readonly #syncing: Set<{ target: number }>;

  private constructor(file: FsFile, header: ValueLogHeader) {
    this.header = header;
    this.file = file;
    this.bytes = VALUE_LOG_HEADER_BYTES;
    this.flushedBytes = VALUE_LOG_HEADER_BYTES;
    this.syncedBytes = 0;
    this.lastStart = 0;
    this.lastLength = 0;
    this.#buffer = new Uint8Array(BUFFER_BYTES);
    this.#view = viewOf(this.#buffer);
    this.#fill = 0;
    this.#failure = undefined;
    this.#cuts = 0;
    this.#cutsSynced = 0;
    this.#syncing = new Set();
  }

  /** Creates the file with its header; the directory is not yet synced. @throws IoError */
  static create(fs: Fs, path: string, init: ValueLogHeaderInit): ValueLogWriter {
    const header = { ...init, checksumType: newChecksumType() };
    const file = fs.open(path, 'create');
    try {
      writeWhole(file, encodeValueLogHeader(header), 0, VALUE_LOG_HEADER_BYTES, 0);
    } catch (error) {
      file.close();
      fs.remove(path);
      throw error;
    }
    return new ValueLogWriter(file, header);
  }

  /** Appends one record to the buffer; sets lastStart and lastLength. @throws IoError when the buffer had to be written. */
  append(
    key: Uint8Array,
    keyStart: number,
    keyLength: number,
    seq: number,
    version: number,
    value: Uint8Array,
    valueStart: number,
    valueLength: number,
  ): void {
    const length = VALUE_RECORD_HEADER_BYTES + keyLength + valueLength;
    if (this.#fill + length > this.#buffer.length) {
      this.flush();
      if (length > this.#buffer.length) this.#growTo(length);
    }
    const at = this.#fill;
    const view = this.#view;
    view.setUint32(at + 4, valueLength, true);
    view.setUint32(at + 8, keyLength, true);
    putU64(view, at + 12, seq);
    putU64(view, at + 20, version);
    copyBytes(key, keyStart, this.#buffer, at + VALUE_RECORD_HEADER_BYTES, keyLength);
    copyBytes(
      value,
      valueStart,
      this.#buffer,
      at + VALUE_RECORD_HEADER_BYTES + keyLength,
      valueLength,
    );
    const seed = recordSeed(this.header.identity, this.bytes);
    const { checksumType } = this.header;
    view.setUint32(at, checksum(checksumType, this.#buffer, at + 4, length - 4, seed), true);
    this.lastStart = this.bytes;
    this.lastLength = length;
    this.#fill += length;
    this.bytes += length;
  }

  hasPending(): boolean {
    return this.#fill > 0;
  }

  /** Writes the buffer to the file. On failure nothing is lost or gained: call again, or rewind. @throws IoError */
  flush(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#fill === 0) return;
    writeWhole(this.file, this.#buffer, 0, this.#fill, this.flushedBytes);
    this.flushedBytes += this.#fill;
    this.#fill = 0;
    if (this.#buffer.length > 4 * BUFFER_BYTES) this.#growTo(BUFFER_BYTES);
  }

  /**
   * Forgets every record from `bytes` on, in the buffer and in the file. A tail that cannot be cut
   * off is harmless: no pointer leads there, and the next record overwrites it.
   */
  rewind(bytes: number): void {
    if (bytes >= this.flushedBytes) {
      this.#fill = bytes - this.flushedBytes;
    } else {
      this.#fill = 0;
      this.flushedBytes = bytes;
    }
    this.bytes = bytes;
    // What is written there from now on, no sync that was begun before has seen.
    this.syncedBytes = Math.min(this.syncedBytes, bytes);
    for (const sync of this.#syncing) sync.target = Math.min(sync.target, bytes);
    try {
      if (this.file.size() <= this.flushedBytes) return;
      this.file.truncate(this.flushedBytes);
      this.#cuts++;
    } catch (error) {
      if (!(error instanceof IoError)) throw error;
    }
  }

  /** Everything flushed is durable, and nothing else is in the file. */
  get isSynced(): boolean {
    return this.syncedBytes >= this.flushedBytes && this.#cutsSynced === this.#cuts;
  }

  /** Makes every flushed record durable. After a failure the segment takes nothing more. @throws IoError */
  async sync(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.isSynced) return;
    const cuts = this.#cuts;
    const sync = { target: this.flushedBytes };
    this.#syncing.add(sync);
    try {
      await this.file.sync();
    } catch (error) {
      this.#failure ??= error;
      throw error;
    } finally {
      this.#syncing.delete(sync);
    }
    // Two syncs in flight: the failure of one may have dropped the pages that the other reports as written.
    if (this.#failure !== undefined) throw this.#failure;
    this.syncedBytes = Math.max(this.syncedBytes, sync.target);
    this.#cutsSynced = Math.max(this.#cutsSynced, cuts);
  }

  /** The blocking form of `sync`, for jobs. */
  syncBlocking(): void {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      this.file.syncBlocking();
    } catch (error) {
      this.#failure = error;
      throw error;
    }
    this.syncedBytes = this.flushedBytes;
    this.#cutsSynced = this.#cuts;
  }

  close(): void {
    this.file.close();
  }

  #growTo(length: number): void {
    this.#buffer = new Uint8Array(length);
    this.#view = viewOf(this.#buffer);
  }
}
