import { describe, expect, it } from 'vitest';
import type { Env } from '../../../src/base/env.js';
import { type CheckReport, checkWorkdir } from '../../../src/engine/inspect/check-workdir.js';
import { type Finding, type KeyRange, keyRangeOf } from '../../../src/engine/inspect/findings.js';
import { manifestReport } from '../../../src/engine/inspect/manifest-report.js';
import { type Inspection, openInspection } from '../../../src/engine/inspect/open-inspection.js';
import { spaceReport } from '../../../src/engine/inspect/space-report.js';
import { dumpTableFile } from '../../../src/engine/inspect/table-report.js';
import { valueLogReport } from '../../../src/engine/inspect/value-log-report.js';
import { checkWalFile, dumpWals } from '../../../src/engine/inspect/wal-report.js';
import { workdirStats } from '../../../src/engine/inspect/workdir-stats.js';
import { startJob } from '../../../src/engine/jobs.js';
import { encodeKey, FAMILY_DEFAULT, FAMILY_SYSTEM, keySuccessor } from '../../../src/engine/key.js';
import type { MemFs } from '../../../src/env/mem-fs.js';
import { createSimEnv } from '../../../src/env/sim-env.js';
import { openSim, type OpenedDb, text, TINY, WORKDIR } from '../db-fixture.js';
import { diskOf } from './disk-state.js';

/** Tables, value-log segments and a log with entries; closed in order. */
async function workdirWithAll(): Promise<OpenedDb> {
  const opened = await openSim({ ...TINY, valueThreshold: 400, autoCompaction: false });
  const { db } = opened;
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 60; i++) {
      await db.put(`key${String(i).padStart(3, '0')}`, `${round}`.repeat(i % 3 === 0 ? 500 : 60));
    }
    await db.flush();
  }
  await db.deleteRange('key010', 'key020');
  await db.del('key001');
  await db.put('late', 'x'.repeat(600));
  await db.put('last', '1');
  await db.close();
  return opened;
}

/** A later process that only looks; the same boot. */
function looker(fs: MemFs): Env {
  return createSimEnv(5, fs, { startJob });
}

function look<T>(fs: MemFs, ask: (inspection: Inspection) => T): T {
  const inspection = openInspection(looker(fs), WORKDIR);
  try {
    return ask(inspection);
  } finally {
    inspection.close();
  }
}

function filesOf(fs: MemFs, ending: RegExp, directory = WORKDIR): string[] {
  return fs.list(directory).flatMap((name) => {
    const path = `${directory}/${name}`;
    if (fs.stat(path)?.isDirectory === true) return filesOf(fs, ending, path);
    return ending.test(path) ? [path] : [];
  });
}

function flip(fs: MemFs, path: string, at: number): void {
  const file = fs.open(path, 'update');
  const byte = new Uint8Array(1);
  file.read(byte, 0, 1, at);
  file.write(Uint8Array.of((byte[0] as number) ^ 0x10), 0, 1, at);
  file.close();
}

function damaged(findings: readonly Finding[]): string[] {
  return findings
    .filter(({ kind }) => kind === 'damage' || kind === 'missing')
    .map(({ file }) => file);
}

/** `path.to.leaf` of every field. */
function shapeOf(value: unknown, path = ''): string[] {
  if (Array.isArray(value)) return value.length === 0 ? [] : shapeOf(value[0], `${path}[]`);
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([name, inner]) => shapeOf(inner, `${path}.${name}`));
}

const check = (fs: MemFs): Promise<CheckReport> => checkWorkdir(looker(fs), WORKDIR);

