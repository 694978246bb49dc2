/**
 * Micro benchmark of tables: building, gets that hit the cache, gets that the filter stops, cursor walks.
 * 60,000 entries with values of 1 KB, the table cached whole. Run: npx tsx scripts/micro/sst.ts
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Prng } from '../../src/base/prng.js';
import { BlockCache } from '../../src/engine/cache/block-cache.js';
import { KIND_PUT } from '../../src/engine/entry.js';
import { FAMILY_DEFAULT, KeyBuffer } from '../../src/engine/key.js';
import { LookupResult } from '../../src/engine/sst/lookup-result.js';
import { TableBuilder } from '../../src/engine/sst/table-builder.js';
import { TableReader } from '../../src/engine/sst/table-reader.js';
import type { TableMeta } from '../../src/engine/table-meta.js';
import { NodeFs } from '../../src/env/node-fs.js';

const nodeFs = new NodeFs();
const ENTRIES = 60_000;
const VALUE_BYTES = 1000;
const ROUNDS = 5;
const MAX = Number.MAX_SAFE_INTEGER;

const directory = mkdtempSync(join(tmpdir(), 'nokv-micro-'));
const path = join(directory, '00001.sst');
const names = Array.from(
  { length: ENTRIES },
  (_, i) => `user${String(i * 7919).padStart(12, '0')}`,
);
const absent = names.map((name) => `${name.slice(0, -1)}x`);
const order = Uint32Array.from({ length: 2 * ENTRIES }, () => 0);
const random = new Prng(1);
for (let i = 0; i < order.length; i++) order[i] = random.below(ENTRIES);

function report(what: string, operations: number, run: () => void, bytes = 0): void {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    run();
    times.push(performance.now() - start);
  }
  const best = Math.min(...times);
  const median = times.sort((a, b) => a - b)[ROUNDS >> 1] as number;
  const rate = bytes === 0 ? '' : `  ${(bytes / 1e3 / median).toFixed(0)} MB/s`;
  const perCall = (ms: number): string => `${((ms * 1e6) / operations).toFixed(0)} ns`;
  process.stdout.write(
    `${what.padEnd(28)} median ${perCall(median)}  best ${perCall(best)}${rate}\n`,
  );
}

let meta: TableMeta | undefined;
function buildTable(): void {
  rmSync(path, { force: true });
  const file = nodeFs.open(path, 'create');
  const builder = new TableBuilder(file, {
    fileNumber: 1,
    identity: '0123456789abcdef',
    createdMs: 0,
  });
  const key = new KeyBuffer();
  const values = new Uint8Array(8 << 20);
  random.fill(values);
  for (let i = 0; i < ENTRIES; i++) {
    key.encode(FAMILY_DEFAULT, names[i] as string);
    const at = (i * VALUE_BYTES) % (values.length - VALUE_BYTES);
    builder.add(key.bytes, 0, key.length, i + 1, i + 1, KIND_PUT, 0, values, at, VALUE_BYTES);
  }
  meta = builder.finish();
  file.close();
}

report('build, per entry', ENTRIES, buildTable, ENTRIES * VALUE_BYTES);
const cache = new BlockCache(128 << 20);
const reader = TableReader.open(nodeFs, path, meta as TableMeta, cache);
const key = new KeyBuffer();
const out = new LookupResult();

function getAll(from: readonly string[], isThere: boolean): void {
  let found = 0;
  for (let i = 0; i < order.length; i++) {
    key.encode(FAMILY_DEFAULT, from[order[i] as number] as string);
    if (reader.get(key, MAX, MAX, out)) found++;
  }
  if (isThere && found !== order.length) throw new Error('a key is missing');
}

getAll(names, true);
report('get, block cached', order.length, () => getAll(names, true));
report('get, stopped by the filter', order.length, () => getAll(absent, false));
report('key encoding alone', order.length, () => {
  for (let i = 0; i < order.length; i++)
    key.encode(FAMILY_DEFAULT, names[order[i] as number] as string);
});

function walk(source: TableReader, isForward: boolean): void {
  const cursor = source.newCursor({ fillCache: false });
  let count = 0;
  if (isForward) for (cursor.first(); cursor.valid; cursor.next()) count++;
  else for (cursor.last(); cursor.valid; cursor.prev()) count++;
  cursor.close();
  if (count !== ENTRIES) throw new Error('entries are missing');
}

report('cursor next, cached', ENTRIES, () => walk(reader, true));
report('cursor prev, cached', ENTRIES, () => walk(reader, false));
const uncached = TableReader.open(nodeFs, path, meta as TableMeta, new BlockCache(0));
report('cursor next, read ahead', ENTRIES, () => walk(uncached, true));
report('seek + 10 next, cached', 6000, () => {
  for (let i = 0; i < 6000; i++) {
    const cursor = reader.newCursor();
    key.encode(FAMILY_DEFAULT, names[order[i] as number] as string);
    cursor.seek(key.bytes, 0, key.length);
    for (let n = 0; n < 10 && cursor.valid; n++) cursor.next();
    cursor.close();
  }
});
process.stdout.write(`index and filter: ${reader.indexBytes} bytes, ${reader.blockCount} blocks\n`);
reader.close();
uncached.close();
rmSync(directory, { recursive: true });
