/** Jobs that did their work, and whose edit then failed: they are tried again, and leave nothing behind meanwhile. */
import { describe, expect, it } from 'vitest';
import type { Executor } from '../../src/base/env.js';
import { NokvError } from '../../src/base/errors.js';
import type { CompactionJob, FlushJob } from '../../src/engine/compaction/job-spec.js';
import { openDb } from '../../src/engine/db.js';
import { tableName } from '../../src/engine/file-names.js';
import type { FaultRule } from '../../src/env/mem-faults.js';
import { openSim, rowsOf, type OpenedDb, reopen, TINY, WORKDIR } from './db-fixture.js';

const ROW = Buffer.alloc(1000);

/** Every file of the workdir that ends so. */
function filesOf({ env }: OpenedDb, ending: string, directory = WORKDIR): string[] {
  return env.fs.list(directory).flatMap((name) => {
    const path = `${directory}/${name}`;
    if (env.fs.stat(path)?.isDirectory === true) return filesOf({ env } as OpenedDb, ending, path);
    return name.endsWith(ending) ? [path] : [];
  });
}

const MANIFEST = /MANIFEST-\d+$/;

async function withTables(options = {}): Promise<OpenedDb> {
  const opened = await openSim({ ...TINY, autoCompaction: false, ...options });
  for (let i = 0; i < 3; i++) {
    await opened.db.put(`k${i}`, ROW);
    await opened.db.put('same', `${i}`.repeat(900));
    await opened.db.flush();
  }
  return opened;
}

describe('a flush', () => {
  it.each<[string, FaultRule]>([
    ['its edit meets a full disk', { op: 'write', errno: 'ENOSPC', nth: 2 }],
    ['its table can not be opened', { op: 'open', path: '.sst', errno: 'EMFILE' }],
  ])('leaves no table behind when %s', async (_, rule) => {
    const opened = await withTables();
    const { db, env } = opened;
    const tables = filesOf(opened, '.sst');
    await db.put('last', '1');
    const fault = env.fs.injectFault({
      path: (path) => MANIFEST.test(path),
      ...rule,
      times: Infinity,
    });
    await expect(db.flush()).rejects.toMatchObject({ name: 'IoError' });
    await env.clock.run(5000);
    expect(fault.hits).toBeGreaterThan(5);
    expect(filesOf(opened, '.sst')).toEqual(tables);
    fault.cancel();
    await env.clock.run(1000);
    await db.flush();
    expect(filesOf(opened, '.sst')).toHaveLength(tables.length + 1);
    await db.close();
  });

  it('is not built over and over when the manifest takes no edits any more', async () => {
    const opened = await withTables();
    const { db, env } = opened;
    const tables = filesOf(opened, '.sst').length;
    await db.put('last', '1');
    env.fs.injectFault({ op: 'sync', path: (path) => MANIFEST.test(path), errno: 'EIO' });
    await expect(db.flush()).rejects.toMatchObject({ name: 'IoError' });
    await env.clock.run(5000);
    // One, which the edit may have made durable.
    expect(filesOf(opened, '.sst').length).toBeLessThanOrEqual(tables + 1);
    await expect(db.flush()).rejects.toMatchObject({ code: 'NOKV_READ_ONLY' });
    const rows = rowsOf(db.scan()).length;
    await db.close().catch(() => undefined);
    const again = await reopen(opened, TINY);
    expect(rowsOf(again.db.scan())).toHaveLength(rows);
    await again.db.close();
  });

  it('is not built when the value log can not be synced', async () => {
    const opened = await withTables({ valueThreshold: 500 });
    const { db, env } = opened;
    await db.put('large', ROW);
    const tables = filesOf(opened, '.sst');
    env.fs.injectFault({ op: 'sync', path: '.vlog', errno: 'EIO' });
    await expect(db.flush()).rejects.toMatchObject({ name: 'IoError' });
    await env.clock.run(5000);
    expect(filesOf(opened, '.sst')).toEqual(tables);
    await db.close().catch(() => undefined);
  });
});

