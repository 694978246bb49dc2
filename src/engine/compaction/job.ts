/**
 * A compaction: sorted tables in, sorted tables out, as its spec says. Runs in a worker; needs nothing but
 * the file system. Inputs are read only; the caller removes them after the manifest has the outputs.
 *
 * All or nothing: on any error, cancellation included, every file the job created is removed and the
 * error is thrown on. On success all outputs, the new value-log file and their directories are synced.
 */
import type { JobEnv } from '../../base/env.js';
import type { EntryCursor } from '../iterators/entry-cursor.js';
import { MergingCursor } from '../iterators/merging.js';
import { RunCursor } from '../iterators/run-cursor.js';
import { type RangeTombstone, RangeTombstones } from '../range-tombstones.js';
import type { TableMeta } from '../table-meta.js';
import { DropRules, KeptFragments } from './drop-rules.js';
import type { CompactionJob, CompactionJobInput, CompactionResult } from './job-spec.js';
import { Rewriter } from './rewriter.js';
import type { TableAccess, TableSource } from './table-access.js';
import { TableOutputs } from './table-outputs.js';
import { ValueRelocation } from './value-relocation.js';

/** Runs the job; the generator's return value is its result. */
export function* runCompaction(
  spec: CompactionJob,
  env: JobEnv,
  access: TableAccess,
): Generator<void, CompactionResult, void> {
  const inputs = new JobInputs(spec.inputs, access);
  try {
    const tombstones = inputs.rangeTombstones();
    const outputs = new TableOutputs(env, access, {
      directory: spec.directory,
      identitySeed: spec.identitySeed,
      fileNumbers: spec.fileNumbers,
      targetTableBytes: spec.targetTableBytes,
      fragments: new KeptFragments(tombstones, spec.retention, spec.olderRanges),
    });
    const relocation =
      spec.valueLog === undefined
        ? undefined
        : new ValueRelocation(env, spec.valueLog.sources, spec.valueLog.target);
    const rules = new DropRules(spec.retention, tombstones, spec.olderRanges);
    const rewriter = new Rewriter(inputs.newCursor(), rules, outputs, relocation, spec.cancel);
    let isDone = false;
    try {
      yield* rewriter.run();
      const newValueLog = relocation?.finish();
      const tables = outputs.finish();
      isDone = true;
      return {
        outputs: tables,
        discard: rewriter.discard(),
        newValueLog,
        statistics: rewriter.statistics(sumOfBytes(tables), inputs.bytes),
      };
    } finally {
      if (!isDone) {
        outputs.abort();
        relocation?.abort();
      }
    }
  } finally {
    inputs.close();
  }
}

/** The input tables of a job: opened when they are reached; those of a run are closed when it moves on. */
class JobInputs {
  readonly #inputs: readonly CompactionJobInput[];
  readonly #access: TableAccess;
  readonly #open: Map<number, TableSource>;
  #cursor: EntryCursor | undefined;

  constructor(inputs: readonly CompactionJobInput[], access: TableAccess) {
    this.#inputs = inputs;
    this.#access = access;
    this.#open = new Map();
    this.#cursor = undefined;
  }

  get bytes(): number {
    return sumOfBytes(this.#inputs.map((input) => input.meta));
  }

  rangeTombstones(): RangeTombstones {
    const list: RangeTombstone[] = [];
    for (const input of this.#inputs) {
      if (input.meta.rangeTombstones === 0) continue;
      for (const tombstone of this.#tableOf(input).rangeTombstones()) list.push(tombstone);
    }
    return new RangeTombstones(list);
  }

  /** A merge: every L0 run by itself, every other level as one run. */
  newCursor(): EntryCursor {
    const sources: EntryCursor[] = [];
    const levels = new Map<number, CompactionJobInput[]>();
    for (const input of this.#inputs) {
      const level = levels.get(input.level) ?? [];
      level.push(input);
      levels.set(input.level, level);
    }
    for (const [level, inputs] of levels) {
      if (level === 0) for (const input of inputs) sources.push(this.#tableOf(input).newCursor());
      else sources.push(this.#runOf(inputs));
    }
    const [only] = sources;
    const cursor = only !== undefined && sources.length === 1 ? only : new MergingCursor(sources);
    this.#cursor = cursor;
    return cursor;
  }

  close(): void {
    this.#cursor?.close();
    for (const table of this.#open.values()) table.close();
    this.#open.clear();
  }

  /** A job only moves forward: what it has passed need not keep its index. */
  #runOf(inputs: readonly CompactionJobInput[]): RunCursor {
    let current: CompactionJobInput | undefined;
    return new RunCursor(
      inputs.map((input) => input.meta),
      (index) => {
        if (current !== undefined) this.#close(current);
        const input = inputs[index] as CompactionJobInput;
        current = input;
        return this.#tableOf(input).newCursor();
      },
    );
  }

  #close(input: CompactionJobInput): void {
    this.#open.get(input.meta.fileNumber)?.close();
    this.#open.delete(input.meta.fileNumber);
  }

  #tableOf(input: CompactionJobInput): TableSource {
    const known = this.#open.get(input.meta.fileNumber);
    if (known !== undefined) return known;
    const opened = this.#access.open(input.path, input.meta);
    this.#open.set(input.meta.fileNumber, opened);
    return opened;
  }
}

function sumOfBytes(tables: readonly TableMeta[]): number {
  let sum = 0;
  for (const table of tables) sum += table.bytes;
  return sum;
}
