/**
 * The range of encoded keys that a cursor stays in, half-open, and what can be looked up of it in the filter of a table:
 * the one key that it is, or the one part of keys (sst/prefix-rules.ts) that all of its keys begin with.
 */
import { compareArrays, equalBytes } from '../base/bytes.js';
import { hashEncodedKey, KEY_TERMINATOR, prefixSuccessor } from './key.js';
import type { PrefixRules } from './sst/prefix-rules.js';

/** There is nothing to look up. */
export const NO_HASH = -1;

export class ScanSpan {
  readonly lower: Uint8Array;
  readonly upper: Uint8Array;
  /** Of the only key of the range, or NO_HASH. */
  readonly keyHash: number;
  /** What #partHash is by; undefined: it was not asked for. */
  #rules: PrefixRules | undefined;
  #partHash: number;

  constructor(lower: Uint8Array, upper: Uint8Array) {
    this.lower = lower;
    this.upper = upper;
    this.keyHash = isOneKey(lower, upper) ? hashEncodedKey(lower, 0, lower.length) : NO_HASH;
    this.#rules = undefined;
    this.#partHash = NO_HASH;
  }

  /** Hash of the part that every key of the range has by these rules, or NO_HASH. */
  partHash(rules: PrefixRules): number {
    if (this.#rules !== rules) {
      this.#rules = rules;
      this.#partHash = this.#hashBy(rules);
    }
    return this.#partHash;
  }

  /**
   * The keys from `lower` to below the end of what begins with its part all begin with it. They are all by the same
   * rule, the only one whose prefix the part begins with, and so have this part.
   */
  #hashBy(rules: PrefixRules): number {
    const { lower, upper } = this;
    const length = rules.partLength(lower, 0, lower.length);
    if (length === 0) return NO_HASH;
    if (compareArrays(upper, prefixSuccessor(lower.subarray(0, length))) > 0) return NO_HASH;
    return hashEncodedKey(lower, 0, length);
  }
}

/** Is it [key, successor of the key)? */
function isOneKey(lower: Uint8Array, upper: Uint8Array): boolean {
  const { length } = lower;
  return (
    upper.length === length + 1 &&
    upper[length] === 0 &&
    lower[length - 1] === KEY_TERMINATOR &&
    equalBytes(lower, 0, upper, 0, length)
  );
}