describe('a compaction', () => {
  it('leaves no table and no value-log segment behind when its edit meets a full disk', async () => {
    const opened = await withTables({ valueThreshold: 500, valueLogFileBytes: 64 * 1024 });
    const { db, env } = opened;
    for (let i = 0; i < 80; i++) await db.put(`k${i % 40}`, ROW);
    await db.flush();
    await db.compact();
    const files = [...filesOf(opened, '.sst'), ...filesOf(opened, '.vlog')];
    for (let i = 0; i < 20; i++) await db.del(`k${i}`);
    await db.flush();
    await db.compact();
    const before = [...filesOf(opened, '.sst'), ...filesOf(opened, '.vlog')];
    expect(before).not.toEqual(files);
    const rule = { path: (path: string) => MANIFEST.test(path), errno: 'ENOSPC', times: Infinity };
    const fault = env.fs.injectFault({ op: 'write', ...rule });
    for (let i = 0; i < 3; i++) {
      await expect(db.collectValueLog({ ratio: 0.1 })).rejects.toMatchObject({ name: 'IoError' });
      await env.clock.run(1000);
    }
    expect([...filesOf(opened, '.sst'), ...filesOf(opened, '.vlog')]).toEqual(before);
    fault.cancel();
    await db.collectValueLog({ ratio: 0.1 });
    expect(filesOf(opened, '.vlog')).not.toEqual(before.filter((path) => path.endsWith('.vlog')));
    await db.close();
  });
});

describe('a job whose thread dies at work', () => {
  it('leaves nothing of what it had written, however often it is tried', async () => {
    const opened = await openSim({ ...TINY, autoCompaction: false, valueThreshold: 500 });
    const { env } = opened;
    let isDying = false;
    let deaths = 0;
    const executor: Executor = {
      run: (lane, job) => {
        if (!isDying) return env.executor.run(lane, job);
        deaths++;
        const spec = job as FlushJob | CompactionJob;
        const number = spec.kind === 'flush' ? spec.fileNumber : spec.fileNumbers.first;
        env.fs.open(env.fs.join(spec.directory, tableName(number)), 'create').close();
        const details = { op: 'job', lane };
        return Promise.reject(new NokvError('NOKV_IO', 'its worker thread stopped', { details }));
      },
      close: () => env.executor.close(),
    };
    const db = await openDb({ ...env, executor }, '/other', { ...TINY, autoCompaction: false });
    for (let i = 0; i < 3; i++) {
      await db.put('k', `${i}`);
      await db.flush();
    }
    const tables = filesOf(opened, '.sst', '/other');
    await db.put('last', '1');
    isDying = true;
    await expect(db.flush()).rejects.toMatchObject({ code: 'NOKV_IO' });
    await env.clock.run(3000);
    expect(deaths).toBeGreaterThan(3);
    expect(filesOf(opened, '.sst', '/other')).toEqual(tables);
    isDying = false;
    await env.clock.run(1000);
    await db.flush();
    isDying = true;
    await expect(db.compact()).rejects.toMatchObject({ code: 'NOKV_IO' });
    await db.settle();
    expect(filesOf(opened, '.sst', '/other')).toHaveLength(tables.length + 1);
    isDying = false;
    await db.compact();
    expect(rowsOf(db.scan())).toEqual(['k=2', 'last=1']);
    await db.close();
    await opened.db.close();
  });
});

describe('Db.compact', () => {
  it('ends when the database is closed meanwhile, and begins no other step', async () => {
    for (let turns = 0; turns < 12; turns++) {
      const opened = await withTables();
      const { db, env } = opened;
      const compacted = db.compact().then(
        () => 'done',
        (error: unknown) => (error as NokvError).code,
      );
      for (let i = 0; i < turns; i++) await Promise.resolve();
      await db.close();
      expect(['done', 'NOKV_CLOSED']).toContain(await compacted);
      expect(env.fs.openFiles).toBe(0);
      const again = await reopen(opened, TINY);
      expect(rowsOf(again.db.scan())).toHaveLength(4);
      await again.db.close();
    }
  });

  it('may be called while another one waits, and no automatic compaction gets between', async () => {
    const opened = await withTables();
    const { db } = opened;
    await Promise.all([db.compact(), db.collectValueLog(), db.compact()]);
    expect(rowsOf(db.scan())).toHaveLength(4);
    expect(db.stats().lsm.levels[0]?.tables).toBe(0);
    await db.close();
  });
});

describe('Db.untilUnthrottled', () => {
  it('rejects when compaction has stopped, instead of waiting for ever', async () => {
    const opened = await withTables();
    await opened.db.close();
    const [table = ''] = filesOf(opened, '.sst');
    const file = opened.env.fs.open(table, 'update');
    file.write(Uint8Array.of(0xff, 0xff), 0, 2, 20);
    file.close();
    const { db, env } = await reopen(opened, {
      ...TINY,
      l0CompactionTrigger: 1,
      l0SlowdownTrigger: 2,
      l0StopTrigger: 3,
    });
    await env.clock.run(1000);
    await expect(db.untilUnthrottled()).rejects.toMatchObject({ code: 'NOKV_CORRUPTION' });
    await db.close();
  });
});
