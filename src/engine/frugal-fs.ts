/**
 * The disk of a database that has as many files as the process may open, or more. Files that are only read (tables,
 * value-log segments) are lent: they stay open until a call finds no descriptor, which closes all of them, and
 * each comes back at its next read. Without this a tree that has grown to the limit could never be made smaller:
 * compaction opens its inputs beside the tables that are open for reads.
 *
 * For the one process that writes: a file that is read has its name as long as it is in use. A follower has to hold
 * its files, which their owner removes.
 */
import type { DirectoryLock, FileStat, Fs, FsFile, OpenMode } from '../base/env.js';
import { IoError, NokvError } from '../base/errors.js';

export class FrugalFs implements Fs {
  readonly #fs: Fs;
  /** Lent files with a descriptor. */
  readonly #held: Set<LentFile>;

  constructor(fs: Fs) {
    this.#fs = fs;
    this.#held = new Set();
  }

  /** Opens a file for reads that nobody removes or changes before it is closed. */
  lend(path: string): FsFile {
    return new LentFile(path, this.open(path, 'read'), this, this.#held);
  }

  /** Gives the descriptors of all lent files back; false when there was none. */
  release(): boolean {
    if (this.#held.size === 0) return false;
    for (const file of [...this.#held]) file.release();
    return true;
  }

  /** Runs a job that opens files elsewhere, and once more when it ran out of descriptors which are lent here. */
  async runJob<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      const isShort = isOutOfDescriptors(error) || hasThreadStopped(error);
      if (!isShort || !this.release()) throw error;
      return run();
    }
  }

  open(path: string, mode: OpenMode): FsFile {
    return this.#retried(() => this.#fs.open(path, mode));
  }

  readFile(path: string): Uint8Array {
    return this.#retried(() => this.#fs.readFile(path));
  }

  stat(path: string): FileStat | undefined {
    return this.#fs.stat(path);
  }

  lstat(path: string): FileStat | undefined {
    return this.#fs.lstat(path);
  }

  list(directory: string): string[] {
    return this.#retried(() => this.#fs.list(directory));
  }

  makeDirectory(directory: string): void {
    this.#fs.makeDirectory(directory);
  }

  rename(from: string, to: string): void {
    this.#fs.rename(from, to);
  }

  link(from: string, to: string): void {
    this.#fs.link(from, to);
  }

  remove(path: string): void {
    this.#fs.remove(path);
  }

  removeLater(path: string): Promise<void> {
    return this.#fs.removeLater(path);
  }

  removeDirectory(directory: string): void {
    this.#fs.removeDirectory(directory);
  }

  syncDirectory(directory: string): void {
    this.#retried(() => {
      this.#fs.syncDirectory(directory);
    });
  }

  freeBytes(path: string): number | undefined {
    return this.#fs.freeBytes(path);
  }

  lockDirectory(directory: string): DirectoryLock {
    return this.#fs.lockDirectory(directory);
  }

  join(...parts: string[]): string {
    return this.#fs.join(...parts);
  }

  /** Once more with the descriptors of lent files: a call that found none has done nothing. */
  #retried<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      if (!isOutOfDescriptors(error) || !this.release()) throw error;
      return call();
    }
  }
}

function isOutOfDescriptors(error: unknown): boolean {
  return error instanceof IoError && (error.errno === 'EMFILE' || error.errno === 'ENFILE');
}

/** As one does, with its own words for it, that finds no descriptors to begin with. */
function hasThreadStopped(error: unknown): boolean {
  return error instanceof NokvError && error.code === 'NOKV_IO' && error.details['op'] === 'job';
}

/** Only to be read; without a descriptor in between. */
class LentFile implements FsFile {
  readonly path: string;
  readonly #fs: FrugalFs;
  readonly #held: Set<LentFile>;
  /** undefined when the descriptor was given back. */
  #file: FsFile | undefined;
  #isClosed: boolean;

  constructor(path: string, file: FsFile, fs: FrugalFs, held: Set<LentFile>) {
    this.path = path;
    this.#fs = fs;
    this.#held = held;
    this.#file = file;
    this.#isClosed = false;
    held.add(this);
  }

  read(target: Uint8Array, start: number, length: number, position: number): number {
    const file = this.#file ?? this.#reopen('read');
    return file.read(target, start, length, position);
  }

  size(): number {
    return (this.#file ?? this.#reopen('stat')).size();
  }

  write(): never {
    throw this.#closed('write');
  }

  truncate(): never {
    throw this.#closed('truncate');
  }

  sync(): Promise<void> {
    return Promise.reject(this.#closed('sync'));
  }

  syncBlocking(): never {
    throw this.#closed('sync');
  }

  close(): void {
    this.#isClosed = true;
    this.release();
  }

  release(): void {
    this.#held.delete(this);
    this.#file?.close();
    this.#file = undefined;
  }

  #reopen(op: string): FsFile {
    if (this.#isClosed) throw this.#closed(op);
    const file = this.#fs.open(this.path, 'read');
    this.#file = file;
    this.#held.add(this);
    return file;
  }

  #closed(op: string): IoError {
    return new IoError({ op, path: this.path, errno: 'EBADF' });
  }
}
