/** An external table as its makers describe it to the caller: plain data. */
import { FAMILY_LOCK, FAMILY_WRITE } from '../key.js';
import type { FamilyName } from '../options.js';
import { keyRangeOf } from '../inspect/findings.js';
import type { ExternalFile } from './external-outputs.js';

export interface BuiltTable {
  readonly file: string;
  readonly bytes: number;
  readonly columnFamily: FamilyName;
  /** User keys: the first one, and the last one (or the end of a range delete behind it). */
  readonly first: Uint8Array;
  readonly last: Uint8Array;
  /** Rows and deletes. */
  readonly entries: number;
  /** Of them deletes. */
  readonly deletes: number;
  readonly rangeDeletes: number;
}

export function builtTableOf({ path, meta }: ExternalFile): BuiltTable {
  const { lower, upper } = keyRangeOf(meta.lower, meta.upper);
  return {
    file: path,
    bytes: meta.bytes,
    columnFamily: familyNameOf(meta.lower[0]),
    first: lower,
    last: upper,
    entries: meta.entries,
    deletes: meta.tombstones,
    rangeDeletes: meta.rangeTombstones,
  };
}

function familyNameOf(family: number | undefined): FamilyName {
  if (family === FAMILY_LOCK) return 'lock';
  return family === FAMILY_WRITE ? 'write' : 'default';
}
