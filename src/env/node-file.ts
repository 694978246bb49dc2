/**
 * An open file of the real disk: a thin skin over the synchronous calls of node:fs. A cached read
 * costs about a microsecond, so a call that succeeds makes no closure and no object here.
 *
 * Ownership: one thread uses a file. Only a `sync` runs elsewhere (thread pool); the descriptor is
 * not given back while one is under way, because the number could then name another file.
 */
import {
  closeSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  readSync,
  writeSync,
} from 'node:fs';
import { IoError } from '../base/errors.js';
import type { FsFile } from '../base/env.js';
import { toIoError } from './system-error.js';

/** One call moves at most this many bytes: Node passes lengths as int32, Linux stops below 2 GiB. */
const CALL_BYTES_MAX = 1 << 30;

const NO_DESCRIPTOR = -1;

export class NodeFile implements FsFile {
  readonly path: string;
  #descriptor: number;
  #closed: boolean;
  /** Calls of fdatasync in the thread pool. */
  #syncs: number;

  /** Takes over an open descriptor. */
  constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
    this.#closed = false;
    this.#syncs = 0;
  }

  read(target: Uint8Array, start: number, length: number, position: number): number {
    if (this.#closed) throw this.#closedError('read');
    if (length === 0) return 0;
    try {
      if (length > CALL_BYTES_MAX) return this.#readAll(target, start, length, position, 0);
      const count = readSync(this.#descriptor, target, start, length, position);
      if (count === length || count === 0) return count;
      return this.#readAll(target, start, length, position, count);
    } catch (error) {
      throw toIoError('read', this.path, error);
    }
  }

  /** The kernel may stop early for reasons of its own; only a count of zero is the end of the file. */
  #readAll(
    target: Uint8Array,
    start: number,
    length: number,
    position: number,
    done: number,
  ): number {
    while (done < length) {
      const want = Math.min(length - done, CALL_BYTES_MAX);
      const count = readSync(this.#descriptor, target, start + done, want, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  write(source: Uint8Array, start: number, length: number, position: number): number {
    if (this.#closed) throw this.#closedError('write');
    if (length === 0) return 0;
    try {
      const bytes = length > CALL_BYTES_MAX ? CALL_BYTES_MAX : length;
      return writeSync(this.#descriptor, source, start, bytes, position);
    } catch (error) {
      throw toIoError('write', this.path, error);
    }
  }

  truncate(size: number): void {
    if (this.#closed) throw this.#closedError('truncate');
    try {
      ftruncateSync(this.#descriptor, size);
    } catch (error) {
      throw toIoError('truncate', this.path, error);
    }
  }

  size(): number {
    if (this.#closed) throw this.#closedError('stat');
    try {
      return fstatSync(this.#descriptor).size;
    } catch (error) {
      throw toIoError('stat', this.path, error);
    }
  }

  sync(): Promise<void> {
    if (this.#closed) return Promise.reject(this.#closedError('sync'));
    this.#syncs++;
    return new Promise((resolve, reject) => {
      fdatasync(this.#descriptor, (error) => {
        this.#syncs--;
        try {
          if (this.#closed && this.#syncs === 0) this.#release();
          if (error !== null) throw error;
          resolve();
        } catch (failure) {
          reject(toIoError('sync', this.path, failure));
        }
      });
    });
  }

  syncBlocking(): void {
    if (this.#closed) throw this.#closedError('sync');
    try {
      fdatasyncSync(this.#descriptor);
    } catch (error) {
      throw toIoError('sync', this.path, error);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#syncs === 0) this.#release();
  }

  /** The descriptor is gone also when the system reports a late write error (network disks). */
  #release(): void {
    const descriptor = this.#descriptor;
    this.#descriptor = NO_DESCRIPTOR;
    try {
      closeSync(descriptor);
    } catch (error) {
      throw toIoError('close', this.path, error);
    }
  }

  #closedError(op: string): IoError {
    return new IoError({ op, path: this.path, errno: 'EBADF' });
  }
}
