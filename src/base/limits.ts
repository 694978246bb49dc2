/**
 * Every upper bound of the product, with its unit. Relations between bounds are asserted at load.
 */
import { assert } from './assert.js';

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** User key, bytes. */
export const KEY_BYTES_MIN = 1;
export const KEY_BYTES_MAX = 65_535;

/** Encoded key (key.ts): family byte, every key byte escaped to two, terminator. */
export const ENCODED_KEY_BYTES_MAX = 1 + 2 * KEY_BYTES_MAX + 1;

/** One value, bytes. */
export const VALUE_BYTES_MAX = 512 * MIB;

/** All encoded entries of one atomic batch, bytes; independent of the memtable size. */
export const BATCH_BYTES_MAX = GIB;
/** Entries of one atomic batch. */
export const BATCH_ENTRIES_MAX = 16 * 1024 * 1024;

/** Size at which a value-log segment ends, at most, bytes. */
export const VALUE_LOG_FILE_BYTES_MAX = 2 * GIB;

/** One line of an import or an export, bytes: V8 ends strings at 512 Mi characters. */
export const LINE_BYTES_MAX = 256 * MIB;

/** No Uint8Array of ours reaches this: offsets are u32. */
export const BUFFER_BYTES_LIMIT = 4 * GIB;

/** Sequence numbers, versions, timestamps: safe integers. */
export const SEQ_MAX = Number.MAX_SAFE_INTEGER;

/** Levels of the tree: L0 ... L6. */
export const LEVEL_COUNT = 7;

/** File numbers are u32 on disk (value pointers). */
export const FILE_NUMBER_MAX = 0xffff_ffff;

assert(ENCODED_KEY_BYTES_MAX < 1 << 18, 'limits: encoded key length fits the 24-bit length field');
assert(
  BATCH_BYTES_MAX + 64 * MIB < BUFFER_BYTES_LIMIT,
  'limits: a batch and its record fit one buffer',
);
assert(VALUE_BYTES_MAX < BATCH_BYTES_MAX, 'limits: a value fits a batch');
