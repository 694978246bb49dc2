import { describe, expect, it } from 'vitest';
import { FORMAT_VERSION } from '../../../src/engine/format-version.js';
import { viewOf } from '../../../src/base/codec.js';
import { crc32 } from '../../../src/base/crc32.js';
import { CorruptionError, FormatError, NokvError } from '../../../src/base/errors.js';
import { Prng } from '../../../src/base/prng.js';
import { entryFault } from '../../../src/engine/entry.js';
import { RECORD_HEADER_BYTES } from '../../../src/engine/record-log.js';
import { BatchScanner, RecordCounts } from '../../../src/engine/wal/format.js';
import {
  loadWal,
  readWalHeader,
  replayWal,
  type WalContext,
} from '../../../src/engine/wal/reader.js';
import { cutSegment, WalWriter } from '../../../src/engine/wal/writer.js';
import { FakeFs } from '../record-log/fake-fs.js';
import { appendBatch, readRows, type Row, WAL_INIT, WAL_PATH } from './wal-files.js';

const SAME_BOOT: WalContext = { bootId: 'boot-a' };
const OTHER_BOOT: WalContext = { bootId: 'boot-b' };
const NO_BOOT: WalContext = { bootId: '' };

const BATCHES: Row[][] = [
  [{ key: 'a', value: 'one', seq: 1 }],
  [
    { key: 'b', value: '', seq: 2, kind: 2 },
    { key: 'c', value: 'three', seq: 3, version: 9, expiresAt: 1_700_000_000_000 },
  ],
  [{ key: 'a', value: 'four', seq: 4 }],
  [{ key: 'd', value: 'five'.repeat(10), seq: 5 }],
];

interface Segment {
  bytes: Uint8Array;
  /** Offsets after the header and after each record. */
  ends: number[];
  seal: { bytes: number; chain: number };
  /** Rows after n records. */
  rows: string[][];
}

/** A segment of four records; synced after the given ones. */
function segment(syncedAfter: readonly number[] = []): Segment {
  const fs = new FakeFs();
  const wal = WalWriter.create(fs, WAL_PATH, WAL_INIT);
  const ends = [wal.bytes];
  const rows: string[][] = [[]];
  BATCHES.forEach((batch, i) => {
    appendBatch(wal, batch);
    ends.push(wal.bytes);
    rows.push(readRows(fs, SAME_BOOT).rows);
    if (syncedAfter.includes(i + 1)) wal.syncBlocking();
  });
  return { bytes: fs.bytesOf(WAL_PATH), ends, seal: { bytes: wal.bytes, chain: wal.chain }, rows };
}

function disk(bytes: Uint8Array): FakeFs {
  const fs = new FakeFs();
  fs.put(WAL_PATH, bytes);
  return fs;
}

/** Recovers changed bytes: the error, or how many whole records came back and what was reported torn. */
function recover(
  bytes: Uint8Array,
  context: WalContext,
  good: Segment,
  wasSynced = true,
): { records: number; torn: number } | NokvError {
  try {
    const { rows, replay } = readRows(disk(bytes), context, wasSynced);
    const records = good.rows.findIndex((some) => some.length === rows.length);
    expect(rows).toEqual(good.rows[records]);
    expect(replay.tail.bytes + replay.tail.tornBytes).toBe(bytes.length);
    return { records, torn: replay.tail.tornBytes };
  } catch (error) {
    if (error instanceof CorruptionError) {
      expect(error.file).toBe(WAL_PATH);
      return error;
    }
    throw error;
  }
}

/** Calls `visit` for every bit flip, 0x00 and 0xff at every byte that changes something. */
function eachDamage(bytes: Uint8Array, visit: (bad: Uint8Array, at: number) => void): void {
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    const values = new Set([
      0x00,
      0xff,
      ...[0, 1, 2, 3, 4, 5, 6, 7].map((bit) => byte ^ (1 << bit)),
    ]);
    values.delete(byte);
    for (const value of values) {
      const bad = bytes.slice();
      bad[at] = value;
      visit(bad, at);
    }
  }
}

