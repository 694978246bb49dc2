/**
 * Operating errors: expected failures that a caller or an operator can act on. Decide by `code`,
 * never by message. One class per family; docs/errors.md has a heading per code (a test checks it).
 *
 * Broken assumptions are not here: those are assertions (assert.ts). A caller's wrong argument is a
 * TypeError or RangeError. Absence is `undefined`.
 */
import { AssertionError } from './assert.js';

export type NokvErrorCode =
  | 'NOKV_IO'
  | 'NOKV_NO_SPACE'
  | 'NOKV_CORRUPTION'
  | 'NOKV_FORMAT'
  | 'NOKV_MODE'
  | 'NOKV_LOCKED'
  | 'NOKV_CLOSED'
  | 'NOKV_BUSY'
  | 'NOKV_TIMEOUT'
  | 'NOKV_NOT_FOUND'
  | 'NOKV_CONFLICT'
  | 'NOKV_TXN_DONE'
  | 'NOKV_TXN_EXPIRED'
  | 'NOKV_TXN_TOO_LARGE'
  | 'NOKV_READ_ONLY'
  | 'NOKV_CHANGED'
  | 'NOKV_INVALID'
  | 'NOKV_UNHEALTHY'
  | 'NOKV_RAFT'
  | 'NOKV_PROPOSAL_DROPPED';

/** May the write that failed have happened? */
export type Outcome = 'none' | 'unknown';

/** Values that survive JSON and structured cloning. */
export type Details = Readonly<Record<string, string | number | boolean | null>>;

export interface NokvErrorInit {
  readonly hint?: string;
  readonly outcome?: Outcome;
  readonly retryable?: boolean;
  readonly details?: Details;
  readonly cause?: unknown;
}

/** The base class. Message: sentence case, "Cannot do X: reason", no final period, no values of `details`. */
export class NokvError extends Error {
  override readonly name: string = 'NokvError';
  readonly code: NokvErrorCode;
  /** What an operator does next. */
  readonly hint: string;
  readonly outcome: Outcome;
  readonly retryable: boolean;
  readonly details: Details;

  constructor(code: NokvErrorCode, message: string, init: NokvErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.code = code;
    this.hint = init.hint ?? DEFAULT_HINTS[code];
    this.outcome = init.outcome ?? 'none';
    this.retryable = init.retryable ?? false;
    this.details = init.details ?? {};
  }
}

const DEFAULT_HINTS: Readonly<Record<NokvErrorCode, string>> = {
  NOKV_IO: 'Check the disk and the permissions of the named path; reopen the workdir afterwards',
  NOKV_NO_SPACE: 'Free space on the file system; writes resume by themselves when one succeeds',
  NOKV_CORRUPTION:
    'Run "nokv check --workdir DIR" for the full extent; restore the file from a copy',
  NOKV_FORMAT: 'Use the version of nokv that wrote this workdir, or a newer one',
  NOKV_MODE: 'Open the workdir in the mode it is in, or finish its migration',
  NOKV_LOCKED: 'Stop the process that holds the workdir, or open it read-only',
  NOKV_CLOSED: 'Open the database again',
  NOKV_BUSY: 'Retry after the given back-off',
  NOKV_TIMEOUT: 'Retry with a longer time limit; a write may have happened',
  NOKV_NOT_FOUND: 'Check the name or the key',
  NOKV_CONFLICT: 'Read again and retry the transaction',
  NOKV_TXN_DONE: 'Begin another transaction',
  NOKV_TXN_EXPIRED:
    'Begin another transaction; make it shorter, or give it a longer timeoutMs (transactionTimeoutMs)',
  NOKV_TXN_TOO_LARGE: 'Commit or roll back what there is; split the work into several transactions',
  NOKV_READ_ONLY: 'Open the workdir without readOnly, or reopen it after the named failure',
  NOKV_CHANGED: 'The workdir is in use and changed while it was read; run the command again',
  NOKV_INVALID: 'Correct the option or argument that the message names',
  NOKV_UNHEALTHY: 'See the listed findings',
  NOKV_RAFT: 'See details.reason; after "failed" build the replica again from its storage',
  NOKV_PROPOSAL_DROPPED: 'Propose again later, or at the leader',
};

export interface IoErrorDetails {
  /** The call: open, read, write, sync, truncate, rename, link, remove, list, mkdir, syncdir, lock, stat. */
  readonly op: string;
  readonly path: string;
  /** POSIX name: ENOSPC, EIO, EACCES, ... */
  readonly errno: string;
  readonly bytes?: number;
}

