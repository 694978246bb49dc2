/**
 * Text as Go's fmt package and its protocol buffers print it, where log lines and descriptions of
 * etcd's raft contain it: quoted bytes, and members of a group.
 */
import type { ConfState } from './state.js';

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
};

/** Letters, marks, numbers, punctuation, symbols, and the ASCII space. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/** Bytes as the verb %q prints them: UTF-8 where it is printable, escapes elsewhere. */
export function quoteBytes(bytes: Uint8Array): string {
  let text = '"';
  for (let at = 0; at < bytes.length;) {
    const length = runeLength(bytes, at);
    if (length === 0) {
      text += `\\x${hexDigits(bytes[at] as number, 2)}`;
      at++;
      continue;
    }
    const rune = UTF8.decode(bytes.subarray(at, at + length));
    at += length;
    text += ESCAPES[rune] ?? (PRINTABLE.test(rune) ? rune : escapeRune(rune));
  }
  return `${text}"`;
}

// A byte order mark is a character like any other.
const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });

function escapeRune(rune: string): string {
  const code = rune.codePointAt(0) ?? 0;
  if (code < 0x20 || code === 0x7f) return `\\x${hexDigits(code, 2)}`;
  return code < 0x10000 ? `\\u${hexDigits(code, 4)}` : `\\U${hexDigits(code, 8)}`;
}

/** Bytes of the well-formed UTF-8 sequence at `at`; 0 when there is none. */
function runeLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] as number;
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > bytes.length) return 0;
  for (let i = 1; i < length; i++) {
    if (((bytes[at + i] as number) & 0xc0) !== 0x80) return 0;
  }
  const second = bytes[at + 1] as number;
  // Overlong forms, surrogates, and what is above U+10FFFF.
  if (first === 0xe0 && second < 0xa0) return 0;
  if (first === 0xed && second > 0x9f) return 0;
  if (first === 0xf0 && second < 0x90) return 0;
  if (first === 0xf4 && second > 0x8f) return 0;
  return length;
}

function hexDigits(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

/** Numbers as the verb %v prints a slice of them. */
export function listText(values: Iterable<number>): string {
  return `[${Array.from(values).join(' ')}]`;
}

/** Members of a group in the text format of protocol buffers. */
export function confStateText(state: ConfState): string {
  const fields = (name: string, ids: readonly number[]): string[] =>
    ids.map((id) => `${name}:${id}`);
  return [
    ...fields('voters', state.voters),
    ...fields('learners', state.learners),
    ...fields('voters_outgoing', state.votersOutgoing),
    ...fields('learners_next', state.learnersNext),
    `auto_leave:${state.autoLeave}`,
  ].join(' ');
}
