/** The flags that choose a range of keys, for `scan` and `export`, and what they mean to the library. */
import { integer, string } from '@oclif/core/flags';
import { columnFamilyFlag, keyFormatFlag } from './flags.js';
import { parseKey, parseText, type KeyFormat } from './key-format.js';

export const rangeFlags = {
  prefix: string({
    description: 'only keys that begin with it (default: all)',
    env: 'NOKV_PREFIX',
  }),
  from: string({ description: 'first key, included (default: all)', env: 'NOKV_FROM' }),
  to: string({ description: 'last key, not included (default: all)', env: 'NOKV_TO' }),
  limit: integer({ description: 'rows at most (default: all)', env: 'NOKV_LIMIT', min: 0 }),
  'key-format': keyFormatFlag(),
  'column-family': columnFamilyFlag(),
};

interface RangeFlagValues {
  readonly prefix: string | undefined;
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly limit: number | undefined;
  readonly 'key-format': KeyFormat;
  readonly 'column-family': 'default' | 'lock' | 'write';
}

/** A part of ScanOptions. */
export interface KeyRange {
  readonly prefix?: Uint8Array;
  readonly gte?: Uint8Array;
  readonly lt?: Uint8Array;
  readonly limit?: number;
  readonly columnFamily: 'default' | 'lock' | 'write';
}

/** @throws NokvError NOKV_INVALID for a key that is not of the format. */
export function keyRangeOf(flags: RangeFlagValues): KeyRange {
  const { prefix, from, to, limit } = flags;
  const format = flags['key-format'];
  return {
    ...(prefix === undefined ? {} : { prefix: parseText(prefix, format) }),
    ...(from === undefined ? {} : { gte: parseKey(from, format) }),
    ...(to === undefined ? {} : { lt: parseKey(to, format) }),
    ...(limit === undefined ? {} : { limit }),
    columnFamily: flags['column-family'],
  };
}
