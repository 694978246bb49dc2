/**
 * A row as a line of JSON, both ways: what `nokv export` writes and `nokv import` reads. Page:
 * docs/formats/json-lines.md.
 *
 *   {"key":"user:42","value":"Ada"}
 *   {"key_base64":"AP8=","value_base64":"AAEC"}     for bytes that are no UTF-8
 *
 * `encodeRow` writes the canonical form: key first, no spaces, JSON.stringify's escapes, base64 only where
 * it must be, and for large values that escapes would make longer than base64. Import takes any JSON object with
 * these fields; what was canonical comes back byte for byte.
 */
import { isUtf8 } from 'node:buffer';
import { assert } from '../base/assert.js';
import { NokvError } from '../base/errors.js';
import { KEY_BYTES_MAX, LINE_BYTES_MAX, MIB } from '../base/limits.js';
import type { Row } from '../engine/iterators/row-batch.js';

/** A row to write. A string stands for its UTF-8 bytes. */
export interface ParsedRow {
  readonly key: string | Uint8Array;
  readonly value: string | Uint8Array;
}

/** What `nokv export --json` prints last: {"end":true,...}, without a field of a row. It is no row. */
export const TRAILER = 'trailer';

const FIELDS: readonly string[] = ['key', 'key_base64', 'value', 'value_base64'];
const LONE_SURROGATE = /\p{Surrogate}/u;
const SHOWN_LENGTH = 40;
/** Two names and two values. */
const QUOTES_OF_ROW = 8;
/** A value up to here fits into a line whatever it holds: an escape makes six bytes of one. */
const WEIGHED_ABOVE = 40 * MIB;
/** Control characters that JSON.stringify writes in two bytes: \b \t \n \f \r. */
const SHORT_ESCAPES: readonly number[] = [8, 9, 10, 12, 13];

assert(
  6 * (WEIGHED_ABOVE + KEY_BYTES_MAX) + 64 <= LINE_BYTES_MAX,
  'row lines: a value that is not weighed fits a line',
);

/**
 * The row of a line, TRAILER, or what is wrong with the line as the end of a sentence.
 */
export function parseRow(line: string): ParsedRow | typeof TRAILER | { readonly problem: string } {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch (error) {
    return { problem: `it is no JSON (${error instanceof Error ? error.message : String(error)})` };
  }
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    return { problem: 'it is no JSON object' };
  }
  const given = fields as Readonly<Record<string, unknown>>;
  if (given['end'] === true && !FIELDS.some((name) => name in given)) return TRAILER;
  for (const name in given) {
    if (!FIELDS.includes(name)) return { problem: `it has an unknown field ${shown(name)}` };
  }
  const key = bytesOf('key', given['key'], given['key_base64']);
  if (typeof key === 'object' && 'problem' in key) return key;
  const keyProblem = problemOfKey(key);
  if (keyProblem !== undefined) return { problem: keyProblem };
  const value = bytesOf('value', given['value'], given['value_base64']);
  if (typeof value === 'object' && 'problem' in value) return value;
  return isFieldTwice(line, given) ? { problem: 'it has a field twice' } : { key, value };
}

/**
 * Whether a field occurs twice, of which JSON.parse shows the last only. Requires one field for the key and one for the
 * value, both strings. What is sure is found out first: a line is as long as it must be, or names no field twice.
 */
function isFieldTwice(line: string, given: Readonly<Record<string, unknown>>): boolean {
  let bareLength = '{:,:}'.length;
  for (const name in given) bareLength += name.length + (given[name] as string).length + 4;
  if (line.length === bareLength) return false;
  // A name may be spelled with escapes, all of which begin with these.
  const isSuspect = hasTwice(line, 'key') || hasTwice(line, 'value') || line.includes('u00');
  return isSuspect && quotesOf(line) !== QUOTES_OF_ROW;
}

function hasTwice(line: string, name: string): boolean {
  return line.indexOf(name, line.indexOf(name) + name.length) >= 0;
}

