/**
 * Compaction as a whole against the obvious model: whatever the history, the snapshots, the split over
 * tables and the choice of inputs, every reader that must be kept right sees the same before and after.
 */
import { describe, expect, it } from 'vitest';
import { compareArrays } from '../../../src/base/bytes.js';
import { SEQ_MAX } from '../../../src/base/limits.js';
import { Prng } from '../../../src/base/prng.js';
import type { KeyRange, Retention } from '../../../src/engine/compaction/drop-rules.js';
import { runCompaction } from '../../../src/engine/compaction/job.js';
import type { CompactionJob } from '../../../src/engine/compaction/job-spec.js';
import { joinRanges } from '../../../src/engine/compaction/picker.js';
import { KIND_DELETE } from '../../../src/engine/entry.js';
import { type RangeTombstone, RangeTombstones } from '../../../src/engine/range-tombstones.js';
import {
  compareEntries,
  forSeeds,
  keyName,
  keyOf,
  type ModelEntry,
  randomHistory,
  show,
  visibleEntries,
} from '../model-entry.js';
import { ARRAY_ENTRY_BYTES, arrayTable, type ArrayTable, ArrayTables } from './array-tables.js';
import { createJobEnv, finish, type JobTestEnv } from './job-env.js';

const KEYS = 12;
const BOUNDS = [0, 4, 8, KEYS].map((index) => keyOf(keyName(index)));

/** A random tree: layers[0] is the newest; the tables of a layer are disjoint. */
interface Scene {
  readonly layers: readonly (readonly ArrayTable[])[];
  readonly lastSeq: number;
  readonly isManaged: boolean;
}

function cutTo(range: KeyRange, tombstones: readonly RangeTombstone[]): RangeTombstone[] {
  const pieces: RangeTombstone[] = [];
  for (const piece of new RangeTombstones(tombstones).clip(range.lower, range.upper)) {
    piece.seqs.forEach((seq, i) => {
      pieces.push({
        lower: piece.lower,
        upper: piece.upper,
        seq,
        version: piece.versions[i] as number,
      });
    });
  }
  return pieces;
}

function tablesOfLayer(
  access: ArrayTables,
  entries: readonly ModelEntry[],
  tombstones: readonly RangeTombstone[],
): ArrayTable[] {
  const tables: ArrayTable[] = [];
  for (let i = 0; i + 1 < BOUNDS.length; i++) {
    const range = { lower: BOUNDS[i] as Uint8Array, upper: BOUNDS[i + 1] as Uint8Array };
    const inside = entries.filter((entry) => isIn(range, entry.key)).sort(compareEntries);
    const cut = cutTo(range, tombstones);
    if (inside.length + cut.length === 0) continue;
    tables.push(access.add(arrayTable(access.tables.size + 1, inside, cut)));
  }
  return tables;
}

function isIn(range: KeyRange, key: Uint8Array): boolean {
  return compareArrays(range.lower, key) <= 0 && compareArrays(key, range.upper) < 0;
}

function randomScene(random: Prng, access: ArrayTables): Scene {
  const isManaged = random.chance(1, 2);
  const { entries, tombstones, lastSeq } = randomHistory(random, {
    keys: KEYS,
    entries: 1 + random.below(60),
    rangeTombstones: random.below(6),
    isManaged,
    expires: random.chance(1, 2),
  });
  const count = 1 + random.below(4);
  const layers: ArrayTable[][] = [];
  let from = lastSeq + 1;
  for (let i = 0; i < count; i++) {
    const to = i === count - 1 ? 0 : random.below(from);
    const isOfLayer = (one: { readonly seq: number }): boolean => one.seq >= to && one.seq < from;
    layers.push(tablesOfLayer(access, entries.filter(isOfLayer), tombstones.filter(isOfLayer)));
    from = to;
  }
  return { layers, lastSeq, isManaged };
}

function randomRetention(random: Prng, scene: Scene, newer: readonly ArrayTable[]): Retention {
  const pinned = new Set<number>();
  for (let i = random.below(4); i > 0; i--) pinned.add(random.below(scene.lastSeq + 1));
  pinned.add(random.chance(2, 3) ? scene.lastSeq : random.below(scene.lastSeq + 1));
  const versions = newer
    .flatMap((table) => [...table.entries, ...table.tombstones])
    .map((one) => one.version);
  return {
    pinnedSeqs: [...pinned].sort((a, b) => a - b),
    keepVersionsFrom:
      scene.isManaged && random.chance(2, 3) ? random.below(scene.lastSeq + 1) : SEQ_MAX,
    tombstoneFloor: scene.isManaged ? Math.min(SEQ_MAX, ...versions) - 1 : SEQ_MAX,
    nowMs: random.below(110),
  };
}

