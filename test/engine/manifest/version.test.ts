import { describe, expect, it } from 'vitest';
import { CorruptionError } from '../../../src/base/errors.js';
import { Prng } from '../../../src/base/prng.js';
import {
  applyEdit,
  EMPTY_VERSION,
  ImpossibleEditError,
  snapshotEdit,
  type Version,
} from '../../../src/engine/manifest/version.js';
import {
  decodeEdit,
  encodeEdit,
  type VersionEdit,
} from '../../../src/engine/manifest/version-edit.js';
import { edit, plain, PROGRAM, table } from './edits.js';

function run(...edits: VersionEdit[]): Version {
  return edits.reduce(applyEdit, EMPTY_VERSION);
}

function roundTrip(value: VersionEdit): VersionEdit {
  const bytes = encodeEdit(value);
  return decodeEdit(bytes, 0, bytes.length, 'f', 0);
}

function decodeText(text: string): VersionEdit {
  const bytes = new TextEncoder().encode(text);
  return decodeEdit(bytes, 0, bytes.length, 'f', 42);
}

describe('encodeEdit', () => {
  it('round-trips every field', () => {
    for (const one of PROGRAM) expect(roundTrip(one)).toEqual(one);
    const snapshot = snapshotEdit(run(...PROGRAM), 5, 'rewrite');
    expect(roundTrip(snapshot)).toEqual(snapshot);
    const removal = edit({ removeValueLog: [3, 4] });
    expect(roundTrip(removal)).toEqual(removal);
  });
});

describe('decodeEdit', () => {
  it('refuses every shape that encodeEdit does not write', () => {
    const good = JSON.parse(
      new TextDecoder().decode(encodeEdit(PROGRAM[1] as VersionEdit)),
    ) as Record<string, unknown>;
    const meta = (good['addTables'] as { meta: Record<string, unknown> }[])[0]?.meta as Record<
      string,
      unknown
    >;
    const withMeta = (change: Record<string, unknown>): unknown => ({
      ...good,
      addTables: [{ level: 0, meta: { ...meta, ...change } }],
    });
    const { timeMs: _time, ...noTime } = good;
    const { identity: _identity, ...noIdentity } = meta;
    const shapes: unknown[] = [
      null,
      1,
      'x',
      [],
      {},
      noTime,
      { ...good, unknown: 1 },
      { ...good, timeMs: '1' },
      { ...good, timeMs: -1 },
      { ...good, timeMs: 1.5 },
      { ...good, timeMs: 2 ** 53 },
      { ...good, reason: 5 },
      { ...good, snapshot: false },
      { ...good, cleanClose: 1 },
      { ...good, nextFileNumber: 0 },
      { ...good, minWalNumber: null },
      { ...good, lastSeq: {} },
      { ...good, addTables: {} },
      { ...good, addTables: [1] },
      { ...good, addTables: [{ level: 7, meta }] },
      { ...good, addTables: [{ level: 0, meta: noIdentity }] },
      { ...good, addTables: [{ level: 0, meta, more: 1 }] },
      withMeta({ identity: 'ABCDEFABCDEFABCD' }),
      withMeta({ identity: 'ab' }),
      withMeta({ lower: '!' }),
      withMeta({ lower: 'YQ' }),
      withMeta({ lower: 'YR==' }),
      withMeta({ lower: meta['upper'] }),
      withMeta({ fileNumber: 0 }),
      withMeta({ fileNumber: 2 ** 32 }),
      withMeta({ minSeq: 100, maxSeq: 50 }),
      withMeta({ valueLog: [{ fileNumber: 1 }] }),
      withMeta({ extra: 1 }),
      { ...good, sealWal: [{ fileNumber: 5, bytes: 4000, chain: 2 ** 32 }] },
      { ...good, removeTables: [{ level: 0 }] },
      { ...good, addWal: [{ ...(good['addWal'] as object[])[0], isSynced: 1 }] },
      { ...good, addWal: [{ ...(good['addWal'] as object[])[0], previous: -1 }] },
      { ...good, addWal: [{ ...(good['addWal'] as object[])[0], bootId: 7 }] },
      { ...good, addWal: [{ fileNumber: 6 }] },
      { ...good, addValueLog: [{ fileNumber: 1, bucket: 70_000, identity: 'abcdefabcdefabcd' }] },
      { ...good, sealValueLog: [{ fileNumber: 1, bytes: -1 }] },
      { ...good, discard: [{ fileNumber: 1, bytes: 1 }] },
      { ...good, removeValueLog: [0] },
      { ...good, removeValueLog: ['1'] },
    ];
    expect(decodeText(JSON.stringify(good))).toEqual(PROGRAM[1]);
    for (const shape of shapes) {
      const text = JSON.stringify(shape);
      expect(() => decodeText(text), text).toThrow(CorruptionError);
    }
    for (const text of ['', '{', '\ufeff{}', '{"timeMs":1,"reason":"x"} x']) {
      expect(() => decodeText(text), text).toThrow(
        expect.objectContaining({ offset: 42, file: 'f' }),
      );
    }
    expect(() => decodeEdit(new Uint8Array([0x22, 0xff, 0x22]), 0, 3, 'f', 0)).toThrow(
      CorruptionError,
    );
  });
});

