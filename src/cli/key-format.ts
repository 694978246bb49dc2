/**
 * Keys and values as text, both ways. Control bytes never reach a terminal raw: a key could move the
 * cursor, or change the title of the window.
 *
 * As input, no text has U+FFFD: what stood there is not known any more.
 *
 *   auto     printable UTF-8 as it is, anything else escaped; as input, the text itself. In keys a backslash is doubled:
 *            what is printed of a key is one key only, and is read back as `escaped`
 *   utf8     the text; on a terminal its control characters are escaped
 *   hex      two digits a byte
 *   base64   with padding
 *   escaped  printable ASCII, \n \r \t \0 \\ and \xNN
 */
import { isUtf8 } from 'node:buffer';
import { NokvError } from '../base/errors.js';
import { KEY_BYTES_MAX, KEY_BYTES_MIN } from '../base/limits.js';

export const KEY_FORMATS = ['auto', 'utf8', 'hex', 'base64', 'escaped'] as const;
export type KeyFormat = (typeof KEY_FORMATS)[number];

const BACKSLASH = 0x5c;
/** What a decoder of UTF-8 puts in the place of bytes that are none. */
const REPLACEMENT = '\uFFFD';
const ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, '0': 0, '\\': BACKSLASH };
/** What stands behind the backslash, as codes. */
const LETTER_OF_BYTE: Readonly<Record<number, number>> = {
  0: 0x30,
  9: 0x74,
  10: 0x6e,
  13: 0x72,
  [BACKSLASH]: BACKSLASH,
};
const LETTER_X = 0x78;
/** An escape of one byte: \xNN. */
const ESCAPED_BYTES_MAX = 4;
/** Bytes that become one piece of text: a multiple of three, for base64. */
const PIECE_BYTES = 48 * 1024;

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
  let text = '';
  for (const piece of formatPieces(bytes, format, isTerminal)) text += piece;
  return text;
}

/** The same in pieces: the text of a large value may be longer than a string can be. */
export function* formatPieces(
  bytes: Uint8Array,
  format: KeyFormat,
  isTerminal: boolean,
): Generator<string, void, void> {
  switch (format) {
    case 'auto':
      yield* isPrintable(bytes) ? decodedPieces(bytes) : escapedPieces(bytes);
      break;
    case 'utf8':
      for (const text of decodedPieces(bytes)) yield isTerminal ? escapeUnprintable(text) : text;
      break;
    case 'hex':
    case 'base64':
      for (const piece of slices(bytes)) yield asBuffer(piece).toString(format);
      break;
    case 'escaped':
      yield* escapedPieces(bytes);
  }
}

/** Text of a key: formatText, and no two keys look alike in `auto`. */
export function formatKey(bytes: Uint8Array, format: KeyFormat, isTerminal: boolean): string {
  if (format !== 'auto') return formatText(bytes, format, isTerminal);
  const text = printableText(bytes);
  const isReadBack = text !== undefined && !text.includes(REPLACEMENT);
  return isReadBack ? text.replaceAll('\\', '\\\\') : formatText(bytes, 'escaped', isTerminal);
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
      checkDecoded(text);
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
      checkDecoded(text);
      return unescapeText(text);
  }
}

/**
 * Arguments reach a process of Node as text: of bytes that are no UTF-8, only U+FFFD is left, the same for all of them.
 * @throws NokvError NOKV_INVALID when there is one
 */
function checkDecoded(text: string): void {
  if (!text.includes(REPLACEMENT)) return;
  throw new NokvError(
    'NOKV_INVALID',
    `Cannot use "${text}": it has bytes that are no UTF-8, or U+FFFD`,
    {
      hint: 'Give its bytes by --key-format hex, or --value-format hex',
      details: { text },
    },
  );
}

function* slices(bytes: Uint8Array): Generator<Uint8Array, void, void> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}

function* escapedPieces(bytes: Uint8Array): Generator<string, void, void> {
  for (const piece of slices(bytes)) yield escapeBytes(piece);
}

/** No piece ends within a character. What is no UTF-8 becomes U+FFFD. */
function* decodedPieces(bytes: Uint8Array): Generator<string, void, void> {
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  for (const piece of slices(bytes)) yield decoder.decode(piece, { stream: true });
  yield decoder.decode();
}

function isPrintable(bytes: Uint8Array): boolean {
  if (!isUtf8(bytes)) return false;
  for (const text of decodedPieces(bytes)) if (UNPRINTABLE.test(text)) return false;
  return true;
}

/** Requires PIECE_BYTES at most. */
function escapeBytes(bytes: Uint8Array): string {
  // A string that grows byte by byte takes some forty bytes of memory for each of them.
  const text = Buffer.allocUnsafe(ESCAPED_BYTES_MAX * bytes.length);
  let at = 0;
  for (const byte of bytes) {
    if (byte >= 0x20 && byte < 0x7f && byte !== BACKSLASH) {
      text[at++] = byte;
      continue;
    }
    text[at++] = BACKSLASH;
    const letter = LETTER_OF_BYTE[byte];
    if (letter === undefined) {
      text[at++] = LETTER_X;
      text[at++] = hexDigit(byte >> 4);
      text[at++] = hexDigit(byte & 0xf);
    } else {
      text[at++] = letter;
    }
  }
  return text.toString('latin1', 0, at);
}

/** The code of the digit. */
function hexDigit(digit: number): number {
  return digit < 10 ? 0x30 + digit : 0x61 - 10 + digit;
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