/** A system call failed. ENOSPC and EDQUOT have the code NOKV_NO_SPACE and are retryable. */
export class IoError extends NokvError {
  override readonly name = 'IoError';
  readonly op: string;
  readonly path: string;
  readonly errno: string;

  constructor(info: IoErrorDetails, init: Omit<NokvErrorInit, 'details'> = {}) {
    const full = info.errno === 'ENOSPC' || info.errno === 'EDQUOT';
    super(
      full ? 'NOKV_NO_SPACE' : 'NOKV_IO',
      full
        ? `Cannot ${info.op} ${info.path}: no space left`
        : `Cannot ${info.op} ${info.path}: ${info.errno}`,
      { retryable: full, ...hintOfErrno(info.errno), ...init, details: { ...info } },
    );
    this.op = info.op;
    this.path = info.path;
    this.errno = info.errno;
  }
}

/** Of what no check of disk and permissions finds. */
function hintOfErrno(errno: string): { readonly hint?: string } {
  switch (errno) {
    case 'EMFILE':
    case 'ENFILE':
      return {
        hint: 'Raise the limit of open files (ulimit -n): every table of a database is one',
      };
    case 'EEXIST':
      return { hint: 'The file is there already: remove it, or choose another name' };
    case 'EACCES':
    case 'EPERM':
      return { hint: 'Check who owns the path, and the permissions on it and above it' };
    case 'EROFS':
      return { hint: 'The file system is mounted read-only: name a path on another one' };
    default:
      return {};
  }
}

export interface CorruptionDetails {
  readonly file: string;
  /** Byte offset in the file where the damage was met. */
  readonly offset: number;
  readonly expected?: string | number;
  readonly actual?: string | number;
}

/** Bytes on disk are not what was written. Stays recognisable when wrapped: look through `cause`. */
export class CorruptionError extends NokvError {
  override readonly name = 'CorruptionError';
  readonly file: string;
  readonly offset: number;

  /** `what` finishes "Cannot read FILE at OFFSET: ...", e.g. "block checksum mismatch". */
  constructor(what: string, info: CorruptionDetails, init: Omit<NokvErrorInit, 'details'> = {}) {
    super('NOKV_CORRUPTION', `Cannot read ${info.file} at offset ${info.offset}: ${what}`, {
      ...init,
      details: { ...info, what },
    });
    this.file = info.file;
    this.offset = info.offset;
  }
}

/** A format version or a feature this build does not know. */
export class FormatError extends NokvError {
  override readonly name = 'FormatError';
  constructor(
    message: string,
    details: { file: string; found: number | string; supported: number | string; offset?: number },
  ) {
    super('NOKV_FORMAT', message, { details });
  }
}

/** The workdir is seeded or part of a cluster, and was opened as standalone. */
export class ModeError extends NokvError {
  override readonly name = 'ModeError';
  constructor(details: { workdir: string; found: string; supported: string }) {
    super('NOKV_MODE', `Cannot open ${details.workdir}: it is in mode "${details.found}"`, {
      details,
    });
  }
}

/** Another process holds the workdir. `details.holder` names it as far as it can be known. */
export class LockedError extends NokvError {
  override readonly name = 'LockedError';
  constructor(details: { workdir: string; holder: string }) {
    super('NOKV_LOCKED', `Cannot open ${details.workdir}: held by ${details.holder}`, { details });
  }
}

/** A call on a closed handle; `details.call` names it. */
export class ClosedError extends NokvError {
  override readonly name = 'ClosedError';
  /** `what` was closed, when it is not the database: a snapshot, an iterator. */
  constructor(call: string, what = 'database') {
    const hint = what === 'database' ? {} : { hint: `Make another ${what}` };
    super('NOKV_CLOSED', `Cannot ${call}: the ${what} is closed`, {
      ...hint,
      details: { call, what },
    });
  }
}

/** A bounded queue is full or writes are stopped. */
export class BusyError extends NokvError {
  override readonly name = 'BusyError';
  /** `key`: of the one key that the limit is of. */
  constructor(
    message: string,
    details: { queue: string; limit: number; backoffMs: number; key?: string },
  ) {
    super('NOKV_BUSY', message, { details, retryable: true });
  }
}

