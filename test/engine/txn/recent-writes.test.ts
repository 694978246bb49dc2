import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import {
  entrySize,
  KIND_PUT,
  KIND_RANGE_DELETE,
  NO_EXPIRY,
  putEntryHeader,
} from '../../../src/engine/entry.js';
import { encodeKey, hashEncodedKey } from '../../../src/engine/key.js';
import { mergeSpans } from '../../../src/engine/txn/key-spans.js';
import { RecentWrites } from '../../../src/engine/txn/recent-writes.js';

const FAMILY = 0x10;
const MIB = 1024 * 1024;
const encoded = (key: string): Uint8Array => encodeKey(FAMILY, key);
const hashOf = (key: Uint8Array): number => hashEncodedKey(key, 0, key.length);

/** Notes an entry the way the write queue does. */
function note(recent: RecentWrites, seq: number, key: string, end?: string): void {
  const bytes = encoded(key);
  const value = end === undefined ? new Uint8Array(0) : encoded(end);
  const data = new Uint8Array(8 + entrySize(bytes.length, value.length, false, false));
  const view = new DataView(data.buffer);
  const kind = end === undefined ? KIND_PUT : KIND_RANGE_DELETE;
  const at = putEntryHeader(view, 8, kind, bytes.length, value.length, seq, seq, NO_EXPIRY);
  data.set(bytes, at);
  data.set(value, at + bytes.length);
  recent.note(view, data, 8, hashOf(bytes));
}

function seqOf(recent: RecentWrites, key: string, since: number): number | undefined {
  const bytes = encoded(key);
  return recent.findKey(bytes, hashOf(bytes), since)?.seq;
}

function isInSpan(recent: RecentWrites, from: string, to: string, since: number): boolean {
  const spans = mergeSpans([{ lower: encoded(from), upper: encoded(to) }]);
  return recent.findInSpans(spans, since) !== undefined;
}

describe('RecentWrites', () => {
  it('answers as a list of all writes does, over many segments', () => {
    for (const seed of [1, 2, 3]) {
      const random = new Prng(seed);
      const recent = new RecentWrites(64 * MIB);
      const list: { seq: number; key: string; end: string | undefined }[] = [];
      const key = (): string => `k${String(random.below(2000)).padStart(4, '0')}`;
      for (let seq = 1; seq <= 4000; seq++) {
        const from = key();
        const end = random.chance(1, 200) ? `${from}~` : undefined;
        note(recent, seq, from, end);
        list.push({ seq, key: from, end });
      }
      for (let i = 0; i < 300; i++) {
        const [since, from, to] = [4000 - random.below(200), key(), key()];
        const late = list.filter(({ seq }) => seq > since);
        const hits = late.filter((one) =>
          one.end === undefined ? one.key === from : one.key <= from && from < one.end,
        );
        const what = `SEED=${seed} ${since} ${from} ${to}`;
        expect(seqOf(recent, from, since) !== undefined, what).toBe(hits.length > 0);
        const isMet = late.some((one) =>
          one.end === undefined
            ? from <= one.key && one.key < to
            : from < one.end && one.key < to && from < to,
        );
        expect(isInSpan(recent, from, to, since), what).toBe(isMet);
      }
    }
  });

  it('tells the newest number of a key, and keeps one row for a key that is written again', () => {
    const recent = new RecentWrites(MIB);
    for (let seq = 1; seq <= 10_000; seq++) note(recent, seq, `hot${seq % 3}`);
    expect(seqOf(recent, 'hot1', 0)).toBe(10_000);
    expect(seqOf(recent, 'hot2', 9999)).toBeUndefined();
    expect(recent.inspect().rows).toBe(3);
  });

  it('forgets what nobody asks for any more, and nothing above that', () => {
    const recent = new RecentWrites(64 * MIB);
    for (let seq = 1; seq <= 20_000; seq++) note(recent, seq, `key${seq}`);
    const before = recent.inspect();
    recent.forget(15_000);
    const after = recent.inspect();
    expect(after.bytes).toBeLessThan(before.bytes);
    for (let seq = 15_001; seq <= 20_000; seq++)
      expect(seqOf(recent, `key${seq}`, 15_000)).toBe(seq);
    expect(after.floor).toBe(0);
  });

  it('stays within its memory, and says how far back it goes', () => {
    const recent = new RecentWrites(256 * 1024);
    for (let seq = 1; seq <= 50_000; seq++) {
      note(recent, seq, `key${seq}`);
      expect(recent.inspect().bytes).toBeLessThanOrEqual(256 * 1024);
    }
    const { floor } = recent.inspect();
    expect(floor).toBeGreaterThan(40_000);
    expect(floor).toBeLessThan(50_000);
    for (let seq = floor + 1; seq <= 50_000; seq++)
      expect(seqOf(recent, `key${seq}`, floor)).toBe(seq);
  });

  it('starts anew when it is cleared, small or large', () => {
    for (const writes of [100, 5000]) {
      const recent = new RecentWrites(MIB);
      for (let round = 0; round < 3; round++) {
        for (let seq = 1; seq <= writes; seq++) note(recent, seq, `key${seq}`);
        note(recent, writes + 1, 'a', 'b');
        recent.clear();
        for (let seq = 1; seq <= writes; seq++)
          expect(seqOf(recent, `key${seq}`, 0)).toBeUndefined();
        expect(seqOf(recent, 'aa', 0)).toBeUndefined();
        expect(recent.inspect()).toMatchObject({ rows: 0, floor: 0 });
      }
    }
  });

  it('takes keys of any length', () => {
    const recent = new RecentWrites(MIB);
    const long = 'x'.repeat(65_535);
    note(recent, 1, long);
    note(recent, 2, `${long.slice(1)}y`);
    expect([seqOf(recent, long, 0), seqOf(recent, `${long.slice(1)}y`, 0)]).toEqual([1, 2]);
    expect(seqOf(recent, long.slice(1), 0)).toBeUndefined();
  });
});
