/**
 * The exclusive lock of a workdir. Node has no flock, so every mechanism at hand is taken, and one
 * that is held by someone else refuses the whole:
 *
 * 1. this thread's own table (a second open in the process),
 * 2. a socket in Linux's abstract name space (socket-lock.ts),
 * 3. the LOCK file with the holder's name in it (lock-file.ts), and on it
 * 4. the kernel's file lock, where the optional native package is installed (kernel-lock.ts).
 *
 * All end with the process, kill -9 included, and nothing has to be deleted by hand. Not covered:
 * two containers that share a directory without 4.
 */
import { readdirSync, realpathSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { LockedError } from '../base/errors.js';
import type { DirectoryLock, Host } from '../base/env.js';
import { isAbandoned, readLockRecord, takeLockFile } from './lock-file.js';
import type { LockFile } from './lock-file.js';
import { describeHolder, ownLockRecord } from './lock-record.js';
import { trySocketLock } from './socket-lock.js';
import type { SocketLock } from './socket-lock.js';
import { errnoOf, toIoError } from './system-error.js';

/** The name under which engine/file-names.ts knows it. */
const LOCK_NAME = 'LOCK';

/** Real paths of the workdirs this thread holds. */
const heldHere = new Set<string>();

/** @throws LockedError when anyone holds the directory; IoError (op lock) when it cannot be written. */
export function takeDirectoryLock(directory: string, host: Host): DirectoryLock {
  const realPath = resolve(directory);
  const lockPath = join(realPath, LOCK_NAME);
  if (heldHere.has(realPath)) {
    // The record says since when; somebody may have deleted the file.
    const record = readLockRecord(lockPath) ?? ownLockRecord(host, false);
    throw new LockedError({ workdir: directory, holder: describeHolder(record) });
  }
  const socket = trySocketLock(realPath);
  if (socket === 'held') {
    throw new LockedError({ workdir: directory, holder: describeHolder(readLockRecord(lockPath)) });
  }
  let file: LockFile;
  try {
    file = takeLockFile(lockPath, directory, host);
  } catch (error) {
    closeSocket(socket);
    throw error;
  }
  heldHere.add(realPath);
  removeAbandoned(lockPath, host);
  return new HeldDirectory(realPath, file, socket);
}

class HeldDirectory implements DirectoryLock {
  readonly #realPath: string;
  readonly #file: LockFile;
  readonly #socket: Server | 'unavailable';
  #released: boolean;

  constructor(realPath: string, file: LockFile, socket: Server | 'unavailable') {
    this.#realPath = realPath;
    this.#file = file;
    this.#socket = socket;
    this.#released = false;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#file.release();
    closeSocket(this.#socket);
    heldHere.delete(this.#realPath);
  }
}

function closeSocket(socket: SocketLock): void {
  if (typeof socket !== 'string') socket.close();
}

function resolve(directory: string): string {
  try {
    return realpathSync.native(directory);
  } catch (error) {
    throw toIoError('lock', directory, error);
  }
}

/** Drafts and guards of processes that died while they took the lock. Requires: the lock is held. */
function removeAbandoned(lockPath: string, host: Host): void {
  try {
    for (const name of readdirSync(dirname(lockPath))) {
      if (!name.startsWith(`${basename(lockPath)}.`)) continue;
      const path = join(dirname(lockPath), name);
      if (name.includes('.new-')) {
        if (isAbandoned(path, host)) unlinkSync(path);
      } else if (name.endsWith('.takeover')) {
        takeLockFile(path, lockPath, host).release();
      }
    }
  } catch (error) {
    // Held by a process that is being refused just now, or not removable: either way harmless.
    if (errnoOf(error) === undefined && !(error instanceof LockedError)) throw error;
  }
}
