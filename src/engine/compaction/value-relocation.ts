/**
 * Garbage collection of the value log, as a part of compaction: live values of the files that are to be
 * emptied are copied to a new file when the compaction meets their pointers, and the new pointers go
 * to the output tables. Key, version and sequence number stay, so no reader can tell.
 *
 * The new file is created with the first moved value, and synced by `finish` before any table of the
 * job is made known.
 */
import type { JobEnv } from '../../base/env.js';
import { valueLogName } from '../file-names.js';
import { ValueLogFile, ValueLogReader } from '../vlog/reader.js';
import {
  encodeValuePointer,
  pointerFileNumber,
  pointerLength,
  VALUE_POINTER_SIZE,
} from '../vlog/value-pointer.js';
import { ValueLogWriter } from '../vlog/writer.js';
import type { NewValueLog, ValueLogSource, ValueLogTarget } from './job-spec.js';

export class ValueRelocation {
  readonly #env: JobEnv;
  readonly #sources: ReadonlyMap<number, ValueLogSource>;
  readonly #target: ValueLogTarget;
  readonly #reader: ValueLogReader;
  #writer: ValueLogWriter | undefined;
  #count: number;
  /** The pointer made by the last `move`. Borrowed until the next one. */
  readonly pointer: Uint8Array;

  constructor(env: JobEnv, sources: readonly ValueLogSource[], target: ValueLogTarget) {
    const byNumber = new Map(sources.map((source) => [source.fileNumber, source]));
    this.#env = env;
    this.#sources = byNumber;
    this.#target = target;
    this.#reader = new ValueLogReader((fileNumber) => {
      const source = byNumber.get(fileNumber) as ValueLogSource;
      return ValueLogFile.open(env.fs, source.path, source);
    });
    this.#writer = undefined;
    this.#count = 0;
    this.pointer = new Uint8Array(VALUE_POINTER_SIZE);
  }

  /** Is the value of this pointer to be moved, and is there room for it? */
  wants(pointerBytes: Uint8Array, at: number): boolean {
    if (!this.#sources.has(pointerFileNumber(pointerBytes, at))) return false;
    if (this.#writer === undefined) return true; // the first value always fits: a job makes progress
    return this.#writer.bytes + pointerLength(pointerBytes, at) <= this.#target.bytesMax;
  }

  /** Copies the value and sets `pointer`; returns the bytes of the record. @throws CorruptionError, IoError */
  move(
    keyBytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    version: number,
    seq: number,
    pointerBytes: Uint8Array,
    at: number,
  ): number {
    const value = this.#reader.read(pointerBytes, at);
    const writer = this.#writer ?? this.#create();
    writer.append(keyBytes, keyStart, keyLength, seq, version, value, 0, value.length);
    encodeValuePointer(
      this.pointer,
      0,
      this.#target.fileNumber,
      writer.lastStart,
      writer.lastLength,
    );
    this.#count++;
    return writer.lastLength;
  }

  /** Makes the new file durable and closes everything; undefined when nothing was moved. */
  finish(): NewValueLog | undefined {
    this.#reader.close();
    const writer = this.#writer;
    if (writer === undefined) return undefined;
    const { fileNumber, bucket, identity, directory } = this.#target;
    writer.flush();
    writer.syncBlocking();
    writer.close();
    this.#env.fs.syncDirectory(directory);
    return { fileNumber, bucket, identity, bytes: writer.bytes, count: this.#count };
  }

  /** Removes the new file. Errors here are logged only: the caller has a first one to report. */
  abort(): void {
    this.#reader.close();
    const writer = this.#writer;
    if (writer === undefined) return;
    writer.close();
    try {
      this.#env.fs.remove(writer.file.path);
    } catch (error) {
      this.#env.log.write('warn', 'compaction.orphan', {
        path: writer.file.path,
        error: String(error),
      });
    }
  }

  #create(): ValueLogWriter {
    const { fs, clock } = this.#env;
    const { fileNumber, bucket, identity, directory } = this.#target;
    const path = fs.join(directory, valueLogName(fileNumber));
    const createdMs = clock.nowMs();
    this.#writer = ValueLogWriter.create(fs, path, { fileNumber, bucket, identity, createdMs });
    return this.#writer;
  }
}
