/**
 * Flush and compaction jobs as the executor runs them: memtables, tables and value log in their real
 * formats, on a simulated disk that fails on demand.
 */
import { describe, expect, it } from 'vitest';
import { hasCode } from '../../../src/base/errors.js';
import { MIB, SEQ_MAX } from '../../../src/base/limits.js';
import type { Prng } from '../../../src/base/prng.js';
import type {
  CompactionJob,
  CompactionResult,
  FlushJob,
  FlushResult,
} from '../../../src/engine/compaction/job-spec.js';
import {
  ENTRY_HEADER_BYTES,
  entrySize,
  KIND_PUT,
  KIND_RANGE_DELETE,
  KIND_VALUE_POINTER,
  putEntryHeader,
} from '../../../src/engine/entry.js';
import { jobStarter, startJob } from '../../../src/engine/jobs.js';
import { indexBytesFor, Memtable } from '../../../src/engine/memtable/memtable.js';
import type { RangeTombstone } from '../../../src/engine/range-tombstones.js';
import { BlockCache } from '../../../src/engine/cache/block-cache.js';
import { TableReader } from '../../../src/engine/sst/table-reader.js';
import type { TableMeta, ValueLogReference } from '../../../src/engine/table-meta.js';
import { ValueLogFile, ValueLogReader } from '../../../src/engine/vlog/reader.js';
import {
  encodeValuePointer,
  pointerFileNumber,
  VALUE_POINTER_SIZE,
} from '../../../src/engine/vlog/value-pointer.js';
import { ValueLogWriter } from '../../../src/engine/vlog/writer.js';
import {
  entryAt,
  forSeeds,
  keyName,
  keyOf,
  type ModelEntry,
  randomHistory,
  show,
  visibleEntries,
} from '../model-entry.js';
import { createJobEnv, finish, type JobTestEnv } from './job-env.js';

const TABLE = { blockBytes: 256, filterBitsPerKey: 10, compression: 'none' } as const;
const NOW = 50;

interface Contents {
  readonly entries: ModelEntry[];
  readonly tombstones: RangeTombstone[];
}

function memtableOf(kind: 'art' | 'skiplist', { entries, tombstones }: Contents): Memtable {
  const arena = {
    data: new SharedArrayBuffer(MIB),
    index: new SharedArrayBuffer(indexBytesFor(kind, 1000)),
  };
  const memtable = Memtable.create(kind, arena, { u32: () => 12_345 });
  const all = [
    ...entries,
    ...tombstones.map((t) => ({
      ...t,
      key: t.lower,
      value: t.upper,
      kind: KIND_RANGE_DELETE,
      expiresAt: 0,
    })),
  ];
  let at = ENTRY_HEADER_BYTES;
  for (const { key, value, kind: entryKind, seq, version, expiresAt } of all.sort(
    (a, b) => a.seq - b.seq,
  )) {
    const start = putEntryHeader(
      memtable.view,
      at,
      entryKind,
      key.length,
      value.length,
      seq,
      version,
      expiresAt,
    );
    memtable.data.set(key, start);
    memtable.data.set(value, start + key.length);
    memtable.insert(at);
    at += entrySize(key.length, value.length, version !== seq, expiresAt !== 0);
  }
  return memtable;
}

function flushJob(
  env: JobTestEnv,
  memtable: Memtable,
  fileNumber: number,
  lastSeq: number,
): FlushJob {
  return {
    kind: 'flush',
    directory: env.directory,
    identitySeed: fileNumber,
    table: TABLE,
    retention: retentionAt(lastSeq),
    memtable: memtable.descriptor(),
    fileNumber,
  };
}

function retentionAt(...pinnedSeqs: number[]): FlushJob['retention'] {
  return { pinnedSeqs, keepVersionsFrom: SEQ_MAX, tombstoneFloor: SEQ_MAX, nowMs: NOW };
}

function compactionJob(
  env: JobTestEnv,
  metas: readonly TableMeta[],
  lastSeq: number,
): CompactionJob {
  return {
    kind: 'compaction',
    directory: env.directory,
    identitySeed: 77,
    table: { ...TABLE, compression: 'lz4' },
    retention: retentionAt(lastSeq),
    inputs: metas.map((meta) => ({ level: 0, meta, path: pathOf(env, meta) })),
    outputLevel: 6,
    targetTableBytes: 900,
    fileNumbers: { first: 100, count: 20 },
    olderRanges: [],
  };
}

