/** A table as a sorted array, and helpers to build the real one from it. */
import { compareArrays } from '../../../src/base/bytes.js';
import type { Prng } from '../../../src/base/prng.js';
import { BlockCache } from '../../../src/engine/cache/block-cache.js';
import { KIND_DELETE, KIND_PUT, KIND_VALUE_POINTER } from '../../../src/engine/entry.js';
import type { EntryCursor } from '../../../src/engine/iterators/entry-cursor.js';
import { encodeKey, FAMILY_DEFAULT } from '../../../src/engine/key.js';
import { TableBuilder, type TableBuilderOptions } from '../../../src/engine/sst/table-builder.js';
import { TableReader, type TableReaderOptions } from '../../../src/engine/sst/table-reader.js';
import type { TableMeta } from '../../../src/engine/table-meta.js';
import { encodeValuePointer } from '../../../src/engine/vlog/value-pointer.js';
import { TinyFile, tinyFs } from './tiny-fs.js';

export interface ModelEntry {
  key: Uint8Array;
  version: number;
  seq: number;
  kind: number;
  expiresAt: number;
  value: Uint8Array;
}

export const PATH = '00007.sst';
export const OPTIONS: TableBuilderOptions = {
  fileNumber: 7,
  identity: '0123456789abcdef',
  createdMs: 1_700_000,
};

export function compareEntries(a: ModelEntry, b: ModelEntry): number {
  return compareArrays(a.key, b.key) || b.version - a.version || b.seq - a.seq;
}

/** Encoded key of a short random user key out of few bytes, so that prefixes and neighbours abound. */
export function randomKey(random: Prng): Uint8Array {
  const key = new Uint8Array(1 + random.below(5));
  for (let i = 0; i < key.length; i++)
    key[i] = [0, 1, 2, 0x61, 0x62, 0xff][random.below(6)] as number;
  return encodeKey(FAMILY_DEFAULT, key);
}

/** Random entries in internal order; `versionsMax` of one key, values up to `valueMax` bytes. */
export function randomEntries(
  random: Prng,
  count: number,
  versionsMax: number,
  valueMax: number,
): ModelEntry[] {
  const unique = new Map<string, ModelEntry>();
  while (unique.size < count) {
    const key = randomKey(random);
    for (let i = 1 + random.below(versionsMax); i > 0; i--) {
      const seq = random.chance(1, 20) ? 2 ** 40 + random.below(1000) : 1 + random.below(5000);
      const version = random.chance(1, 2) ? seq : 1 + random.below(5000);
      const kind = 1 + random.below(3);
      let value = new Uint8Array(kind === KIND_DELETE ? 0 : random.below(valueMax + 1));
      random.fill(value);
      if (kind === KIND_VALUE_POINTER) {
        value = new Uint8Array(12);
        encodeValuePointer(value, 0, 1 + random.below(3), random.below(100_000), 100);
      }
      const expiresAt = random.chance(1, 4) ? 1 + random.below(2 ** 31) * 1000 : 0;
      unique.set(`${key.join()}/${version}/${seq}`, { key, version, seq, kind, expiresAt, value });
    }
  }
  return [...unique.values()].sort(compareEntries);
}

export function put(key: Uint8Array, seq: number, value: Uint8Array, version = seq): ModelEntry {
  return { key, version, seq, kind: KIND_PUT, expiresAt: 0, value };
}

export function addAll(builder: TableBuilder, entries: readonly ModelEntry[]): void {
  for (const e of entries) {
    builder.add(
      e.key,
      0,
      e.key.length,
      e.version,
      e.seq,
      e.kind,
      e.expiresAt,
      e.value,
      0,
      e.value.length,
    );
  }
}

export interface Built {
  meta: TableMeta;
  content: Uint8Array;
}

export function build(
  entries: readonly ModelEntry[],
  options: Partial<TableBuilderOptions> = {},
): Built {
  const file = new TinyFile(PATH);
  const builder = new TableBuilder(file, { ...OPTIONS, ...options });
  addAll(builder, entries);
  const meta = builder.finish();
  return { meta, content: file.content };
}

export function openBuilt(
  built: Built,
  cache: BlockCache = new BlockCache(4 << 20),
  options: TableReaderOptions = {},
): TableReader {
  return TableReader.open(
    tinyFs(new Map([[PATH, built.content]])),
    PATH,
    built.meta,
    cache,
    options,
  );
}

/** The cursor's current entry, copied. */
export function entryOf(cursor: EntryCursor): ModelEntry | undefined {
  if (!cursor.valid) return undefined;
  return {
    key: cursor.keyBytes.slice(cursor.keyStart, cursor.keyStart + cursor.keyLength),
    version: cursor.version,
    seq: cursor.seq,
    kind: cursor.kind,
    expiresAt: cursor.expiresAt,
    value: cursor.valueBytes.slice(cursor.valueStart, cursor.valueStart + cursor.valueLength),
  };
}

/** Index of the first model entry with key >= target. */
export function lowerBound(entries: readonly ModelEntry[], target: Uint8Array): number {
  const at = entries.findIndex((e) => compareArrays(e.key, target) >= 0);
  return at < 0 ? entries.length : at;
}

/** What `get` must find. */
export function modelGet(
  entries: readonly ModelEntry[],
  key: Uint8Array,
  seqMax: number,
  versionMax: number,
): ModelEntry | undefined {
  return entries.find(
    (e) => compareArrays(e.key, key) === 0 && e.seq <= seqMax && e.version <= versionMax,
  );
}