describe('checkWorkdir', () => {
  it('finds nothing in a sound workdir, and counts what it checked', async () => {
    const { env } = await workdirWithAll();
    const report = await check(env.fs);
    expect(report.findings).toEqual([]);
    expect(report).toMatchObject({
      is_sound: true,
      checked: {
        tables: 3,
        table_entries: 180,
        wal_segments: 1,
        value_records: 61,
        value_pointers: 61,
      },
    });
  });

  it.each([/CURRENT$/, /MANIFEST/, /\.wal$/, /\.sst$/, /\.vlog$/])(
    'finds a changed byte anywhere in %s',
    async (ending) => {
      const { env } = await workdirWithAll();
      for (const path of filesOf(env.fs, ending)) {
        const bytes = env.fs.stat(path)?.bytes ?? 0;
        const step = Math.max(1, Math.floor(bytes / 40));
        for (let at = 0; at < bytes; at += step) {
          const fs = env.fs.killClone();
          flip(fs, path, at);
          const report = await check(fs);
          const name = path.slice(WORKDIR.length + 1);
          const named = report.findings.map(({ file }) => file);
          expect(named, `${name} at ${at}: ${JSON.stringify(report.findings)}`).toContain(name);
          expect(report.is_sound, `${name} at ${at}`).toBe(false);
        }
      }
    },
  );

  it('says which keys a damaged block and a damaged value may concern', async () => {
    const { env } = await workdirWithAll();
    const fs = env.fs.killClone();
    const table = filesOf(fs, /\.sst$/)[0] ?? '';
    flip(fs, table, 10);
    const [finding] = (await check(fs)).findings;
    expect(finding).toMatchObject({ kind: 'damage', offset: 0, what: 'block checksum mismatch' });
    expect(text(finding?.key_range?.lower)).toBe('key000');
    const other = env.fs.killClone();
    flip(other, filesOf(other, /\.vlog$/)[0] ?? '', 64 + 28 + 20);
    const [value] = (await check(other)).findings;
    expect(value).toMatchObject({
      kind: 'damage',
      offset: 64,
      what: 'value record checksum mismatch',
    });
    expect(text(value?.key_range?.lower)).toBe('key000');
  });

  it('names each file that is missing, with the keys of a table', async () => {
    const { env } = await workdirWithAll();
    for (const path of filesOf(env.fs, /\.(sst|wal|vlog)$/)) {
      const fs = env.fs.killClone();
      fs.remove(path);
      const report = await check(fs);
      const missing = report.findings.filter(({ kind }) => kind === 'missing');
      expect(missing.map(({ file }) => file)).toContain(path.slice(WORKDIR.length + 1));
      expect(missing.every(({ key_range: range }) => range !== undefined)).toBe(
        path.endsWith('.sst'),
      );
    }
  });

  it('takes a cut log of a process that died for a tail, and lists orphans and foreign files', async () => {
    const { db, env } = await openSim(TINY);
    for (let i = 0; i < 20; i++) await db.put(`key${i}`, 'x'.repeat(50));
    const fs = env.fs.killClone();
    const [log = ''] = filesOf(fs, /\.wal$/);
    const file = fs.open(log, 'update');
    file.truncate(file.size() - 7);
    file.close();
    for (const name of ['00099.sst', 'notes.txt']) fs.open(`${WORKDIR}/${name}`, 'create').close();
    const report = await check(fs);
    expect(report.is_sound).toBe(true);
    expect(report.findings.map(({ kind, file: name }) => `${kind} ${name}`)).toEqual([
      `tail ${log.slice(WORKDIR.length + 1)}`,
      'orphan 00099.sst',
      'foreign notes.txt',
    ]);
    await db.close();
  });

  it('reads the mode, which no open goes past when it is damaged', async () => {
    const { env } = await workdirWithAll();
    const fs = env.fs.killClone();
    const path = `${WORKDIR}/MODE.json`;
    const file = fs.open(path, 'create');
    const mode = new TextEncoder().encode('{"mode":"standalone"}');
    file.write(mode, 0, mode.length, 0);
    file.close();
    expect(damaged((await check(fs)).findings)).toEqual([]);
    flip(fs, path, 0);
    expect(damaged((await check(fs)).findings)).toEqual(['MODE.json']);
  });

  it('tells a lost CURRENT from a directory without a database', async () => {
    const { env } = await workdirWithAll();
    const fs = env.fs.killClone();
    fs.remove(`${WORKDIR}/CURRENT`);
    expect(damaged((await check(fs)).findings)).toEqual(['CURRENT']);
    expect(() => openInspection(looker(fs), WORKDIR)).toThrow(/CURRENT is missing/);
    const empty = createSimEnv(1);
    empty.fs.makeDirectory(WORKDIR);
    await expect(checkWorkdir(empty, WORKDIR)).rejects.toMatchObject({ code: 'NOKV_NOT_FOUND' });
    await expect(checkWorkdir(empty, '/nowhere')).rejects.toMatchObject({ code: 'NOKV_NOT_FOUND' });
    expect(empty.fs.stat('/nowhere')).toBeUndefined();
  });
});