function pathOf(env: JobTestEnv, meta: TableMeta): string {
  return env.fs.join(env.directory, `${String(meta.fileNumber).padStart(5, '0')}.sst`);
}

function contentsOf(env: JobTestEnv, metas: readonly TableMeta[]): Contents {
  const entries: ModelEntry[] = [];
  const tombstones: RangeTombstone[] = [];
  for (const meta of metas) {
    const reader = TableReader.open(env.fs, pathOf(env, meta), meta, new BlockCache(0));
    const cursor = reader.newCursor({ readaheadBytes: 4096, fillCache: false });
    for (cursor.first(); cursor.valid; cursor.next()) entries.push(entryAt(cursor) as ModelEntry);
    tombstones.push(...reader.rangeTombstones());
    cursor.close();
    reader.close();
  }
  return { entries, tombstones };
}

function randomContents(random: Prng): Contents & { readonly lastSeq: number } {
  return randomHistory(random, {
    keys: 20,
    entries: 60 + random.below(100),
    rangeTombstones: random.below(4),
    isManaged: false,
    expires: true,
  });
}

const latest = (contents: Contents): string[] =>
  visibleEntries(contents.entries, contents.tombstones, {
    seqMax: SEQ_MAX,
    versionMax: SEQ_MAX,
    nowMs: NOW,
  }).map(show);

function flush(env: JobTestEnv, job: FlushJob): FlushResult {
  return finish(startJob(job, env)) as FlushResult;
}

function compact(env: JobTestEnv, job: CompactionJob): CompactionResult {
  return finish(startJob(job, env)) as CompactionResult;
}

/** Halves of a history in two tables of L0, newest first. */
function twoRuns(env: JobTestEnv, history: Contents & { readonly lastSeq: number }): TableMeta[] {
  const middle = history.lastSeq / 2;
  const half = (isNew: boolean): Contents => ({
    entries: history.entries.filter((entry) => entry.seq > middle === isNew),
    tombstones: history.tombstones.filter((t) => t.seq > middle === isNew),
  });
  return [half(true), half(false)].map((contents, i) => {
    const job = flushJob(env, memtableOf('art', contents), 10 + i, history.lastSeq);
    return flush(env, job).table as TableMeta;
  });
}

describe('flush job', () => {
  it('writes the visible entries of a memtable of either kind to one durable table', () => {
    forSeeds(20, (random, seed) => {
      const env = createJobEnv();
      const history = randomContents(random);
      const memtable = memtableOf(seed % 2 === 0 ? 'art' : 'skiplist', history);
      const { table, statistics } = flush(env, flushJob(env, memtable, 7, history.lastSeq));
      expect(latest(contentsOf(env, [table as TableMeta]))).toEqual(latest(history));
      expect(statistics.entriesIn).toBe(history.entries.length);
      expect(statistics.entriesOut).toBe(table?.entries);
      expect(statistics.bytesWritten).toBe(table?.bytes);
      expect(env.fs.unsynced()).toEqual([]);
    });
  });

  it('writes no file when nothing is left', () => {
    const env = createJobEnv();
    const result = flush(
      env,
      flushJob(env, memtableOf('art', { entries: [], tombstones: [] }), 7, 0),
    );
    expect(result.table).toBeUndefined();
    expect(env.fileNames()).toEqual([]);
  });

  it('leaves the file of somebody else alone and says so', () => {
    const env = createJobEnv();
    const history = { entries: [put('a', 1)], tombstones: [] };
    env.fs.open('/db/00007.sst', 'create').close();
    const job = flushJob(env, memtableOf('art', history), 7, 1);
    expect(() => flush(env, job)).toThrow('EEXIST');
    expect(env.fileNames()).toEqual(['00007.sst']);
  });
});

function put(name: string, seq: number): ModelEntry {
  return {
    key: keyOf(name),
    version: seq,
    seq,
    kind: KIND_PUT,
    expiresAt: 0,
    value: Buffer.from(`v${seq}`),
  };
}

