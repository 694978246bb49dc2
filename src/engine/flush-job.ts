/**
 * A flush: the entries of one sealed memtable to one table of L0. Versions that no reader needs are left
 * out already. Runs in a worker, which shares the memtable's arenas and only reads them.
 *
 * All or nothing: on any error the partial file is removed and the error is thrown on; the memtable and its
 * log stay, and the flush can be tried again under another file number.
 */
import type { JobEnv } from '../base/env.js';
import { detach } from '../base/bytes.js';
import { DropRules, KeptFragments } from './compaction/drop-rules.js';
import { ALL_KEYS, type FlushJob, type FlushResult } from './compaction/job-spec.js';
import { Rewriter } from './compaction/rewriter.js';
import type { TableAccess } from './compaction/table-access.js';
import { TableOutputs } from './compaction/table-outputs.js';
import {
  entryKeyLength,
  entryKeyStart,
  entrySeq,
  entryValueLength,
  entryValueStart,
  entryVersion,
} from './entry.js';
import { Memtable } from './memtable/memtable.js';
import { RangeTombstones } from './range-tombstones.js';

/** Runs the job; the generator's return value is its result. */
export function* runFlush(
  spec: FlushJob,
  env: JobEnv,
  access: TableAccess,
): Generator<void, FlushResult, void> {
  const memtable = Memtable.attach(spec.memtable);
  const tombstones = tombstonesOf(memtable);
  const olderRanges = spec.olderRanges ?? [ALL_KEYS];
  const outputs = new TableOutputs(env, access, {
    directory: spec.directory,
    identitySeed: spec.identitySeed,
    fileNumbers: { first: spec.fileNumber, count: 1 },
    targetTableBytes: Number.MAX_SAFE_INTEGER,
    fragments: new KeptFragments(tombstones, spec.retention, olderRanges),
  });
  const rules = new DropRules(spec.retention, tombstones, olderRanges);
  const cursor = memtable.newCursor();
  const rewriter = new Rewriter(cursor, rules, outputs, undefined, spec.cancel);
  let isDone = false;
  try {
    yield* rewriter.run();
    const table = outputs.finish()[0];
    isDone = true;
    return {
      table,
      discard: rewriter.discard(),
      statistics: rewriter.statistics(table?.bytes ?? 0, undefined),
    };
  } finally {
    cursor.close();
    if (!isDone) outputs.abort();
  }
}

/** Bounds are copied: the arena is recycled while tables and fragments may live on. */
function tombstonesOf(memtable: Memtable): RangeTombstones {
  const { data, view } = memtable;
  return new RangeTombstones(
    memtable.rangeTombstones.map((at) => ({
      lower: detach(data, entryKeyStart(view, at), entryKeyLength(view, at)),
      upper: detach(data, entryValueStart(view, at), entryValueLength(view, at)),
      version: entryVersion(view, at),
      seq: entrySeq(view, at),
    })),
  );
}
