/** Answers to steps as text: how keys and values become it, how two are compared, how one is shown. */
import type { DbIterator } from '../../src/engine/db-iterator.js';
import type { StoredEntry } from '../../src/engine/entry-scan.js';
import type { Row } from '../../src/engine/iterators/row-batch.js';
import { FAMILY_DEFAULT, FAMILY_LOCK } from '../../src/engine/key.js';
import type { ModelFamily } from '../model.js';
import type { Move } from './program.js';

/**
 * Values, or keys and values in turn, as latin-1 text; null for an absent value. undefined: the step has no answer,
 * or did nothing.
 */
export type Answer = readonly (string | null)[] | undefined;

/** Keys of printable bytes go in as strings, every other time. */
export function keyOf(text: string): Buffer | string {
  if (text.length % 2 === 0 && /^[\x02-\x7f]*$/.test(text)) return text;
  return Buffer.from(text, 'latin1');
}

/** The bytes as text; they are spoiled then, because they belong to the receiver. */
export function textOf(bytes: Uint8Array | undefined): string | null {
  if (bytes === undefined) return null;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  bytes.fill(0xdb);
  return text;
}

export function textOfRows(rows: readonly Row[]): (string | null)[] {
  return rows.flatMap(({ key, value }) => [textOf(key), textOf(value)]);
}

/** Parts of an answer for each stored entry. */
export const STORED_PARTS = 5;

/** A stored entry as parts of an answer. */
export function textOfStored({ family, key, version, seq, value }: StoredEntry): (string | null)[] {
  return [familyName(family), textOf(key), String(version), String(seq), textOf(value)];
}

/** By the family byte of an encoded key. */
export function familyName(byte: number): ModelFamily {
  if (byte === FAMILY_DEFAULT) return 'default';
  return byte === FAMILY_LOCK ? 'lock' : 'write';
}

/** The inverse, from part `at` on; the value of a delete is null. */
export function storedOf(
  answer: readonly (string | null)[],
  at: number,
): { family: ModelFamily; key: string; version: number; seq: number; value: string | null } {
  const [family, key, version, seq, value] = answer.slice(at, at + STORED_PARTS);
  return {
    family: family as ModelFamily,
    key: key ?? '',
    version: Number(version),
    seq: Number(seq),
    value: value ?? null,
  };
}

export function differenceOf(actual: Answer, expected: Answer): string | undefined {
  if (actual === undefined || expected === undefined) {
    return actual === expected ? undefined : 'an answer where none is due, or none where one is';
  }
  const length = Math.max(actual.length, expected.length);
  for (let i = 0; i < length; i++) {
    if (actual[i] === expected[i]) continue;
    const found = shorten(actual[i]);
    const wanted = shorten(expected[i]);
    const counts = `${actual.length} parts, expected ${expected.length}`;
    return `part ${i} of the answer is ${found}, expected ${wanted} (${counts})`;
  }
  return undefined;
}

/** A key or value for the eye. */
export function shorten(text: string | null | undefined): string {
  if (text === undefined) return 'missing';
  if (text === null) return 'absent';
  const shown = JSON.stringify(text.length > 40 ? text.slice(0, 40) : text);
  const escaped = shown.replace(/[\x7f-\xff]/g, (c) => `\\x${c.charCodeAt(0).toString(16)}`);
  return text.length > 40 ? `${escaped}... (${text.length} bytes)` : escaped;
}

/** Moves an iterator; key and value it stands on then, two nulls when it is not valid. */
export function moved(iterator: DbIterator, { to, key }: Move): (string | null)[] {
  const isValid = to === 'seek' || to === 'seekForPrev' ? iterator[to](keyOf(key)) : iterator[to]();
  if (isValid !== iterator.valid) throw new Error(`${to} returns ${isValid}`);
  return isValid ? [textOf(iterator.key), textOf(iterator.value)] : [null, null];
}
