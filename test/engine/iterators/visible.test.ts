import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../../src/base/assert.js';
import { compareArrays } from '../../../src/base/bytes.js';
import { SEQ_MAX } from '../../../src/base/limits.js';
import type { Prng } from '../../../src/base/prng.js';
import { KIND_PUT, NO_EXPIRY } from '../../../src/engine/entry.js';
import { MergingCursor } from '../../../src/engine/iterators/merging.js';
import { RowBatch } from '../../../src/engine/iterators/row-batch.js';
import { VisibleCursor } from '../../../src/engine/iterators/visible.js';
import {
  type RangeTombstone,
  RangeTombstones,
  type TombstoneSet,
} from '../../../src/engine/range-tombstones.js';
import { ValueSlab } from '../../../src/engine/value-slab.js';
import {
  compareEntries,
  entryAt,
  forSeeds,
  keyName,
  keyOf,
  type ModelEntry,
  randomHistory,
  show,
  visibleEntries,
} from '../model-entry.js';
import { ArrayCursor } from './array-cursor.js';

const KEYS = 10;
/** Histories have no value pointers. */
const NO_VALUE_LOG = { read: (): Uint8Array => expect.fail() };
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

interface Scene {
  readonly cursor: VisibleCursor;
  readonly rows: readonly ModelEntry[];
}

function scene(random: Prng): Scene {
  const history = randomHistory(random, {
    keys: KEYS,
    entries: random.below(50),
    rangeTombstones: random.chance(1, 2) ? 0 : random.below(5),
    isManaged: random.chance(1, 2),
    expires: random.chance(1, 2),
  });
  const reader = {
    seqMax: random.chance(1, 3) ? SEQ_MAX : random.below(history.lastSeq + 1),
    versionMax: random.chance(1, 2) ? SEQ_MAX : random.below(history.lastSeq + 1),
    nowMs: random.below(110),
  };
  const lower = random.chance(1, 2) ? keyOf(keyName(random.below(KEYS))) : undefined;
  const upper = random.chance(1, 2) ? keyOf(keyName(random.below(KEYS))) : undefined;
  const parts: ModelEntry[][] = [[], [], []];
  for (const entry of history.entries) (parts[random.below(3)] as ModelEntry[]).push(entry);
  const ownedParts = random.below(8);
  const merge = new MergingCursor(
    parts.map(
      (part, i) => new ArrayCursor(part.sort(compareEntries), ((ownedParts >> i) & 1) === 1),
    ),
  );
  const sources: RangeTombstone[][] = [[], []];
  for (const one of history.tombstones) (sources[random.below(2)] as RangeTombstone[]).push(one);
  const tombstones = sources.map((list) => new RangeTombstones(list));
  const rows = visibleEntries(history.entries, history.tombstones, reader).filter(
    (row) =>
      (lower === undefined || compareArrays(row.key, lower) >= 0) &&
      (upper === undefined || compareArrays(row.key, upper) < 0),
  );
  return { cursor: new VisibleCursor(merge, { ...reader, lower, upper, tombstones }), rows };
}

function expectRow(cursor: VisibleCursor, row: ModelEntry | undefined): void {
  const found = entryAt(cursor);
  expect(found && show(found)).toBe(row && show(row));
}

describe('VisibleCursor', () => {
  it('scans forward over exactly the visible rows', () => {
    forSeeds(300, (random) => {
      const { cursor, rows } = scene(random);
      cursor.first();
      for (const row of rows) {
        expectRow(cursor, row);
        cursor.next();
      }
      expect(cursor.valid).toBe(false);
    });
  });

  it('takes the same rows in batches of any size, and stands on the last one', () => {
    forSeeds(1000, (random) => {
      const { cursor, rows } = scene(random);
      const batch = new RowBatch(NO_VALUE_LOG, new ValueSlab(), false);
      const taken: string[] = [];
      const fill = (): void => {
        batch.reset(1 + random.below(8));
        batch.add(cursor);
        if (!batch.isFull) cursor.take(batch);
        for (const row of batch.rows) taken.push(`${text(row.key)}=${text(row.value)}`);
        if (cursor.valid) expectRow(cursor, rows[taken.length - 1]);
      };
      for (cursor.first(); cursor.valid; cursor.valid && cursor.next()) fill();
      expect(taken).toEqual(rows.map((row) => show(row).replace(/@.*=/, '=')));
    });
  });

  it('scans in reverse over the same rows', () => {
    forSeeds(300, (random) => {
      const { cursor, rows } = scene(random);
      cursor.last();
      for (const row of rows.toReversed()) {
        expectRow(cursor, row);
        cursor.prev();
      }
      expect(cursor.valid).toBe(false);
    });
  });

  it('walks at random with seeks and turns like the sorted rows', () => {
    forSeeds(500, (random) => {
      const { cursor, rows } = scene(random);
      let at = -1;
      for (let step = 0; step < 50; step++) {
        const key = keyOf(keyName(random.below(KEYS + 1)));
        const isThere = at >= 0 && at < rows.length;
        const choice = isThere ? random.below(14) : random.below(4);
        if (choice === 0) {
          cursor.seek(key, 0, key.length);
          at = rows.findIndex((row) => compareArrays(row.key, key) >= 0);
          if (at === -1) at = rows.length;
        } else if (choice === 1) {
          cursor.seekBefore(key, 0, key.length);
          at = rows.findLastIndex((row) => compareArrays(row.key, key) < 0);
        } else if (choice === 2) {
          cursor.first();
          at = 0;
        } else if (choice === 3) {
          cursor.last();
          at = rows.length - 1;
        } else if (choice < 9) {
          cursor.next();
          at++;
        } else {
          cursor.prev();
          at--;
        }
        expectRow(cursor, rows[at]);
      }
    });
  });
});

