/**
 * What callers ask for, and the checks of it: options of reads and writes, batch operations, ranges.
 * Bad input is a TypeError or RangeError that names the argument; nothing was written then.
 */
import { closestName } from '../base/closest-name.js';
import { VALUE_BYTES_MAX } from '../base/limits.js';
import { requireUtf8 } from '../base/utf8.js';
import { KIND_DELETE, KIND_PUT, KIND_RANGE_DELETE, NO_EXPIRY } from './entry.js';
import {
  encodeKey,
  FAMILY_DEFAULT,
  FAMILY_LOCK,
  FAMILY_SYSTEM,
  FAMILY_WRITE,
  KeyBuffer,
  keySuccessor,
  prefixSuccessor,
} from './key.js';
import type { Durability, FamilyName } from './options.js';
import type { Snapshot } from './snapshot.js';
import type { BatchOperation } from './batch.js';

export interface ReadOptions {
  /** Read as of this snapshot; default: now. */
  readonly snapshot?: Snapshot;
  /** Read the newest entry of at most this version (managed writes); default: any. */
  readonly version?: number;
  readonly columnFamily?: FamilyName;
}

export interface WriteOptions {
  /** Default: the database's. */
  readonly durability?: Durability;
}

export interface PutOptions extends WriteOptions {
  /** Milliseconds from now after which the key is gone; a positive integer. */
  readonly ttlMs?: number;
  /** Wall time in milliseconds at which the key is gone. */
  readonly expiresAt?: number;
  /** Managed version of the entry, 1 ... 2^53 - 1; default: its sequence number. */
  readonly version?: number;
  readonly columnFamily?: FamilyName;
}

export interface DeleteOptions extends WriteOptions {
  readonly version?: number;
  readonly columnFamily?: FamilyName;
}

export type BatchInput =
  | {
      readonly type: 'put';
      readonly key: Key;
      readonly value: Value;
      readonly ttlMs?: number;
      readonly expiresAt?: number;
      readonly version?: number;
      readonly columnFamily?: FamilyName;
    }
  | {
      readonly type: 'del';
      readonly key: Key;
      readonly version?: number;
      readonly columnFamily?: FamilyName;
    }
  | {
      readonly type: 'deleteRange';
      readonly start: Key;
      readonly end: Key;
      readonly version?: number;
      readonly columnFamily?: FamilyName;
    };

export interface ScanOptions extends ReadOptions {
  readonly gte?: Key;
  readonly gt?: Key;
  readonly lte?: Key;
  readonly lt?: Key;
  readonly prefix?: Key;
  /** Default false: ascending. */
  readonly reverse?: boolean;
  /** Rows at most; default: all. */
  readonly limit?: number;
  /** Values stay unread and empty. */
  readonly keysOnly?: boolean;
}

/** A string stands for its UTF-8 bytes. */
export type Key = Uint8Array | string;
export type Value = Uint8Array | string;

/**
 * Hidden bookkeeping of ours (positions of imports), beside the families of users. No string, so that only a file that
 * imports this constant can read or write there.
 */
export const SYSTEM_FAMILY = Symbol('system') as unknown as FamilyName;

const FAMILIES: Readonly<Record<FamilyName, number>> = {
  default: FAMILY_DEFAULT,
  lock: FAMILY_LOCK,
  write: FAMILY_WRITE,
  [SYSTEM_FAMILY]: FAMILY_SYSTEM,
};
export const EMPTY = new Uint8Array(0);

const namesOf = (text: string): ReadonlySet<string> => new Set(text.split(' '));

