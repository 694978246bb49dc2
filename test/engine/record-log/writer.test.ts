import { describe, expect, it } from 'vitest';
import { viewOf } from '../../../src/base/codec.js';
import { ClosedError, IoError, ReadOnlyError } from '../../../src/base/errors.js';
import { Prng } from '../../../src/base/prng.js';
import { createLogFile, RecordLogWriter } from '../../../src/engine/record-log-writer.js';
import {
  decodeLogHeader,
  LOG_HEADER_BYTES,
  MAGIC_WAL,
  scanRecords,
} from '../../../src/engine/record-log.js';
import { FakeFs } from './fake-fs.js';

const INIT = { fileNumber: 5, identity: '0123456789abcdef', bootId: 'boot-a' };

function create(fs: FakeFs): RecordLogWriter {
  return new RecordLogWriter(createLogFile(fs, 'd/log', MAGIC_WAL, INIT));
}

/** Appends a payload of `length` bytes of the value `fill`, from somewhere inside a larger buffer. */
function append(writer: RecordLogWriter, length: number, fill: number, type = 1): void {
  const buffer = new Uint8Array(new SharedArrayBuffer(64 + length));
  buffer.fill(fill, 24, 24 + length);
  writer.append(buffer, viewOf(buffer), 4, length, type);
}

/** [type, length, first byte, syncedThrough] of every record; throws on anything but a clean end. */
function recordsOf(fs: FakeFs): number[][] {
  const bytes = fs.bytesOf('d/log');
  const scanner = scanRecords(
    bytes,
    bytes.length,
    decodeLogHeader(bytes, bytes.length, MAGIC_WAL, 'd/log'),
  );
  const rows = [];
  while (scanner.next()) {
    rows.push([
      scanner.type,
      scanner.payloadLength,
      bytes[scanner.payloadStart] ?? -1,
      scanner.syncedThrough,
    ]);
  }
  expect(scanner.scanEnd).toBe('clean');
  return rows;
}