describe('replayWal', () => {
  it('gives back every entry of every batch in order, and counts records by type', () => {
    const { rows, replay } = readRows(disk(segment().bytes), SAME_BOOT);
    expect(rows).toEqual([
      '1 \u0010a.=one 1@1 x0 26',
      '2 \u0010b.= 2@2 x0 23',
      '1 \u0010c.=three 3@9 x1700000000000 44',
      '1 \u0010a.=four 4@4 x0 27',
      `1 \u0010d.=${'five'.repeat(10)} 5@5 x0 63`,
    ]);
    expect(replay.entries).toBe(5);
    expect(replay.tail.tornBytes).toBe(0);
    expect(replay.counts.toRows()).toEqual([
      { type: 'batch', records: 4, bytes: segment().bytes.length - 128 },
    ]);
  });

  it('passes raft records on unread and refuses unknown types', () => {
    const fs = new FakeFs();
    const wal = WalWriter.create(fs, WAL_PATH, WAL_INIT);
    const buffer = new Uint8Array(64);
    wal.append(buffer, viewOf(buffer), 0, 10, 2);
    wal.append(buffer, viewOf(buffer), 0, 0, 4);
    expect(readRows(fs, SAME_BOOT).rows).toEqual(['other 2 148 10', 'other 4 178 0']);
    wal.append(buffer, viewOf(buffer), 0, 1, 5);
    expect(() => readRows(fs, SAME_BOOT)).toThrow('unknown record type');
  });

  it('after a process crash cuts an incomplete last record at every length, and nothing else', () => {
    const good = segment([2]);
    for (let length = 0; length <= good.bytes.length; length++) {
      const result = recover(good.bytes.subarray(0, length), SAME_BOOT, good);
      if (length < 128) {
        expect(result).toBeInstanceOf(CorruptionError);
        continue;
      }
      const records = good.ends.filter((end) => end <= length).length - 1;
      expect(result).toEqual({ records, torn: length - (good.ends[records] as number) });
    }
  });

  it('takes a file cut inside its header for a torn creation only when nothing refers to it', () => {
    const good = segment();
    for (let length = 0; length < 128; length++) {
      expect(recover(good.bytes.subarray(0, length), SAME_BOOT, good, false)).toEqual({
        records: 0,
        torn: length,
      });
      expect(recover(good.bytes.subarray(0, length), SAME_BOOT, good, true)).toBeInstanceOf(
        CorruptionError,
      );
    }
    expect(recover(new Uint8Array(500), OTHER_BOOT, good, false)).toEqual({
      records: 0,
      torn: 500,
    });
    expect(recover(new Uint8Array(500), OTHER_BOOT, good, true)).toBeInstanceOf(CorruptionError);
    const zeroHeader = good.bytes.slice().fill(0, 0, 128);
    expect(recover(zeroHeader, OTHER_BOOT, good, false)).toBeInstanceOf(CorruptionError);
  });

  it('after a power loss takes a lost header for a torn creation unless a record calls something synced', () => {
    const never = segment().bytes;
    const synced = segment([1]).bytes;
    const load = (bytes: Uint8Array, wasSynced: boolean, isPowerLoss: boolean): boolean =>
      loadWal(disk(bytes), WAL_PATH, 9, wasSynced, (n) => new Uint8Array(n), isPowerLoss).header ===
      undefined;
    for (const fill of [0, 0x5a]) {
      for (const end of [128, 400]) {
        const lost = never.slice().fill(fill, 0, end);
        expect(load(lost, false, true)).toBe(true);
        expect(() => load(lost, false, false)).toThrow(CorruptionError);
        expect(() => load(lost, true, true)).toThrow(CorruptionError);
      }
      expect(() => load(synced.slice().fill(fill, 0, 128), false, true)).toThrow(CorruptionError);
    }
    expect(load(never, false, true)).toBe(false);
    for (let length = 128; length < never.length; length++) {
      expect(load(never.slice(0, length).fill(1, 0, 128), false, true)).toBe(true);
    }
  });

  it('after a process crash refuses every changed byte', () => {
    const good = segment([2]);
    eachDamage(good.bytes, (bad, at) => {
      expect(recover(bad, SAME_BOOT, good, false), `byte ${at}`).toBeInstanceOf(CorruptionError);
    });
  });

  it('of a sealed segment refuses every changed byte and every other length', () => {
    const good = segment();
    const sealed = { ...SAME_BOOT, sealed: good.seal };
    expect(recover(good.bytes, sealed, good)).toEqual({ records: 4, torn: 0 });
    expect(recover(good.bytes, { ...OTHER_BOOT, sealed: good.seal }, good)).toEqual({
      records: 4,
      torn: 0,
    });
    for (const context of [sealed, { ...OTHER_BOOT, sealed: good.seal }]) {
      for (const wasSynced of [true, false]) {
        for (let length = 0; length < good.bytes.length; length++) {
          expect(recover(good.bytes.subarray(0, length), context, good, wasSynced)).toBeInstanceOf(
            CorruptionError,
          );
        }
      }
      eachDamage(good.bytes, (bad) =>
        expect(recover(bad, context, good)).toBeInstanceOf(CorruptionError),
      );
      const longer = new Uint8Array(good.bytes.length + 1);
      longer.set(good.bytes);
      expect(recover(longer, context, good)).toBeInstanceOf(CorruptionError);
    }
    const other = { bytes: good.seal.bytes, chain: good.seal.chain ^ 1 };
    expect(recover(good.bytes, { ...SAME_BOOT, sealed: other }, good)).toBeInstanceOf(
      CorruptionError,
    );
  });

  it('after a power loss refuses damage before a place that a later record calls synced, and cuts the rest', () => {
    // Synced after record 2, which records 3 and 4 say.
    const good = segment([2]);
    const synced = good.ends[2] as number;
    eachDamage(good.bytes, (bad, at) => {
      const result = recover(bad, OTHER_BOOT, good);
      if (at < synced) {
        expect(result, `byte ${at}`).toBeInstanceOf(CorruptionError);
      } else {
        const records = good.ends.filter((end) => end <= at).length - 1;
        expect(result, `byte ${at}`).toEqual({
          records,
          torn: bad.length - (good.ends[records] as number),
        });
      }
    });
  });

  it('after a power loss refuses lost sectors before a synced place, also when they hold record headers', () => {
    const good = segment([2]);
    const synced = good.ends[2] as number;
    for (let from = 128; from < synced; from += 3) {
      for (let to = from + 20; to <= synced + 10; to += 7) {
        const bad = good.bytes.slice().fill(0, from, to);
        expect(recover(bad, OTHER_BOOT, good), `${from} to ${to}`).toBeInstanceOf(CorruptionError);
      }
    }
  });

  it('after a power loss believes a record behind the damage also when a torn tail follows it', () => {
    // Only record 3 is whole behind the damage: it is proven by the damaged header itself.
    const one = segment([2]);
    const oneTorn = one.bytes.slice(0, (one.ends[3] as number) + 5);
    eachDamage(oneTorn.slice(0, one.ends[2]), (bad, at) => {
      const torn = oneTorn.slice();
      torn.set(bad);
      expect(recover(torn, OTHER_BOOT, one), `byte ${at}`).toBeInstanceOf(CorruptionError);
    });
    // Records 2 and 3 are whole behind a header that is gone: they prove each other.
    const two = segment([1]);
    const twoTorn = two.bytes.slice(0, (two.ends[3] as number) + 5).fill(0, 128, 148);
    expect(recover(twoTorn, OTHER_BOOT, two)).toBeInstanceOf(CorruptionError);
  });

  it('after a power loss without any sync cuts at the first damage', () => {
    const good = segment();
    eachDamage(good.bytes.slice(), (bad, at) => {
      const result = recover(bad, OTHER_BOOT, good);
      if (at < 128) expect(result).toBeInstanceOf(CorruptionError);
      else
        expect(result).toMatchObject({ records: good.ends.filter((end) => end <= at).length - 1 });
    });
  });

  it('without boot ids cuts only what reaches to the end', () => {
    const good = segment();
    eachDamage(good.bytes, (bad, at) => {
      const result = recover(bad, NO_BOOT, good);
      if (at < (good.ends[3] as number))
        expect(result, `byte ${at}`).toBeInstanceOf(CorruptionError);
      else expect(result).toMatchObject({ records: 3 });
    });
    const zeroTail = good.bytes.slice().fill(0, good.ends[1]);
    expect(recover(zeroTail, NO_BOOT, good)).toMatchObject({ records: 1 });
  });

  it('refuses an end before a place that is known to be synced from elsewhere', () => {
    const good = segment();
    const cut = good.bytes.subarray(0, good.ends[2]);
    for (const bootId of ['boot-a', 'boot-b', '']) {
      expect(recover(cut, { bootId, syncedAtLeast: good.ends[2] }, good)).toEqual({
        records: 2,
        torn: 0,
      });
      expect(recover(cut, { bootId, syncedAtLeast: good.ends[3] }, good)).toBeInstanceOf(
        CorruptionError,
      );
    }
  });

  it('does not take a copy of another log inside a value for records of this one', () => {
    const inner = segment([1, 2, 3]).bytes;
    const fs = new FakeFs();
    const wal = WalWriter.create(fs, WAL_PATH, { ...WAL_INIT, identity: 'ffffffffffffffff' });
    const buffer = new Uint8Array(2000);
    wal.append(buffer, viewOf(buffer), 0, 4, 1);
    const end = wal.bytes;
    buffer.set(inner.subarray(0, 1000), 200);
    wal.append(buffer, viewOf(buffer), 0, 1900, 1);
    const bad = fs.bytesOf(WAL_PATH).slice();
    bad[end + 4] = 0x55;
    expect(readRows(disk(bad), OTHER_BOOT).replay.tail).toMatchObject({
      bytes: end,
      tornBytes: 1920,
    });
  });

  it('never throws anything but a NokvError on random bytes behind a header', () => {
    for (const seed of [1, 2, 3]) {
      const random = new Prng(seed);
      const header = segment().bytes.subarray(0, 128);
      for (let i = 0; i < 300; i++) {
        const bytes = new Uint8Array(128 + random.below(200));
        random.fill(bytes);
        bytes.set(header);
        for (const context of [SAME_BOOT, OTHER_BOOT, NO_BOOT]) {
          const result = recover(bytes, context, segment());
          if (!(result instanceof NokvError)) expect(result.records, `seed ${seed}`).toBe(0);
        }
      }
    }
  });
});