/** The names of the options of each call. `later`: of writes that become durable with others. */
export const NAMES = {
  read: namesOf('snapshot version columnFamily'),
  scan: namesOf('snapshot version columnFamily gte gt lte lt prefix reverse limit keysOnly'),
  iterator: namesOf('snapshot version columnFamily gte gt lte lt prefix'),
  put: namesOf('durability ttlMs expiresAt version columnFamily'),
  delete: namesOf('durability version columnFamily'),
  write: namesOf('durability'),
  laterPut: namesOf('ttlMs expiresAt version columnFamily'),
  laterDelete: namesOf('version columnFamily'),
  collect: namesOf('ratio dryRun'),
};
const OPERATION_NAMES: Readonly<Record<BatchInput['type'], ReadonlySet<string>>> = {
  put: namesOf('type key value ttlMs expiresAt version columnFamily'),
  del: namesOf('type key version columnFamily'),
  deleteRange: namesOf('type start end version columnFamily'),
};

/**
 * A mistyped or misplaced name must not be passed over: a "ttl" would never expire, a scan with "start" would read
 * everything. @throws TypeError naming it, and the nearest known name
 */
export function checkNames(options: object, names: ReadonlySet<string>): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError('Cannot use options: they must be an object');
  }
  for (const name in options) {
    if (names.has(name)) continue;
    const closest = closestName(name, [...names]);
    const suggestion = closest === undefined ? '' : `; did you mean "${closest}"?`;
    throw new TypeError(`Cannot use options: unknown name "${name}"${suggestion}`);
  }
}

/** The family byte that options of a call, or an operation, ask for; with `names`, those are checked on the way. */
export function familyOf(
  options: { readonly columnFamily?: FamilyName },
  names?: ReadonlySet<string>,
): number {
  if (names !== undefined) checkNames(options, names);
  const name = options.columnFamily;
  if (name === undefined) return FAMILY_DEFAULT;
  if (Object.hasOwn(FAMILIES, name)) return FAMILIES[name];
  throw new RangeError(`Cannot use column family "${name as string}": there is no such family`);
}

/** What a write asks for, or else `initial`. @throws RangeError */
export function durabilityOf({ durability }: WriteOptions, initial: Durability): Durability {
  if (durability === undefined) return initial;
  if (durability === 'os' || durability === 'disk') return durability;
  throw new RangeError(`Cannot write: durability must be os or disk, not ${durability as string}`);
}

export function checkVersion(version: number | undefined): number | undefined {
  if (version === undefined) return undefined;
  if (!Number.isSafeInteger(version) || version < 1) {
    throw new RangeError('Cannot use version: it must be an integer from 1 to 2^53 - 1');
  }
  return version;
}

export function expiryOf(
  options: { readonly ttlMs?: number; readonly expiresAt?: number },
  nowMs: number,
): number {
  const { ttlMs, expiresAt } = options;
  if (ttlMs !== undefined && expiresAt !== undefined) {
    throw new RangeError('Cannot put: give either ttlMs or expiresAt');
  }
  const at = ttlMs === undefined ? expiresAt : nowMs + ttlMs;
  if (at === undefined) return NO_EXPIRY;
  if (!Number.isSafeInteger(at) || at < 1 || (ttlMs !== undefined && ttlMs < 1)) {
    throw new RangeError(
      'Cannot put: ttlMs and expiresAt must be positive integers in milliseconds',
    );
  }
  return at;
}

export function valueBytes(value: Value): Uint8Array {
  if (typeof value === 'string') requireUtf8(value, 'value');
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError('Cannot use value: it is neither a string nor a Uint8Array');
  }
  if (bytes.length > VALUE_BYTES_MAX) {
    throw new RangeError(`Cannot use value: ${bytes.length} bytes exceed ${VALUE_BYTES_MAX}`);
  }
  return bytes;
}

/** @throws TypeError, RangeError naming what is wrong with the first operation that is */
export function checkOperations(
  operations: readonly BatchInput[],
  nowMs: number,
): BatchOperation[] {
  if (!Array.isArray(operations)) {
    throw new TypeError('Cannot write batch: the operations must be an array');
  }
  // Of a copy, which has no holes: `map` would pass them over.
  return Array.from(operations as BatchInput[]).map((one) => checkOperation(one, nowMs));
}

