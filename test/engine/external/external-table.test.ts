/** External tables as the table reader sees them: numbers with a base, and what verification finds. */
import { describe, expect, it } from 'vitest';
import { BlockCache } from '../../../src/engine/cache/block-cache.js';
import { KIND_PUT, KIND_VALUE_POINTER } from '../../../src/engine/entry.js';
import { encodeKey, FAMILY_DEFAULT, KeyBuffer } from '../../../src/engine/key.js';
import { type ExternalFacts, FactCounter } from '../../../src/engine/sst/external-facts.js';
import { LookupResult } from '../../../src/engine/sst/lookup-result.js';
import { TableBuilder } from '../../../src/engine/sst/table-builder.js';
import { TableReader } from '../../../src/engine/sst/table-reader.js';
import type { TableMeta } from '../../../src/engine/table-meta.js';
import type { MemFs } from '../../../src/env/mem-fs.js';
import { createSimEnv } from '../../../src/env/sim-env.js';

const PATH = '/t.sst';
const IDENTITY = '0123456789abcdef';

interface Row {
  readonly key: string;
  readonly version: number;
  readonly seq: number;
  readonly kind?: number;
}

const ROWS: readonly Row[] = [
  { key: 'a', version: 2, seq: 2 },
  { key: 'b', version: 50, seq: 2 },
  { key: 'b', version: 7, seq: 2 },
];

function write(
  rows: readonly Row[],
  external?: () => ExternalFacts,
): { fs: MemFs; meta: TableMeta } {
  const { fs } = createSimEnv(1);
  const file = fs.open(PATH, 'create');
  const builder = new TableBuilder(file, {
    fileNumber: external === undefined ? 9 : 0,
    identity: IDENTITY,
    createdMs: 0,
    external,
  });
  for (const { key, version, seq, kind = KIND_PUT } of rows) {
    const bytes = encodeKey(FAMILY_DEFAULT, key);
    const value = new Uint8Array(kind === KIND_VALUE_POINTER ? 12 : 1);
    builder.add(bytes, 0, bytes.length, version, seq, kind, 0, value, 0, value.length);
  }
  if (external !== undefined) {
    builder.addRangeTombstone(encodeKey(FAMILY_DEFAULT, 'c'), encodeKey(FAMILY_DEFAULT, 'd'), 1, 1);
  }
  const meta = builder.finish();
  file.close();
  return { fs, meta };
}

function factsOf(rows: readonly Row[]): () => ExternalFacts {
  const counter = new FactCounter();
  for (const { version, seq } of rows) counter.noteStored(version, seq);
  counter.noteStored(1, 1);
  return () => counter.facts();
}

const inTree = (meta: TableMeta, seqBase: number): TableMeta => ({
  ...meta,
  fileNumber: 9,
  minSeq: meta.minSeq + seqBase,
  maxSeq: meta.maxSeq + seqBase,
  maxVersion: 1000,
  seqBase,
});

const open = (fs: MemFs, meta: TableMeta): TableReader =>
  TableReader.open(fs, PATH, meta, new BlockCache(1 << 20));

describe('an external table', () => {
  it('shows its entries with their numbers from the base on', () => {
    const { fs, meta } = write(ROWS, factsOf(ROWS));
    const table = open(fs, inTree(meta, 100));
    const cursor = table.newCursor();
    const seen: number[][] = [];
    for (cursor.first(); cursor.valid; cursor.next()) seen.push([cursor.version, cursor.seq]);
    expect(seen).toEqual([
      [102, 102],
      [50, 102],
      [7, 102],
    ]);
    cursor.close();
    expect(table.rangeTombstones()).toMatchObject([{ version: 101, seq: 101 }]);
    expect(table.verify()).toEqual([]);
    const out = new LookupResult();
    const key = new KeyBuffer();
    const found = (name: string, seqMax: number, versionMax: number): number | undefined => {
      key.encode(FAMILY_DEFAULT, name);
      return table.get(key, seqMax, versionMax, out) ? out.version : undefined;
    };
    expect(found('a', 102, 102)).toBe(102);
    expect(found('a', 101, 102)).toBeUndefined();
    expect(found('a', 102, 101)).toBeUndefined();
    expect(found('b', 102, 49)).toBe(7);
    expect(out.seq).toBe(102);
    table.close();
  });

  it('is told from an ordinary one, by the manifest and by itself', () => {
    const external = write(ROWS, factsOf(ROWS));
    expect(() => open(external.fs, { ...external.meta, fileNumber: 9 })).toThrow(
      'table kind differs',
    );
    const ordinary = write(ROWS);
    expect(() => open(ordinary.fs, inTree(ordinary.meta, 0))).toThrow('table kind differs');
    expect(() =>
      open(external.fs, { ...inTree(external.meta, 1), identity: '1123456789abcdef' }),
    ).toThrow('identity differs');
  });

  it('is found out by verification when its properties lie, or it holds a value pointer', () => {
    const lies = write(ROWS, () => ({ maxOrdinarySeq: 2, managed: null }));
    const table = TableReader.openAlone(lies.fs, PATH, new BlockCache(0));
    expect(table.verify().map(({ message }) => message)).toEqual([
      expect.stringContaining('numbers differ from the table properties'),
    ]);
    table.close();
    const rows = [{ key: 'a', version: 2, seq: 2, kind: KIND_VALUE_POINTER }];
    const pointing = write(rows, factsOf(rows));
    const second = TableReader.openAlone(pointing.fs, PATH, new BlockCache(0));
    expect(second.verify()[0]?.message).toContain('has a value pointer');
    second.close();
  });
});
