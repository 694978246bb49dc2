/**
 * Writes one segment of the write-ahead log. Page: docs/formats/wal.md. Errors, latching and threads
 * are those of record-log-writer.ts.
 *
 * Life: create -> for durable writes: sync the file and its directory before the first acknowledgement
 * -> append, sync -> at rotation or clean close: sync, seal() into the manifest -> close.
 */
import { assert } from '../../base/assert.js';
import type { Fs } from '../../base/env.js';
import type { IoError } from '../../base/errors.js';
import type { Tail } from '../record-log-tail.js';
import { createLogFile, RecordLogWriter } from '../record-log-writer.js';
import {
  type LogHeaderInit,
  type LogPosition,
  MAGIC_WAL,
  RECORD_HEADER_BYTES,
} from '../record-log.js';
import { RecordCounts } from './format.js';

export class WalWriter {
  readonly #log: RecordLogWriter;
  /** What was appended, by record type. */
  readonly counts: RecordCounts;

  private constructor(log: RecordLogWriter) {
    this.#log = log;
    this.counts = new RecordCounts();
  }

  /**
   * Creates the segment. `header.continues` is the durable part of the current manifest
   * (ManifestLog.syncedPosition). @throws IoError, EEXIST when the name is taken.
   */
  static create(fs: Fs, path: string, header: LogHeaderInit): WalWriter {
    return new WalWriter(new RecordLogWriter(createLogFile(fs, path, MAGIC_WAL, header)));
  }

  get path(): string {
    return this.#log.path;
  }

  get fileNumber(): number {
    return this.#log.fileNumber;
  }

  /** Length of the file, header included. */
  get bytes(): number {
    return this.#log.bytes;
  }

  get chain(): number {
    return this.#log.chain;
  }

  /** @see RecordLogWriter.isSynced */
  get isSynced(): boolean {
    return this.#log.isSynced;
  }

  /** The failure that latched the segment; nothing more is accepted then. */
  get failure(): Error | undefined {
    return this.#log.failure;
  }

  /**
   * Appends one record from the arena: 20 free bytes at `start`, then the payload.
   * @see RecordLogWriter.append
   */
  append(
    buffer: Uint8Array,
    view: DataView,
    start: number,
    payloadLength: number,
    type: number,
  ): void {
    this.#log.append(buffer, view, start, payloadLength, type);
    this.counts.add(type, RECORD_HEADER_BYTES + payloadLength);
  }

  /** Where it ends now. */
  get position(): LogPosition {
    return { fileNumber: this.#log.fileNumber, bytes: this.#log.bytes, chain: this.#log.chain };
  }

  /** @see RecordLogWriter.sync */
  sync(mark?: LogPosition): Promise<void> {
    return this.#log.sync(mark);
  }

  syncBlocking(): void {
    this.#log.syncBlocking();
  }

  /** Nothing more is appended: where the segment ends may have been written down elsewhere. */
  latch(failure: IoError): void {
    this.#log.latch(failure);
  }

  /**
   * What the manifest's sealWal edit says of this segment. Requires that all of it was synced: a sealed
   * segment that is shorter or longer after a power loss would be refused as damage.
   */
  seal(): LogPosition {
    assert(this.#log.isSynced, 'wal: sealed segments are synced');
    return this.position;
  }

  /** Idempotent; does not sync. */
  close(): void {
    this.#log.close();
  }
}

/**
 * Cuts what a crash tore off a segment that was replayed, and makes the rest durable; then the
 * segment can be sealed. @throws IoError
 */
export function cutSegment(fs: Fs, path: string, fileNumber: number, tail: Tail): LogPosition {
  const file = fs.open(path, 'update');
  try {
    if (tail.tornBytes > 0) file.truncate(tail.bytes);
    file.syncBlocking();
  } finally {
    file.close();
  }
  return { fileNumber, bytes: tail.bytes, chain: tail.chain };
}
