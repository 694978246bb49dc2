/** versions and storedEntries hold what there was at the call, from the call on, and let go of it by every way out. */
import { beforeEach, describe, expect, it } from 'vitest';
import { AssertionError } from '../../src/base/assert.js';
import type { Db } from '../../src/engine/db.js';
import { ReadState } from '../../src/engine/read-view.js';
import { openSim, TINY } from './db-fixture.js';

let db: Db;

beforeEach(async () => {
  ({ db } = await openSim(TINY));
  return () => db.close();
});

type Listing = Generator<{ seq: number }, void, void>;
const LISTINGS: readonly [string, () => Listing][] = [
  ['versions', () => db.versions('k')],
  ['storedEntries', () => db.storedEntries()],
];

const scans = (): number => db.stats().readers.scans;
const seqsOf = (listing: Listing): number[] => Array.from(listing, ({ seq }) => seq);

describe.each(LISTINGS)('%s', (_name, list) => {
  it('begun before a flush and a compaction shows what there was', async () => {
    await db.put('k', '1');
    const [early, later] = [list(), list()];
    await db.flush();
    expect(seqsOf(early)).toEqual([1]);
    await db.put('k', '2');
    await db.compact();
    expect(seqsOf(later)).toEqual([1]);
    expect(scans()).toBe(0);
  });

  it('begun before a compaction while its memtable lives leaves no memory behind', async () => {
    const arenaBytes: number[] = [];
    for (let i = 0; i < 10; i++) {
      await db.put('k', String(i));
      await db.flush();
      await db.put('k', 'again');
      const listing = list();
      await db.compact();
      expect(seqsOf(listing)[0]).toBe(2 * i + 2);
      arenaBytes.push(db.stats().memtable.arena_bytes);
    }
    expect(arenaBytes[9]).toBe(arenaBytes[1]);
  });

  it('lets go when it is returned from or thrown into, before its first row or behind it', async () => {
    await db.put('k', '1');
    for (const isBegun of [false, true]) {
      const [returned, failed] = [list(), list()];
      expect(scans()).toBe(2);
      if (isBegun) for (const listing of [returned, failed]) listing.next();
      returned.return();
      expect(() => failed.throw(new Error('mine'))).toThrow('mine');
      expect(scans()).toBe(0);
      expect(seqsOf(returned)).toEqual([]);
    }
  });

  it('ends when the database is closed, begun or not', async () => {
    await db.put('k', '1');
    await db.put('k', '2');
    const [fresh, begun] = [list(), list()];
    begun.next();
    await db.close();
    expect([seqsOf(fresh), seqsOf(begun)]).toEqual([[], []]);
  });
});

describe('ReadState.retain', () => {
  it('keeps nothing when one of the sources is gone', () => {
    const source = (
      references: number,
    ): { references: number; retain(): void; release(): void } => ({
      references,
      retain() {
        if (this.references === 0) throw new AssertionError('gone');
        this.references++;
      },
      release() {
        this.references--;
      },
    });
    for (const gone of [0, 1, 2, 3]) {
      const sources = [0, 1, 2, 3].map((i) => source(i === gone ? 0 : 1));
      const [active, first, second, tree] = sources as unknown[];
      const sealed = [first, second] as ReadState['sealed'];
      const state = new ReadState(active as ReadState['active'], sealed, tree as ReadState['tree']);
      expect(() => state.retain()).toThrow(AssertionError);
      expect(sources.map(({ references }) => references)).toEqual(
        [0, 1, 2, 3].map((i) => (i === gone ? 0 : 1)),
      );
    }
  });
});
