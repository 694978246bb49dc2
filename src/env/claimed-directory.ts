/**
 * The directories that a benchmark works in. It destroys what they hold, so it takes only what is empty, what an
 * earlier benchmark marked, or what it was told to overwrite; and never what somebody has open, as it empties a
 * directory under the lock of a database.
 *
 *   DIR/BENCH.json  the mark: there before the first row is written, and never removed while the directory is one of ours
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { DirectoryLock } from '../base/env.js';
import { NokvError } from '../base/errors.js';
import { takeDirectoryLock } from './directory-lock.js';
import { createNodeHost } from './node-host.js';

const MARKER = 'BENCH.json';
const MARK = '{"madeBy":"nokv bench ycsb"}\n';
/** A process that was killed leaves it behind. */
const LOCK_NAME = 'LOCK';
const ATTEMPTS_MAX = 3;

/**
 * Takes a directory for benchmarks: from now on it is there, empty but for the mark.
 * @throws LockedError when somebody has it open; NokvError NOKV_INVALID when it holds data of something else
 */
export function claimDirectory(directory: string, isOverwriting: boolean): void {
  takeDirectory(directory, isOverwriting).release();
}

/** Leaves the mark alone in a claimed directory. @throws LockedError when somebody has it open */
export function emptyDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true });
  const lock = takeDirectoryLock(directory, createNodeHost());
  try {
    removeContent(directory);
  } finally {
    lock.release();
  }
}

/** A claimed directory that nobody else takes meanwhile. */
export class HeldDirectory {
  readonly #directory: string;
  readonly #lock: DirectoryLock;

  private constructor(directory: string, lock: DirectoryLock) {
    this.#directory = directory;
    this.#lock = lock;
  }

  /** @throws as claimDirectory */
  static claim(directory: string, isOverwriting: boolean): HeldDirectory {
    return new HeldDirectory(directory, takeDirectory(directory, isOverwriting));
  }

  /** Removes it. Once only. */
  remove(): void {
    try {
      removeContent(this.#directory);
      unlinkSync(join(this.#directory, MARKER));
    } finally {
      this.#lock.release();
    }
    try {
      rmdirSync(this.#directory);
    } catch {
      // Somebody else has it since the lock is free.
    }
  }
}

/** The lock of a directory that is empty but for the mark. */
function takeDirectory(directory: string, isOverwriting: boolean): DirectoryLock {
  mkdirSync(directory, { recursive: true });
  // Also before the lock: a directory that is refused stays as it is.
  if (!isOverwriting) checkFree(directory);
  const lock = takeDirectoryLock(directory, createNodeHost());
  try {
    if (!isOverwriting) checkFree(directory);
    // What is destroyed only half is not marked: the next benchmark has to be told to overwrite it, too.
    removeContent(directory);
    writeFileSync(join(directory, MARKER), MARK);
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

function checkFree(directory: string): void {
  const isFree = readdirSync(directory).every((name) => name === LOCK_NAME);
  if (isFree || existsSync(join(directory, MARKER))) return;
  throw new NokvError('NOKV_INVALID', `Cannot use ${directory}: it holds data of something else`, {
    hint: 'Name another --workdir, or give --overwrite to destroy what is there',
    details: { workdir: directory },
  });
}

/** Requires the lock, whose file stays. */
function removeContent(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (name === MARKER || name === LOCK_NAME) continue;
    rmSync(join(directory, name), { recursive: true, force: true, maxRetries: ATTEMPTS_MAX });
  }
}
