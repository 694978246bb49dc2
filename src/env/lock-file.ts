/**
 * A lock file that never has to be deleted by hand: it names its holder, and one whose holder is
 * dead is replaced.
 *
 * - It appears whole: written and kernel-locked under a temporary name, then linked to its own.
 * - It is replaced only under a guard, a lock file of the same kind beside it (`LOCK.takeover`).
 *   Without the guard: 1. A and B both read the file of the dead C. 2. A replaces it. 3. B, acting
 *   on what it read, replaces the file of the living A.
 * - It is removed by its holder only, before the descriptor (and with it the kernel lock) is closed.
 */
import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { randomUUID } from 'node:crypto';
import { IoError, LockedError } from '../base/errors.js';
import type { Host } from '../base/env.js';
import { tryKernelLock } from './kernel-lock.js';
import type { KernelLock } from './kernel-lock.js';
import {
  decodeLockRecord,
  describeHolder,
  encodeLockRecord,
  holderState,
  ownLockRecord,
} from './lock-record.js';
import type { LockRecord } from './lock-record.js';
import { errnoOf } from './system-error.js';

/** A torn lock file of this age or less may be one that is just being written. */
const TORN_AGE_MS_MAX = 10_000;

/** Someone else is in the middle of taking or releasing: look again, this often and after this pause. */
const ATTEMPTS_MAX = 40;
const PAUSE_MS = 2;

/** A guard of a guard of a guard: each level needs a crash within a replacement. */
const GUARD_DEPTH_MAX = 3;

/** No hard links on this file system: the file is then created in place. */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK', 'EXDEV']);

/** A held lock file. Owns a descriptor, which carries the kernel lock where there is one. */
export class LockFile {
  readonly #path: string;
  #descriptor: number;

  /** Takes over a descriptor of the file at `path`. */
  constructor(path: string, descriptor: number) {
    this.#path = path;
    this.#descriptor = descriptor;
  }