describe('applyEdit', () => {
  it('orders L0 newest first and deeper levels by key', () => {
    const version = run(
      edit({
        addTables: [
          { level: 0, meta: table(5, 'a', 'z', 50) },
          { level: 0, meta: table(6, 'a', 'z', 90) },
        ],
      }),
      edit({
        addTables: [
          { level: 0, meta: table(7, 'a', 'z', 70) },
          { level: 0, meta: table(8, 'a', 'z', 70) },
        ],
      }),
      edit({
        addTables: [
          { level: 3, meta: table(9, 'm', 'p') },
          { level: 3, meta: table(10, 'a', 'c') },
        ],
      }),
    );
    expect(version.levels[0]?.map((meta) => meta.fileNumber)).toEqual([6, 8, 7, 5]);
    expect(version.levels[3]?.map((meta) => meta.fileNumber)).toEqual([10, 9]);
    expect(version.nextFileNumber).toBe(11);
    expect(version.lastSeq).toBe(100);
  });

  it('leaves the version before it unchanged', () => {
    let version = EMPTY_VERSION;
    for (const one of PROGRAM) {
      const before = JSON.stringify(plain(version));
      const next = applyEdit(version, one);
      expect(JSON.stringify(plain(version))).toBe(before);
      version = next;
    }
  });

  it('follows a table through a move, a value-log file through its life, and the clean mark', () => {
    const version = run(...PROGRAM);
    expect(version.levels.map((level) => level.length)).toEqual([0, 2, 0, 0, 0, 0, 0]);
    expect(version.valueLog.get(3)).toEqual({
      bucket: 0,
      identity: 'abcdefabcdefabcd',
      sealedBytes: 5000,
      discardBytes: 101,
      discardCount: 3,
    });
    expect(version.sealedWals.get(5)).toEqual({ fileNumber: 5, bytes: 4000, chain: 0xfedcba98 });
    expect(version.isCleanClose).toBe(true);
    const next = applyEdit(version, edit({ minWalNumber: 6, removeValueLog: [3] }));
    expect(next.isCleanClose).toBe(false);
    expect([...version.wals.keys()]).toEqual([5, 6]);
    expect([...next.wals.keys()]).toEqual([6]);
    expect(next.sealedWals.size).toBe(0);
    expect(next.valueLog.size).toBe(0);
    const later = applyEdit(next, edit({ discard: [{ fileNumber: 3, bytes: 1, count: 1 }] }));
    expect(later.valueLog.size).toBe(0);
  });

  it('rejects edits that do not fit', () => {
    const version = run(...PROGRAM);
    const impossible: Record<string, VersionEdit> = {
      'absent table': edit({ removeTables: [{ level: 1, fileNumber: 99 }] }),
      'table of another level': edit({ removeTables: [{ level: 2, fileNumber: 4 }] }),
      'table twice': edit({
        removeTables: [
          { level: 1, fileNumber: 4 },
          { level: 1, fileNumber: 4 },
        ],
      }),
      'present table': edit({ addTables: [{ level: 2, meta: table(4, 'a', 'b') }] }),
      'same table twice': edit({
        addTables: [
          { level: 2, meta: table(8, 'a', 'b') },
          { level: 3, meta: table(8, 'a', 'b') },
        ],
      }),
      'overlap with a present one': edit({ addTables: [{ level: 1, meta: table(8, 'm', 'm') }] }),
      'overlap in the edit': edit({
        addTables: [
          { level: 2, meta: table(8, 'a', 'c') },
          { level: 2, meta: table(10, 'c', 'd') },
        ],
      }),
      'next file number falls': edit({ nextFileNumber: 8 }),
      'sequence falls': edit({ lastSeq: 69 }),
      'segment floor falls': edit({ minWalNumber: 4 }),
      'segment added twice': edit({
        addWal: [
          {
            fileNumber: 6,
            previous: 0,
            previousBytes: 0,
            previousChain: 0,
            isSynced: true,
            bootId: '',
          },
        ],
      }),
      'segment sealed twice': edit({ sealWal: [{ fileNumber: 5, bytes: 4001, chain: 1 }] }),
      'value log twice': edit({
        addValueLog: [{ fileNumber: 3, bucket: 0, identity: 'abcdefabcdefabcd' }],
      }),
      'value log sealed but absent': edit({ sealValueLog: [{ fileNumber: 8, bytes: 1 }] }),
      'value log sealed twice': edit({ sealValueLog: [{ fileNumber: 3, bytes: 5001 }] }),
      'value log removed but absent': edit({ removeValueLog: [8] }),
    };
    for (const [name, one] of Object.entries(impossible)) {
      expect(() => applyEdit(version, one), name).toThrow(ImpossibleEditError);
    }
    expect(
      applyEdit(version, edit({ nextFileNumber: 9, lastSeq: 70, minWalNumber: 5 })).lastSeq,
    ).toBe(70);
  });

  it('lets ranges of a level touch: upper bounds are exclusive', () => {
    const left = { ...table(5, 'a', 'c'), upper: table(6, 'd', 'f').lower };
    const version = run(
      edit({
        addTables: [
          { level: 1, meta: left },
          { level: 1, meta: table(6, 'd', 'f') },
        ],
      }),
    );
    expect(version.levels[1]).toHaveLength(2);
  });
});

