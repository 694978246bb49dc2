/**
 * Turns the picker's plans into jobs and their results into version edits. One compaction runs at a
 * time; its inputs are claimed from the moment it is picked until its edit is installed.
 */
import type { Env } from '../base/env.js';
import { LEVEL_COUNT } from '../base/limits.js';
import { Claims } from './compaction/claims.js';
import {
  ALL_KEYS,
  type CompactionJob,
  type CompactionResult,
  type ValueLogSource,
  type ValueLogTarget,
} from './compaction/job-spec.js';
import {
  type CompactionPick,
  pickCompaction,
  type PickContext,
  pickManual,
  type PickOptions,
} from './compaction/picker.js';
import { treeShape, type TreeShape } from './compaction/score.js';
import type { Core } from './core.js';
import { bucketName, VALUE_LOG_DIRECTORY } from './file-names.js';
import type { VersionEdit } from './manifest/version-edit.js';
import type { Options } from './options.js';
import { prefixRulesFor } from './prefix-filters.js';
import type { RetentionSource } from './retention.js';
import { newIdentity } from './unique-identity.js';
import { type SegmentReport, valueLogGarbage } from './vlog/gc-picker.js';

/** Garbage worth collecting when there is nothing else to do. */
const IDLE_GC_RATIO = 0.25;

export const COMPACTION_LANE = 'compaction';

export type CompactionPlan = CompactionPick;

export interface CompactionHost {
  readonly retention: RetentionSource;
  /** Lowest value-log file that an unflushed memtable may point into. */
  minValueLogInMemory(): number;
}

export interface CompactionCounters {
  bytesRead: number;
  bytesWritten: number;
  /** Table bytes by the level they were written to. */
  readonly bytesWrittenByLevel: number[];
  valueLogBytesWritten: number;
  entriesIn: number;
  entriesOut: number;
  droppedShadowed: number;
  droppedCovered: number;
  droppedExpired: number;
  droppedTombstones: number;
  moves: number;
  /** Runs by reason (CompactionReason). */
  byReason: Record<string, number>;
  gcRuns: number;
  gcSegmentsRemoved: number;
}

export class CompactionRunner {
  readonly counters: CompactionCounters;
  readonly #env: Env;
  readonly #options: Options;
  readonly #core: Core;
  readonly #host: CompactionHost;
  /** What running jobs hold; an ingest takes its place among them. */
  readonly claims: Claims;
  readonly #cancel: SharedArrayBuffer;

  constructor(env: Env, options: Options, core: Core, host: CompactionHost) {
    this.#env = env;
    this.#options = options;
    this.#core = core;
    this.#host = host;
    this.claims = new Claims();
    this.#cancel = new SharedArrayBuffer(4);
    this.counters = {
      bytesRead: 0,
      bytesWritten: 0,
      bytesWrittenByLevel: new Array<number>(LEVEL_COUNT).fill(0),
      valueLogBytesWritten: 0,
      entriesIn: 0,
      entriesOut: 0,
      droppedShadowed: 0,
      droppedCovered: 0,
      droppedExpired: 0,
      droppedTombstones: 0,
      moves: 0,
      byReason: {},
      gcRuns: 0,
      gcSegmentsRemoved: 0,
    };
  }

