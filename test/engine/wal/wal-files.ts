/** Builds small write-ahead log segments for the tests, and reads them back as plain rows. */
import { viewOf } from '../../../src/base/codec.js';
import {
  entryBytes,
  entryExpiresAt,
  entryKeyLength,
  entryKeyStart,
  entryKind,
  entrySeq,
  entryValueLength,
  entryValueStart,
  entryVersion,
  KIND_PUT,
  putEntryHeader,
} from '../../../src/engine/entry.js';
import { encodeKey, FAMILY_DEFAULT } from '../../../src/engine/key.js';
import { type LogHeaderInit, RECORD_HEADER_BYTES } from '../../../src/engine/record-log.js';
import {
  loadWal,
  replayWal,
  type WalContext,
  type WalReplay,
} from '../../../src/engine/wal/reader.js';
import type { WalWriter } from '../../../src/engine/wal/writer.js';

export const WAL_PATH = 'w/00009.wal';
export const WAL_INIT: LogHeaderInit = {
  fileNumber: 9,
  identity: '00112233445566aa',
  bootId: 'boot-a',
  continues: { fileNumber: 1, bytes: 300, chain: 77 },
};

export interface Row {
  key: string;
  value: string;
  seq: number;
  version?: number;
  expiresAt?: number;
  kind?: number;
}

/** Appends one batch as the write queue does: 20 free bytes, the count, the entries. */
export function appendBatch(wal: WalWriter, rows: readonly Row[]): void {
  const arena = new Uint8Array(new SharedArrayBuffer(1 << 14));
  const view = viewOf(arena);
  const start = 8;
  let at = start + RECORD_HEADER_BYTES;
  view.setUint32(at, rows.length, true);
  at += 4;
  for (const row of rows) {
    const key = encodeKey(FAMILY_DEFAULT, row.key);
    const value = new TextEncoder().encode(row.value);
    const version = row.version ?? row.seq;
    at = putEntryHeader(
      view,
      at,
      row.kind ?? KIND_PUT,
      key.length,
      value.length,
      row.seq,
      version,
      row.expiresAt ?? 0,
    );
    arena.set(key, at);
    arena.set(value, at + key.length);
    at += key.length + value.length;
  }
  wal.append(arena, view, start, at - start - RECORD_HEADER_BYTES, 1);
}

export interface Read {
  rows: string[];
  replay: WalReplay;
}

/** Everything a recovery would put into the memtable. */
export function readRows(
  fs: Parameters<typeof loadWal>[0],
  context: WalContext,
  wasSynced = false,
): Read {
  const loaded = loadWal(fs, WAL_PATH, 9, wasSynced, (bytes) => new Uint8Array(bytes));
  const rows: string[] = [];
  const text = new TextDecoder();
  const replay = replayWal(loaded, context, {
    entry(view, at) {
      const part = (start: number, length: number): string =>
        text.decode(loaded.bytes.slice(start, start + length)).replaceAll('\u0000', '.');
      rows.push(
        `${entryKind(view, at)} ${part(entryKeyStart(view, at), entryKeyLength(view, at))}=` +
          `${part(entryValueStart(view, at), entryValueLength(view, at))} ` +
          `${entrySeq(view, at)}@${entryVersion(view, at)} x${entryExpiresAt(view, at)} ${entryBytes(view, at)}`,
      );
    },
    other(type, start, length) {
      rows.push(`other ${type} ${start} ${length}`);
    },
  });
  return { rows, replay };
}