  /** Removes the file and gives up the lock. Idempotent. */
  release(): void {
    if (this.#descriptor === -1) return;
    const descriptor = this.#descriptor;
    this.#descriptor = -1;
    try {
      if (isFileAt(this.#path, descriptor)) unlinkSync(this.#path);
    } catch (error) {
      // A file that stays behind is stale once this process ends; closing must still happen.
      if (errnoOf(error) === undefined) throw error;
    } finally {
      closeSync(descriptor);
    }
  }
}

/**
 * Takes the lock file at `path`, replacing one whose holder is dead.
 * `workdir` is what the error names.
 * @throws LockedError when it is held, IoError (op lock) when the directory cannot be written.
 */
export function takeLockFile(path: string, workdir: string, host: Host, depth = 0): LockFile {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    if (attempt > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS);
    const taken = tryTake(path, workdir, host, depth);
    if (taken !== undefined) return taken;
  }
  throw new LockedError({ workdir, holder: describeHolder(readLockRecord(path)) });
}

/** The record in a lock file, undefined when there is none or it is torn. Never throws for the disk. */
export function readLockRecord(path: string): LockRecord | undefined {
  try {
    return decodeLockRecord(readFileSync(path, 'utf8'));
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

/** True when the file says that its holder is dead, or has been torn for a while. */
export function isAbandoned(path: string, host: Host): boolean {
  const record = readLockRecord(path);
  if (record !== undefined) return holderState(record, host) === 'dead';
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && Date.now() - found.mtimeMs > TORN_AGE_MS_MAX;
}

/** One attempt; undefined when another process was in the middle of something. */
function tryTake(path: string, workdir: string, host: Host, depth: number): LockFile | undefined {
  const draft = writeDraft(path, host);
  let kept = false;
  try {
    kept = publish(draft, path) || replaceDead(draft, path, workdir, host, depth);
    return kept ? new LockFile(path, draft.descriptor) : undefined;
  } finally {
    if (!kept) closeSync(draft.descriptor);
    removeIfThere(draft.path);
  }
}

interface Draft {
  readonly path: string;
  readonly descriptor: number;
}

/** Our own record under a temporary name, with the kernel lock on it where there is one. */
function writeDraft(path: string, host: Host): Draft {
  const draftPath = `${path}.new-${host.pid}-${randomUUID().slice(0, 8)}`;
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
  const descriptor = system(path, () => openSync(draftPath, flags, 0o644));
  try {
    const kernel = tryKernelLock(descriptor);
    const text = encodeLockRecord(ownLockRecord(host, kernel === 'taken'));
    system(path, () => writeSync(descriptor, text));
    return { path: draftPath, descriptor };
  } catch (error) {
    closeSync(descriptor);
    removeIfThere(draftPath);
    throw error;
  }
}

/** Gives the draft its real name if that is free. */
function publish(draft: Draft, path: string): boolean {
  try {
    linkSync(draft.path, path);
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EEXIST' || errno === 'ENOENT') return false;
    if (errno !== undefined && NO_LINKS.has(errno)) return reserveAndRename(draft, path);
    throw lockIoError(path, error);
  }
}

/** Without links: an empty file reserves the name (young and torn, so respected), the draft replaces it. */
function reserveAndRename(draft: Draft, path: string): boolean {
  try {
    closeSync(openSync(path, 'wx'));
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw lockIoError(path, error);
  }
  system(path, () => renameSync(draft.path, path));
  return true;
}

type Verdict = 'dead' | 'gone' | 'busy';

/** Puts the draft in place of a dead holder's file; false to look again. */
function replaceDead(
  draft: Draft,
  path: string,
  workdir: string,
  host: Host,
  depth: number,
): boolean {
  if (judge(path, workdir, host) !== 'dead' || depth === GUARD_DEPTH_MAX) return false;
  let guard: LockFile;
  try {
    guard = takeLockFile(`${path}.takeover`, workdir, host, depth + 1);
  } catch (error) {
    if (error instanceof LockedError) return false;
    throw error;
  }
  try {
    if (judge(path, workdir, host) !== 'dead') return false;
    system(path, () => renameSync(draft.path, path));
    return true;
  } finally {
    guard.release();
  }
}

/** Looks at the file that is in the way. @throws LockedError when its holder lives. */
function judge(path: string, workdir: string, host: Host): Verdict {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r+');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 'gone';
    throw lockIoError(path, error);
  }
  try {
    const kernel = tryKernelLock(descriptor);
    if (!isFileAt(path, descriptor)) return 'gone';
    const record = decodeLockRecord(readFileSync(descriptor, 'utf8'));
    const verdict =
      record === undefined ? judgeTorn(descriptor) : judgeRecord(record, kernel, host);
    if (verdict === 'alive') throw new LockedError({ workdir, holder: describeHolder(record) });
    return verdict;
  } finally {
    closeSync(descriptor);
  }
}

function judgeTorn(descriptor: number): 'alive' | 'dead' {
  // A time slightly in the future is usual: mtimeMs has fractions that Date.now() cuts off.
  const ageMs = Math.abs(Date.now() - fstatSync(descriptor).mtimeMs);
  return ageMs <= TORN_AGE_MS_MAX ? 'alive' : 'dead';
}

/**
 * The kernel lock is the best witness. Without it the record of another machine is believed to be
 * that of a living process.
 */
function judgeRecord(record: LockRecord, kernel: KernelLock, host: Host): Verdict | 'alive' {
  if (kernel === 'taken' && record.kernelLock) return 'dead';
  const state = holderState(record, host);
  // Locked, though its holder is dead: someone else is judging the file at this moment.
  if (kernel === 'held') return state === 'dead' ? 'busy' : 'alive';
  if (state === 'unknown') return kernel === 'taken' ? 'dead' : 'alive';
  return state;
}

/** True when `path` still names the open file. */
function isFileAt(path: string, descriptor: number): boolean {
  const named = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (named === undefined) return false;
  const open = fstatSync(descriptor, { bigint: true });
  return named.ino === open.ino && named.dev === open.dev;
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}

function system<T>(path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw lockIoError(path, error);
  }
}

function lockIoError(path: string, error: unknown): unknown {
  const errno = errnoOf(error);
  return errno === undefined ? error : new IoError({ op: 'lock', path, errno }, { cause: error });
}
