import { describe, expect, it } from 'vitest';
import { SEQ_MAX } from '../../../src/base/limits.js';
import { Claims } from '../../../src/engine/compaction/claims.js';
import type { PlacedTable } from '../../../src/engine/external/ingest-job.js';
import { levelFor, planIngest } from '../../../src/engine/external/ingest-plan.js';
import { encodeKey, FAMILY_DEFAULT, keySuccessor } from '../../../src/engine/key.js';
import { EMPTY_VERSION, type Version } from '../../../src/engine/manifest/version.js';
import type { ExternalFacts } from '../../../src/engine/sst/external-facts.js';
import type { TableMeta } from '../../../src/engine/table-meta.js';

const range = (from: string, to: string): { lower: Uint8Array; upper: Uint8Array } => ({
  lower: encodeKey(FAMILY_DEFAULT, from),
  upper: keySuccessor(encodeKey(FAMILY_DEFAULT, to)),
});

function metaOf(from: string, to: string, fields: Partial<TableMeta> = {}): TableMeta {
  return {
    fileNumber: 1,
    bytes: 100,
    identity: '0123456789abcdef',
    ...range(from, to),
    entries: 2,
    tombstones: 0,
    rangeTombstones: 0,
    minSeq: 1,
    maxSeq: 2,
    maxVersion: 2,
    rawBytes: 10,
    staleBytes: 0,
    earliestExpiry: 0,
    valueLog: [],
    createdMs: 0,
    ...fields,
  };
}

/** Levels as lists of [from, to]. */
function versionOf(
  levels: Readonly<Record<number, readonly (readonly [string, string])[]>>,
): Version {
  const tables = EMPTY_VERSION.levels.map((_, level) =>
    (levels[level] ?? []).map(([from, to]) => metaOf(from, to)),
  );
  return { ...EMPTY_VERSION, levels: tables };
}

const placed = (facts: ExternalFacts, meta: Partial<TableMeta> = {}): PlacedTable => ({
  path: '/in/1.sst',
  target: '/db/1.sst',
  meta: metaOf('a', 'b', { fileNumber: 0, ...meta }),
  facts,
});

describe('levelFor', () => {
  const level = (version: Version, claims = new Claims()): number =>
    levelFor(version, claims, range('m', 'n'));

  it('is the last level unless something overlaps in it or above', () => {
    expect(level(versionOf({}))).toBe(6);
    expect(level(versionOf({ 0: [['a', 'b']], 5: [['o', 'p']], 6: [['a', 'l']] }))).toBe(6);
    expect(level(versionOf({ 6: [['a', 'z']] }))).toBe(5);
    expect(level(versionOf({ 3: [['n', 'n']], 6: [['x', 'z']] }))).toBe(2);
    expect(level(versionOf({ 1: [['a', 'z']] }))).toBe(0);
    expect(level(versionOf({ 0: [['a', 'z']] }))).toBe(0);
  });

  it('is above a level where a compaction reads or writes in its range', () => {
    const claims = new Claims();
    const inputs = [{ level: 5, meta: metaOf('a', 'b', { fileNumber: 8 }) }];
    const claim = claims.claim({ inputs, outputLevel: 6, ...range('a', 'z') });
    expect(level(versionOf({}), claims)).toBe(4);
    claims.release(claim);
    expect(level(versionOf({}), claims)).toBe(6);
    claims.claim({ inputs: [], outputLevel: 0, ...range('a', 'z') });
    expect(level(versionOf({}), claims)).toBe(6);
  });
});

describe('planIngest', () => {
  const plan = (tables: readonly PlacedTable[], lastSeq: number): ReturnType<typeof planIngest> =>
    planIngest(tables, 20, lastSeq, EMPTY_VERSION, new Claims());

  it('counts stored numbers from the last one, and gives files their numbers', () => {
    const ordinary = { maxOrdinarySeq: 2, managed: null };
    const { addTables, lastSeq } = plan([placed(ordinary), placed(ordinary)], 100);
    expect(lastSeq).toBe(102);
    expect(addTables.map(({ meta }) => meta)).toMatchObject([
      { fileNumber: 20, seqBase: 100, minSeq: 101, maxSeq: 102, maxVersion: 102 },
      { fileNumber: 21, seqBase: 100 },
    ]);
  });

  it('jumps over numbers that would make a managed entry look ordinary, and refuses to run out of them', () => {
    const managed = { maxVersion: 130, minOffset: 90, maxOffset: 128 };
    const { addTables, lastSeq } = plan([placed({ maxOrdinarySeq: 0, managed })], 100);
    expect(addTables[0]?.meta).toMatchObject({ seqBase: 129, maxSeq: 131, maxVersion: 130 });
    expect(lastSeq).toBe(131);
    const huge = { maxVersion: SEQ_MAX, minOffset: 0, maxOffset: SEQ_MAX - 2 };
    expect(() => plan([placed({ maxOrdinarySeq: 0, managed: huge })], 100)).toThrow('used up');
  });
});