describe('loadWal', () => {
  it('reads into the caller\u2019s buffer at file offsets, which may be larger than the file', () => {
    const good = segment();
    const arena = new Uint8Array(new SharedArrayBuffer(4096)).fill(0xdb);
    const asked: number[] = [];
    const loaded = loadWal(disk(good.bytes), WAL_PATH, 9, true, (bytes) => {
      asked.push(bytes);
      return arena;
    });
    expect(asked).toEqual([good.bytes.length]);
    expect(loaded.bytes).toBe(arena);
    expect(arena.slice(0, loaded.length)).toEqual(good.bytes);
    const seen: number[] = [];
    const replay = replayWal(loaded, SAME_BOOT, {
      entry: (view, at) => seen.push(entryFault(view, at, loaded.length) === undefined ? at : -1),
      other: () => undefined,
    });
    expect(seen[0]).toBe(128 + RECORD_HEADER_BYTES + 4);
    expect(seen).not.toContain(-1);
    expect(replay.entries).toBe(5);
  });

  it('refuses a segment that carries another number than its name, and a newer format', () => {
    const good = segment();
    expect(() => loadWal(disk(good.bytes), WAL_PATH, 8, true, (n) => new Uint8Array(n))).toThrow(
      CorruptionError,
    );
    expect(() => readWalHeader(disk(good.bytes), WAL_PATH, 8)).toThrow('file number');
    expect(readWalHeader(disk(good.bytes), WAL_PATH, 9)).toMatchObject(WAL_INIT);
    expect(() => readWalHeader(disk(good.bytes.subarray(0, 100)), WAL_PATH, 9)).toThrow(
      CorruptionError,
    );
    const newer = good.bytes.slice();
    newer[8] = FORMAT_VERSION + 1;
    viewOf(newer).setUint32(124, crc32(newer, 0, 124), true);
    expect(() => loadWal(disk(newer), WAL_PATH, 9, true, (n) => new Uint8Array(n))).toThrow(
      FormatError,
    );
    expect(() => readWalHeader(disk(newer), WAL_PATH, 9)).toThrow(FormatError);
  });
});

