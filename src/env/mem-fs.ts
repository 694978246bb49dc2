/**
 * The simulated disk: an Fs in memory that knows what a power loss may take away, counts and
 * reports every operation, and fails where it is told to. Deterministic: the same calls on the same
 * seed give the same disk.
 *
 * - What is durable: mem-file-node.ts (contents, sizes), mem-tree.ts (entries). A new file needs
 *   its own sync and one of its directory.
 * - `clone`, `killClone`, `crashClone` make another disk and leave this one as it is: a test takes
 *   as many crashes as it likes from one run, and opens the copies.
 * - An operation is reported before and after it happened. A crash in a `before` hook finds it not
 *   begun, one in an `after` hook finds it returned, and a crash in between is what the pieces of
 *   crashClone are for.
 *
 * One instance is one machine and one process at a time: copies are without locks and handles.
 */
import { posix } from 'node:path';
import type { DirectoryLock, FileStat, Fs, FsFile, OpenMode } from '../base/env.js';
import { IoError, LockedError } from '../base/errors.js';
import { Prng } from '../base/prng.js';
import { createChooser } from './mem-crash.js';
import type { CrashPolicy } from './mem-crash.js';
import { MemFaults } from './mem-faults.js';
import type { Fault, FaultRule } from './mem-faults.js';
import { MemFile } from './mem-file.js';
import type { MemDisk } from './mem-file.js';
import { MemFileNode } from './mem-file-node.js';
import type { Space } from './mem-file-node.js';
import { changesDisk } from './mem-operation.js';
import type {
  MemOperation,
  MemOperationName,
  OperationHook,
  PendingSync,
  SyncMode,
} from './mem-operation.js';
import { MemDirectoryNode, MemTree } from './mem-tree.js';
import type { Location, MemNode } from './mem-tree.js';
import { sortNames } from './names.js';

export interface MemFsOptions {
  /** Seeds random faults and read errors. Default 1. */
  readonly seed?: number;
  /** Storage in bytes, in whole sectors. Default: without end. */
  readonly capacity?: number;
  /** Wall time for modifiedMs. Default: always 0. */
  readonly nowMs?: () => number;
  /** Who a lock is held by. Default 'a simulated process'. */
  readonly owner?: string;
  /** microtask: `sync()` ends by itself. manual: the test ends it, see `pendingSyncs`. Default microtask. */
  readonly syncMode?: SyncMode;
}

/** The operation log keeps at least this many of the last operations. */
const LOG_LENGTH = 10_000;

interface Machine {
  readonly tree: MemTree;
  readonly space: Space;
  readonly operationCount: number;
  readonly stamp: number;
  readonly bootCount: number;
  readonly processCount: number;
}

export class MemFs implements Fs, MemDisk {
  /** Called around every mutating operation; what it throws comes out of the call. */
  onOperation: OperationHook | undefined;
  syncMode: SyncMode;
  /** In the order in which they were asked for. */
  readonly pendingSyncs: PendingSync[];
  /** Boots of the machine and processes on it so far; a power loss adds to both, a kill to the second. */
  readonly bootCount: number;
  readonly processCount: number;
  readonly #options: MemFsOptions;
  readonly #tree: MemTree;
  readonly #space: Space;
  readonly #faults: MemFaults;
  readonly #random: Prng;
  readonly #locks: Set<MemNode>;
  #operationCount: number;
  #operations: MemOperation[];
  #stamp: number;
  /** One read in so many comes back with a flipped bit; 0: none. */
  #flipOneIn: number;
  #halted: boolean;
  #openFiles: number;
  #openFilesMax: number;

  /** `machine` is for the copies this class makes of itself. */
  constructor(options: MemFsOptions = {}, machine?: Machine) {
    const seed = options.seed ?? 1;
    const space = machine?.space ?? { capacity: options.capacity, used: 0 };
    this.onOperation = undefined;
    this.syncMode = options.syncMode ?? 'microtask';
    this.pendingSyncs = [];
    this.bootCount = machine?.bootCount ?? 1;
    this.processCount = machine?.processCount ?? 1;
    this.#options = options;
    this.#space = space;
    this.#tree = machine?.tree ?? new MemTree();
    this.#faults = new MemFaults(seed);
    this.#random = new Prng(seed + 1);
    this.#locks = new Set();
    this.#operationCount = machine?.operationCount ?? 0;
    this.#operations = [];
    this.#stamp = machine?.stamp ?? 0;
    this.#flipOneIn = 0;
    this.#halted = false;
    this.#openFiles = 0;
    this.#openFilesMax = Infinity;
  }

  // --- Fs -------------------------------------------------------------------------------------

