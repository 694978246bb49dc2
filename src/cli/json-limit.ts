/** How much one JSON document can hold: it is one string, and a string has an end. */
import { NokvError } from '../base/errors.js';
import { MIB } from '../base/limits.js';

/** More may be longer than a string can be: base64, and text with two characters for one. */
const JSON_BYTES_MAX = 128 * MIB;

/** `bytes`: of the keys and values that the document is to hold. @throws NokvError NOKV_INVALID when they are too many */
export function checkJsonBytes(bytes: number, hint: string): void {
  if (bytes <= JSON_BYTES_MAX) return;
  throw new NokvError('NOKV_INVALID', 'Cannot print value as JSON: it is too large', {
    hint,
    details: { bytes, limit: JSON_BYTES_MAX },
  });
}
