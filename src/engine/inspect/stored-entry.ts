/** One entry of a table or log as plain data: what the dumps print. */
import {
  KIND_DELETE,
  KIND_PUT,
  KIND_RANGE_DELETE,
  KIND_VALUE_POINTER,
  NO_EXPIRY,
} from '../entry.js';
import { familyName, isEncodedKey, userKeyOf } from '../key.js';
import { pointerFileNumber, pointerLength, pointerStart } from '../vlog/value-pointer.js';

export type DumpedKind = 'put' | 'delete' | 'pointer' | 'range-delete' | 'unknown';

export interface DumpedEntry {
  readonly family: string;
  /** The user key; owned. */
  readonly key: Uint8Array;
  readonly kind: DumpedKind;
  readonly seq: number;
  readonly version: number;
  /** Wall milliseconds; null: never. */
  readonly expires_at_ms: number | null;
  /** Of a put: the value; owned. */
  readonly value?: Uint8Array;
  /** Of a put whose value is not wanted. */
  readonly value_bytes?: number;
  readonly pointer?: { readonly fid: number; readonly offset: number; readonly bytes: number };
  /** Of a range delete: the first key that is not deleted. */
  readonly end?: Uint8Array;
}

/** What the dump of one entry starts from; the bytes are borrowed. */
export interface RawEntry {
  readonly kind: number;
  readonly seq: number;
  readonly version: number;
  readonly expiresAt: number;
  readonly keyBytes: Uint8Array;
  readonly keyStart: number;
  readonly keyLength: number;
  readonly valueBytes: Uint8Array;
  readonly valueStart: number;
  readonly valueLength: number;
}

export function dumpEntry(raw: RawEntry, isKeyOnly: boolean): DumpedEntry {
  const { keyBytes, keyStart, keyLength, valueBytes, valueStart, valueLength } = raw;
  const ekey = keyBytes.slice(keyStart, keyStart + keyLength);
  const value = (): Uint8Array => valueBytes.slice(valueStart, valueStart + valueLength);
  const entry = {
    family: familyName(ekey[0] ?? 0),
    key: userKeyOrRaw(ekey),
    kind: KINDS[raw.kind] ?? 'unknown',
    seq: raw.seq,
    version: raw.version,
    expires_at_ms: raw.expiresAt === NO_EXPIRY ? null : raw.expiresAt,
  };
  switch (raw.kind) {
    case KIND_PUT:
      return isKeyOnly ? { ...entry, value_bytes: valueLength } : { ...entry, value: value() };
    case KIND_VALUE_POINTER:
      return {
        ...entry,
        pointer: {
          fid: pointerFileNumber(valueBytes, valueStart),
          offset: pointerStart(valueBytes, valueStart),
          bytes: pointerLength(valueBytes, valueStart),
        },
      };
    case KIND_RANGE_DELETE:
      return { ...entry, end: userKeyOrRaw(value()) };
    default:
      return entry;
  }
}

const KINDS: Readonly<Record<number, DumpedKind>> = {
  [KIND_PUT]: 'put',
  [KIND_DELETE]: 'delete',
  [KIND_VALUE_POINTER]: 'pointer',
  [KIND_RANGE_DELETE]: 'range-delete',
};

function userKeyOrRaw(ekey: Uint8Array): Uint8Array {
  return isEncodedKey(ekey, 0, ekey.length) ? userKeyOf(ekey) : ekey;
}