describe('cutSegment', () => {
  it('removes a torn tail so that the rest can be sealed', () => {
    const good = segment();
    const fs = disk(good.bytes.subarray(0, good.bytes.length - 3));
    const { replay } = readRows(fs, SAME_BOOT);
    const sealed = cutSegment(fs, WAL_PATH, 9, replay.tail);
    expect(sealed.bytes).toBe(good.ends[3]);
    const lost = fs.afterPowerLoss();
    expect(readRows(lost, { bootId: 'boot-b', sealed }, true).rows).toEqual(good.rows[3]);
  });
});

describe('WalWriter', () => {
  it('seals only what was synced', () => {
    const fs = new FakeFs();
    const wal = WalWriter.create(fs, WAL_PATH, WAL_INIT);
    appendBatch(wal, BATCHES[0] as Row[]);
    expect(() => wal.seal()).toThrow('synced');
    wal.syncBlocking();
    expect(wal.seal()).toEqual({ fileNumber: 9, bytes: wal.bytes, chain: wal.chain });
    expect(wal.counts.toRows()).toEqual([{ type: 'batch', records: 1, bytes: wal.bytes - 128 }]);
  });

  it('does not count a record that failed', () => {
    const fs = new FakeFs();
    const wal = WalWriter.create(fs, WAL_PATH, WAL_INIT);
    fs.fault = (op) => (op === 'write' ? 'ENOSPC' : undefined);
    expect(() => appendBatch(wal, BATCHES[0] as Row[])).toThrow(
      expect.objectContaining({ retryable: true }),
    );
    fs.fault = () => undefined;
    expect(wal.counts.toRows()).toEqual([]);
    appendBatch(wal, BATCHES[1] as Row[]);
    expect(readRows(fs, SAME_BOOT).rows).toHaveLength(2);
  });
});

