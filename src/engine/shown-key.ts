/** Keys as errors show them. Pure. */
import { userKeyOf } from './key.js';

/** Bytes of a key that an error shows. */
const SHOWN_KEY_BYTES = 1024;

/** The user key as text when it is printable ASCII, else 0x and hexadecimal; cut when it is long. */
export function shownKey(encoded: Uint8Array): string {
  const bytes = Buffer.from(userKeyOf(encoded).subarray(0, SHOWN_KEY_BYTES));
  const isText = bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
  return isText ? bytes.toString('latin1') : `0x${bytes.toString('hex')}`;
}
