/** ImportPositionStore: where an import goes on, given what batches in flight left behind. */
import { describe, expect, it } from 'vitest';
import { openDb } from '../../src/engine/db.js';
import { SYSTEM_FAMILY } from '../../src/engine/requests.js';
import { startJob } from '../../src/engine/jobs.js';
import { createSimEnv } from '../../src/env/sim-env.js';
import {
  ImportPositionStore,
  type ImportPosition,
  START,
} from '../../src/transfer/import-position.js';

const at = (ordinal: number): ImportPosition => ({
  ordinal,
  offset: 100 * ordinal,
  line: 10 * ordinal,
  rows: 9 * ordinal,
  bad: ordinal,
  crc: 4_000_000_000 + ordinal,
});

/** Where an import goes on when these batches were written, in this order, behind the start. */
async function loadedAfter(ordinals: readonly number[]): Promise<ImportPosition | undefined> {
  const db = await openDb(createSimEnv(1, undefined, { startJob }), '/db');
  const store = new ImportPositionStore('rows', 'default');
  await db.batch(store.reset(START));
  for (const ordinal of ordinals) await db.batch([store.put(at(ordinal))]);
  const loaded = store.load(db);
  await db.close();
  return loaded;
}

describe('ImportPositionStore', () => {
  it.each([
    ['at the start, when there is no batch', [], 0],
    ['behind the last batch', [1, 2], 2],
    ['behind the last of many', [1, 2, 3, 4, 5, 6], 6],
    ['before a batch that failed, though the next did not', [1, 2, 4], 2],
    ['before a first batch that failed', [2, 3], 0],
    ['before it when the start was replaced since', [2, 3, 4], 0],
    ['before it when two more failed', [4], 0],
    ['before a second batch that failed, when the start was replaced since', [1, 3, 4], 1],
    ['before a third one that failed, when all behind the start were replaced', [1, 2, 4, 5, 6], 0],
    ['where every batch before is known to be there', [1, 2, 3, 4, 6, 7, 8], 1],
    ['the same, when two failed', [1, 2, 3, 4, 5, 8], 3],
  ])('goes on %s', async (_what, ordinals, expected) => {
    expect(await loadedAfter(ordinals)).toEqual(expected === 0 ? START : at(expected));
  });

  it.each([
    ['nothing is there', [], undefined],
    ['the start is there', [0], 0],
    ['batches follow the start', [0, 1, 2], 2],
    ['a batch behind the start is missing', [0, 2, 3], 0],
    ['one may be missing before all that are there', [2, 3, 4], 0],
    ['only one is there, and three may be missing before it', [4], 0],
    ['all slots are filled', [5, 6, 7, 8], 8],
    ['all slots are filled, with a gap', [5, 6, 8, 11], 6],
  ])('continues what a former version cut when %s', async (_what, ordinals, expected) => {
    const db = await openDb(createSimEnv(1, undefined, { startJob }), '/db');
    const store = new ImportPositionStore('rows', 'default');
    for (const ordinal of ordinals) {
      await db.batch([store.put(ordinal === 0 ? START : at(ordinal))]);
    }
    const position = expected === undefined ? undefined : at(expected);
    expect(store.load(db)).toEqual(expected === 0 ? START : position);
    await db.close();
  });

  it('keeps sources and column families apart, and forgets one of them', async () => {
    const db = await openDb(createSimEnv(1, undefined, { startJob }), '/db');
    const stores = [
      new ImportPositionStore('rows', 'default'),
      new ImportPositionStore('rows', 'write'),
      new ImportPositionStore('other', 'default'),
    ];
    for (const [i, store] of stores.entries()) await db.batch(store.reset(at(i + 1)));
    await db.batch((stores[1] as ImportPositionStore).clear());
    expect(stores.map((store) => store.load(db))).toEqual([at(1), undefined, at(3)]);
    await db.close();
  });

  it.each([
    ['another format', '{"format":2}'],
    ['a missing field', '{"format":1,"ordinal":1}'],
    ['a field of another kind', '{"format":1,"ordinal":-1}'],
  ])('refuses a position of %s', async (_what, value) => {
    const db = await openDb(createSimEnv(1, undefined, { startJob }), '/db');
    await db.put('import/default/0/rows', value, { columnFamily: SYSTEM_FAMILY });
    const store = new ImportPositionStore('rows', 'default');
    expect(() => store.load(db)).toThrow(expect.objectContaining({ code: 'NOKV_FORMAT' }));
    await db.close();
  });
});
