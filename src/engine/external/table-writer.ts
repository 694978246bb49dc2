/**
 * Builds tables outside of any database, to be taken in by `Db.ingest`. Rows come in order; memory is bounded by
 * the table size (external-outputs.ts). Values stay in the table, whatever their size: there is no value log here.
 *
 * One owner. Rows are written synchronously, in pieces; `finish` waits for the disk. A row that was refused for its order
 * was not added, and the writer goes on; after an I/O error only `abort` is of use.
 */
import type { Env } from '../../base/env.js';
import { ClosedError, NokvError } from '../../base/errors.js';
import { MIB } from '../../base/limits.js';
import { KIND_DELETE, KIND_PUT, NO_EXPIRY } from '../entry.js';
import { FAMILY_DEFAULT, KeyBuffer } from '../key.js';
import type { Compression, FamilyName } from '../options.js';
import {
  checkNames,
  checkVersion,
  EMPTY,
  expiryOf,
  familyOf,
  type Key,
  NAMES,
  type PutOptions,
  rangeToDelete,
  type Value,
  valueBytes,
} from '../requests.js';
import {
  BLOCK_BYTES_DEFAULT,
  FILTER_BITS_PER_KEY_DEFAULT,
  TABLE_BYTES_LIMIT,
} from '../sst/format.js';
import { type BuiltTable, builtTableOf } from './built-table.js';
import { ExternalOutputs, type OutputPlan } from './external-outputs.js';

export interface TableWriterOptions {
  /** Files are called NAME-000001.sst and so on; none of them may be there. Default `table`. */
  readonly name?: string;
  /** A table is cut at the first key behind this size, bytes, 4 KiB to 2 GiB. Default 64 MiB. */
  readonly tableBytes?: number;
  /** Data block target, bytes before compression, 256 bytes to 1 MiB. Default 4 KiB. */
  readonly blockBytes?: number;
  /** Bloom filter bits per key, 0 to 32; 0 writes no filter. Default 10. */
  readonly filterBitsPerKey?: number;
  /** Block compression. Default `none`. */
  readonly compression?: Compression;
}

export type TablePutOptions = Omit<PutOptions, 'durability'>;

export interface TableDeleteOptions {
  /** Managed version of the delete. */
  readonly version?: number;
  readonly columnFamily?: FamilyName;
}

/** Relative numbers: a range delete lies below all rows of its table, a row above it. */
export const RANGE_DELETE_SEQ = 1;
export const ROW_SEQ = 2;

export const TABLE_BYTES_DEFAULT = 64 * MIB;
export const TABLE_OPTION_NAMES: ReadonlySet<string> = new Set([
  'name',
  'tableBytes',
  'blockBytes',
  'filterBitsPerKey',
  'compression',
]);
const NAME_PATTERN = /^[\w.-]{1,100}$/;

export class TableWriter {
  readonly #env: Env;
  readonly #outputs: ExternalOutputs;
  readonly #key: KeyBuffer;
  #isDone: boolean;

  /** Use `openTableWriter`. @throws NokvError NOKV_INVALID for a bad option, TypeError for an unknown one */
  constructor(env: Env, directory: string, options: TableWriterOptions = {}) {
    checkNames(options, TABLE_OPTION_NAMES);
    this.#env = env;
    this.#outputs = new ExternalOutputs(env, outputPlanOf(directory, options));
    this.#key = new KeyBuffer();
    this.#isDone = false;
  }

  /** Rows and deletes added, range deletes not counted. */
  get entries(): number {
    return this.#outputs.entries;
  }

  /** About what all tables take so far, bytes. */
  get bytes(): number {
    return this.#outputs.bytes;
  }

