/**
 * Micro benchmark of reading ahead in table cursors: `npx tsx scripts/micro/readahead.ts`. Walks over one table by reads of
 * a block, of 16 KiB growing up to 64 KiB (what db.scan does) and up to 256 KiB (what jobs and iterators do), in turns, with
 * the file in the page cache and, where `dd` can drop it, without. Prints rows per second, medians; and microseconds of short
 * walks from random keys on. Nothing is kept in the block cache.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Prng } from '../../src/base/prng.js';
import { BlockCache } from '../../src/engine/cache/block-cache.js';
import { KIND_PUT } from '../../src/engine/entry.js';
import { encodeKey, FAMILY_DEFAULT } from '../../src/engine/key.js';
import { TableBuilder } from '../../src/engine/sst/table-builder.js';
import { TableReader } from '../../src/engine/sst/table-reader.js';
import { NodeFs } from '../../src/env/node-fs.js';

const ROUNDS = 7;
const TABLE_BYTES = 64 << 20;
const SHORT_WALKS = 2000;
const READAHEADS = [0, 64 << 10, 256 << 10] as const;

const keyOf = (n: number): Uint8Array =>
  encodeKey(FAMILY_DEFAULT, `user${String(n).padStart(12, '0')}`);
const median = (figures: readonly number[]): number =>
  [...figures].sort((a, b) => a - b)[figures.length >> 1] as number;

/** Drops a file's pages; false where that is not possible. */
function dropPages(path: string): boolean {
  try {
    const args = [`if=${path}`, 'iflag=nocache', 'count=0'];
    execFileSync('dd', args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function walk(reader: TableReader, readaheadBytes: number): number {
  const cursor = reader.newCursor({ readaheadBytes, fillCache: false });
  let rows = 0;
  for (cursor.first(); cursor.valid; cursor.next()) rows++;
  cursor.close();
  return rows;
}

function shortWalk(reader: TableReader, readaheadBytes: number, from: number, rows: number): void {
  const cursor = reader.newCursor({ readaheadBytes, fillCache: false });
  const key = keyOf(from);
  cursor.seek(key, 0, key.length);
  for (let i = 1; i < rows && cursor.valid; i++) cursor.next();
  cursor.close();
}

const directory = mkdtempSync(join(tmpdir(), 'nokv-readahead-'));
const fs = new NodeFs();
const random = new Prng(1);

function measure(valueBytes: number): void {
  const path = join(directory, `${valueBytes}.sst`);
  const file = fs.open(path, 'create');
  const options = { fileNumber: 1, identity: '00112233445566aa', createdMs: 0 };
  const builder = new TableBuilder(file, options);
  const value = new Uint8Array(valueBytes);
  const count = Math.floor(TABLE_BYTES / (valueBytes + 24));
  for (let i = 0; i < count; i++) {
    const key = keyOf(i);
    builder.add(key, 0, key.length, i + 1, i + 1, KIND_PUT, 0, value, 0, value.length);
  }
  const meta = builder.finish();
  file.syncBlocking();
  file.close();
  const reader = TableReader.open(fs, path, meta, new BlockCache(0));
  for (const isCold of [false, true]) {
    const figures = READAHEADS.map((): number[] => []);
    for (let round = 0; round < ROUNDS; round++) {
      READAHEADS.forEach((_, turn) => {
        const which = (turn + round) % READAHEADS.length;
        if (isCold && !dropPages(path)) return;
        const start = performance.now();
        const rows = walk(reader, READAHEADS[which] as number);
        figures[which]?.push(rows / ((performance.now() - start) / 1000));
      });
    }
    const cells = figures.map((all) => `${(median(all) / 1e6).toFixed(2).padStart(6)} M rows/s`);
    console.log(`${valueBytes} B values, ${isCold ? 'cold' : 'warm'}  ${cells.join('  ')}`);
  }
  for (const rows of [1, 20, 200]) {
    const figures = READAHEADS.map((): number[] => []);
    for (let round = 0; round < ROUNDS; round++) {
      READAHEADS.forEach((readahead, which) => {
        const start = performance.now();
        for (let i = 0; i < SHORT_WALKS; i++)
          shortWalk(reader, readahead, random.below(count), rows);
        figures[which]?.push(((performance.now() - start) * 1000) / SHORT_WALKS);
      });
    }
    const cells = figures.map((all) => `${median(all).toFixed(2).padStart(6)} us      `);
    console.log(`${valueBytes} B values, ${rows} rows`.padEnd(20), cells.join('  '));
  }
  reader.close();
}

console.log(
  `readahead           ${READAHEADS.map((bytes) => `${bytes / 1024} KiB`.padStart(15)).join('  ')}`,
);
for (const valueBytes of [100, 1000]) measure(valueBytes);
rmSync(directory, { recursive: true });