describe('an inspection', () => {
  it('leaves names, sizes, times and bytes as they are, of a sound and of a damaged workdir', async () => {
    const { env } = await workdirWithAll();
    const broken = env.fs.killClone();
    for (const path of filesOf(broken, /\.(sst|vlog|wal)$/)) flip(broken, path, 200);
    for (const fs of [env.fs, broken]) {
      const before = diskOf(fs, WORKDIR);
      await check(fs);
      look(fs, (inspection) => {
        workdirStats(inspection);
        manifestReport(inspection);
        spaceReport(inspection, 0.5);
        valueLogReport(inspection, 0.5);
      });
      expect(diskOf(fs, WORKDIR)).toEqual(before);
    }
  });

  it('reads what is readable of a log with a damaged record', async () => {
    const { env } = await workdirWithAll();
    const fs = env.fs.killClone();
    const [log = ''] = filesOf(fs, /\.wal$/);
    flip(fs, log, (fs.stat(log)?.bytes ?? 0) - 1);
    const records = look(fs, (inspection) => {
      const dump = dumpWals(inspection, true);
      return { list: [...dump.records], damaged: damaged(dump.findings) };
    });
    expect(records.list.flatMap(({ entries }) => entries.map(({ kind }) => kind))).toEqual([
      'range-delete',
      'delete',
      'pointer',
    ]);
    expect(records.damaged).toEqual([log.slice(WORKDIR.length + 1)]);
    expect(checkWalFile(looker(fs), log).segments[0]).toMatchObject({ entries: 3 });
  });

  it('goes on behind a damaged block of a table', async () => {
    const { env } = await workdirWithAll();
    const fs = env.fs.killClone();
    const [table = ''] = filesOf(fs, /\.sst$/);
    const dump = (): { keys: (string | undefined)[]; damaged: string[] } => {
      const opened = dumpTableFile(looker(fs), table, { lower: undefined, upper: undefined }, true);
      const keys = Array.from(opened.entries, ({ key }) => text(key));
      opened.close();
      return { keys, damaged: damaged(opened.findings) };
    };
    const whole = dump();
    expect(whole.keys).toHaveLength(60);
    flip(fs, table, 700);
    const rest = dump();
    expect(rest.damaged).toEqual([table.slice(WORKDIR.length + 1)]);
    expect(rest.keys.length).toBeLessThan(60);
    expect(rest.keys.length).toBeGreaterThan(40);
    expect(rest.keys.at(-1)).toBe(whole.keys.at(-1));
  });
});

describe('keyRangeOf', () => {
  it('names the families of a range that reaches from one into another', () => {
    const [user, other] = [encodeKey(FAMILY_DEFAULT, 'user'), encodeKey(FAMILY_DEFAULT, 'zoo')];
    const hidden = keySuccessor(encodeKey(FAMILY_SYSTEM, 'import'));
    const shown = (range: KeyRange): unknown => ({
      ...range,
      lower: text(range.lower),
      upper: text(range.upper),
    });
    expect(shown(keyRangeOf(user, other))).toEqual({ lower: 'user', upper: 'zoo' });
    expect(shown(keyRangeOf(user, hidden))).toEqual({
      lower: 'user',
      upper: 'import',
      lower_family: 'default',
      upper_family: 'system',
    });
  });
});