describe('BatchScanner', () => {
  it('refuses a batch whose count and bytes disagree, at the offset of the fault', () => {
    const good = segment().bytes;
    const view = viewOf(good);
    const start = 128 + RECORD_HEADER_BYTES;
    const length = view.getUint32(132, true);
    const walk = (count: number, bytes: number): void => {
      view.setUint32(start, count, true);
      const batch = new BatchScanner('f', view);
      batch.reset(start, bytes);
      while (batch.next());
    };
    walk(1, length);
    expect(() => walk(0, length)).toThrow('longer than its entries');
    expect(() => walk(2, length)).toThrow('entry header runs past');
    expect(() => walk(1, length - 1)).toThrow('entry runs past');
    expect(() => walk(1, 3)).toThrow('shorter than its entry count');
    walk(0, 4);
  });
});

describe('RecordCounts', () => {
  it('names the reserved types and any other', () => {
    const counts = new RecordCounts();
    for (const type of [1, 2, 3, 4, 9]) counts.add(type, type * 10);
    counts.add(1, 5);
    expect(counts.toRows()).toEqual([
      { type: 'batch', records: 2, bytes: 15 },
      { type: 'raft-entries', records: 1, bytes: 20 },
      { type: 'raft-hard-state', records: 1, bytes: 30 },
      { type: 'raft-snapshot', records: 1, bytes: 40 },
      { type: 'unknown-9', records: 1, bytes: 90 },
    ]);
  });
});
