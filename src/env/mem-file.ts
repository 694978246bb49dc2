/** An open file of the simulated disk. Writes, truncations and syncs are operations of MemFs. */
import { IoError } from '../base/errors.js';
import type { FsFile } from '../base/env.js';
import type { MemFileNode } from './mem-file-node.js';
import type { FaultRule } from './mem-faults.js';
import type { MemOperation, MemOperationName, PendingSync, SyncMode } from './mem-operation.js';
import { toError } from './system-error.js';

/** What a file needs of the disk it is on. */
export interface MemDisk {
  readonly syncMode: SyncMode;
  /** In the order in which they were asked for. */
  readonly pendingSyncs: PendingSync[];
  readonly isHalted: boolean;
  /** Before a call that changes nothing. @throws IoError when a fault strikes or the process is dead. */
  enter(op: MemOperationName, path: string): void;
  /** Runs a change between its two reports; a fault stops it, or lets it happen and then fails. */
  mutate(
    op: MemOperationName,
    path: string,
    to: string,
    offset: number,
    bytes: number,
    change: () => void,
  ): void;
  /** Counts and reports an operation that is about to happen. */
  begin(
    op: MemOperationName,
    path: string,
    to: string,
    offset: number,
    bytes: number,
  ): MemOperation;
  /** Reports that it happened. */
  end(operation: MemOperation): void;
  /** The rule that makes this call fail, if any. */
  strike(op: MemOperationName, path: string): FaultRule | undefined;
  /** The stamp of the next change. */
  nextStamp(): number;
  /** The stamp of the last change. */
  currentStamp(): number;
  /** A file was opened, or closed (-1). */
  countOpen(change: 1 | -1): void;
  /** Sets the time of the last change of content. */
  touch(node: MemFileNode): void;
  /** A sync of what is stamped `upTo` or earlier failed: by chance some of the pages had reached the disk. */
  loseDirty(node: MemFileNode, upTo: number): void;
  /** Flips a bit in what a read returned, at the given rate. */
  maybeFlip(target: Uint8Array, start: number, count: number): void;
}

export class MemFile implements FsFile {
  readonly path: string;
  readonly #fs: MemDisk;
  readonly #node: MemFileNode;
  readonly #writable: boolean;
  #closed: boolean;

  constructor(fs: MemDisk, node: MemFileNode, path: string, writable: boolean) {
    this.path = path;
    this.#fs = fs;
    this.#node = node;
    this.#writable = writable;
    this.#closed = false;
    node.handles++;
    fs.countOpen(1);
  }

  read(target: Uint8Array, start: number, length: number, position: number): number {
    this.#mustBeOpen('read');
    checkRange(target, start, length, position);
    if (length === 0) return 0;
    this.#fs.enter('read', this.path);
    const count = this.#node.read(target, start, length, position);
    this.#fs.maybeFlip(target, start, count);
    return count;
  }

  write(source: Uint8Array, start: number, length: number, position: number): number {
    this.#mustBeOpen('write');
    checkRange(source, start, length, position);
    if (length === 0) return 0;
    if (!this.#writable) throw this.#error('write', 'EBADF');
    const operation = this.#fs.begin('write', this.path, '', position, length);
    const rule = this.#fs.strike('write', this.path);
    const wanted = rule === undefined ? length : wantedBytes(rule, length);
    const count = wanted === 0 ? 0 : this.#node.roomFor(position, wanted);
    if (count > 0) {
      this.#node.write(source, start, count, position, this.#fs.nextStamp());
      this.#fs.touch(this.#node);
    }
    this.#fs.end(operation);
    if (rule?.errno !== undefined) throw this.#error('write', rule.errno);
    if (count === 0 && wanted > 0) throw this.#error('write', 'ENOSPC');
    return count;
  }

  truncate(size: number): void {
    this.#mustBeOpen('truncate');
    if (!Number.isSafeInteger(size) || size < 0) throw new RangeError(`Size out of range: ${size}`);
    if (!this.#writable) throw this.#error('truncate', 'EINVAL');
    this.#fs.mutate('truncate', this.path, '', 0, size, () => {
      this.#node.truncate(size, this.#fs.nextStamp());
      this.#fs.touch(this.#node);
    });
  }

  size(): number {
    this.#mustBeOpen('stat');
    this.#fs.enter('stat', this.path);
    return this.#node.size;
  }

  /** What is written while it runs is not covered by it. */
  async sync(): Promise<void> {
    this.#mustBeOpen('sync');
    await this.#startSync();
  }

  #startSync(): Promise<void> {
    const operation = this.#fs.begin('sync', this.path, '', 0, 0);
    const rule = this.#fs.strike('sync', this.path);
    const upTo = this.#fs.currentStamp();
    this.#node.syncs++;
    return new Promise((resolve, reject) => {
      const finish = (errno: string, applied: boolean): void => {
        this.#node.syncs--;
        try {
          this.#finishSync(operation, upTo, errno, applied);
          resolve();
        } catch (error) {
          reject(toError(error));
        }
      };
      if (this.#fs.syncMode === 'manual' && rule?.errno === undefined) this.#addPending(finish);
      else queueMicrotask(() => finish(rule?.errno ?? '', rule?.applied ?? false));
    });
  }

  #addPending(finish: (errno: string, applied: boolean) => void): void {
    const pendingSyncs = this.#fs.pendingSyncs;
    const settle = (errno: string): void => {
      const at = pendingSyncs.indexOf(pending);
      if (at < 0) return;
      pendingSyncs.splice(at, 1);
      finish(errno, false);
    };
    const pending: PendingSync = {
      path: this.path,
      complete: () => settle(''),
      fail: (errno) => settle(errno),
    };
    pendingSyncs.push(pending);
  }

  syncBlocking(): void {
    this.#mustBeOpen('sync');
    const operation = this.#fs.begin('sync', this.path, '', 0, 0);
    const rule = this.#fs.strike('sync', this.path);
    this.#finishSync(operation, this.#fs.currentStamp(), rule?.errno ?? '', rule?.applied ?? false);
  }

  #finishSync(operation: MemOperation, upTo: number, errno: string, applied: boolean): void {
    if (this.#fs.isHalted) throw this.#error('sync', 'EIO');
    if (errno === '' || applied) this.#node.sync(upTo);
    else this.#fs.loseDirty(this.#node, upTo);
    this.#fs.end(operation);
    if (errno !== '') throw this.#error('sync', errno);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#node.handles--;
    this.#fs.countOpen(-1);
    this.#node.maybeFree();
  }

  #mustBeOpen(op: MemOperationName): void {
    if (this.#closed) throw this.#error(op, 'EBADF');
  }

  #error(op: MemOperationName, errno: string): IoError {
    return new IoError({ op, path: this.path, errno });
  }
}

function wantedBytes(rule: FaultRule, length: number): number {
  if (rule.shortBytes !== undefined) return Math.min(length, rule.shortBytes);
  return rule.errno === undefined || rule.applied === true ? length : 0;
}

/** As node:fs: a range outside the array is a bug of the caller. */
function checkRange(bytes: Uint8Array, start: number, length: number, position: number): void {
  const inside = start >= 0 && length >= 0 && start + length <= bytes.length;
  if (inside && Number.isSafeInteger(position) && position >= 0) return;
  throw new RangeError(
    `Range out of bounds: [${start}, +${length}) of ${bytes.length} at ${position}`,
  );
}
