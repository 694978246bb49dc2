/**
 * Plain data for JSON: what JSON.stringify alone would refuse, lose or misprint. Bytes become base64,
 * with a sibling `NAME_utf8` when they are printable text; bigints become strings; a Map with
 * string keys becomes an object, any other a list of pairs; a Set becomes a list.
 */
import { printableText } from './key-format.js';

/** A copy of `value` that JSON.stringify prints without loss. Requires no cycles. */
export function toPlain(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return base64Of(value);
  if (value instanceof Map) return plainMap(value);
  if (Array.isArray(value) || value instanceof Set) return Array.from(value, toPlain);
  if (value instanceof Date) return value.toISOString();
  return plainObject(Object.entries(value));
}

function plainMap(map: ReadonlyMap<unknown, unknown>): unknown {
  const entries = [...map];
  return entries.every((entry): entry is [string, unknown] => typeof entry[0] === 'string')
    ? plainObject(entries)
    : entries.map(([key, value]) => [toPlain(key), toPlain(value)]);
}

function plainObject(entries: Iterable<[string, unknown]>): Record<string, unknown> {
  const plain: Record<string, unknown> = {};
  for (const [name, value] of entries) {
    plain[name] = toPlain(value);
    if (!(value instanceof Uint8Array)) continue;
    const text = printableText(value);
    if (text !== undefined) plain[`${name}_utf8`] = text;
  }
  return plain;
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