describe('snapshotEdit', () => {
  it('makes the same version out of nothing after any program of edits', () => {
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const random = new Prng(seed);
      let version = EMPTY_VERSION;
      for (let step = 0; step < 120; step++) {
        const next = randomEdit(random, version);
        const changed = applyEdit(version, roundTrip(next));
        expect(plain(changed), `seed ${seed}`).toEqual(plain(applyEdit(version, next)));
        version = changed;
        const again = applyEdit(version, roundTrip(snapshotEdit(version, step, 'rewrite')));
        expect(plain(again), `seed ${seed}`).toEqual(plain({ ...version, isCleanClose: false }));
      }
    }
  });
});

/** An edit that fits: adds or removes a table or a value-log file, seals, discards. */
function randomEdit(random: Prng, version: Version): VersionEdit {
  const number = version.nextFileNumber;
  const files = [...version.valueLog.keys()];
  const file = files[random.below(Math.max(1, files.length))];
  const tables = version.levels.flatMap((level, index) =>
    level.map((meta) => ({ level: index, fileNumber: meta.fileNumber })),
  );
  const victim = tables[random.below(Math.max(1, tables.length))];
  switch (random.below(6)) {
    case 0: {
      const key = `k${String(number).padStart(5, '0')}`;
      return edit({
        addTables: [
          {
            level: random.below(7),
            meta: table(number, key, key, version.lastSeq + random.below(5) + 1),
          },
        ],
      });
    }
    case 1:
      return victim === undefined ? edit({}) : edit({ removeTables: [victim] });
    case 2:
      return edit({
        addValueLog: [
          { fileNumber: number, bucket: random.below(3), identity: 'abcdefabcdefabcd' },
        ],
      });
    case 3:
      return file === undefined
        ? edit({ cleanClose: true })
        : edit({ discard: [{ fileNumber: file, bytes: 9, count: 1 }] });
    case 4:
      return edit({
        sealWal: [{ fileNumber: number, bytes: 200, chain: random.u32() }],
        minWalNumber: version.minWalNumber + random.below(4),
      });
    default: {
      if (file === undefined || random.chance(1, 3))
        return edit({ nextFileNumber: number + 3, lastSeq: version.lastSeq + 7 });
      const isSealed = version.valueLog.get(file)?.sealedBytes !== undefined;
      return isSealed
        ? edit({ removeValueLog: [file] })
        : edit({ sealValueLog: [{ fileNumber: file, bytes: 100 }] });
    }
  }
}
