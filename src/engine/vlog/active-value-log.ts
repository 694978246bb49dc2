/**
 * The value-log segment that takes new values, and its predecessors that are not durable yet.
 * At most one segment is appended to: a group costs at most one value-log sync. A segment is created at
 * the first value that needs it, and rotated between groups only, so that a group can be undone.
 */
import { assert } from '../../base/assert.js';
import {
  BATCH_BYTES_MAX,
  BUFFER_BYTES_LIMIT,
  MIB,
  VALUE_LOG_FILE_BYTES_MAX,
} from '../../base/limits.js';
import { VALUE_LOG_HEADER_BYTES } from './format.js';
import type { ValueLogWriter } from './writer.js';

/** The last group of a segment may begin below the largest `valueLogFileBytes`, and then go on to here. */
const GROUP_ROOM_BYTES = BUFFER_BYTES_LIMIT - 64 * MIB;
assert(
  BATCH_BYTES_MAX + VALUE_LOG_FILE_BYTES_MAX < GROUP_ROOM_BYTES,
  'value log: a batch fits behind a segment that is not full',
);

export interface ActiveValueLogHost {
  /** Creates the next segment and makes it known to readers. @throws IoError */
  createSegment(): ValueLogWriter;
  /** Makes the directory entry of a segment durable. @throws IoError */
  syncDirectory(writer: ValueLogWriter): void;
  /** A sealed segment is durable: it may be closed. */
  onDurable(writer: ValueLogWriter): void;
}

export class ActiveValueLog {
  /** Segments created since the opening. */
  segmentsStarted: number;
  /** Called when a sync has failed, whoever asked for it: nobody knows what the disk holds. */
  onSyncFailure: (error: unknown) => void;
  readonly #host: ActiveValueLogHost;
  readonly #fileBytesMax: number;
  #writer: ValueLogWriter | undefined;
  /** Sealed segments with records that are not durable. */
  readonly #unsynced: ValueLogWriter[];

  constructor(host: ActiveValueLogHost, fileBytesMax: number) {
    this.segmentsStarted = 0;
    this.onSyncFailure = () => undefined;
    this.#host = host;
    this.#fileBytesMax = fileBytesMax;
    this.#writer = undefined;
    this.#unsynced = [];
  }

  /** The active segment; created when there is none. @throws IoError */
  get writer(): ValueLogWriter {
    if (this.#writer === undefined) {
      this.#writer = this.#host.createSegment();
      this.segmentsStarted++;
    }
    return this.#writer;
  }

  get activeNumber(): number | undefined {
    return this.#writer?.header.fileNumber;
  }

  get activeBytes(): number {
    return this.#writer?.bytes ?? 0;
  }

  /** Where a group begins, for `rewind`: 0 when there is no segment yet. */
  mark(): number {
    return this.#writer?.bytes ?? 0;
  }

  /** Undoes everything appended since `mark`. */
  rewind(mark: number): void {
    const writer = this.#writer;
    if (writer === undefined || writer.bytes === mark) return;
    writer.rewind(mark === 0 ? VALUE_LOG_HEADER_BYTES : mark);
  }

  /** Writes gathered records to the file. @throws IoError */
  flush(): void {
    this.#writer?.flush();
  }

  /**
   * May values of so many bytes follow in the active segment? A pointer says where a value lies by a u32. One without
   * room is full by far, so that the next group begins another.
   */
  hasRoomFor(bytes: number): boolean {
    return this.#writer === undefined || this.#writer.bytes + bytes <= GROUP_ROOM_BYTES;
  }

  /** Between groups: seals a full segment; the next one is created when it is needed. */
  maybeRotate(): void {
    const writer = this.#writer;
    if (writer === undefined || writer.bytes < this.#fileBytesMax) return;
    this.seal();
  }

  /** Seals the active segment, if there is one. */
  seal(): void {
    const writer = this.#writer;
    if (writer === undefined) return;
    this.#writer = undefined;
    this.#unsynced.push(writer);
  }

  /** Every flushed record of every segment is durable. */
  get isSynced(): boolean {
    return this.#unsynced.length === 0 && (this.#writer === undefined || this.#writer.isSynced);
  }

  /** Makes every flushed record of every segment durable. @throws IoError */
  async sync(): Promise<void> {
    try {
      await this.#syncAll();
    } catch (error) {
      this.onSyncFailure(error);
      throw error;
    }
  }

  async #syncAll(): Promise<void> {
    while (this.#unsynced.length > 0) {
      const writer = this.#unsynced[0] as ValueLogWriter;
      this.#listOnce(writer);
      await writer.sync();
      if (this.#unsynced[0] !== writer) continue;
      this.#unsynced.shift();
      this.#host.onDurable(writer);
    }
    const active = this.#writer;
    if (active === undefined) return;
    this.#listOnce(active);
    await active.sync();
  }

  /** Closes the files; nothing more is synced. */
  close(): void {
    for (const writer of this.#unsynced) writer.close();
    this.#writer?.close();
    this.#writer = undefined;
  }

  /** Before the first sync of a segment its directory entry must be durable too. */
  #listOnce(writer: ValueLogWriter): void {
    if (writer.syncedBytes === 0) this.#host.syncDirectory(writer);
  }
}
