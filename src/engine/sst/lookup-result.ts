/**
 * A reusable holder of one found entry, so that a lookup allocates nothing. `bytes[start, start + length)` is
 * the value (or value pointer), *borrowed* until the next operation of the block cache.
 */
export class LookupResult {
  /** KIND_PUT, KIND_DELETE or KIND_VALUE_POINTER; 0 before the first lookup. */
  kind = 0;
  version = 0;
  seq = 0;
  /** Wall milliseconds or NO_EXPIRY. */
  expiresAt = 0;
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  length = 0;
}