  open(path: string, mode: OpenMode): FsFile {
    if (mode === 'create') return this.#create(path);
    this.enter('open', path);
    const node = this.#mustFind('open', path);
    if (node.kind === 'directory') throw ioError('open', path, 'EISDIR');
    this.#mustHaveDescriptor(path);
    return new MemFile(this, node, path, mode !== 'read');
  }

  #create(path: string): FsFile {
    const { parent, name } = this.#locate('open', path);
    if (parent.entries.has(name)) throw ioError('open', path, 'EEXIST');
    this.#mustHaveDescriptor(path);
    const node = new MemFileNode(this.#space);
    node.modifiedMs = this.#nowMs();
    this.mutate('create', path, '', 0, 0, () => this.#tree.add('create', path, parent, name, node));
    return new MemFile(this, node, path, true);
  }

  #mustHaveDescriptor(path: string): void {
    if (this.#openFiles >= this.#openFilesMax) throw ioError('open', path, 'EMFILE');
  }

  readFile(path: string): Uint8Array {
    const file = this.open(path, 'read');
    try {
      const content = new Uint8Array(file.size());
      file.read(content, 0, content.length, 0);
      return content;
    } finally {
      file.close();
    }
  }

  stat(path: string): FileStat | undefined {
    this.enter('stat', path);
    const node = this.#tree.find(path);
    if (node === undefined) return undefined;
    if (node.kind === 'directory') {
      return { bytes: 0, isDirectory: true, isFile: false, modifiedMs: 0 };
    }
    const { size: bytes, modifiedMs } = node;
    return { bytes, isDirectory: false, isFile: true, modifiedMs };
  }

  /** There are no links. */
  lstat(path: string): FileStat | undefined {
    return this.stat(path);
  }

  list(directory: string): string[] {
    this.enter('list', directory);
    return sortNames([...this.#mustFindDirectory('list', directory).entries.keys()]);
  }

  makeDirectory(directory: string): void {
    if (this.#halted) throw ioError('mkdir', directory, 'EIO');
    const parts = posix.normalize(`/${directory}`).split('/');
    for (let end = 2; end <= parts.length; end++) {
      const path = parts.slice(0, end).join('/');
      const node = this.#tree.find(path);
      if (node?.kind === 'directory') continue;
      const isLast = end === parts.length;
      if (node !== undefined) throw ioError('mkdir', directory, isLast ? 'EEXIST' : 'ENOTDIR');
      const { parent, name } = this.#locate('mkdir', path);
      const made = new MemDirectoryNode();
      this.mutate('mkdir', path, '', 0, 0, () => this.#tree.add('mkdir', path, parent, name, made));
    }
  }

  rename(from: string, to: string): void {
    const source = this.#locate('rename', from);
    const target = this.#locate('rename', to);
    const node = source.parent.entries.get(source.name);
    if (node === undefined) throw ioError('rename', from, 'ENOENT');
    const replaced = target.parent.entries.get(target.name);
    const errno = renameError(from, to, node, replaced);
    if (errno !== '') throw ioError('rename', from, errno);
    this.mutate('rename', from, to, 0, 0, () => {
      if (replaced === node) return;
      this.#tree.move({ path: from, ...source }, { path: to, ...target }, node);
      if (replaced?.kind === 'file') replaced.maybeFree();
    });
  }

  link(from: string, to: string): void {
    const node = this.#mustFind('link', from);
    if (node.kind === 'directory') throw ioError('link', from, 'EPERM');
    const { parent, name } = this.#locate('link', to);
    if (parent.entries.has(name)) throw ioError('link', from, 'EEXIST');
    this.mutate('link', from, to, 0, 0, () => this.#tree.add('link', to, parent, name, node));
  }

  remove(path: string): void {
    const { parent, name } = this.#locate('remove', path);
    const node = parent.entries.get(name);
    if (node === undefined) throw ioError('remove', path, 'ENOENT');
    if (node.kind === 'directory') throw ioError('remove', path, 'EISDIR');
    this.mutate('remove', path, '', 0, 0, () => {
      this.#tree.drop('remove', path, parent, name);
      node.maybeFree();
    });
  }

  removeLater(path: string): Promise<void> {
    try {
      this.remove(path);
      return Promise.resolve();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  removeDirectory(directory: string): void {
    const { parent, name } = this.#locate('remove', directory);
    const node = parent.entries.get(name);
    if (node === undefined) throw ioError('remove', directory, 'ENOENT');
    if (node.kind !== 'directory') throw ioError('remove', directory, 'ENOTDIR');
    if (node.entries.size > 0) throw ioError('remove', directory, 'ENOTEMPTY');
    this.mutate('rmdir', directory, '', 0, 0, () =>
      this.#tree.drop('rmdir', directory, parent, name),
    );
  }

  syncDirectory(directory: string): void {
    const node = this.#mustFindDirectory('syncdir', directory);
    this.mutate('syncdir', directory, '', 0, 0, () => this.#tree.sync(node));
  }

  freeBytes(path: string): number | undefined {
    this.enter('stat', path);
    this.#mustFind('stat', path);
    const { capacity, used } = this.#space;
    return capacity === undefined ? undefined : Math.max(0, capacity - used);
  }

  lockDirectory(directory: string): DirectoryLock {
    this.enter('lock', directory);
    const node = this.#mustFindDirectory('lock', directory);
    if (this.#locks.has(node)) {
      throw new LockedError({
        workdir: directory,
        holder: this.#options.owner ?? 'a simulated process',
      });
    }
    this.#locks.add(node);
    let released = false;
    return {
      release: () => {
        if (!released) this.#locks.delete(node);
        released = true;
      },
    };
  }

  join(...parts: string[]): string {
    return posix.join(...parts);
  }

  // --- copies ---------------------------------------------------------------------------------

  /** The same disk, unsynced states included; without handles, locks, faults, hook and log. */
  clone(): MemFs {
    return this.#copy((space) => this.#tree.clone(space), 0, 0);
  }

  /** The disk as another process finds it after SIGKILL: everything written is there, durable or not. */
  killClone(): MemFs {
    return this.#copy((space) => this.#tree.clone(space), 0, 1);
  }

  /** The disk as found after a power loss. Everything on it is durable. */
  crashClone(policy: CrashPolicy): MemFs {
    return this.#copy((space) => this.#tree.crash(space, createChooser(policy)), 1, 1);
  }

  #copy(makeTree: (space: Space) => MemTree, boots: number, processes: number): MemFs {
    const space: Space = { capacity: this.#space.capacity, used: 0 };
    return new MemFs(
      { ...this.#options, syncMode: this.syncMode },
      {
        tree: makeTree(space),
        space,
        operationCount: this.#operationCount,
        stamp: this.#stamp,
        bootCount: this.bootCount + boots,
        processCount: this.processCount + processes,
      },
    );
  }

  // --- what a test sees and does ----------------------------------------------------------------

  /** Mutating operations begun so far. */
  get operationCount(): number {
    return this.#operationCount;
  }

  /** The last operations, oldest first. */
  operations(): readonly MemOperation[] {
    return this.#operations.slice(-LOG_LENGTH);
  }

  /** Bytes of storage in use. */
  get usedBytes(): number {
    return this.#space.used;
  }

  setCapacity(bytes: number | undefined): void {
    this.#space.capacity = bytes;
  }

  /** Files that are open. */
  get openFiles(): number {
    return this.#openFiles;
  }

  /** Beyond this many, opening one fails with EMFILE. */
  setOpenFilesMax(count: number): void {
    this.#openFilesMax = count;
  }

  /** Makes calls fail. */
  injectFault(rule: FaultRule): Fault {
    return this.#faults.add(rule);
  }

  /** From now on one read in `oneIn` comes back with one flipped bit; 0 ends it. */
  flipReads(oneIn: number): void {
    this.#flipOneIn = oneIn;
  }

  /** Every read of this byte comes back with the bits of `mask` flipped; the stored byte stays. 0 ends it. */
  flipRead(path: string, offset: number, mask: number): void {
    const { flips } = this.#mustFindFile(path);
    if (mask === 0) flips.delete(offset);
    else flips.set(offset, mask);
  }

  /** Flips the bits of `mask` in a stored byte: rot, which no sync and no crash undoes. */
  rot(path: string, offset: number, mask: number): void {
    this.#mustFindFile(path).rot(offset, mask);
  }

  /** What a power loss could take away now: changes of directories, then files with unsynced content. */
  unsynced(): string[] {
    const found = this.#tree.unsyncedChanges();
    this.#tree.forEachFile((path, file) => {
      if (file.isUnsynced()) found.push(`content ${path}`);
    });
    return found;
  }

  /** Makes everything durable, without an operation: a starting point for a test. */
  syncAll(): void {
    this.#tree.syncAll(this.#stamp);
  }

  /** Ends all pending syncs well. */
  completeSyncs(): void {
    for (const pending of [...this.pendingSyncs]) pending.complete();
  }

  /** The operating system evicts clean pages: what a failed sync lost is no longer visible. */
  dropCaches(): void {
    this.#tree.forEachFile((_path, file) => file.dropCaches());
  }

  /** The process of this disk is dead: every further call throws EIO and changes nothing. */
  halt(): void {
    this.#halted = true;
  }

  // --- MemDisk: what MemFile asks ---------------------------------------------------------------

  countOpen(change: 1 | -1): void {
    this.#openFiles += change;
  }

  /** Before a call that changes nothing. @throws IoError when a fault strikes. */
  enter(op: MemOperationName, path: string): void {
    if (this.#halted) throw ioError(op, path, 'EIO');
    const errno = this.#faults.strike(op, path)?.errno;
    if (errno !== undefined) throw ioError(op, path, errno);
  }

  /** Runs a change between its two reports; a fault stops it, or lets it happen and then fails. */
  mutate(
    op: MemOperationName,
    path: string,
    to: string,
    offset: number,
    bytes: number,
    change: () => void,
  ): void {
    const operation = this.begin(op, path, to, offset, bytes);
    const rule = this.#faults.strike(op, path);
    if (rule?.errno === undefined || rule.applied === true) change();
    this.end(operation);
    if (rule?.errno !== undefined) throw ioError(op, path, rule.errno);
  }

  begin(
    op: MemOperationName,
    path: string,
    to: string,
    offset: number,
    bytes: number,
  ): MemOperation {
    if (this.#halted || !changesDisk(op)) throw ioError(op, path, 'EIO');
    const operation = { index: ++this.#operationCount, op, path, to, offset, bytes };
    this.#operations.push(operation);
    if (this.#operations.length >= 2 * LOG_LENGTH) this.#operations.splice(0, LOG_LENGTH);
    this.onOperation?.(operation, 'before');
    // The hook may have declared the process dead.
    if (this.#halted) throw ioError(op, path, 'EIO');
    return operation;
  }

  end(operation: MemOperation): void {
    this.onOperation?.(operation, 'after');
  }

  strike(op: MemOperationName, path: string): FaultRule | undefined {
    return this.#faults.strike(op, path);
  }

  /** The stamp of the next change. */
  nextStamp(): number {
    return ++this.#stamp;
  }

  currentStamp(): number {
    return this.#stamp;
  }

  touch(node: MemFileNode): void {
    node.modifiedMs = this.#nowMs();
  }

  /** A failed sync: by chance some of the pages had reached the disk. */
  loseDirty(node: MemFileNode, upTo: number): void {
    node.failSync(upTo, (count) => (this.#random.chance(1, 2) ? 0 : this.#random.below(count)));
  }

  /** Flips a bit in what a read returned, at the given rate. */
  maybeFlip(target: Uint8Array, start: number, count: number): void {
    if (this.#flipOneIn === 0 || count === 0 || !this.#random.chance(1, this.#flipOneIn)) return;
    const at = start + this.#random.below(count);
    target[at] = (target[at] as number) ^ (1 << this.#random.below(8));
  }

  get isHalted(): boolean {
    return this.#halted;
  }

  #nowMs(): number {
    return this.#options.nowMs?.() ?? 0;
  }

  #locate(op: string, path: string): Location {
    if (this.#halted) throw ioError(op, path, 'EIO');
    const found = this.#tree.locate(path);
    if (typeof found === 'string') throw ioError(op, path, found);
    return found;
  }

  #mustFind(op: string, path: string): MemNode {
    const node = this.#tree.find(path);
    if (node !== undefined) return node;
    const found = this.#tree.locate(path);
    throw ioError(op, path, typeof found === 'string' ? found : 'ENOENT');
  }

  #mustFindDirectory(op: string, path: string): MemDirectoryNode {
    const node = this.#mustFind(op, path);
    if (node.kind !== 'directory') throw ioError(op, path, 'ENOTDIR');
    return node;
  }

  #mustFindFile(path: string): MemFileNode {
    const node = this.#mustFind('stat', path);
    if (node.kind !== 'file') throw ioError('stat', path, 'EISDIR');
    return node;
  }
}

/** What rename(2) says on Linux, '' when it may go ahead. */
function renameError(
  from: string,
  to: string,
  node: MemNode,
  replaced: MemNode | undefined,
): string {
  if (isInside(to, from) && node.kind === 'directory') return 'EINVAL';
  if (isInside(from, to)) return 'ENOTEMPTY';
  if (node.kind === 'file') return replaced?.kind === 'directory' ? 'EISDIR' : '';
  if (replaced?.kind === 'file') return 'ENOTDIR';
  return replaced !== undefined && replaced !== node && replaced.entries.size > 0
    ? 'ENOTEMPTY'
    : '';
}

function isInside(path: string, directory: string): boolean {
  return posix.normalize(`/${path}`).startsWith(`${posix.normalize(`/${directory}`)}/`);
}

function ioError(op: string, path: string, errno: string): IoError {
  return new IoError({
    op: op === 'create' ? 'open' : op === 'rmdir' ? 'remove' : op,
    path,
    errno,
  });
}
