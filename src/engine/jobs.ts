/**
 * Background jobs by name. A job is plain data; running it is a synchronous generator that yields
 * now and then, so that the inline executor of the tests can interleave it with foreground
 * writes, and a worker can look at its cancel flag. Runs inside a worker thread in production.
 */
import { unreachable } from '../base/assert.js';
import type { JobEnv } from '../base/env.js';
import { KIB, MIB } from '../base/limits.js';
import { BlockCache } from './cache/block-cache.js';
import { runCompaction } from './compaction/job.js';
import type { CompactionJob, FlushJob, TableSettings } from './compaction/job-spec.js';
import type { TableAccess } from './compaction/table-access.js';
import { type IngestJob, runIngest } from './external/ingest-job.js';
import { runFlush } from './flush-job.js';
import { BuilderMemory } from './sst/builder-memory.js';
import { JS_LZ4 } from './sst/codec.js';
import { PrefixRules } from './sst/prefix-rules.js';
import { TableBuilder } from './sst/table-builder.js';
import { TableReader } from './sst/table-reader.js';

export interface Job {
  readonly kind: string;
}

/** Starts a job; the generator's return value is the job's result (plain data). */
export function startJob(job: Job, env: JobEnv): Generator<void, unknown, void> {
  return startIn(new JobMemory(), job, env);
}

/** `startJob` for one job after another: each finds the buffers of those before it. */
export function jobStarter(): typeof startJob {
  const memory = new JobMemory();
  return (job, env) => startIn(memory, job, env);
}

/** What a job leaves to the next one: without it a worker's memory is mostly garbage of jobs that have ended. */
class JobMemory {
  /** Inputs are read past the cache, whose memory belongs to the main thread; only its pool of buffers is used. */
  readonly cache = new BlockCache(0);
  readonly builder = new BuilderMemory();
}

function startIn(memory: JobMemory, job: Job, env: JobEnv): Generator<void, unknown, void> {
  switch (job.kind) {
    case 'flush': {
      const spec = job as FlushJob;
      return runFlush(spec, env, tableAccess(env, memory, spec.table, READAHEAD_BYTES_MAX));
    }
    case 'compaction': {
      const spec = job as CompactionJob;
      return runCompaction(spec, env, tableAccess(env, memory, spec.table, readaheadBytes(spec)));
    }
    case 'ingest':
      return runIngest(job as IngestJob, env);
    default:
      return unreachable(`jobs: unknown kind ${job.kind}`);
  }
}

/** Read in whole runs of blocks: a job passes over its inputs once. */
const READAHEAD_BYTES_MAX = 256 * KIB;
const READAHEAD_BYTES_MIN = 64 * KIB;
/** Of all inputs that are read side by side, as far as the minimum allows. */
const READAHEAD_BYTES_TOTAL = 3 * MIB;

function readaheadBytes({ inputs }: CompactionJob): number {
  const runs = new Set(inputs.map(({ level, meta }) => (level === 0 ? meta.fileNumber : -level)));
  const share = Math.floor(READAHEAD_BYTES_TOTAL / runs.size / READAHEAD_BYTES_MIN);
  return Math.min(READAHEAD_BYTES_MAX, Math.max(1, share) * READAHEAD_BYTES_MIN);
}

/** The table format for the jobs. */
function tableAccess(
  env: JobEnv,
  memory: JobMemory,
  settings: TableSettings,
  readaheadBytes: number,
): TableAccess {
  const prefixRules = new PrefixRules(settings.prefixRules ?? []);
  return {
    create: (file, fileNumber, identity, createdMs) =>
      new TableBuilder(file, {
        fileNumber,
        identity,
        createdMs,
        blockBytes: settings.blockBytes,
        filterBitsPerKey: settings.filterBitsPerKey,
        codec: settings.compression === 'lz4' ? JS_LZ4 : undefined,
        prefixRules,
        memory: memory.builder,
      }),
    open: (path, meta) => {
      const reader = TableReader.open(env.fs, path, meta, memory.cache);
      return {
        newCursor: () =>
          reader.newPass({ readaheadBytes, fillCache: false, expectedBytes: Infinity }),
        rangeTombstones: () => reader.rangeTombstones(),
        close: () => {
          reader.close();
        },
      };
    },
  };
}
