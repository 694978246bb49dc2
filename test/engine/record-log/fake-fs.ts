/**
 * A small disk in memory for the log tests: files are byte arrays, every call can be made to fail or,
 * for writes, to come out short. What was synced is remembered, so that a power loss can be played:
 * `afterPowerLoss` keeps synced content and entries only.
 */
import type { DirectoryLock, FileStat, Fs, FsFile, OpenMode } from '../../../src/base/env.js';
import { IoError } from '../../../src/base/errors.js';

export type FakeOp =
  'open' | 'read' | 'write' | 'truncate' | 'sync' | 'syncdir' | 'rename' | 'link' | 'remove';

interface Inode {
  bytes: Uint8Array;
  synced: Uint8Array;
}

export class FakeFs implements Fs {
  files = new Map<string, Inode>();
  /** Entries as of the last syncDirectory. */
  syncedFiles = new Map<string, Inode>();
  /** Called before every operation; an errno makes it fail. */
  fault: (op: FakeOp, path: string) => string | undefined = () => undefined;
  /** How much of a write is done; the rest is the caller's. */
  shorten: (length: number) => number = (length) => length;
  operations: string[] = [];
  /** When set, sync() waits for releaseSyncs(). */
  holdsSyncs = false;
  readonly #held: (() => void)[] = [];

  check(op: FakeOp, path: string): void {
    this.operations.push(`${op} ${path}`);
    const errno = this.fault(op, path);
    if (errno !== undefined) throw new IoError({ op, path, errno });
  }

  inode(path: string, op: FakeOp): Inode {
    const inode = this.files.get(path);
    if (inode === undefined) throw new IoError({ op, path, errno: 'ENOENT' });
    return inode;
  }

  put(path: string, bytes: Uint8Array): void {
    const inode = { bytes: bytes.slice(), synced: bytes.slice() };
    this.files.set(path, inode);
    this.syncedFiles.set(path, inode);
  }

  bytesOf(path: string): Uint8Array {
    return this.inode(path, 'read').bytes;
  }

  open(path: string, mode: OpenMode): FsFile {
    this.check('open', path);
    if (mode === 'create') {
      if (this.files.has(path)) throw new IoError({ op: 'open', path, errno: 'EEXIST' });
      this.files.set(path, { bytes: new Uint8Array(0), synced: new Uint8Array(0) });
    }
    return new FakeFile(this, path, this.inode(path, 'open'));
  }

  readFile(path: string): Uint8Array {
    this.check('read', path);
    return this.inode(path, 'read').bytes.slice();
  }

  stat(path: string): FileStat | undefined {
    const inode = this.files.get(path);
    return inode && { bytes: inode.bytes.length, isDirectory: false, isFile: true, modifiedMs: 0 };
  }

  lstat(path: string): FileStat | undefined {
    return this.stat(path);
  }

  list(directory: string): string[] {
    const prefix = `${directory}/`;
    return [...this.files.keys()]
      .filter((path) => path.startsWith(prefix))
      .map((path) => path.slice(prefix.length))
      .sort();
  }

  link(from: string, to: string): void {
    this.check('link', from);
    this.files.set(to, this.inode(from, 'link'));
  }

  rename(from: string, to: string): void {
    this.check('rename', from);
    this.files.set(to, this.inode(from, 'rename'));
    this.files.delete(from);
  }

  remove(path: string): void {
    this.check('remove', path);
    this.inode(path, 'remove');
    this.files.delete(path);
  }

  syncDirectory(directory: string): void {
    this.check('syncdir', directory);
    this.syncedFiles = new Map(this.files);
  }

  removeLater(path: string): Promise<void> {
    try {
      this.remove(path);
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  makeDirectory(): void {}
  removeDirectory(): void {}

  freeBytes(): number | undefined {
    return undefined;
  }

  lockDirectory(): DirectoryLock {
    return { release: () => undefined };
  }

  join(...parts: string[]): string {
    return parts.join('/');
  }

  hold(): Promise<void> {
    return this.holdsSyncs ? new Promise((resolve) => this.#held.push(resolve)) : Promise.resolve();
  }

  releaseSyncs(): void {
    for (const resolve of this.#held.splice(0)) resolve();
  }

  /** The disk as another process finds it. */
  afterProcessCrash(): FakeFs {
    const next = new FakeFs();
    for (const [path, inode] of this.files) next.put(path, inode.bytes);
    return next;
  }

  /** The disk when only what was synced stayed: contents, and names as of the last directory sync. */
  afterPowerLoss(): FakeFs {
    const next = new FakeFs();
    for (const [path, inode] of this.syncedFiles) next.put(path, inode.synced);
    return next;
  }
}

class FakeFile implements FsFile {
  readonly path: string;
  readonly #fs: FakeFs;
  readonly #inode: Inode;
  #isClosed = false;

  constructor(fs: FakeFs, path: string, inode: Inode) {
    this.#fs = fs;
    this.path = path;
    this.#inode = inode;
  }

  #check(op: FakeOp): void {
    if (this.#isClosed) throw new IoError({ op, path: this.path, errno: 'EBADF' });
    this.#fs.check(op, this.path);
  }

  read(target: Uint8Array, start: number, length: number, position: number): number {
    this.#check('read');
    const part = this.#inode.bytes.subarray(position, position + length);
    target.set(part, start);
    return part.length;
  }

  write(source: Uint8Array, start: number, length: number, position: number): number {
    this.#check('write');
    const count = this.#fs.shorten(length);
    const size = Math.max(this.#inode.bytes.length, position + count);
    const bytes = new Uint8Array(size);
    bytes.set(this.#inode.bytes);
    bytes.set(source.subarray(start, start + count), position);
    this.#inode.bytes = bytes;
    return count;
  }

  truncate(size: number): void {
    this.#check('truncate');
    const bytes = new Uint8Array(size);
    bytes.set(this.#inode.bytes.subarray(0, size));
    this.#inode.bytes = bytes;
  }

  size(): number {
    this.#check('read');
    return this.#inode.bytes.length;
  }

  async sync(): Promise<void> {
    const bytes = this.#inode.bytes.slice();
    await this.#fs.hold();
    this.#check('sync');
    this.#inode.synced = bytes;
  }

  syncBlocking(): void {
    this.#check('sync');
    this.#inode.synced = this.#inode.bytes.slice();
  }

  close(): void {
    this.#isClosed = true;
  }
}