  /**
   * Adds a row behind the last one. Key and value are copied. With `version` a key may come several times, the highest
   * version first.
   * @throws NokvError NOKV_INVALID naming a key out of order, TypeError, RangeError, IoError, ClosedError
   */
  put(key: Key, value: Value, options?: TablePutOptions): void {
    this.#mustBeOpen('put');
    const bytes = valueBytes(value);
    if (options === undefined) {
      this.#add(FAMILY_DEFAULT, key, undefined, KIND_PUT, NO_EXPIRY, bytes);
      return;
    }
    const family = familyOf(options, NAMES.laterPut);
    const expiresAt = expiryOf(options, this.#env.clock.nowMs());
    this.#add(family, key, checkVersion(options.version), KIND_PUT, expiresAt, bytes);
  }

  /** Adds a delete of what the database held before. @throws as put */
  del(key: Key, options: TableDeleteOptions = {}): void {
    this.#mustBeOpen('del');
    const family = familyOf(options, NAMES.laterDelete);
    const version = checkVersion(options.version);
    this.#add(family, key, version, KIND_DELETE, NO_EXPIRY, EMPTY);
  }

  /**
   * Adds a delete of everything that the database held in [start, end) before; rows of the same tables stay. Before the
   * rows at and behind `start`. @throws as put
   */
  deleteRange(start: Key, end: Key, options: TableDeleteOptions = {}): void {
    this.#mustBeOpen('deleteRange');
    const family = familyOf(options, NAMES.laterDelete);
    const { lower, upper } = rangeToDelete(family, start, end);
    const version = checkVersion(options.version);
    const seq = version === RANGE_DELETE_SEQ ? ROW_SEQ : RANGE_DELETE_SEQ;
    this.#outputs.addRangeTombstone({ lower, upper, version: version ?? seq, seq });
  }

  /** Ends the last table; resolves when files and directory are durable. Nothing added: no file. @throws IoError */
  async finish(): Promise<BuiltTable[]> {
    this.#mustBeOpen('finish');
    this.#isDone = true;
    try {
      return (await this.#outputs.finish()).map(builtTableOf);
    } catch (error) {
      await this.#outputs.abort();
      throw error;
    }
  }

  /** Removes what was written. Idempotent, and nothing after `finish`. */
  async abort(): Promise<void> {
    if (this.#isDone) return;
    this.#isDone = true;
    await this.#outputs.abort();
  }

  #add(
    family: number,
    key: Key,
    version: number | undefined,
    kind: number,
    expiresAt: number,
    value: Uint8Array,
  ): void {
    const buffer = this.#key;
    buffer.encode(family, key);
    // A managed row whose version equals its number would be taken for an ordinary one.
    const seq = version === ROW_SEQ ? ROW_SEQ + 1 : ROW_SEQ;
    const { bytes, length } = buffer;
    this.#outputs.add(
      bytes,
      0,
      length,
      version ?? seq,
      seq,
      kind,
      expiresAt,
      value,
      0,
      value.length,
    );
  }

  #mustBeOpen(call: string): void {
    if (this.#isDone) throw new ClosedError(`${call} (table writer)`);
  }
}

/** The plan that options mean. @throws NokvError NOKV_INVALID naming a bad one */
export function outputPlanOf(directory: string, options: TableWriterOptions): OutputPlan {
  if (typeof directory !== 'string' || directory === '') throw badOption('the directory', 'a path');
  const { name = 'table', compression = 'none' } = options;
  if (!NAME_PATTERN.test(name)) throw badOption('name', 'letters, digits, ".", "_" and "-"');
  if (compression !== 'none' && compression !== 'lz4')
    throw badOption('compression', 'none or lz4');
  const tableBytesMax = Math.floor(TABLE_BYTES_LIMIT / 2);
  return {
    directory,
    name,
    table: {
      blockBytes: numberIn(options, 'blockBytes', BLOCK_BYTES_DEFAULT, 256, MIB),
      filterBitsPerKey: numberIn(options, 'filterBitsPerKey', FILTER_BITS_PER_KEY_DEFAULT, 0, 32),
      compression,
    },
    tableBytes: numberIn(options, 'tableBytes', TABLE_BYTES_DEFAULT, 4096, tableBytesMax),
  };
}

function numberIn(
  options: TableWriterOptions,
  name: 'blockBytes' | 'filterBitsPerKey' | 'tableBytes',
  initial: number,
  min: number,
  max: number,
): number {
  const value = options[name] ?? initial;
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw badOption(name, `an integer from ${min} to ${max}`);
}

function badOption(name: string, rule: string): NokvError {
  return new NokvError('NOKV_INVALID', `Cannot build tables: ${name} must be ${rule}`);
}