/** Quotes around strings, not those within. Requires JSON. */
function quotesOf(line: string): number {
  let count = 0;
  for (let i = 0; i < line.length; i++) {
    const unit = line.charCodeAt(i);
    if (unit === 0x22) count++;
    else if (unit === 0x5c) i++;
  }
  return count;
}

/**
 * The line of a row, without line end.
 * @throws NokvError NOKV_INVALID when it would be longer than import reads
 */
export function encodeRow({ key, value }: Row): string {
  const keyField = isUtf8(key) ? `"key":${jsonText(key)}` : `"key_base64":"${base64(key)}"`;
  const isText = value.length > WEIGHED_ABOVE ? isTextOfLarge(key, value) : isUtf8(value);
  const valueField = isText ? `"value":${jsonText(value)}` : `"value_base64":"${base64(value)}"`;
  return `{${keyField},${valueField}}`;
}

/** Whether a large value goes out as text: when it is some, and its escapes make it no longer than base64. */
function isTextOfLarge(key: Uint8Array, value: Uint8Array): boolean {
  const base64Bytes = Math.ceil(value.length / 3) * 4;
  const textBytes = isUtf8(value) ? jsonBytesUpTo(base64Bytes, value) : Infinity;
  const isText = textBytes <= base64Bytes;
  const valueBytes = isText ? textBytes : base64Bytes;
  if (valueBytes + 6 * key.length + 64 <= LINE_BYTES_MAX) return isText;
  throw new NokvError('NOKV_INVALID', 'Cannot export row: its line would be too long', {
    hint: 'Leave the key out by --prefix, --from and --to; "nokv get --value-format raw" has its value',
    details: { key: base64(key), bytes: value.length, line_limit: LINE_BYTES_MAX },
  });
}

/** Bytes of the value in a JSON string; some number above `limit` as soon as it is more. */
function jsonBytesUpTo(limit: number, value: Uint8Array): number {
  let sum = value.length;
  for (let i = 0; i < value.length && sum <= limit; i++) {
    const byte = value[i] as number;
    if (byte < 0x20) sum += SHORT_ESCAPES.includes(byte) ? 1 : 5;
    else if (byte === 0x22 || byte === 0x5c) sum++;
  }
  return sum;
}

function bytesOf(
  name: string,
  text: unknown,
  encoded: unknown,
): string | Uint8Array | { readonly problem: string } {
  if ((text === undefined) === (encoded === undefined)) {
    return {
      problem:
        text === undefined
          ? `it has neither "${name}" nor "${name}_base64"`
          : `it has both "${name}" and "${name}_base64"`,
    };
  }
  if (text !== undefined) {
    if (typeof text !== 'string') return { problem: `"${name}" is no string` };
    if (!LONE_SURROGATE.test(text)) return text;
    return { problem: `"${name}" has half a surrogate pair, which no UTF-8 can hold` };
  }
  if (typeof encoded !== 'string') return { problem: `"${name}_base64" is no string` };
  const bytes = Buffer.from(encoded, 'base64');
  // Node's decoder skips what it does not know; the way back shows it.
  if (bytes.toString('base64') === encoded) return bytes;
  return { problem: `"${name}_base64" is no base64 with padding` };
}

function problemOfKey(key: string | Uint8Array): string | undefined {
  const bytes = typeof key === 'string' ? Buffer.byteLength(key) : key.length;
  if (bytes === 0) return 'its key is empty';
  return bytes > KEY_BYTES_MAX
    ? `its key has ${bytes} bytes; a key has at most ${KEY_BYTES_MAX}`
    : undefined;
}

function shown(name: string): string {
  return JSON.stringify(name.length > SHOWN_LENGTH ? `${name.slice(0, SHOWN_LENGTH)}...` : name);
}

function jsonText(bytes: Uint8Array): string {
  return JSON.stringify(asBuffer(bytes).toString('utf8'));
}

function base64(bytes: Uint8Array): string {
  return asBuffer(bytes).toString('base64');
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