describe('RecordLogWriter', () => {
  it('appends records that a scan gives back, empty payloads included, and says how far it was synced', async () => {
    const fs = new FakeFs();
    const writer = create(fs);
    append(writer, 10, 0xaa);
    append(writer, 0, 0, 15);
    await writer.sync();
    expect(writer.syncedBytes).toBe(LOG_HEADER_BYTES + 30 + 20);
    append(writer, 1000, 0xbb, 3);
    expect(recordsOf(fs)).toEqual([
      [1, 10, 0xaa, 0],
      [15, 0, fs.bytesOf('d/log')[LOG_HEADER_BYTES + 50], 0],
      [3, 1000, 0xbb, 178],
    ]);
    expect(writer.bytes).toBe(fs.bytesOf('d/log').length);
  });

  it('continues after short writes', () => {
    const fs = new FakeFs();
    fs.shorten = (length) => Math.min(length, 7);
    const writer = create(fs);
    append(writer, 100, 1);
    append(writer, 50, 2);
    expect(recordsOf(fs).map((row) => row[1])).toEqual([100, 50]);
  });

  it('cuts a failed write back, keeps its state and accepts a later append', () => {
    for (let failAt = 1; failAt <= 20; failAt++) {
      const fs = new FakeFs();
      const writer = create(fs);
      append(writer, 10, 1);
      const before = [writer.bytes, writer.chain];
      let writes = 0;
      fs.shorten = (length) => Math.min(length, 5);
      fs.fault = (op) => (op === 'write' && ++writes === failAt ? 'ENOSPC' : undefined);
      let error: unknown;
      try {
        append(writer, 60, 2);
      } catch (caught) {
        error = caught;
      }
      if (failAt <= 16) {
        expect(error).toBeInstanceOf(IoError);
        expect((error as IoError).outcome).toBe('none');
        expect([writer.bytes, writer.chain]).toEqual(before);
        expect(recordsOf(fs)).toHaveLength(1);
      }
      fs.fault = () => undefined;
      append(writer, 30, 3);
      expect(recordsOf(fs).at(-1)?.slice(0, 3)).toEqual([1, 30, 3]);
    }
  });

  it('does not spin on a disk that writes nothing', () => {
    const fs = new FakeFs();
    const writer = create(fs);
    fs.shorten = () => 0;
    expect(() => append(writer, 10, 1)).toThrow(IoError);
    fs.shorten = (length) => length;
    append(writer, 10, 1);
    expect(recordsOf(fs)).toHaveLength(1);
  });

  it('latches with outcome unknown when a failed write can not be cut back', async () => {
    const fs = new FakeFs();
    const writer = create(fs);
    fs.fault = (op) => (op === 'write' || op === 'truncate' ? 'EIO' : undefined);
    expect(() => append(writer, 10, 1)).toThrow(
      expect.objectContaining({ code: 'NOKV_IO', outcome: 'unknown' }),
    );
    fs.fault = () => undefined;
    expect(() => append(writer, 10, 1)).toThrow(ReadOnlyError);
    await expect(writer.sync()).rejects.toThrow(ReadOnlyError);
    expect(() => writer.syncBlocking()).toThrow(ReadOnlyError);
    expect(writer.failure).toBeInstanceOf(IoError);
  });

  it('latches for ever after a failed sync of either form', async () => {
    for (const isBlocking of [true, false]) {
      const fs = new FakeFs();
      const writer = create(fs);
      append(writer, 10, 1);
      fs.fault = (op) => (op === 'sync' ? 'EIO' : undefined);
      if (isBlocking) expect(() => writer.syncBlocking()).toThrow(IoError);
      else await expect(writer.sync()).rejects.toThrow(IoError);
      fs.fault = () => undefined;
      expect(() => append(writer, 10, 1)).toThrow(ReadOnlyError);
      await expect(writer.sync()).rejects.toThrow(ReadOnlyError);
      expect(() => writer.syncBlocking()).toThrow(ReadOnlyError);
      expect(writer.syncedBytes).toBe(0);
      expect(recordsOf(fs)).toHaveLength(1);
    }
  });

  it('does not believe a sync that succeeds after another one in flight failed', async () => {
    const fs = new FakeFs();
    const writer = create(fs);
    append(writer, 10, 1);
    fs.holdsSyncs = true;
    let syncs = 0;
    fs.fault = (op) => (op === 'sync' && ++syncs === 1 ? 'EIO' : undefined);
    const first = writer.sync();
    append(writer, 10, 2);
    const second = writer.sync();
    fs.releaseSyncs();
    await expect(first).rejects.toThrow(IoError);
    await expect(second).rejects.toThrow(ReadOnlyError);
    expect(writer.syncedBytes).toBe(0);
  });

  it('is not synced after a write that was cut back, until the cut is', async () => {
    const fs = new FakeFs();
    const writer = create(fs);
    append(writer, 10, 1);
    await writer.sync();
    let syncs = 0;
    let writes = 0;
    fs.shorten = (length) => Math.min(length, 7);
    fs.fault = (op) => {
      if (op === 'sync') syncs++;
      return op === 'write' && ++writes === 2 ? 'ENOSPC' : undefined;
    };
    expect(() => append(writer, 100, 2)).toThrow(IoError);
    expect(writer.isSynced).toBe(false);
    await writer.sync();
    expect(writer.isSynced).toBe(true);
    await writer.sync();
    expect(syncs).toBe(1);
  });

  it('counts as synced only what lies before a mark', async () => {
    const fs = new FakeFs();
    const writer = create(fs);
    append(writer, 10, 1);
    const mark = { fileNumber: 5, bytes: writer.bytes, chain: writer.chain };
    append(writer, 10, 2);
    await writer.sync(mark);
    expect(writer.syncedPosition()).toEqual(mark);
    expect(writer.isSynced).toBe(false);
    await writer.sync();
    expect(writer.isSynced).toBe(true);
  });

  it('counts as synced only what was appended before the sync began', async () => {
    const fs = new FakeFs();
    const writer = create(fs);
    append(writer, 10, 1);
    const at = { fileNumber: 5, bytes: writer.bytes, chain: writer.chain };
    fs.holdsSyncs = true;
    const sync = writer.sync();
    append(writer, 10, 2);
    fs.releaseSyncs();
    await sync;
    expect(writer.syncedPosition()).toEqual(at);
    expect(writer.syncedBytes).toBe(at.bytes);
    expect(recordsOf(fs)[1]?.[3]).toBe(0);
  });

  it('closes the file only after the syncs in flight, and refuses everything later', async () => {
    const fs = new FakeFs();
    const writer = create(fs);
    append(writer, 10, 1);
    fs.holdsSyncs = true;
    const sync = writer.sync();
    writer.close();
    writer.close();
    fs.releaseSyncs();
    await sync;
    expect(() => append(writer, 10, 1)).toThrow(ClosedError);
    await expect(writer.sync()).rejects.toThrow(ClosedError);
    expect(recordsOf(fs)).toHaveLength(1);
  });

  it('removes a file whose header could not be written, and keeps a foreign one', () => {
    const fs = new FakeFs();
    fs.fault = (op) => (op === 'write' ? 'ENOSPC' : undefined);
    expect(() => create(fs)).toThrow(IoError);
    expect(fs.files.size).toBe(0);
    fs.fault = () => undefined;
    fs.put('d/log', new Uint8Array([1]));
    expect(() => create(fs)).toThrow(expect.objectContaining({ errno: 'EEXIST' }));
    expect(fs.bytesOf('d/log')).toEqual(new Uint8Array([1]));
  });

  it('holds exactly the accepted records after any program of appends, faults and syncs', () => {
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) {
      const random = new Prng(seed);
      const fs = new FakeFs();
      const writer = create(fs);
      const expected: number[][] = [];
      fs.shorten = (length) => (random.chance(1, 4) ? random.below(length) : length);
      fs.fault = (op) => (op === 'write' && random.chance(1, 6) ? 'EIO' : undefined);
      for (let step = 0; step < 200; step++) {
        if (random.chance(1, 5)) writer.syncBlocking();
        const row = [
          1 + random.below(4),
          1 + random.below(90),
          random.below(256),
          writer.syncedBytes,
        ];
        try {
          append(writer, row[1] as number, row[2] as number, row[0]);
          expected.push(row);
        } catch (error) {
          expect(error, `seed ${seed}`).toBeInstanceOf(IoError);
        }
      }
      expect(recordsOf(fs), `seed ${seed}`).toEqual(expected);
    }
  });
});
