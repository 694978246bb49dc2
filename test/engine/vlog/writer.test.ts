import { describe, expect, it } from 'vitest';
import { ReadOnlyError } from '../../../src/base/errors.js';
import { ValueLogWriter } from '../../../src/engine/vlog/writer.js';
import { createSimEnv } from '../../../src/env/sim-env.js';
import { openSim, TINY } from '../db-fixture.js';

const KEY = Buffer.from('key');
const VALUE = Buffer.alloc(1000, 7);

function openWriter() {
  const { fs } = createSimEnv(1);
  const header = { fileNumber: 1, bucket: 0, identity: '0'.repeat(16), createdMs: 1 };
  const writer = ValueLogWriter.create(fs, '/1', header);
  const append = (): number => {
    writer.append(KEY, 0, KEY.length, 1, 1, VALUE, 0, VALUE.length);
    writer.flush();
    return writer.bytes;
  };
  return { fs, writer, append };
}

describe('ValueLogWriter', () => {
  it.each(['after the sync', 'while it runs'])(
    'syncs again what was written where it was wound back to, %s',
    async (when) => {
      const { fs, writer, append } = openWriter();
      const mark = append();
      await writer.sync();
      append();
      fs.syncMode = 'manual';
      const first = writer.sync();
      if (when === 'while it runs') writer.rewind(mark);
      fs.completeSyncs();
      await first;
      if (when !== 'while it runs') writer.rewind(mark);
      expect(writer.syncedBytes).toBe(mark);
      const end = append();
      const second = writer.sync();
      expect(fs.pendingSyncs.map(({ path }) => path)).toEqual(['/1']);
      fs.completeSyncs();
      await second;
      expect(writer.syncedBytes).toBe(end);
    },
  );

  it('syncs again when it was wound back to the end of what is durable', async () => {
    const { fs, writer, append } = openWriter();
    const mark = append();
    await writer.sync();
    append();
    writer.rewind(mark);
    fs.syncMode = 'manual';
    const sync = writer.sync();
    // What was cut off must not come back behind a sealed end.
    expect(fs.pendingSyncs.map(({ path }) => path)).toEqual(['/1']);
    fs.completeSyncs();
    await sync;
    await writer.sync();
    expect(fs.pendingSyncs).toEqual([]);
  });

  it('trusts no sync that was under way when another one failed', async () => {
    const { fs, writer, append } = openWriter();
    append();
    fs.syncMode = 'manual';
    const first = writer.sync();
    const second = writer.sync();
    const results = Promise.allSettled([first, second]);
    fs.pendingSyncs[0]?.fail('EIO');
    await expect(first).rejects.toThrow('EIO');
    fs.completeSyncs();
    expect((await results).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(writer.syncedBytes).toBe(0);
  });
});

describe('Db', () => {
  it('takes no more writes when a flush could not make values durable', async () => {
    const { db, env } = await openSim({ ...TINY, valueThreshold: 100 });
    await db.put('first', VALUE);
    env.fs.injectFault({ op: 'sync', path: '.vlog', errno: 'EIO', times: 1 });
    await expect(db.flush()).rejects.toThrow('EIO');
    await expect(db.put('small', 'v')).rejects.toThrow(ReadOnlyError);
    expect(db.stats().write.is_failed).toBe(true);
    await db.close().catch(() => undefined);
  });

  it('closes a log that is durable and whose memtable could not be flushed', async () => {
    const { db, env } = await openSim(TINY);
    env.fs.injectFault({ op: 'create', path: '.sst', errno: 'EIO', times: Infinity });
    for (let i = 0; i < 3; i++) {
      await db.put(`a${i}`, 'v');
      await expect(db.flush()).rejects.toThrow('EIO');
      await db.put(`b${i}`, 'v', { durability: 'disk' }).catch(() => undefined);
    }
    await db.close().catch(() => undefined);
    expect(env.fs.openFiles).toBe(0);
  });
});