describe('VisibleCursor after a failed move', () => {
  const entry = (name: string, seq: number): ModelEntry => ({
    key: keyOf(name),
    version: seq,
    seq,
    kind: KIND_PUT,
    expiresAt: NO_EXPIRY,
    value: Uint8Array.of(seq),
  });
  /** b twice; what is behind the gap, and before it, are d and e, and a. */
  const ENTRIES = [entry('a', 1), entry('b', 7), entry('b', 2), entry('d', 3), entry('e', 4)];
  const MOVES: readonly [string, number, (cursor: VisibleCursor) => void][] = [
    ['first', 0, (cursor) => cursor.first()],
    ['last', 4, (cursor) => cursor.last()],
    ['seek', 1, (cursor) => cursor.seek(keyOf('b'), 0, keyOf('b').length)],
    ['seekBefore', 2, (cursor) => cursor.seekBefore(keyOf('d'), 0, keyOf('d').length)],
    ['next', 3, (cursor) => cursor.next()],
    ['nextKey', 3, (cursor) => cursor.nextKey()],
    ['next, turned', 3, (cursor) => cursor.next()],
    ['prev', -1, (cursor) => cursor.prev()],
    ['prev, turned', 0, (cursor) => cursor.prev()],
    ['take', 3, (cursor) => takeAll(cursor)],
  ];

  function takeAll(cursor: VisibleCursor): void {
    const batch = new RowBatch(NO_VALUE_LOG, new ValueSlab(), false);
    batch.reset(100);
    cursor.take(batch);
  }

  /** A cursor that stands on b, and came there forward or backward. */
  function onB(tombstones: readonly TombstoneSet[], isForward: boolean) {
    const source = new ArrayCursor(ENTRIES);
    const reader = { seqMax: SEQ_MAX, versionMax: SEQ_MAX, nowMs: 0, tombstones };
    const cursor = new VisibleCursor(new MergingCursor([source]), reader);
    if (isForward) cursor.seek(keyOf('b'), 0, 2);
    else cursor.seekBefore(keyOf('c'), 0, 2);
    expectRow(cursor, ENTRIES[1]);
    return { source, cursor };
  }

  /** It stands nowhere, does not go on, and starts anew. */
  function expectNowhere(cursor: VisibleCursor): void {
    expect(cursor.valid).toBe(false);
    expect(() => cursor.next()).toThrow(AssertionError);
    expect(() => cursor.prev()).toThrow(AssertionError);
    expect(() => takeAll(cursor)).toThrow(AssertionError);
    expect(cursor.valid).toBe(false);
  }

  it.each(MOVES)('stands nowhere when its source fails (%s)', (name, brokenAt, move) => {
    const isForward = name !== 'prev' && name !== 'next, turned';
    const { source, cursor } = onB([], isForward);
    source.brokenAt = brokenAt;
    expect(() => move(cursor)).toThrow('array cursor: broken');
    expectNowhere(cursor);
    source.brokenAt = undefined;
    cursor.first();
    expectRow(cursor, ENTRIES[0]);
  });

  it.each(MOVES)('stands nowhere when range tombstones can not be read (%s)', (name, _, move) => {
    const isForward = name !== 'prev' && name !== 'next, turned';
    const broken = { isBroken: false };
    const covers = (): boolean => {
      if (broken.isBroken) throw new Error('tombstones: broken');
      return false;
    };
    const { cursor } = onB([{ covers, clip: () => expect.fail() }], isForward);
    broken.isBroken = true;
    expect(() => move(cursor)).toThrow('tombstones: broken');
    expectNowhere(cursor);
    broken.isBroken = false;
    cursor.last();
    expectRow(cursor, ENTRIES[4]);
  });

  it('shows no older version of a key in reverse when a newer one can not be read', () => {
    const { source, cursor } = onB([], true);
    source.brokenAt = 1;
    expect(() => cursor.seekBefore(keyOf('c'), 0, 2)).toThrow('array cursor: broken');
    expectNowhere(cursor);
  });
});
