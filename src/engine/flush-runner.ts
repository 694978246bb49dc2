/**
 * Flushes one sealed memtable: the job writes and syncs a table, then one version edit adds it and
 * retires the log segment, and only when that edit is durable is the segment removed.
 */
import type { Env } from '../base/env.js';
import type { FlushJob, FlushResult } from './compaction/job-spec.js';
import { identitySeed, tableSettings } from './compaction-runner.js';
import type { Core } from './core.js';
import type { LoggedMemtable } from './logged-memtable.js';
import type { Options } from './options.js';
import type { RetentionSource } from './retention.js';
import type { TableMeta } from './table-meta.js';

export const FLUSH_LANE = 'flush';

export class FlushRunner {
  readonly #env: Env;
  readonly #options: Options;
  readonly #core: Core;
  readonly #retention: RetentionSource;
  /** Table bytes written. */
  bytesWritten: number;
  entriesDropped: number;
  /** Monotonic milliseconds at which the last table was built. */
  builtMs: number;

  constructor(env: Env, options: Options, core: Core, retention: RetentionSource) {
    this.#env = env;
    this.#options = options;
    this.#core = core;
    this.#retention = retention;
    this.bytesWritten = 0;
    this.entriesDropped = 0;
    this.builtMs = 0;
  }

  /** Requires a sealed memtable without pending entries, older than all others. @throws IoError, ReadOnlyError */
  async flush(memtable: LoggedMemtable): Promise<void> {
    const { tree } = this.#core;
    tree.mustTakeEdits();
    // The table will point into value-log segments: they must not be behind it.
    await this.#core.valueLog.sync();
    let result: FlushResult | undefined;
    if (!memtable.memtable.isEmpty()) {
      result = await tree.runJob(() => this.#build(memtable));
      this.bytesWritten += result.statistics.bytesWritten;
      this.entriesDropped += result.statistics.entriesIn - result.statistics.entriesOut;
    }
    this.builtMs = this.#env.clock.monotonicMs();
    await this.#install(memtable, result?.table);
    this.#core.removeLog(memtable);
  }

  async #build(memtable: LoggedMemtable): Promise<FlushResult> {
    const job = this.#job(memtable);
    try {
      return (await this.#env.executor.run(FLUSH_LANE, job)) as FlushResult;
    } catch (error) {
      this.#core.tree.abandonTables(job.fileNumber, 1);
      throw error;
    }
  }

  async #install({ memtable, logNumber }: LoggedMemtable, table?: TableMeta): Promise<void> {
    const { tree } = this.#core;
    try {
      await tree.apply({
        timeMs: this.#env.clock.nowMs(),
        reason: 'flush',
        lastSeq: Math.max(tree.manifest.version.lastSeq, memtable.figures().maxSeq),
        minWalNumber: logNumber + 1,
        ...(table === undefined ? {} : { addTables: [{ level: 0, meta: table }] }),
      });
    } catch (error) {
      if (table !== undefined) tree.abandon([tree.tablePath(table.fileNumber)]);
      throw error;
    }
  }

  #job(memtable: LoggedMemtable): FlushJob {
    return {
      kind: 'flush',
      directory: this.#core.workdir,
      identitySeed: identitySeed(this.#env),
      table: tableSettings(this.#options),
      retention: this.#retention.current(),
      memtable: memtable.memtable.descriptor(),
      fileNumber: this.#core.tree.nextFileNumber(),
    };
  }
}
