/** Identities of files: 64 random bits, so that a stale or foreign file of the same name is told apart. */
import type { Random } from '../base/env.js';

/** 16 hexadecimal digits. */
export function newIdentity(random: Random): string {
  return hex32(random.u32()) + hex32(random.u32());
}

function hex32(word: number): string {
  return word.toString(16).padStart(8, '0');
}
