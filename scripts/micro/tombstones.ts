/**
 * Micro benchmark of range tombstones: `npm run bench:micro -- tombstones`. A level of 40 tables with 500 range deletes each
 * and eight such tables in L0: what putting together costs, all of them as a large compaction does and those of L0 as the first read
 * after a flush does; and what a lookup costs.
 */
import { Prng } from '../../src/base/prng.js';
import { SEQ_MAX } from '../../src/base/limits.js';
import { FAMILY_DEFAULT, KeyBuffer } from '../../src/engine/key.js';
import {
  type RangeTombstone,
  RangeTombstones,
  type TombstoneSet,
} from '../../src/engine/range-tombstones.js';
import type { TableMeta } from '../../src/engine/table-meta.js';
import { OverlappingTables, TombstoneRun } from '../../src/engine/tombstone-run.js';

const TABLES = 40;
const PER_TABLE = 500;
const KEYS = TABLES * PER_TABLE * 10;
const LOOKUPS = 1_000_000;
const random = new Prng(1);

function keyAt(index: number): Uint8Array {
  const key = new KeyBuffer();
  key.encode(FAMILY_DEFAULT, `user${String(index).padStart(12, '0')}`);
  return key.bytes.slice(0, key.length);
}

interface Table {
  readonly meta: TableMeta;
  readonly list: RangeTombstone[];
  tombstones(): RangeTombstones;
}

/** Range deletes of up to ten keys in [from, to), the last of them numbered `seq`; as a table holds them. */
function newTable(from: number, to: number, seq: number): Table {
  const list = Array.from({ length: PER_TABLE }, (_, i) => {
    const lower = from + random.below(to - from - 10);
    const upper = keyAt(lower + 1 + random.below(10));
    return { lower: keyAt(lower), upper, version: seq - i, seq: seq - i };
  }).sort((a, b) => Buffer.compare(a.lower, b.lower));
  const meta = { lower: keyAt(from), upper: keyAt(to), maxSeq: seq, maxVersion: seq };
  let made: RangeTombstones | undefined;
  const tombstones = (): RangeTombstones => (made ??= new RangeTombstones(list));
  return { meta: meta as TableMeta, list, tombstones };
}

function report(name: string, milliseconds: number, operations: number, unit: 'ms' | 'ns'): void {
  const each = (milliseconds / operations) * (unit === 'ns' ? 1e6 : 1);
  console.log(`${name.padEnd(36)} ${each.toFixed(unit === 'ns' ? 0 : 2).padStart(8)} ${unit}`);
}

function timeLookups(
  name: string,
  sets: readonly TombstoneSet[],
  order: readonly Uint8Array[],
): void {
  let covered = 0;
  const start = performance.now();
  for (const key of order) {
    for (const set of sets) {
      if (set.covers(key, 0, key.length, 1, 1, SEQ_MAX, SEQ_MAX)) {
        covered++;
        break;
      }
    }
  }
  report(name, performance.now() - start, order.length, 'ns');
  if (covered === 0) throw new Error('no lookup found a range tombstone');
}

const share = KEYS / TABLES;
const level = Array.from({ length: TABLES }, (_, i) =>
  newTable(i * share, (i + 1) * share, 1e6 + i * PER_TABLE),
);
const upper = Array.from({ length: 8 }, (_, i) => newTable(0, KEYS, 2e6 + i * PER_TABLE));
const lists = [...upper, ...level].map((table) => table.list);

function timeBuild(name: string, build: () => unknown): void {
  const start = performance.now();
  for (let i = 0; i < 10; i++) build();
  report(name, performance.now() - start, 10, 'ms');
}

for (const table of [...upper, ...level]) table.tombstones();
for (let round = 0; round < 3; round++) {
  timeBuild('24,000 of all tables', () => new RangeTombstones(lists.flat()));
  timeBuild('4,000 of L0', () => new OverlappingTables(upper).tombstones());
}
const together = [new RangeTombstones(lists.flat())];
const apart = [new TombstoneRun([new OverlappingTables(upper)]), new TombstoneRun(level)];
const keys = Array.from({ length: LOOKUPS }, (_, i) => keyAt(Math.floor((i * KEYS) / LOOKUPS)));
const shuffled = keys.map(() => keys[random.below(LOOKUPS)] as Uint8Array);
for (let round = 0; round < 3; round++) {
  timeLookups('lookup in order, together', together, keys);
  timeLookups('lookup in order, L0 and a level', apart, keys);
  timeLookups('lookup at random, together', together, shuffled);
  timeLookups('lookup at random, L0 and a level', apart, shuffled);
}