  /** The most useful compaction now, or undefined. `isIdle`: nobody writes, so space alone is worth one. */
  pick(isIdle: boolean): CompactionPlan | undefined {
    const options = this.#pickOptions();
    const context = this.#pickContext(this.#garbageToCollect(isIdle), isIdle);
    const plan = pickCompaction(this.#version(), options, context);
    const isCrowded = this.#core.tree.current.runs.length >= this.#options.l0SlowdownTrigger;
    if (plan !== undefined || !isCrowded) return plan;
    // A policy may wait for more runs than there will ever be, because writers wait for fewer.
    return pickCompaction(this.#version(), { ...options, compactionPolicy: 'leveled' }, context);
  }

  /** Next step of a full compaction by hand; undefined when it is done. */
  pickFull(seqMax: number): CompactionPlan | undefined {
    return pickManual(
      this.#version(),
      this.#pickOptions(),
      this.#pickContext(new Set(), false),
      ALL_KEYS,
      seqMax,
    );
  }

  /** Next step of emptying every segment with at least this share of garbage; undefined when done. */
  pickCollection(ratio: number): CompactionPlan | undefined {
    const wanted = new Set(
      this.report(ratio)
        .filter((segment) => segment.verdict === 'collect')
        .map((segment) => segment.fileNumber),
    );
    if (wanted.size === 0) return undefined;
    const plan = pickCompaction(
      this.#version(),
      this.#pickOptions(),
      this.#pickContext(wanted, false),
    );
    return plan;
  }

  /** Every value-log segment with its garbage, and what collection at this ratio would do. */
  report(ratio: number): SegmentReport[] {
    return valueLogGarbage({
      // Segments and tables of one version, the one that the next edit follows: an edit that waits for its
      // sync may have added a segment together with the tables that point into it.
      version: this.#core.tree.manifest.version,
      activeNumber: this.#core.valueLog.activeNumber,
      activeBytes: this.#core.valueLog.activeBytes,
      minInMemory: this.#host.minValueLogInMemory(),
      ratio,
    });
  }

  shape(): TreeShape {
    return treeShape(this.#version(), this.#pickOptions(), this.claims);
  }

  /** Runs a plan to its end: job, edit, installation. Changes nothing when it fails. @throws NokvError */
  async run(plan: CompactionPlan): Promise<void> {
    const claim = this.claims.claim(plan);
    try {
      if (plan.isMove) await this.#move(plan);
      else await this.#rewrite(plan);
      this.counters.byReason[plan.reason] = (this.counters.byReason[plan.reason] ?? 0) + 1;
    } finally {
      this.claims.release(claim);
    }
    await this.dropEmptySegments();
  }

  /** Asks a running job to stop. */
  cancel(): void {
    Atomics.store(new Int32Array(this.#cancel), 0, 1);
  }

  #version(): Core['tree']['current']['version'] {
    return this.#core.tree.current.version;
  }

  #pickOptions(): PickOptions {
    const { l0CompactionTrigger, baseLevelBytes, compactionPolicy, tableBytes } = this.#options;
    return { l0CompactionTrigger, baseLevelBytes, compactionPolicy, tableBytes };
  }

  #pickContext(valueLogsToEmpty: ReadonlySet<number>, isIdle: boolean): PickContext {
    return {
      claims: this.claims,
      retention: this.#host.retention.current(),
      valueLogsToEmpty,
      isIdle,
    };
  }

  #garbageToCollect(isIdle: boolean): ReadonlySet<number> {
    if (!this.#options.valueLogGc) return new Set();
    const { valueLogGcRatio } = this.#options;
    const segments = this.report(
      isIdle ? Math.min(valueLogGcRatio, IDLE_GC_RATIO) : valueLogGcRatio,
    );
    return new Set(
      segments
        .filter((segment) => segment.verdict === 'collect')
        .map((segment) => segment.fileNumber),
    );
  }

  async #move(plan: CompactionPlan): Promise<void> {
    await this.#core.tree.apply({
      timeMs: this.#env.clock.nowMs(),
      reason: `move ${plan.reason}`,
      removeTables: plan.inputs.map(({ level, meta }) => ({ level, fileNumber: meta.fileNumber })),
      addTables: plan.inputs.map(({ meta }) => ({ level: plan.outputLevel, meta })),
    });
    this.counters.moves++;
  }

  async #rewrite(plan: CompactionPlan): Promise<void> {
    const { tree } = this.#core;
    tree.mustTakeEdits();
    const result = await tree.runJob(() => this.#build(plan));
    const { newValueLog } = result;
    const edit: VersionEdit = {
      timeMs: this.#env.clock.nowMs(),
      reason: `compaction ${plan.reason}`,
      removeTables: plan.inputs.map(({ level, meta }) => ({ level, fileNumber: meta.fileNumber })),
      addTables: result.outputs.map((meta) => ({ level: plan.outputLevel, meta })),
      discard: result.discard,
      ...(newValueLog === undefined
        ? {}
        : {
            addValueLog: [newValueLog],
            sealValueLog: [{ fileNumber: newValueLog.fileNumber, bytes: newValueLog.bytes }],
          }),
    };
    try {
      await tree.apply(edit);
    } catch (error) {
      tree.abandon(result.outputs.map(({ fileNumber }) => tree.tablePath(fileNumber)));
      if (newValueLog !== undefined)
        tree.abandon([tree.segmentPath(newValueLog.fileNumber, newValueLog.bucket)]);
      throw error;
    }
    this.#count(result, plan.outputLevel);
  }

  async #build(plan: CompactionPlan): Promise<CompactionResult> {
    const job = this.#job(plan);
    try {
      return (await this.#env.executor.run(COMPACTION_LANE, job)) as CompactionResult;
    } catch (error) {
      const { tree } = this.#core;
      tree.abandonTables(job.fileNumbers.first, job.fileNumbers.count);
      const target = job.valueLog?.target;
      if (target !== undefined)
        tree.abandonFile(tree.segmentPath(target.fileNumber, target.bucket));
      throw error;
    }
  }

  #job(plan: CompactionPlan): CompactionJob {
    const { tree } = this.#core;
    const first = tree.reserveFileNumbers(plan.outputsMax);
    const valueLog = this.#relocation(plan);
    return {
      kind: 'compaction',
      directory: this.#core.workdir,
      identitySeed: identitySeed(this.#env),
      table: tableSettings(this.#options),
      retention: this.#host.retention.current(),
      cancel: this.#cancel,
      inputs: plan.inputs.map(({ level, meta }) => ({
        level,
        meta,
        path: tree.tablePath(meta.fileNumber),
      })),
      outputLevel: plan.outputLevel,
      targetTableBytes: plan.targetTableBytes,
      fileNumbers: { first, count: plan.outputsMax },
      olderRanges: plan.olderRanges,
      ...(valueLog === undefined ? {} : { valueLog }),
    };
  }

  /** Segments worth emptying that the inputs point into, and where their live values go. */
  #relocation(
    plan: CompactionPlan,
  ): { sources: ValueLogSource[]; target: ValueLogTarget } | undefined {
    if (plan.valueLogsToEmpty.length === 0) return undefined;
    const { tree, workdir } = this.#core;
    const sources: ValueLogSource[] = [];
    let bucket = 0;
    for (const fileNumber of plan.valueLogsToEmpty) {
      const state = this.#version().valueLog.get(fileNumber);
      if (state === undefined) continue;
      bucket = Math.max(bucket, state.bucket);
      sources.push({
        fileNumber,
        path: tree.segmentPath(fileNumber, state.bucket),
        identity: state.identity,
      });
    }
    if (sources.length === 0) return undefined;
    const { fs } = this.#env;
    const targetBucket = Math.min(bucket + 1, this.#options.valueLogBuckets - 1);
    const directory = fs.join(workdir, VALUE_LOG_DIRECTORY, bucketName(targetBucket));
    fs.makeDirectory(directory);
    fs.syncDirectory(fs.join(workdir, VALUE_LOG_DIRECTORY));
    this.counters.gcRuns++;
    return {
      sources,
      target: {
        fileNumber: tree.nextFileNumber(),
        directory,
        bucket: targetBucket,
        identity: newIdentity(this.#env.random),
        bytesMax: this.#options.valueLogFileBytes,
      },
    };
  }

  /** Segments that nothing points into any more leave the version; their files go with the last reader. */
  async dropEmptySegments(): Promise<void> {
    const empty = this.report(this.#options.valueLogGcRatio)
      .filter((segment) => segment.verdict === 'remove')
      .map((segment) => segment.fileNumber);
    if (empty.length === 0) return;
    await this.#core.tree.apply({
      timeMs: this.#env.clock.nowMs(),
      reason: 'value-log collection',
      removeValueLog: empty,
    });
    this.counters.gcSegmentsRemoved += empty.length;
  }

  #count(result: CompactionResult, level: number): void {
    const { counters } = this;
    const { statistics } = result;
    counters.bytesRead += statistics.bytesRead;
    counters.bytesWritten += statistics.bytesWritten;
    const written = counters.bytesWrittenByLevel;
    written[level] = (written[level] ?? 0) + statistics.bytesWritten;
    counters.valueLogBytesWritten += statistics.valueLogBytesWritten;
    counters.entriesIn += statistics.entriesIn;
    counters.entriesOut += statistics.entriesOut;
    counters.droppedShadowed += statistics.droppedShadowed;
    counters.droppedCovered += statistics.droppedCovered;
    counters.droppedExpired += statistics.droppedExpired;
    counters.droppedTombstones += statistics.droppedTombstones;
  }
}

/** A random safe integer for a job's identities. */
export function identitySeed(env: Env): number {
  return env.random.u32() * 0x10_0000 + (env.random.u32() & 0xf_ffff);
}

export function tableSettings(options: Options): CompactionJob['table'] {
  const { blockBytes, filterBitsPerKey, compression } = options;
  const { plain } = prefixRulesFor(options.prefixFilters);
  return { blockBytes, filterBitsPerKey, compression, prefixRules: plain };
}
