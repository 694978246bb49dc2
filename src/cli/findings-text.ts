/** The findings of an inspection as lines for people. The data comes from the engine, as plain data. */
import { formatKey, type KeyFormat } from './key-format.js';

/** See engine/inspect/findings.ts. */
export interface ShownFinding {
  readonly kind: string;
  readonly file: string;
  readonly offset: number;
  readonly what: string;
  readonly key_range?: { readonly lower: Uint8Array; readonly upper: Uint8Array };
}

/** "damage  00012.sst at 4096: block checksum mismatch, keys a .. k": one line per finding. */
export function findingLines(
  findings: readonly ShownFinding[],
  keyFormat: KeyFormat,
  isTerminal: boolean,
): string[] {
  return findings.map(({ kind, file, offset, what, key_range: range }) => {
    const place = offset === 0 ? file : `${file} at ${offset}`;
    if (range === undefined) return `${kind.padEnd(7)} ${place}: ${what}`;
    const lower = formatKey(range.lower, keyFormat, isTerminal);
    const upper = formatKey(range.upper, keyFormat, isTerminal);
    const keys = lower === upper ? `key ${lower}` : `keys ${lower} .. ${upper}`;
    return `${kind.padEnd(7)} ${place}: ${what}, ${keys}`;
  });
}