/** A write on a read-only or failed (latched) database. `cause` is the failure that latched it. */
export class ReadOnlyError extends NokvError {
  override readonly name = 'ReadOnlyError';
  constructor(message: string, init: NokvErrorInit = {}) {
    super('NOKV_READ_ONLY', message, init);
  }
}

/** Why a transaction was refused; all but the last are somebody else's write behind its begin. */
export type ConflictReason =
  | 'write' // of a key, or in a range, that the transaction writes too
  | 'read' // of a key that it has read, or found absent
  | 'range' // of a key in a range that it has read
  | 'version' // a version above its readVersion was there already
  | 'history'; // its begin is further back than recent writes are kept: perhaps nobody wrote

/** A type, not an interface: it is Details. */
export type ConflictDetails = {
  readonly reason: ConflictReason;
  /** Text when it is printable, else 0x and hexadecimal; null when no key is known. */
  readonly key: string | null;
  /** Sequence number that the transaction read at, or its readVersion. */
  readonly startTs: number;
  /** Sequence number, or version, of the write in its way. */
  readonly conflictTs: number;
};

/** Somebody else's write was first; nothing of the transaction was written. */
export class ConflictError extends NokvError {
  override readonly name = 'ConflictError';
  constructor(details: ConflictDetails) {
    super('NOKV_CONFLICT', CONFLICT_MESSAGES[details.reason], { details, retryable: true });
  }
}

const CONFLICT_MESSAGES: Readonly<Record<ConflictReason, string>> = {
  write: 'Cannot commit: a key of the transaction was written by somebody else first',
  read: 'Cannot commit: a key that the transaction has read was written since',
  range: 'Cannot commit: a range that the transaction has read was written to since',
  version: 'Cannot commit: a key of the transaction has a version above readVersion',
  history: 'Cannot commit: the transaction began too long ago to be checked',
};

/** How a transaction ended. */
export type TransactionEnd = 'committed' | 'rolled back' | 'failed' | 'expired' | 'closed';

/** A call on a transaction that is over; `details` has the call and how it ended. */
export class TransactionDoneError extends NokvError {
  override readonly name = 'TransactionDoneError';
  constructor(call: string, end: TransactionEnd | 'committing') {
    super(
      end === 'expired' ? 'NOKV_TXN_EXPIRED' : 'NOKV_TXN_DONE',
      `Cannot ${call}: the transaction ${END_MESSAGES[end]}`,
      { details: { call, end } },
    );
  }
}

const END_MESSAGES: Readonly<Record<TransactionEnd | 'committing', string>> = {
  committed: 'was committed',
  'rolled back': 'was rolled back',
  failed: 'has failed',
  expired: 'was open longer than its time limit',
  closed: 'ended when the database was closed',
  committing: 'is being committed',
};

/** A transaction would take more memory than it may, or has read too much to be checked. It is as it was before. */
export class TransactionTooLargeError extends NokvError {
  override readonly name = 'TransactionTooLargeError';
  constructor(details: Details) {
    super('NOKV_TXN_TOO_LARGE', 'Cannot go on: the transaction is too large', { details });
  }
}

/** A reader that follows a live writer met files that changed under it; nothing is damaged. */
export class ChangedError extends NokvError {
  override readonly name = 'ChangedError';
  constructor(what: string, details: Details = {}, init: Omit<NokvErrorInit, 'details'> = {}) {
    super('NOKV_CHANGED', `Changed while reading: ${what}`, {
      retryable: true,
      ...init,
      details,
    });
  }
}

/**
 * Why the consensus core refused. After `failed` the replica is unusable and has to be built again
 * from its storage; after anything else it is as before the call.
 */
export type RaftErrorReason =
  | 'invalid' // a message, an option or a change that cannot be right
  | 'local-message' // a message that never comes from another node
  | 'unknown-peer' // an answer of somebody who is no member
  | 'limit' // an index or a term would pass 2^53
  | 'compacted' // the log does not reach back that far
  | 'unavailable' // the log does not reach that far
  | 'snapshot-out-of-date' // there is a newer one
  | 'failed'; // an invariant is broken, or the storage threw or contradicts itself

/** The consensus core refused a call. Messages are those of etcd's raft where its scripts compare them. */
export class RaftError extends NokvError {
  override readonly name = 'RaftError';
  readonly reason: RaftErrorReason;

