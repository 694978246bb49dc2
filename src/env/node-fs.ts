/**
 * The real disk over the synchronous calls of node:fs. Every failed system call becomes an
 * IoError(op, path, errno); the meaning of each method is in base/env.ts.
 */
import {
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  statSync,
  statfsSync,
  unlink,
  unlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { DirectoryLock, FileStat, Fs, FsFile, Host, OpenMode } from '../base/env.js';
import { IoError } from '../base/errors.js';
import { takeDirectoryLock } from './directory-lock.js';
import { sortNames } from './names.js';
import { NodeFile } from './node-file.js';
import { createNodeHost } from './node-host.js';
import { errnoOf, toIoError } from './system-error.js';

export interface NodeFsOptions {
  /** Leave the access times of files that are opened for reading alone, where the system can. Default false. */
  readonly keepAccessTimes?: boolean;
  /** Who holds the locks this file system takes. Default: this process on this machine. */
  readonly host?: Host;
}

/**
 * As mkdirSync of Node with `recursive`, which never returns where a file system says ENOENT beside a parent that is
 * there, as /proc does.
 */
function mkdirWithParents(directory: string): void {
  try {
    mkdirSync(directory);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EEXIST' && statSync(directory).isDirectory()) return;
    const parent = dirname(directory);
    if (errno !== 'ENOENT' || existsSync(parent)) throw error;
    mkdirWithParents(parent);
    mkdirSync(directory);
  }
}

/** Permissions of new files, before the umask. */
const FILE_MODE = 0o644;

const OPEN_FLAGS: Readonly<Record<OpenMode, number>> = {
  read: constants.O_RDONLY,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
  update: constants.O_RDWR,
};

export class NodeFs implements Fs {
  readonly #host: Host;
  /** O_NOATIME, or 0. */
  readonly #readFlag: number;

  constructor(options: NodeFsOptions = {}) {
    this.#host = options.host ?? createNodeHost();
    // The constant is absent outside Linux.
    const noAccessTime = constants.O_NOATIME as number | undefined;
    this.#readFlag = options.keepAccessTimes === true ? (noAccessTime ?? 0) : 0;
  }

  open(path: string, mode: OpenMode): FsFile {
    try {
      if (mode === 'read' && this.#readFlag !== 0) return this.#openQuietly(path);
      return new NodeFile(path, openSync(path, OPEN_FLAGS[mode], FILE_MODE));
    } catch (error) {
      throw toIoError('open', path, error);
    }
  }

  /** O_NOATIME is for the owner of a file only; others fall back to an ordinary open. */
  #openQuietly(path: string): FsFile {
    try {
      return new NodeFile(path, openSync(path, constants.O_RDONLY | this.#readFlag));
    } catch (error) {
      if (errnoOf(error) !== 'EPERM') throw error;
      return new NodeFile(path, openSync(path, constants.O_RDONLY));
    }
  }

  readFile(path: string): Uint8Array {
    const file = this.open(path, 'read');
    try {
      const content = new Uint8Array(file.size());
      const count = file.read(content, 0, content.length, 0);
      return count === content.length ? content : content.slice(0, count);
    } finally {
      file.close();
    }
  }

  stat(path: string): FileStat | undefined {
    return this.#statWith(statSync, path);
  }

  lstat(path: string): FileStat | undefined {
    return this.#statWith(lstatSync, path);
  }

  #statWith(call: typeof statSync, path: string): FileStat | undefined {
    try {
      const found = call(path, { throwIfNoEntry: false });
      if (found === undefined) return undefined;
      const isDirectory = found.isDirectory();
      const bytes = isDirectory ? 0 : found.size;
      return { bytes, isDirectory, isFile: found.isFile(), modifiedMs: found.mtimeMs };
    } catch (error) {
      const errno = errnoOf(error);
      // Of links that lead to each other none leads to anything.
      if (errno === 'ENOTDIR' || errno === 'ELOOP') return undefined;
      throw toIoError('stat', path, error);
    }
  }

  list(directory: string): string[] {
    try {
      return sortNames(readdirSync(directory));
    } catch (error) {
      throw toIoError('list', directory, error);
    }
  }

  makeDirectory(directory: string): void {
    try {
      mkdirWithParents(directory);
    } catch (error) {
      throw toIoError('mkdir', directory, error);
    }
  }

  rename(from: string, to: string): void {
    try {
      renameSync(from, to);
    } catch (error) {
      throw toIoError('rename', from, error);
    }
  }

  link(from: string, to: string): void {
    try {
      // On Linux the second name would be one of the symlink, and end with the file that it points to.
      if (lstatSync(from).isSymbolicLink())
        throw new IoError({ op: 'link', path: from, errno: 'ENOTSUP' });
      linkSync(from, to);
    } catch (error) {
      throw toIoError('link', from, error);
    }
  }

  remove(path: string): void {
    try {
      unlinkSync(path);
    } catch (error) {
      throw toIoError('remove', path, error);
    }
  }

  removeLater(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      unlink(path, (error) => {
        if (error === null) resolve();
        else reject(toIoError('remove', path, error));
      });
    });
  }

  removeDirectory(directory: string): void {
    try {
      rmdirSync(directory);
    } catch (error) {
      throw toIoError('remove', directory, error);
    }
  }

  /** Windows cannot open a directory for this; some file systems refuse it with EINVAL or EISDIR. */
  syncDirectory(directory: string): void {
    if (process.platform === 'win32') return;
    try {
      const descriptor = openSync(directory, constants.O_RDONLY);
      try {
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'EINVAL' || errno === 'EISDIR') return;
      throw toIoError('syncdir', directory, error);
    }
  }

  freeBytes(path: string): number | undefined {
    try {
      const found = statfsSync(path);
      return found.bavail * found.bsize;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'ENOSYS' || errno === 'ENOTSUP') return undefined;
      throw toIoError('stat', path, error);
    }
  }

  lockDirectory(directory: string): DirectoryLock {
    return takeDirectoryLock(directory, this.#host);
  }

  join(...parts: string[]): string {
    return join(...parts);
  }
}
