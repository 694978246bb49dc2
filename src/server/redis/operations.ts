/** Operations of batches that the gateway makes beside those of its clients. */
import type { BatchOperation } from '../../engine/batch.js';
import { KIND_DELETE, KIND_PUT, KIND_RANGE_DELETE, NO_EXPIRY } from '../../engine/entry.js';
import { encodeKey } from '../../engine/key.js';

export const NOTHING = new Uint8Array(0);

export function putOf(family: number, key: Uint8Array, value: Uint8Array): BatchOperation {
  return operation(KIND_PUT, family, key, value);
}

export function deleteOf(family: number, key: Uint8Array): BatchOperation {
  return operation(KIND_DELETE, family, key, NOTHING);
}

/** Of [start, end). */
export function rangeDeleteOf(family: number, start: Uint8Array, end: Uint8Array): BatchOperation {
  return operation(KIND_RANGE_DELETE, family, start, encodeKey(family, end));
}

function operation(
  kind: number,
  family: number,
  key: Uint8Array,
  value: Uint8Array,
): BatchOperation {
  return { kind, family, key, value, expiresAt: NO_EXPIRY, version: 0 };
}
