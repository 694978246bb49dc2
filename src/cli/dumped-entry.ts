/** One stored entry as a line: "put default key @seq = value". */
import { formatTime } from './format.js';
import { formatKey, formatPieces, type KeyFormat } from './key-format.js';

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

/** What an entry takes in JSON besides its bytes, rounded up. */
const JSON_FIELDS_BYTES = 64;

/** The line in pieces: with a large value it may be longer than a string can be. */
export function* entryPieces(
  entry: ShownEntry,
  format: EntryFormat,
): Generator<string, void, void> {
  const { key: keyFormat, value: valueFormat, isTerminal } = format;
  const { value, pointer, value_bytes: bytes, expires_at_ms: expiryMs } = entry;
  const key = formatKey(entry.key, keyFormat, isTerminal);
  const end = entry.end === undefined ? '' : ` .. ${formatKey(entry.end, keyFormat, isTerminal)}`;
  const version = entry.version === entry.seq ? '' : ` v${entry.version}`;
  const expiry = expiryMs === null ? '' : ` expires ${formatTime(expiryMs)}`;
  yield `${entry.kind} ${entry.family} ${key}${end} @${entry.seq}${version}${expiry}`;
  if (value !== undefined) {
    yield ' = ';
    yield* formatPieces(value, valueFormat, isTerminal);
  } else if (pointer !== undefined) {
    yield ` -> value log ${pointer.fid} at ${pointer.offset}, ${pointer.bytes} bytes`;
  } else if (bytes !== undefined) {
    yield ` (${bytes} bytes)`;
  }
}

/** Bytes of an entry as checkJsonBytes counts them. */
export function jsonBytesOf({ key, value, end }: ShownEntry): number {
  return JSON_FIELDS_BYTES + key.length + (value?.length ?? 0) + (end?.length ?? 0);
}
