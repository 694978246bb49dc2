/** One stored entry as a line: "put default key @seq = value". */
import { formatKey, formatText, type KeyFormat } from './key-format.js';

/** See engine/inspect/stored-entry.ts. */
export interface ShownEntry {
  readonly family: string;
  readonly key: Uint8Array;
  readonly kind: string;
  readonly seq: number;
  readonly version: number;
  readonly expires_at_ms: number | null;
  readonly value?: Uint8Array;
  readonly value_bytes?: number;
  readonly pointer?: { readonly fid: number; readonly offset: number; readonly bytes: number };
  readonly end?: Uint8Array;
}

export interface EntryFormat {
  readonly key: KeyFormat;
  readonly value: KeyFormat;
  readonly isTerminal: boolean;
}

export function entryLine(entry: ShownEntry, format: EntryFormat): string {
  const { key: keyFormat, value: valueFormat, isTerminal } = format;
  const key = formatKey(entry.key, keyFormat, isTerminal);
  const version = entry.version === entry.seq ? '' : ` v${entry.version}`;
  const expiry =
    entry.expires_at_ms === null ? '' : ` expires ${new Date(entry.expires_at_ms).toISOString()}`;
  const head = `${entry.kind} ${entry.family} ${key}`;
  return `${head}${tailOf()} @${entry.seq}${version}${expiry}${valueOf()}`;

  function tailOf(): string {
    return entry.end === undefined ? '' : ` .. ${formatKey(entry.end, keyFormat, isTerminal)}`;
  }

  function valueOf(): string {
    const { value, pointer, value_bytes: bytes } = entry;
    if (value !== undefined) return ` = ${formatText(value, valueFormat, isTerminal)}`;
    if (pointer !== undefined) {
      return ` -> value log ${pointer.fid} at ${pointer.offset}, ${pointer.bytes} bytes`;
    }
    return bytes === undefined ? '' : ` (${bytes} bytes)`;
  }
}
