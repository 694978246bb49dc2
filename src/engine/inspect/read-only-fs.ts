/**
 * A disk that can only be read: every call that would change it is refused, so that an inspector cannot
 * write even by mistake. It also pins files: opened at once, before a live writer can remove them, and
 * handed to the first who opens the same path.
 */
import type { DirectoryLock, FileStat, Fs, FsFile, OpenMode } from '../../base/env.js';
import { IoError, ReadOnlyError } from '../../base/errors.js';

export class ReadOnlyFs implements Fs {
  readonly #fs: Fs;
  readonly #pinned: Map<string, FsFile>;

  constructor(fs: Fs) {
    this.#fs = fs;
    this.#pinned = new Map();
  }

  /** Opens a file now, for a later `open`. False when it is not there. @throws IoError */
  pin(path: string): boolean {
    if (this.#pinned.has(path)) return true;
    try {
      this.#pinned.set(path, this.#fs.open(path, 'read'));
      return true;
    } catch (error) {
      if (error instanceof IoError && error.errno === 'ENOENT') return false;
      throw error;
    }
  }

  /** A file that is pinned, and stays so; undefined when it was not there. */
  pinned(path: string): FsFile | undefined {
    return this.#pinned.get(path);
  }

  /** Closes what was pinned and not asked for. */
  unpin(): void {
    for (const file of this.#pinned.values()) file.close();
    this.#pinned.clear();
  }

  /** @throws ReadOnlyError for any other mode than `read` */
  open(path: string, mode: OpenMode): FsFile {
    if (mode !== 'read') throw refused('open for writing', path);
    const pinned = this.#pinned.get(path);
    if (pinned === undefined) return this.#fs.open(path, 'read');
    this.#pinned.delete(path);
    return pinned;
  }

  readFile(path: string): Uint8Array {
    return this.#fs.readFile(path);
  }

  stat(path: string): FileStat | undefined {
    const pinned = this.#pinned.get(path);
    if (pinned === undefined) return this.#fs.stat(path);
    return { bytes: pinned.size(), isDirectory: false, isFile: true, modifiedMs: 0 };
  }

  lstat(path: string): FileStat | undefined {
    return this.#fs.lstat(path);
  }

  list(directory: string): string[] {
    return this.#fs.list(directory);
  }

  freeBytes(path: string): number | undefined {
    return this.#fs.freeBytes(path);
  }

  join(...parts: string[]): string {
    return this.#fs.join(...parts);
  }

  makeDirectory(directory: string): void {
    throw refused('create', directory);
  }

  rename(from: string): void {
    throw refused('rename', from);
  }

  link(from: string): void {
    throw refused('link', from);
  }

  remove(path: string): void {
    throw refused('remove', path);
  }

  removeLater(path: string): Promise<void> {
    return Promise.reject(refused('remove', path));
  }

  removeDirectory(directory: string): void {
    throw refused('remove', directory);
  }

  syncDirectory(directory: string): void {
    throw refused('sync', directory);
  }

  lockDirectory(directory: string): DirectoryLock {
    throw refused('lock', directory);
  }
}

function refused(call: string, path: string): ReadOnlyError {
  return new ReadOnlyError(`Cannot ${call} ${path}: the workdir is open read-only`);
}