  constructor(reason: RaftErrorReason, message: string, init: Omit<NokvErrorInit, 'details'> = {}) {
    super('NOKV_RAFT', message, { ...init, details: { reason } });
    this.reason = reason;
  }
}

/** A proposal was not taken: no leader, a transfer under way, or too much uncommitted. Nothing happened. */
export class ProposalDroppedError extends NokvError {
  override readonly name = 'ProposalDroppedError';
  constructor() {
    super('NOKV_PROPOSAL_DROPPED', 'raft proposal dropped', { retryable: true });
  }
}

/** True for a NokvError with this code, also when it is wrapped as a `cause`. */
export function hasCode(error: unknown, code: NokvErrorCode): boolean {
  let current: unknown = error;
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    if (current instanceof NokvError && current.code === code) return true;
    current = current.cause;
  }
  return false;
}

/** An error as plain data: what crosses from a worker thread. `stack` is the one of the thread that threw. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  /** Absent for an error that is not a NokvError. */
  readonly nokv?: {
    readonly code: NokvErrorCode;
    readonly hint: string;
    readonly outcome: Outcome;
    readonly retryable: boolean;
    readonly details: Details;
  };
  readonly cause?: PlainError;
}

/** Causes are followed this deep; a chain that is longer, or a circle, is cut. */
const CAUSE_DEPTH_MAX = 8;

/** Anything that was thrown, as data that survives JSON and structured cloning. */
export function errorToPlain(thrown: unknown, depth = 0): PlainError {
  if (!(thrown instanceof Error)) return { name: 'Error', message: String(thrown), stack: '' };
  const common = { name: thrown.name, message: thrown.message, stack: thrown.stack ?? '' };
  const cause =
    thrown.cause === undefined || depth === CAUSE_DEPTH_MAX
      ? {}
      : { cause: errorToPlain(thrown.cause, depth + 1) };
  if (!(thrown instanceof NokvError)) return { ...common, ...cause };
  const { code, hint, outcome, retryable, details } = thrown;
  return { ...common, nokv: { code, hint, outcome, retryable, details }, ...cause };
}

/** The inverse of errorToPlain: the same class, fields, message, stack and causes. */
export function errorFromPlain(plain: PlainError): Error {
  const error = rebuild(plain);
  error.message = plain.message;
  if (plain.stack !== '') error.stack = plain.stack;
  if (plain.cause !== undefined) {
    const value = errorFromPlain(plain.cause);
    Object.defineProperty(error, 'cause', { value, configurable: true, writable: true });
  }
  if (plain.nokv !== undefined) Object.assign(error, plain.nokv);
  return error;
}

/** An instance of the named class; errorFromPlain then sets the fields that all classes share. */
function rebuild(plain: PlainError): Error {
  const { name, message, nokv } = plain;
  if (nokv === undefined) {
    if (name === 'AssertionError') return new AssertionError(message);
    if (name === 'TypeError') return new TypeError(message);
    if (name === 'RangeError') return new RangeError(message);
    const other = new Error(message);
    other.name = name;
    return other;
  }
  const details = nokv.details;
  switch (name) {
    case 'IoError':
      return new IoError(details as unknown as IoErrorDetails);
    case 'CorruptionError':
      return new CorruptionError(String(details['what']), details as unknown as CorruptionDetails);
    case 'FormatError':
      return new FormatError(message, details as ConstructorParameters<typeof FormatError>[1]);
    case 'ModeError':
      return new ModeError(details as ConstructorParameters<typeof ModeError>[0]);
    case 'LockedError':
      return new LockedError(details as ConstructorParameters<typeof LockedError>[0]);
    case 'ClosedError':
      return new ClosedError(String(details['call']), String(details['what'] ?? 'database'));
    case 'BusyError':
      return new BusyError(message, details as ConstructorParameters<typeof BusyError>[1]);
    case 'ReadOnlyError':
      return new ReadOnlyError(message);
    case 'ChangedError':
      return new ChangedError(message);
    case 'ConflictError':
      return new ConflictError(details as unknown as ConflictDetails);
    case 'TransactionDoneError':
      return new TransactionDoneError(String(details['call']), details['end'] as TransactionEnd);
    case 'TransactionTooLargeError':
      return new TransactionTooLargeError(details);
    case 'RaftError':
      return new RaftError(details['reason'] as RaftErrorReason, message);
    case 'ProposalDroppedError':
      return new ProposalDroppedError();
    default:
      return new NokvError(nokv.code, message);
  }
}