interface Job {
  readonly inputs: readonly { readonly level: number; readonly table: ArrayTable }[];
  readonly rest: readonly ArrayTable[];
  readonly older: readonly KeyRange[];
  readonly newer: readonly ArrayTable[];
}

/** Neighbouring layers, whole or between two of the shared bounds. The newest ones play L0. */
function randomJob(random: Prng, scene: Scene): Job {
  const first = random.below(scene.layers.length);
  const last = first + random.below(scene.layers.length - first);
  const a = random.below(BOUNDS.length - 1);
  const b = a + 1 + random.below(BOUNDS.length - 1 - a);
  const range = { lower: BOUNDS[a] as Uint8Array, upper: BOUNDS[b] as Uint8Array };
  const inputs: { level: number; table: ArrayTable }[] = [];
  const rest: ArrayTable[] = [];
  const older: ArrayTable[] = [];
  const newer: ArrayTable[] = [];
  scene.layers.forEach((layer, i) => {
    for (const table of layer) {
      if (i >= first && i <= last && isIn(range, table.meta.lower))
        inputs.push({ level: i, table });
      else rest.push(table);
      if (i > last) older.push(table);
      if (i < first) newer.push(table);
    }
  });
  return { inputs, rest, older: joinRanges(older.map((table) => table.meta)), newer };
}

function specOf(env: JobTestEnv, job: Job, retention: Retention, random: Prng): CompactionJob {
  return {
    kind: 'compaction',
    directory: env.directory,
    identitySeed: random.u32(),
    table: { blockBytes: 4096, filterBitsPerKey: 10, compression: 'none' },
    retention,
    inputs: job.inputs.map(({ level, table }) => ({ level, meta: table.meta, path: '' })),
    outputLevel: 6,
    targetTableBytes: ARRAY_ENTRY_BYTES * (1 + random.below(12)),
    fileNumbers: { first: 1000, count: 1 + random.below(8) },
    olderRanges: job.older,
  };
}

function rows(
  tables: readonly ArrayTable[],
  seqMax: number,
  versionMax: number,
  nowMs: number,
): string[] {
  const entries = tables.flatMap((table) => table.entries);
  const tombstones = tables.flatMap((table) => table.tombstones);
  return visibleEntries(entries, tombstones, { seqMax, versionMax, nowMs }).map(show);
}

/** Tells of a shown row whether its key was ever touched by an ordinary write or range delete. */
function keysWithOrdinaryData(tables: readonly ArrayTable[]): (row: string) => boolean {
  const keys = new Set<string>();
  let hasRange = false;
  for (const table of tables) {
    for (const entry of table.entries) {
      if (entry.version === entry.seq) keys.add(show(entry).split('@')[0] as string);
    }
    hasRange ||= table.tombstones.some((tombstone) => tombstone.version === tombstone.seq);
  }
  return (row) => hasRange || keys.has(row.split('@')[0] as string);
}

function expectSameReads(
  before: readonly ArrayTable[],
  after: readonly ArrayTable[],
  { pinnedSeqs, keepVersionsFrom, nowMs }: Retention,
  lastSeq: number,
): void {
  const later: number[] = [];
  for (let seq = pinnedSeqs.at(-1) as number; seq <= lastSeq; seq++) later.push(seq);
  const versions = [SEQ_MAX];
  for (let version = keepVersionsFrom; version <= lastSeq; version++) versions.push(version);
  const mixed = keysWithOrdinaryData(before);
  for (const seq of [...pinnedSeqs, ...later, SEQ_MAX]) {
    for (const version of versions) {
      // A read that names a version speaks of managed entries only: ordinary ones keep no history.
      const isPromised = (row: string): boolean => version === SEQ_MAX || !mixed(row);
      expect(
        rows(after, seq, version, nowMs).filter(isPromised),
        `read at seq ${seq}, version ${version}`,
      ).toEqual(rows(before, seq, version, nowMs).filter(isPromised));
    }
  }
  expect(rows(after, SEQ_MAX, SEQ_MAX, nowMs + 50)).toEqual(
    rows(before, SEQ_MAX, SEQ_MAX, nowMs + 50),
  );
}

