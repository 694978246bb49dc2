/** The table writer: order, splitting, what it refuses, and what is left on disk. */
import { describe, expect, it } from 'vitest';
import { BlockCache } from '../../../src/engine/cache/block-cache.js';
import { TableWriter, type TableWriterOptions } from '../../../src/engine/external/table-writer.js';
import { decodeExternalFacts, freeBase } from '../../../src/engine/sst/external-facts.js';
import { TableReader } from '../../../src/engine/sst/table-reader.js';
import { createSimEnv, type SimEnv } from '../../../src/env/sim-env.js';
import { openSim, rowsOf, text, TINY } from '../db-fixture.js';

function writerOn(options: TableWriterOptions = {}): { env: SimEnv; writer: TableWriter } {
  const env = createSimEnv(1);
  return { env, writer: new TableWriter(env, '/out/tables', options) };
}

describe('TableWriter', () => {
  it('writes durable tables that say what an ingest has to know', async () => {
    const { env, writer } = writerOn();
    writer.put('a', '1');
    writer.del('b');
    writer.put('b', '2', { columnFamily: 'lock', version: 9 });
    writer.put('b', '1', { columnFamily: 'lock', version: 2 });
    const tables = await writer.finish();
    expect(env.fs.unsynced()).toEqual([]);
    expect(tables).toMatchObject([
      { columnFamily: 'default', entries: 2, deletes: 1, rangeDeletes: 0 },
      { columnFamily: 'lock', entries: 2, deletes: 0 },
    ]);
    const reader = TableReader.openAlone(env.fs, '/out/tables/table-000002.sst', new BlockCache(0));
    expect(reader.verify()).toEqual([]);
    expect(reader.isExternal).toBe(true);
    expect(reader.meta).toMatchObject({ fileNumber: 0, entries: 2, valueLog: [] });
    expect(reader.properties().external).toEqual({
      maxOrdinarySeq: 0,
      managed: { maxVersion: 9, minOffset: -1, maxOffset: 7 },
    });
    reader.close();
  });

  it('refuses keys out of order by name, and goes on', async () => {
    const { writer } = writerOn();
    writer.put('b', '1');
    expect(() => writer.put('a', '1')).toThrow('Cannot add key a: keys must ascend');
    expect(() => writer.put('b', '1')).toThrow('Cannot add key b: it was added already');
    expect(() => writer.put('b', '1', { version: 3 })).toThrow(
      'Cannot add key b: it has writes with',
    );
    writer.put('c', '1', { version: 3 });
    expect(() => writer.put('c', '1', { version: 3 })).toThrow('was added already');
    expect(() => writer.put('c', '1', { version: 4 })).toThrow('was added already');
    writer.put('c', '1', { version: 1 });
    expect(() => writer.deleteRange('c', 'd')).toThrow('it begins before what was added');
    writer.deleteRange('m', 'p');
    expect(() => writer.put('d', '1')).toThrow('a range delete behind it was added');
    expect(() => writer.put('n', '1', { version: 1 })).toThrow(
      'has writes with an explicit version',
    );
    writer.put('p', '1', { version: 1 });
    expect(() => writer.deleteRange('z', 'y')).toThrow(RangeError);
    expect(await writer.finish()).toMatchObject([{ entries: 4, rangeDeletes: 1 }]);
    expect(() => writer.put('q', '1')).toThrow('closed');
  });

  it('cuts tables at their size, never inside a key, and range deletes with them', async () => {
    const { db, env } = await openSim(TINY);
    for (let i = 100; i < 400; i++) await db.put(`k${i}`, 'old');
    const writer = new TableWriter(env, '/in', { tableBytes: 4096 });
    writer.deleteRange('k150', 'k390');
    const kept: string[] = [];
    for (let i = 200; i < 360; i += 2) {
      writer.put(`k${i}`, String(i).repeat(40));
      kept.push(`k${i}`);
    }
    const tables = await writer.finish();
    expect(tables.length).toBeGreaterThan(2);
    for (let i = 1; i < tables.length; i++) {
      expect((text(tables[i - 1]?.last) as string) <= (text(tables[i]?.first) as string)).toBe(
        true,
      );
    }
    await db.ingest(tables.map(({ file }) => file));
    const keys = rowsOf(db.scan({ gte: 'k150', lt: 'k390' })).map((row) => row.slice(0, 4));
    expect(keys).toEqual(kept);
    await db.close();

    const versions = writerOn({ tableBytes: 4096, compression: 'lz4' });
    for (let version = 300; version > 0; version--) {
      versions.writer.put('k', 'x'.repeat(100), { version });
    }
    versions.writer.put('l', 'x', { version: 1 });
    expect((await versions.writer.finish()).map(({ entries }) => entries)).toEqual([300, 1]);
  });

  it('writes nothing without rows, only range deletes when that is all, and removes all by abort', async () => {
    const none = writerOn();
    expect(await none.writer.finish()).toEqual([]);
    expect(none.env.fs.stat('/out')).toBeUndefined();
    const range = writerOn();
    range.writer.deleteRange('a', 'b');
    expect(await range.writer.finish()).toMatchObject([{ entries: 0, rangeDeletes: 1 }]);
    const some = writerOn({ tableBytes: 4096 });
    for (let i = 100; i < 300; i++) some.writer.put(`k${i}`, 'x'.repeat(100));
    await some.writer.abort();
    expect(some.env.fs.list('/out/tables')).toEqual([]);
  });

  it('never writes over a file, and leaves nothing of its own when it can not go on', async () => {
    const { env, writer } = writerOn({ name: 'x' });
    writer.put('a', '1');
    await writer.finish();
    const before = env.fs.readFile('/out/tables/x-000001.sst');
    const second = new TableWriter(env, '/out/tables', { name: 'x' });
    expect(() => second.put('a', '2')).toThrow(
      expect.objectContaining({ errno: 'EEXIST', hint: expect.stringContaining('another name') }),
    );
    await second.abort();
    expect(env.fs.readFile('/out/tables/x-000001.sst')).toEqual(before);
    const third = new TableWriter(env, '/out/tables', { name: 'y' });
    third.put('a', '1');
    env.fs.injectFault({ op: 'sync', path: 'y-', errno: 'EIO' });
    await expect(third.finish()).rejects.toMatchObject({ code: 'NOKV_IO' });
    expect(env.fs.list('/out/tables')).toEqual(['x-000001.sst']);
  });

  it('refuses options that it does not know or can not serve', () => {
    const bad: [object, string][] = [
      [{ nmae: 'x' }, 'did you mean "name"'],
      [{ name: '../x' }, 'name must be'],
      [{ tableBytes: 1 }, 'tableBytes must be'],
      [{ blockBytes: 0.5 }, 'blockBytes must be'],
      [{ compression: 'zip' }, 'compression must be'],
    ];
    for (const [options, message] of bad) expect(() => writerOn(options)).toThrow(message);
  });
});

