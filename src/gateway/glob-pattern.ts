/**
 * Redis' patterns over bytes: * ? [abc] [^a] [a-z] and backslash before a byte that is meant. Takes at most
 * pattern x text steps, whatever the pattern: of several stars only the last one is ever tried again. A pattern that
 * needs more than STARS_MAX stars matches nothing, as in Redis.
 */

/** Runs of stars before the end of a pattern. */
const STARS_MAX = 1000;

const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const CLOSE = 0x5d;
const BACKSLASH = 0x5c;
const CARET = 0x5e;
const DASH = 0x2d;

export function matchesGlob(pattern: Uint8Array, text: Uint8Array): boolean {
  let p = 0;
  let t = 0;
  let starP = -1;
  let starT = 0;
  let stars = 0;
  for (;;) {
    if (p < pattern.length && pattern[p] === STAR) {
      while (pattern[p] === STAR) p++;
      if (p === pattern.length) return true;
      if (++stars > STARS_MAX) return false;
      starP = p;
      starT = t;
      continue;
    }
    if (t === text.length) return p === pattern.length;
    const next = p < pattern.length ? matchOne(pattern, p, text[t] as number) : -1;
    if (next >= 0) {
      p = next;
      t++;
    } else if (starP >= 0) {
      p = starP;
      t = ++starT;
    } else return false;
  }
}

/** Where the pattern goes on after matching one byte, or -1. */
function matchOne(pattern: Uint8Array, at: number, byte: number): number {
  const first = pattern[at] as number;
  if (first === QUESTION) return at + 1;
  if (first === OPEN) return matchClass(pattern, at + 1, byte);
  if (first === BACKSLASH && at + 1 < pattern.length) {
    return pattern[at + 1] === byte ? at + 2 : -1;
  }
  return first === byte ? at + 1 : -1;
}

/** `at` is behind the bracket. A class without an end takes the rest of the pattern, as in Redis. */
function matchClass(pattern: Uint8Array, from: number, byte: number): number {
  const isNegated = pattern[from] === CARET;
  let at = isNegated ? from + 1 : from;
  let isIn = false;
  while (at < pattern.length && pattern[at] !== CLOSE) {
    if (pattern[at] === BACKSLASH && at + 1 < pattern.length) {
      isIn ||= pattern[at + 1] === byte;
      at += 2;
    } else if (at + 2 < pattern.length && pattern[at + 1] === DASH) {
      const a = pattern[at] as number;
      const b = pattern[at + 2] as number;
      isIn ||= byte >= Math.min(a, b) && byte <= Math.max(a, b);
      at += 3;
    } else {
      isIn ||= pattern[at] === byte;
      at++;
    }
  }
  if (isIn === isNegated) return -1;
  return Math.min(at + 1, pattern.length);
}