describe('compaction job', () => {
  it('merges real tables: reads stay the same, outputs are small, durable and disjoint', () => {
    forSeeds(20, (random) => {
      const env = createJobEnv();
      const history = randomContents(random);
      const runs = twoRuns(env, history);
      const { outputs, statistics } = compact(env, compactionJob(env, runs, history.lastSeq));
      const after = contentsOf(env, outputs);
      expect(latest(after)).toEqual(latest(history));
      expect(after.entries.map(show)).toEqual(latest(history));
      expect(statistics.bytesRead).toBe(runs.reduce((sum, run) => sum + run.bytes, 0));
      expect(new Set(outputs.map((table) => table.identity)).size).toBe(outputs.length);
      expect(env.fs.unsynced()).toEqual([]);
    });
  });

  it('fails with the error of any failing call and leaves nothing but its inputs', () => {
    forSeeds(1, (random) => {
      const history = randomContents(random);
      for (const errno of ['EIO', 'ENOSPC']) {
        let failed = 0;
        for (let nth = 1; ; nth++) {
          const env = createJobEnv();
          const runs = twoRuns(env, history);
          const before = env.fileNames();
          const fault = env.fs.injectFault({
            op: ['create', 'write', 'sync', 'syncdir', 'read'],
            nth,
            errno,
          });
          let thrown: unknown;
          try {
            compact(env, compactionJob(env, runs, history.lastSeq));
          } catch (error) {
            thrown = error;
          }
          if (fault.hits === 0) break;
          failed++;
          expect(hasCode(thrown, errno === 'ENOSPC' ? 'NOKV_NO_SPACE' : 'NOKV_IO')).toBe(true);
          expect(env.fileNames()).toEqual(before);
        }
        expect(failed).toBeGreaterThan(5);
      }
    });
  });

  it('stops when it is cancelled, between two steps, and removes its files', () => {
    forSeeds(1, (random) => {
      const env = createJobEnv();
      const entries: ModelEntry[] = [];
      for (let i = 0; i < 200; i++) {
        entries.push({
          ...put(keyName(i), i + 1),
          value: new Uint8Array(2000).fill(random.below(256)),
        });
      }
      const run = flush(env, flushJob(env, memtableOf('art', { entries, tombstones: [] }), 7, 200))
        .table as TableMeta;
      const cancel = new SharedArrayBuffer(4);
      const job = startJob({ ...compactionJob(env, [run], 200), cancel } as CompactionJob, env);
      job.next();
      job.next();
      expect(env.fileNames().length).toBeGreaterThan(1);
      new Int32Array(cancel)[0] = 1;
      expect(() => job.next()).toThrow('closed');
      expect(env.fileNames()).toEqual(['00007.sst']);
    });
  });

  it('refuses damaged inputs and keeps nothing', () => {
    forSeeds(1, (random) => {
      const env = createJobEnv();
      const history = randomContents(random);
      const runs = twoRuns(env, history);
      const before = env.fileNames();
      env.fs.rot(pathOf(env, runs[0] as TableMeta), 40, 0xff);
      let thrown: unknown;
      try {
        compact(env, compactionJob(env, runs, history.lastSeq));
      } catch (error) {
        thrown = error;
      }
      expect(hasCode(thrown, 'NOKV_CORRUPTION')).toBe(true);
      expect(env.fileNames()).toEqual(before);
    });
  });
});

const SEGMENT = { fileNumber: 5, bucket: 0, identity: '0123456789abcdef', createdMs: 1 };

/** A value-log file with the values of these keys; entries that point to them. */
function separated(env: JobTestEnv, names: readonly string[], firstSeq: number): ModelEntry[] {
  env.fs.makeDirectory('/vlog');
  const writer = ValueLogWriter.create(env.fs, '/vlog/00005.vlog', SEGMENT);
  const entries = names.map((name, i) => {
    const key = keyOf(name);
    const value = Buffer.from(`value of ${name} at ${firstSeq + i}`);
    writer.append(key, 0, key.length, firstSeq + i, firstSeq + i, value, 0, value.length);
    const pointer = new Uint8Array(VALUE_POINTER_SIZE);
    encodeValuePointer(pointer, 0, SEGMENT.fileNumber, writer.lastStart, writer.lastLength);
    return { ...put(name, firstSeq + i), kind: KIND_VALUE_POINTER, value: pointer };
  });
  writer.flush();
  writer.syncBlocking();
  writer.close();
  env.fs.syncDirectory('/vlog');
  return entries;
}

function relocation(env: JobTestEnv, bytesMax: number): CompactionJob['valueLog'] {
  env.fs.makeDirectory('/vlog/next');
  env.fs.syncAll();
  return {
    sources: [{ fileNumber: 5, path: '/vlog/00005.vlog', identity: SEGMENT.identity }],
    target: {
      fileNumber: 6,
      directory: '/vlog/next',
      bucket: 1,
      identity: 'fedcba9876543210',
      bytesMax,
    },
  };
}

