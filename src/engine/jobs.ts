/**
 * Background jobs by name. A job is plain data; running it is a synchronous generator that yields
 * now and then, so that the inline executor of the tests can interleave it with foreground
 * writes, and a worker can look at its cancel flag. Runs inside a worker thread in production.
 */
import { unreachable } from '../base/assert.js';
import type { JobEnv } from '../base/env.js';
import { BlockCache } from './cache/block-cache.js';
import { runCompaction } from './compaction/job.js';
import type { CompactionJob, FlushJob, TableSettings } from './compaction/job-spec.js';
import type { TableAccess } from './compaction/table-access.js';
import { type IngestJob, runIngest } from './external/ingest-job.js';
import { runFlush } from './flush-job.js';
import { JS_LZ4 } from './sst/codec.js';
import { PrefixRules } from './sst/prefix-rules.js';
import { TableBuilder } from './sst/table-builder.js';
import { TableReader } from './sst/table-reader.js';

export interface Job {
  readonly kind: string;
}

/** Starts a job; the generator's return value is the job's result (plain data). */
export function startJob(job: Job, env: JobEnv): Generator<void, unknown, void> {
  switch (job.kind) {
    case 'flush': {
      const spec = job as FlushJob;
      return runFlush(spec, env, tableAccess(env, spec.table));
    }
    case 'compaction': {
      const spec = job as CompactionJob;
      return runCompaction(spec, env, tableAccess(env, spec.table));
    }
    case 'ingest':
      return runIngest(job as IngestJob, env);
    default:
      return unreachable(`jobs: unknown kind ${job.kind}`);
  }
}

/** Read in whole runs of blocks: a job passes over its inputs once. */
const READAHEAD_BYTES = 256 * 1024;

/** The table format for the jobs. Inputs are read past the cache, whose memory belongs to the main thread. */
function tableAccess(env: JobEnv, settings: TableSettings): TableAccess {
  const cache = new BlockCache(0);
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
      }),
    open: (path, meta) => {
      const reader = TableReader.open(env.fs, path, meta, cache);
      return {
        newCursor: () => reader.newCursor({ readaheadBytes: READAHEAD_BYTES, fillCache: false }),
        rangeTombstones: () => reader.rangeTombstones(),
        close: () => {
          reader.close();
        },
      };
    },
  };
}
