/**
 * Takes external tables into an open database, all of them at one moment.
 *
 * 1. A job checks the files and places them in the workdir under new numbers, durably (ingest-job.ts).
 * 2. If memtables hold keys of their ranges, they are flushed while writes go on: this leaves less for step 4.
 * 3. The write queue is held: every write before has its number, and later ones wait. What was written is made durable and
 *    visible, so that the ingest is not the survivor of a power loss that took older writes.
 * 4. Memtables that hold keys of the ranges are flushed: an ingested table may then lie in any level without older
 *    data of its keys coming down on top of it.
 * 5. Numbers above all others are taken, levels chosen, the key ranges claimed there, and one edit adds all tables. When
 *    it is durable the tables are current, though not seen yet.
 * 6. In one turn the numbers become visible, cached rows go, transactions that are open learn of the ranges, and writes go on.
 * 7. With `move` the sources are removed.
 *
 * An abort by `signal` is a failure until step 2 begins, and passed over from there on.
 *
 * Crashes: before the edit is durable the placed files are orphans, which the next open removes; the sources are untouched.
 * Afterwards the ingest has happened; at most sources that should have gone are still there. A failure undoes
 * step 1, unless nobody knows whether the edit is durable (the manifest is latched then): the next open judges the files.
 */
import { compareBytes } from '../../base/bytes.js';
import type { Env } from '../../base/env.js';
import { ClosedError, NokvError } from '../../base/errors.js';
import type { Claims } from '../compaction/claims.js';
import type { KeyRange } from '../compaction/drop-rules.js';
import { tableName } from '../file-names.js';
import type { LoggedMemtable } from '../logged-memtable.js';
import type { FamilyName } from '../options.js';
import type { ReadState } from '../read-view.js';
import { checkNames } from '../requests.js';
import type { Tree } from '../tree.js';
import { builtTableOf } from './built-table.js';
import { type IngestJob, type PlacedTable, removeTables } from './ingest-job.js';
import { type IngestPlan, planIngest } from './ingest-plan.js';

export interface IngestOptions {
  /** Takes the files themselves, by a second name where the file system can, and removes them at the end. Default false. */
  readonly move?: boolean;
  /** Checks every checksum and the order of all entries first. Default true. */
  readonly verify?: boolean;
  /** Ends it early, with the signal's reason and nothing changed: while files are checked and copied, not afterwards. */
  readonly signal?: AbortSignal | undefined;
}

export interface IngestedTable {
  /** As it was given. */
  readonly file: string;
  /** In the workdir. */
  readonly fileNumber: number;
  readonly level: number;
  readonly bytes: number;
  readonly columnFamily: FamilyName;
  readonly entries: number;
  readonly rangeDeletes: number;
}

export interface IngestResult {
  /** In the order of the paths. */
  readonly tables: readonly IngestedTable[];
  /** Highest sequence number of the ingested rows; snapshots from here on see them. */
  readonly seq: number;
  /** Sources that `move` could not remove. */
  readonly leftBehind: readonly string[];
}

/** Of the write queue (write-queue.ts), what an ingest needs. */
export interface IngestQueue {
  readonly lastSeq: number;
  hold(): Promise<() => void>;
  sync(): Promise<void>;
  jumpTo(seq: number, ranges: readonly KeyRange[]): void;
  /** No write is taken any more. */
  fail(error: unknown): void;
}

/** What the database does for it. */
export interface IngestHost {
  readonly env: Env;
  readonly tree: Tree;
  readonly claims: Claims;
  /** @throws ClosedError, ReadOnlyError */
  mustWrite(): IngestQueue;
  /** undefined once closed. */
  state(): ReadState | undefined;
  /** Flushes every memtable, also while the queue is held. */
  flush(): Promise<void>;
  /** There are new tables. */
  onIngested(): void;
}

export const INGEST_LANE = 'ingest';
const OPTION_NAMES = new Set(['move', 'verify', 'signal']);

export class Ingester {
  readonly #host: IngestHost;
  readonly #running: Set<Promise<unknown>>;

  constructor(host: IngestHost) {
    this.#host = host;
    this.#running = new Set();
  }