describe('runCompaction', () => {
  it('leaves every pinned, later and versioned read as it was', () => {
    forSeeds(1000, (random) => {
      const env = createJobEnv();
      const access = new ArrayTables();
      const scene = randomScene(random, access);
      const job = randomJob(random, scene);
      if (job.inputs.length === 0) return;
      const retention = randomRetention(random, scene, job.newer);
      const result = finish(runCompaction(specOf(env, job, retention, random), env, access));
      const outputs = result.outputs.map((meta) => access.of(meta));
      const before = scene.layers.flat();
      expectSameReads(before, [...job.rest, ...outputs], retention, scene.lastSeq);
      const { entriesIn, entriesOut, droppedShadowed, droppedCovered } = result.statistics;
      const { droppedExpired, droppedTombstones } = result.statistics;
      const dropped = droppedShadowed + droppedCovered + droppedExpired + droppedTombstones;
      expect(entriesIn).toBe(entriesOut + dropped);
      expect(access.openCount).toBe(0);
      for (const { maxSeq, staleBytes } of result.outputs) {
        // Else the picker would choose the table for a cleanup again and again.
        if (maxSeq <= (retention.pinnedSeqs[0] as number)) expect(staleBytes).toBe(0);
      }
    });
  });

  it('at the bottom without snapshots leaves only the live entries', () => {
    forSeeds(150, (random) => {
      const env = createJobEnv();
      const access = new ArrayTables();
      const scene = randomScene(random, access);
      const inputs = scene.layers.flatMap((layer, level) =>
        layer.map((table) => ({ level, table })),
      );
      if (inputs.length === 0) return;
      const job = { inputs, rest: [], older: [], newer: [] };
      const retention = {
        pinnedSeqs: [scene.lastSeq],
        keepVersionsFrom: SEQ_MAX,
        tombstoneFloor: SEQ_MAX,
        nowMs: 50,
      };
      const result = finish(runCompaction(specOf(env, job, retention, random), env, access));
      const outputs = result.outputs.map((meta) => access.of(meta));
      const left = outputs.flatMap((table) => table.entries);
      expect(left.map(show)).toEqual(rows(scene.layers.flat(), SEQ_MAX, SEQ_MAX, 50));
      expect(outputs.flatMap((table) => table.tombstones)).toEqual([]);
    });
  });

  it('cuts outputs between keys, disjoint, with range tombstones clipped at the cuts', () => {
    forSeeds(150, (random) => {
      const env = createJobEnv();
      const access = new ArrayTables();
      const scene = randomScene(random, access);
      const inputs = scene.layers.flatMap((layer, level) =>
        layer.map((table) => ({ level, table })),
      );
      if (inputs.length === 0) return;
      const everything = [{ lower: new Uint8Array(0), upper: Uint8Array.of(0xff) }];
      const job = { inputs, rest: [], older: everything, newer: [] };
      const retention = { pinnedSeqs: [0], keepVersionsFrom: 0, tombstoneFloor: 0, nowMs: 0 };
      const spec = specOf(env, job, retention, random);
      const { outputs } = finish(runCompaction(spec, env, access));
      const numbers = outputs.map((meta) => meta.fileNumber);
      expect(numbers).toEqual(numbers.map((_, i) => 1000 + i));
      expect(outputs.length).toBeLessThanOrEqual(spec.fileNumbers.count);
      expect(env.fileNames()).toEqual(numbers.map((number) => `0${number}.sst`));
      for (let i = 1; i < outputs.length; i++) {
        const before = outputs[i - 1]?.upper as Uint8Array;
        expect(compareArrays(before, outputs[i]?.lower as Uint8Array)).toBeLessThanOrEqual(0);
      }
      for (const table of outputs.slice(0, -1)) {
        const keys = new Set(access.of(table).entries.map((entry) => show(entry).split('@')[0]));
        const needed = spec.targetTableBytes / ARRAY_ENTRY_BYTES;
        expect(access.of(table).entries.length).toBeGreaterThanOrEqual(needed);
        expect(keys.size).toBeGreaterThan(0);
      }
    });
  });

  it('stores range tombstones that overlap and are all kept as they were, not in pieces', () => {
    forSeeds(60, (random) => {
      const env = createJobEnv();
      const access = new ArrayTables();
      const written = new Map<string, RangeTombstone>();
      const tables = [0, 1, 2].map((number) => {
        const list = Array.from({ length: 8 }, (_, i): RangeTombstone => {
          const from = random.below(KEYS - 1);
          const lower = keyOf(keyName(from));
          const upper = keyOf(keyName(from + 1 + random.below(KEYS - 1 - from)));
          // Managed versions: none shadows another.
          return { lower, upper, version: 1000 + 8 * number + i, seq: 1 + 8 * number + i };
        });
        for (const one of list) written.set(`${one.version}`, one);
        return access.add(arrayTable(1 + number, [], list));
      });
      const inputs = tables.map((table) => ({ level: 0, table }));
      const everything = [{ lower: new Uint8Array(0), upper: Uint8Array.of(0xff) }];
      const retention = { pinnedSeqs: [99], keepVersionsFrom: 0, tombstoneFloor: 0, nowMs: 0 };
      const job = { inputs, rest: [], older: everything, newer: [] };
      const { outputs } = finish(runCompaction(specOf(env, job, retention, random), env, access));
      const stored = outputs.flatMap((meta) => access.of(meta).tombstones);
      expect(stored.sort((a, b) => a.seq - b.seq)).toEqual([...written.values()]);
    });
  });

  it('keeps a version that arrived late readable below a newer one when versions are kept', () => {
    const access = new ArrayTables();
    const entry = (version: number, seq: number): ModelEntry => ({
      key: keyOf('a'),
      version,
      seq,
      kind: 1,
      expiresAt: 0,
      value: Buffer.from(`v${version}`),
    });
    const older = access.add(arrayTable(1, [entry(20, 1)], []));
    const newer = access.add(arrayTable(2, [entry(10, 2)], []));
    const inputs = [newer, older].map((table) => ({ level: 0, table }));
    const job = { inputs, rest: [], older: [], newer: [] };
    const read = (keepVersionsFrom: number, version: number): string[] => {
      const retention = { pinnedSeqs: [2], keepVersionsFrom, tombstoneFloor: 0, nowMs: 0 };
      const env = createJobEnv();
      const spec = specOf(env, job, retention, new Prng(1));
      const { outputs } = finish(runCompaction(spec, env, access));
      return rows(
        outputs.map((meta) => access.of(meta)),
        SEQ_MAX,
        version,
        0,
      );
    };
    expect(read(10, 15)).toEqual(['a@10/2=v10']);
    expect(read(15, 15)).toEqual(['a@10/2=v10']);
    expect(read(20, 15)).toEqual([]);
    expect(read(10, 25)).toEqual(['a@20/1=v20']);
  });

  it('keeps a delete while an older version of its key is kept below it', () => {
    const env = createJobEnv();
    const access = new ArrayTables();
    const key = keyOf('a');
    const value = Buffer.from('v');
    const gone = {
      key,
      version: 9,
      seq: 9,
      kind: KIND_DELETE,
      expiresAt: 0,
      value: new Uint8Array(0),
    };
    const put = { key, version: 5, seq: 5, kind: 1, expiresAt: 0, value };
    const table = access.add(arrayTable(1, [gone, put], []));
    const job = { inputs: [{ level: 6, table }], rest: [], older: [], newer: [] };
    const retention = {
      pinnedSeqs: [6, 9],
      keepVersionsFrom: SEQ_MAX,
      tombstoneFloor: SEQ_MAX,
      nowMs: 0,
    };
    const random = new Prng(1);
    const kept = finish(runCompaction(specOf(env, job, retention, random), env, access));
    expect(access.of(kept.outputs[0] as ArrayTable['meta']).entries.map(show)).toEqual([
      'a@9/9=D',
      'a@5/5=v',
    ]);
    const now = { ...retention, pinnedSeqs: [9] };
    const empty = createJobEnv();
    const emptied = finish(runCompaction(specOf(empty, job, now, random), empty, access));
    expect(empty.fileNames()).toEqual([]);
    expect(emptied.outputs).toEqual([]);
    expect(emptied.statistics).toMatchObject({
      droppedShadowed: 1,
      droppedTombstones: 1,
      entriesOut: 0,
    });
  });
});