function checkOperation(operation: BatchInput, nowMs: number): BatchOperation {
  checkNames(operation, operationNames(operation));
  const family = familyOf(operation);
  const version = checkVersion(operation.version) ?? 0;
  switch (operation.type) {
    case 'put':
      return {
        kind: KIND_PUT,
        family,
        key: operation.key,
        value: valueBytes(operation.value),
        expiresAt: expiryOf(operation, nowMs),
        version,
      };
    case 'del':
      return {
        kind: KIND_DELETE,
        family,
        key: operation.key,
        value: EMPTY,
        expiresAt: NO_EXPIRY,
        version,
      };
    case 'deleteRange':
      return {
        kind: KIND_RANGE_DELETE,
        family,
        key: operation.start,
        value: rangeToDelete(family, operation.start, operation.end).upper,
        expiresAt: NO_EXPIRY,
        version,
      };
  }
}

/** What an operation of this type may say. @throws TypeError when there is no such type */
function operationNames(operation: BatchInput): ReadonlySet<string> {
  if (typeof operation !== 'object' || (operation as unknown) === null) {
    throw new TypeError('Cannot write batch: an operation must be an object');
  }
  const { type } = operation;
  if (Object.hasOwn(OPERATION_NAMES, type)) return OPERATION_NAMES[type];
  throw new TypeError(`Cannot write batch: unknown operation type "${type as string}"`);
}

/** The encoded bounds of [start, end). @throws RangeError unless start < end */
export function rangeToDelete(
  family: number,
  start: Key,
  end: Key,
): { lower: Uint8Array; upper: Uint8Array } {
  const upper = encodeKey(family, end);
  const lower = encodeKey(family, start);
  if (Buffer.compare(lower, upper) >= 0) {
    throw new RangeError('Cannot delete range: start must sort before end');
  }
  return { lower, upper };
}

/** The half-open range of encoded keys that the bounds of a scan mean. */
export function rangeOf(
  family: number,
  options: ScanOptions,
): { lower: Uint8Array; upper: Uint8Array } {
  let lower: Uint8Array = Uint8Array.of(family);
  let upper: Uint8Array = Uint8Array.of(family + 1);
  const raise = (bound: Uint8Array): void => {
    if (Buffer.compare(bound, lower) > 0) lower = bound;
  };
  const cut = (bound: Uint8Array): void => {
    if (Buffer.compare(bound, upper) < 0) upper = bound;
  };
  if (options.prefix !== undefined) {
    checkKind(options.prefix);
    const buffer = new KeyBuffer();
    buffer.encodePrefix(family, options.prefix);
    raise(buffer.copy());
    cut(prefixSuccessor(buffer.copy()));
  }
  if (options.gte !== undefined) raise(boundOf(family, options.gte));
  if (options.gt !== undefined) raise(keySuccessor(boundOf(family, options.gt)));
  if (options.lt !== undefined) cut(boundOf(family, options.lt));
  if (options.lte !== undefined) cut(keySuccessor(boundOf(family, options.lte)));
  return { lower, upper };
}

/** An empty bound is no key, but sorts before all of them. */
export function boundOf(family: number, key: Key): Uint8Array {
  checkKind(key);
  return key.length === 0 ? Uint8Array.of(family) : encodeKey(family, key);
}

function checkKind(key: Key): void {
  if (typeof key === 'string' || key instanceof Uint8Array) return;
  throw new TypeError('Cannot use bound: it is neither a string nor a Uint8Array');
}

/** Can so many rows, or versions, be asked for? Infinity stands for all. */
export function isLimit(limit: unknown): limit is number {
  return limit === Number.POSITIVE_INFINITY || (Number.isInteger(limit) && Number(limit) >= 0);
}

/** A copy without holes: `map` would pass them over. @throws TypeError unless it is an array */
export function checkKeys(keys: readonly Key[]): readonly Key[] {
  if (Array.isArray(keys)) return Array.from(keys as readonly Key[]);
  throw new TypeError('Cannot get: the keys must be an array');
}

/** A call that returns promises throws nothing: what is wrong with it comes as a rejection. */
export function rejectedWith(error: unknown): Promise<never> {
  return Promise.reject(error instanceof Error ? error : new Error(String(error)));
}