describe('compaction job that empties a value-log file', () => {
  const setting = (): { env: JobTestEnv; run: TableMeta } => {
    const env = createJobEnv();
    const entries = [...separated(env, ['a', 'b', 'c'], 1), put('b', 9)];
    const job = {
      ...flushJob(env, memtableOf('art', { entries, tombstones: [] }), 7, 9),
      retention: retentionAt(2, 9),
    };
    return { env, run: flush(env, job).table as TableMeta };
  };

  it('moves the live values and reports the dropped one', () => {
    const { env, run } = setting();
    const job = {
      ...compactionJob(env, [run], 9),
      retention: retentionAt(9),
      valueLog: relocation(env, MIB),
    };
    const { outputs, newValueLog, discard, statistics } = compact(env, job);
    const { entries } = contentsOf(env, outputs);
    const reader = new ValueLogReader(() =>
      ValueLogFile.open(env.fs, '/vlog/next/00006.vlog', {
        fileNumber: 6,
        identity: 'fedcba9876543210',
      }),
    );
    const read = entries
      .filter((entry) => entry.kind === KIND_VALUE_POINTER)
      .map((entry) => `${entry.seq} ${Buffer.from(reader.read(entry.value, 0)).toString()}`);
    expect(read).toEqual(['1 value of a at 1', '3 value of c at 3']);
    expect(newValueLog).toMatchObject({ fileNumber: 6, bucket: 1, count: 2 });
    expect(newValueLog?.bytes).toBe(env.fs.stat('/vlog/next/00006.vlog')?.bytes);
    const [reference] = run.valueLog as [ValueLogReference];
    expect(reference.count).toBe(3);
    expect(discard).toEqual([{ fileNumber: 5, bytes: reference.bytes / 3, count: 1 }]);
    expect(outputs[0]?.valueLog.map((reference) => reference.fileNumber)).toEqual([6]);
    expect(statistics.valueLogBytesWritten).toBe(outputs[0]?.valueLog[0]?.bytes);
    expect(env.fs.unsynced()).toEqual([]);
    reader.close();
  });

  it('stops moving at the size limit, and what is left keeps its place', () => {
    const { env, run } = setting();
    const job = {
      ...compactionJob(env, [run], 9),
      retention: retentionAt(9),
      valueLog: relocation(env, 1),
    };
    const { outputs, newValueLog } = compact(env, job);
    expect(newValueLog?.count).toBe(1);
    const files = contentsOf(env, outputs)
      .entries.filter((entry) => entry.kind === KIND_VALUE_POINTER)
      .map((entry) => pointerFileNumber(entry.value, 0));
    expect(files).toEqual([6, 5]);
  });

  it('removes the new file, too, when it fails', () => {
    for (let nth = 1; ; nth++) {
      const { env, run } = setting();
      const job = {
        ...compactionJob(env, [run], 9),
        retention: retentionAt(9),
        valueLog: relocation(env, MIB),
      };
      const fault = env.fs.injectFault({
        op: ['create', 'write', 'sync', 'syncdir'],
        nth,
        errno: 'EIO',
      });
      let thrown: unknown;
      try {
        compact(env, job);
      } catch (error) {
        thrown = error;
      }
      if (fault.hits === 0) break;
      expect(hasCode(thrown, 'NOKV_IO')).toBe(true);
      expect([...env.fileNames(), ...env.fs.list('/vlog/next')]).toEqual(['00007.sst']);
    }
  });
});

describe('jobStarter', () => {
  it('runs one job after another in the same memory, also behind one that failed', () => {
    const start = jobStarter();
    forSeeds(12, (random) => {
      const history = randomContents(random);
      const failing = createJobEnv();
      const failingRuns = twoRuns(failing, history);
      failing.fs.injectFault({ op: 'write', nth: 1, errno: 'EIO' });
      const failingJob = compactionJob(failing, failingRuns, history.lastSeq);
      expect(() => finish(start(failingJob, failing))).toThrow(/write/);

      const [env, usual] = [createJobEnv(), createJobEnv()];
      const job = compactionJob(env, twoRuns(env, history), history.lastSeq);
      const result = finish(start(job, env)) as CompactionResult;
      twoRuns(usual, history);
      expect(result).toEqual(compact(usual, job));
      for (const name of env.fileNames()) {
        const path = env.fs.join(env.directory, name);
        expect(env.fs.readFile(path)).toEqual(usual.fs.readFile(path));
      }
    });
  });
});