describe('freeBase', () => {
  const facts = (minOffset: number, maxOffset: number) => ({
    maxOrdinarySeq: 0,
    managed: { maxVersion: maxOffset + 2, minOffset, maxOffset },
  });

  it('jumps over the versions of every table, in any order', () => {
    expect(freeBase(5, [])).toBe(5);
    expect(freeBase(5, [facts(7, 9)])).toBe(5);
    expect(freeBase(8, [facts(7, 9)])).toBe(10);
    expect(freeBase(8, [facts(10, 20), facts(7, 9)])).toBe(21);
  });

  it('is fed with facts that are numbers, or refused', () => {
    const sound = { maxOrdinarySeq: 2, managed: { maxVersion: 5, minOffset: -1, maxOffset: 3 } };
    expect(decodeExternalFacts(sound)).toEqual(sound);
    expect(decodeExternalFacts({ maxOrdinarySeq: 2, managed: null })).toBeDefined();
    const bad: unknown[] = [
      null,
      {},
      { maxOrdinarySeq: 1.5, managed: null },
      { maxOrdinarySeq: 1 },
    ];
    bad.push(
      { ...sound, managed: {} },
      { ...sound, managed: { ...sound.managed, maxOffset: 'x' } },
    );
    for (const one of bad) expect(decodeExternalFacts(one)).toBeUndefined();
  });
});