describe('workdirStats', () => {
  it('has the shape of the stats of a running database, and its figures where files tell them', async () => {
    const { db, env } = await openSim({ ...TINY, valueThreshold: 400 });
    for (let i = 0; i < 300; i++) await db.put(`key${i}`, 'x'.repeat(i % 5 === 0 ? 500 : 100));
    await db.settle();
    const live = db.stats();
    const read = look(env.fs, workdirStats);
    expect(shapeOf(read.lsm)).toEqual(shapeOf(live.lsm));
    const known = shapeOf(live).filter((path) => !/by_reason|steps|\.heads|_keys\[\]/.test(path));
    expect(shapeOf(read)).toEqual(expect.arrayContaining(known));
    expect(read.entries).toBe(live.entries);
    expect(read.lsm.levels.map((level) => [level.tables, level.size_bytes])).toEqual(
      live.lsm.levels.map((level) => [level.tables, level.size_bytes]),
    );
    expect(read.wal.bytes).toBe(live.wal.bytes);
    expect(read.write.stall_count).toBeNull();
    await db.close();
  });
});

describe('spaceReport', () => {
  it('adds up to the byte, also with foreign, orphaned and damaged files', async () => {
    const { env } = await workdirWithAll();
    const strange = env.fs.killClone();
    const file = strange.open(`${WORKDIR}/notes.txt`, 'create');
    file.write(new Uint8Array(123), 0, 123, 0);
    file.close();
    strange.open(`${WORKDIR}/00999.sst`, 'create').close();
    flip(strange, filesOf(strange, /\.sst$/)[0] ?? '', 300);
    for (const fs of [env.fs, strange]) {
      const { total_bytes: total, categories } = look(fs, (inspection) =>
        spaceReport(inspection, 0.5),
      );
      const onDisk = filesOf(fs, /./).reduce((sum, path) => sum + (fs.stat(path)?.bytes ?? 0), 0);
      expect(total).toBe(onDisk);
      expect(categories.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(total);
    }
    const { categories } = look(strange, (inspection) => spaceReport(inspection, 0.5));
    const of = (name: string): number =>
      categories.find(({ category }) => category === name)?.bytes ?? -1;
    expect(of('foreign')).toBe(123);
    expect(of('unreadable')).toBeGreaterThan(0);
  });

  it('says within a tenth what a compaction gives back', async () => {
    const opened = await openSim({ ...TINY, valueThreshold: 400, autoCompaction: false });
    const { db, env } = opened;
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 400; i++)
        await db.put(`key${i}`, `${round}`.repeat(i % 4 === 0 ? 700 : 150));
      await db.flush();
    }
    const bytes = (): number =>
      filesOf(env.fs, /\.(sst|vlog)$/).reduce(
        (sum, path) => sum + (env.fs.stat(path)?.bytes ?? 0),
        0,
      );
    const before = bytes();
    const promised = look(env.fs, (inspection) => spaceReport(inspection, 0.5)).actions.find(
      ({ action }) => action === 'compact',
    );
    await db.compact();
    await db.settle();
    const returned = before - bytes();
    expect(Math.abs(returned - (promised?.returns_bytes ?? 0))).toBeLessThan(0.1 * returned);
    await db.close();
  });
});

describe('valueLogReport', () => {
  it('tells live records from garbage, and why a segment is kept', async () => {
    const { env } = await workdirWithAll();
    const { buckets } = look(env.fs, (inspection) => valueLogReport(inspection, 0.5));
    const segments = buckets.flatMap((bucket) => bucket.segments);
    expect(segments.length).toBeGreaterThan(0);
    for (const segment of segments) {
      expect(segment.reason).not.toBe('');
      expect(segment.live_bytes + segment.garbage_bytes).toBeLessThanOrEqual(segment.bytes);
    }
    expect(segments.reduce((sum, segment) => sum + segment.live_bytes, 0)).toBeGreaterThan(
      60 * 500,
    );
  });
});
