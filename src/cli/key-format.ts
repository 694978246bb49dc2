/**
 * Keys and values as text, both ways. Control bytes never reach a terminal raw: a key could move the
 * cursor, or change the title of the window.
 *
 *   auto     printable UTF-8 as it is, anything else escaped; as input, the text itself. In keys a backslash is doubled:
 *            what is printed of a key is one key only, and is read back as `escaped`
 *   utf8     the text; on a terminal its control characters are escaped
 *   hex      two digits a byte
 *   base64   with padding
 *   escaped  printable ASCII, \n \r \t \0 \\ and \xNN
 */
import { NokvError } from '../base/errors.js';
import { KEY_BYTES_MAX, KEY_BYTES_MIN } from '../base/limits.js';

export const KEY_FORMATS = ['auto', 'utf8', 'hex', 'base64', 'escaped'] as const;
export type KeyFormat = (typeof KEY_FORMATS)[number];

const BACKSLASH = 0x5c;
const ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, '0': 0, '\\': BACKSLASH };
const ESCAPE_OF_BYTE: Readonly<Record<number, string>> = {
  0: '\\0',
  9: '\\t',
  10: '\\n',
  13: '\\r',
  [BACKSLASH]: '\\\\',
};

/** Control, format, surrogate, unassigned and separator characters other than the space. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;
const UNPRINTABLE_ALL = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** The bytes as text when they are valid, printable UTF-8; undefined otherwise. */
export function printableText(bytes: Uint8Array): string | undefined {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
  return UNPRINTABLE.test(text) ? undefined : text;
}

/** Text of a value; formatKey is for keys. `isTerminal`: whether it goes to one, and not into a file or a pipe. */
export function formatText(bytes: Uint8Array, format: KeyFormat, isTerminal: boolean): string {
  switch (format) {
    case 'auto':
      return printableText(bytes) ?? escapeBytes(bytes);
    case 'utf8': {
      const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
      return isTerminal ? escapeUnprintable(text) : text;
    }
    case 'hex':
      return asBuffer(bytes).toString('hex');
    case 'base64':
      return asBuffer(bytes).toString('base64');
    case 'escaped':
      return escapeBytes(bytes);
  }
}

/** Text of a key: formatText, and no two keys look alike in `auto`. */
export function formatKey(bytes: Uint8Array, format: KeyFormat, isTerminal: boolean): string {
  const text = format === 'auto' ? printableText(bytes) : undefined;
  return text?.replaceAll('\\', '\\\\') ?? formatText(bytes, format, isTerminal);
}

/** See engine/inspect/findings.ts. */
export interface ShownRange {
  readonly lower: Uint8Array;
  readonly upper: Uint8Array;
  readonly lower_family?: string;
  readonly upper_family?: string;
}

/** "a .. k"; "default:k .. system:a" when it reaches from one column family into another. */
export function formatRange(range: ShownRange, format: KeyFormat, isTerminal: boolean): string {
  const family = (name: string | undefined): string => (name === undefined ? '' : `${name}:`);
  const lower = family(range.lower_family) + formatKey(range.lower, format, isTerminal);
  const upper = family(range.upper_family) + formatKey(range.upper, format, isTerminal);
  return `${lower} .. ${upper}`;
}

/** A key a user means: parseText within the bounds of a key. @throws NokvError NOKV_INVALID. */
export function parseKey(text: string, format: KeyFormat): Uint8Array {
  const key = parseText(text, format);
  if (key.length >= KEY_BYTES_MIN && key.length <= KEY_BYTES_MAX) return key;
  throw new NokvError('NOKV_INVALID', `Cannot use key: it has ${key.length} bytes`, {
    hint: `A key has ${KEY_BYTES_MIN} to ${KEY_BYTES_MAX} bytes`,
  });
}

/** The bytes a user means. @throws NokvError NOKV_INVALID when the text is not of that format. */
export function parseText(text: string, format: KeyFormat): Uint8Array {
  switch (format) {
    case 'auto':
    case 'utf8':
      return new TextEncoder().encode(text);
    case 'hex':
      if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) throw malformed(text, format);
      return new Uint8Array(Buffer.from(text, 'hex'));
    case 'base64': {
      const bytes = Buffer.from(text, 'base64');
      // Node's decoder skips what it does not know; the way back shows it.
      if (bytes.toString('base64') !== text) throw malformed(text, format);
      return new Uint8Array(bytes);
    }
    case 'escaped':
      return unescapeText(text);
  }
}

function escapeBytes(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    const isPlain = byte >= 0x20 && byte < 0x7f && byte !== BACKSLASH;
    text += isPlain ? String.fromCharCode(byte) : (ESCAPE_OF_BYTE[byte] ?? hexEscape(byte));
  }
  return text;
}

function hexEscape(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}

function escapeUnprintable(text: string): string {
  return text.replace(UNPRINTABLE_ALL, (character) =>
    escapeBytes(new TextEncoder().encode(character)),
  );
}

function unescapeText(text: string): Uint8Array {
  const parts: Uint8Array[] = [];
  const pattern = /\\(?:x([0-9a-fA-F]{2})|([nrt0\\]))|([^\\]+)/gy;
  let consumed = 0;
  for (const match of text.matchAll(pattern)) {
    const [whole, hex, letter, plain] = match;
    consumed += whole.length;
    if (plain !== undefined) parts.push(new TextEncoder().encode(plain));
    else if (hex !== undefined) parts.push(Uint8Array.of(parseInt(hex, 16)));
    else parts.push(Uint8Array.of(ESCAPES[letter ?? ''] ?? 0));
  }
  if (consumed !== text.length) throw malformed(text, 'escaped');
  return new Uint8Array(Buffer.concat(parts));
}

function malformed(text: string, format: KeyFormat): NokvError {
  return new NokvError('NOKV_INVALID', `Cannot read "${text}": it is not ${format}`, {
    hint: 'Correct it, or choose another --key-format or --value-format',
    details: { text, format },
  });
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
