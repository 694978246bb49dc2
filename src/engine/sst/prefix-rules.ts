/**
 * Which part of a key a table's filter holds beside the key itself, so that a scan within it can pass the table by: the
 * first bytes of the user key, or all up to the first delimiter. By rules, each for the keys with one prefix; at most
 * one of them fits a key, because no rule's prefix begins with that of another.
 *
 * Everything is in terms of encoded keys (key.ts): encoding maps prefixes to prefixes, so that the keys that share the
 * part of a key are those that begin with its encoded bytes. Pure.
 */
import { CorruptionError } from '../../base/errors.js';
import { KEY_TERMINATOR } from '../key.js';

/** One rule as plain data: in job specs, and in the properties of tables. */
export interface PlainPrefixRule {
  /** Encoded prefix, the family byte first, hexadecimal. */
  readonly prefix: string;
  /** User bytes of the part; 0: up to the delimiter. At least those of the prefix. */
  readonly length: number;
  /** A printable ASCII code, looked for behind the prefix; 0: none. */
  readonly delimiter: number;
}

interface Rule {
  readonly prefix: Uint8Array;
  readonly length: number;
  readonly delimiter: number;
}

/** The lead byte of an escaped pair, as key.ts has it. */
const ESCAPE = 0x01;

export class PrefixRules {
  readonly plain: readonly PlainPrefixRule[];
  /** The same for the same rules. */
  readonly text: string;
  readonly #rules: readonly Rule[];

  constructor(plain: readonly PlainPrefixRule[]) {
    this.plain = plain.map(({ prefix, length, delimiter }) => ({ prefix, length, delimiter }));
    this.text = JSON.stringify(this.plain);
    this.#rules = plain.map(({ prefix, length, delimiter }) => ({
      prefix: Uint8Array.from(Buffer.from(prefix, 'hex')),
      length,
      delimiter,
    }));
  }

  get isEmpty(): boolean {
    return this.#rules.length === 0;
  }

  /**
   * Length in bytes, from `start` on, of the part of an encoded key, or of what such keys begin with; 0 when it has none:
   * no rule is for it, or it is too short, or has no delimiter.
   */
  partLength(bytes: Uint8Array, start: number, length: number): number {
    for (const rule of this.#rules) {
      if (!beginsWith(bytes, start, length, rule.prefix)) continue;
      return rule.length > 0
        ? fixedLength(bytes, start, length, rule.length)
        : delimitedLength(bytes, start, length, rule);
    }
    return 0;
  }
}

/** Of tables that hold keys only. */
export const NO_PREFIX_RULES = new PrefixRules([]);

/** The rules that a table says it was written with. @throws CorruptionError when they can not be any */
export function prefixRulesOf(value: unknown, file: string, offset: number): PrefixRules {
  if (value === undefined) return NO_PREFIX_RULES;
  if (Array.isArray(value) && value.every(isPlainRule)) return new PrefixRules(value);
  throw new CorruptionError('table properties are malformed', { file, offset });
}

function isPlainRule(value: unknown): value is PlainPrefixRule {
  const rule = value as Partial<Record<keyof PlainPrefixRule, unknown>> | null;
  return (
    typeof rule === 'object' &&
    rule !== null &&
    typeof rule.prefix === 'string' &&
    /^([0-9a-f]{2})+$/.test(rule.prefix) &&
    Number.isSafeInteger(rule.length) &&
    Number.isSafeInteger(rule.delimiter) &&
    (rule.length as number) > 0 === (rule.delimiter === 0)
  );
}

function beginsWith(bytes: Uint8Array, start: number, length: number, prefix: Uint8Array): boolean {
  if (length < prefix.length) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[start + i] !== prefix[i]) return false;
  return true;
}

function fixedLength(bytes: Uint8Array, start: number, length: number, userBytes: number): number {
  const end = start + length;
  let at = start + 1;
  for (let left = userBytes; left > 0; left--) {
    if (at >= end || bytes[at] === KEY_TERMINATOR) return 0;
    at += bytes[at] === ESCAPE ? 2 : 1;
  }
  return at <= end ? at - start : 0;
}

function delimitedLength(bytes: Uint8Array, start: number, length: number, rule: Rule): number {
  const end = start + length;
  for (let at = start + rule.prefix.length; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === rule.delimiter) return at + 1 - start;
    if (byte === KEY_TERMINATOR) return 0;
    if (byte === ESCAPE) at++;
  }
  return 0;
}
