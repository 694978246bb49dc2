/** The findings of an inspection as lines for people. The data comes from the engine, as plain data. */
import { formatKey, formatRange, type KeyFormat, type ShownRange } from './key-format.js';

/** See engine/inspect/findings.ts. */
export interface ShownFinding {
  readonly kind: string;
  readonly file: string;
  readonly offset: number;
  readonly what: string;
  readonly key_range?: ShownRange;
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
    const isOne =
      range.lower_family === undefined && Buffer.compare(range.lower, range.upper) === 0;
    const keys = isOne
      ? `key ${formatKey(range.lower, keyFormat, isTerminal)}`
      : `keys ${formatRange(range, keyFormat, isTerminal)}`;
    return `${kind.padEnd(7)} ${place}: ${what}, ${keys}`;
  });
}