  /** @throws as Db.ingest */
  ingest(paths: readonly string[], options: IngestOptions): Promise<IngestResult> {
    const run = this.#ingest(paths, options);
    const settled = run.then(
      () => undefined,
      () => undefined,
    );
    this.#running.add(settled);
    void settled.then(() => this.#running.delete(settled));
    return run;
  }

  /** Resolves when none runs. */
  async drained(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #ingest(paths: readonly string[], options: IngestOptions): Promise<IngestResult> {
    const { move = false, verify = true, signal } = checkRequest(paths, options);
    signal?.throwIfAborted();
    const { env, tree } = this.#host;
    this.#host.mustWrite();
    if (paths.length === 0)
      return { tables: [], seq: this.#host.mustWrite().lastSeq, leftBehind: [] };
    const firstNumber = tree.reserveFileNumbers(paths.length);
    const job: IngestJob = {
      kind: 'ingest',
      directory: tree.workdir,
      sources: paths.map((path, i) => ({
        path,
        target: env.fs.join(tree.workdir, tableName(firstNumber + i)),
      })),
      isLinked: move,
      isVerified: verify,
      cancel: new SharedArrayBuffer(4),
    };
    const placed = await this.#place(job, signal);
    let plan: IngestPlan;
    try {
      signal?.throwIfAborted();
      for (const table of placed) this.#checkForeign(table);
      plan = await this.#install(placed, firstNumber);
    } catch (error) {
      // Of a latched manifest nobody knows whether the edit is durable: the next open removes the tables, or has them.
      if (tree.manifest.failure === undefined)
        removeTables(
          env,
          placed.map(({ target }) => target),
        );
      throw error;
    }
    const leftBehind = move ? await this.#removeSources(placed) : [];
    this.#host.onIngested();
    return {
      tables: placed.map((table, i) => resultOf(table, plan, i)),
      seq: plan.lastSeq,
      leftBehind,
    };
  }

  /** Runs the job; the signal asks it to stop. */
  async #place(job: IngestJob, signal: AbortSignal | undefined): Promise<PlacedTable[]> {
    const cancel = (): void => {
      if (job.cancel !== undefined) Atomics.store(new Int32Array(job.cancel), 0, 1);
    };
    signal?.addEventListener('abort', cancel);
    try {
      const { env, tree } = this.#host;
      return (await tree.runJob(() => env.executor.run(INGEST_LANE, job))) as PlacedTable[];
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  /**
   * A table of this very workdir, however the path to it is written, would lose its name to `move`.
   * @throws NokvError NOKV_INVALID
   */
  #checkForeign({ path, meta }: PlacedTable): void {
    const name = path.split(/[\\/]/).at(-1);
    const isOwn = this.#host.tree.manifest.version.levels.some((metas) =>
      metas.some((own) => own.identity === meta.identity && tableName(own.fileNumber) === name),
    );
    if (!isOwn) return;
    throw new NokvError('NOKV_INVALID', `Cannot ingest ${path}: it is a table of this database`, {
      hint: 'Export the rows with exportTables, and ingest the files that it makes',
      details: { file: path, offset: 0 },
    });
  }

  async #install(placed: readonly PlacedTable[], firstNumber: number): Promise<IngestPlan> {
    const ranges = placed.map(({ meta: { lower, upper } }) => ({ lower, upper }));
    if (this.#isInMemory(ranges)) await this.#host.flush();
    const queue = this.#host.mustWrite();
    const release = await queue.hold();
    try {
      this.#host.mustWrite();
      await queue.sync();
      if (this.#isInMemory(ranges)) await this.#host.flush();
      const plan = await this.#apply(placed, firstNumber, queue);
      queue.jumpTo(plan.lastSeq, ranges);
      return plan;
    } finally {
      release();
    }
  }

  async #apply(
    placed: readonly PlacedTable[],
    firstNumber: number,
    queue: IngestQueue,
  ): Promise<IngestPlan> {
    const { env, tree, claims } = this.#host;
    // The version that the edit follows: one that waits for its sync counts.
    const plan = planIngest(placed, firstNumber, queue.lastSeq, tree.manifest.version, claims);
    const held = plan.addTables.map(({ level, meta: { lower, upper } }) =>
      claims.claim({ inputs: [], outputLevel: level, lower, upper }),
    );
    try {
      const { addTables } = plan;
      await tree.apply({
        timeMs: env.clock.nowMs(),
        reason: 'ingest',
        lastSeq: plan.lastSeq,
        addTables,
      });
      return plan;
    } catch (error) {
      // The rows may be there at the next open, with the numbers that a write behind them would be given.
      if (tree.manifest.failure !== undefined) queue.fail(error);
      throw error;
    } finally {
      for (const claim of held) claims.release(claim);
    }
  }

  #isInMemory(ranges: readonly KeyRange[]): boolean {
    const state = this.#host.state();
    if (state === undefined) throw new ClosedError('ingest');
    const memtables: LoggedMemtable[] = [state.active, ...state.sealed];
    return memtables.some((memtable) => ranges.some((range) => hasKeyIn(memtable, range)));
  }

  /** The sources have another name by now, or were copied. */
  async #removeSources(placed: readonly PlacedTable[]): Promise<string[]> {
    const { fs, log } = this.#host.env;
    const leftBehind: string[] = [];
    for (const { path } of placed) {
      try {
        await fs.removeLater(path);
      } catch (error) {
        leftBehind.push(path);
        log.write('warn', 'ingested file not removed', { path, error: String(error) });
      }
    }
    return leftBehind;
  }
}

function checkRequest(paths: readonly string[], options: IngestOptions): IngestOptions {
  checkNames(options, OPTION_NAMES);
  const isList =
    Array.isArray(paths) && paths.every((path) => typeof path === 'string' && path !== '');
  if (!isList) throw new TypeError('Cannot ingest: the paths must be an array of strings');
  const { move, verify, signal } = options;
  for (const flag of [move, verify]) {
    if (flag !== undefined && typeof flag !== 'boolean')
      throw new TypeError('Cannot ingest: move and verify must be true or false');
  }
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new TypeError('Cannot ingest: signal must be an AbortSignal');
  return options;
}

/** A key that was deleted counts, too. Entries that are not visible yet are not looked at. */
function hasKeyIn(logged: LoggedMemtable, { lower, upper }: KeyRange): boolean {
  const { memtable } = logged;
  if (memtable.rangeTombstones.length > 0) {
    const fragments = logged.rangeTombstones().clip(lower, upper);
    if (fragments.next().done !== true) return true;
  }
  const cursor = memtable.newCursor();
  try {
    cursor.seek(lower, 0, lower.length);
    if (!cursor.valid) return false;
    const { keyBytes, keyStart, keyLength } = cursor;
    return compareBytes(keyBytes, keyStart, keyLength, upper, 0, upper.length) < 0;
  } finally {
    cursor.close();
  }
}

function resultOf({ path, meta }: PlacedTable, plan: IngestPlan, i: number): IngestedTable {
  const { columnFamily, entries, rangeDeletes, bytes } = builtTableOf({ path, meta });
  const { level, meta: placed } = plan.addTables[i] as IngestPlan['addTables'][number];
  return {
    file: path,
    fileNumber: placed.fileNumber,
    level,
    bytes,
    columnFamily,
    entries,
    rangeDeletes,
  };
}
