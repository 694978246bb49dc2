/**
 * Background work: which memtable is flushed next, which tables are compacted next, when writers are
 * held back. Decisions are made here on the main thread; the jobs run in the executor's lanes, one
 * flush and one compaction at a time, so that a long compaction never delays a flush.
 *
 * Errors: a job that failed for want of space or by an I/O error is tried again after a pause, with all
 * inputs untouched; damage found by a compaction stops compaction (reads keep naming the file),
 * because rewriting damaged data would hide it.
 */
import type { Env, Timer } from '../base/env.js';
import { ClosedError, hasCode, NokvError } from '../base/errors.js';
import { KIB } from '../base/limits.js';
import type { LoggedMemtable } from './logged-memtable.js';
import type { Options } from './options.js';
import type { CompactionPlan, CompactionRunner } from './compaction-runner.js';
import type { FlushRunner } from './flush-runner.js';
import type { Tree } from './tree.js';

const RETRY_MS = 500;
/** Without a write for so long, work that only saves space is done. */
const IDLE_MS = 1000;

/** Write rate in slowdown: 32 MiB/s. */
export const SLOWDOWN_BYTES_PER_MS = 32 * KIB;

/** Why writers wait or are slowed down, in words for stats; '' when they are not. */
export type PressureMode = 'none' | 'slowdown' | 'stop';

export interface Pressure {
  readonly mode: PressureMode;
  readonly reason: string;
  /** From slowdown (0) to stop (1000). */
  readonly permille: number;
}

const NO_PRESSURE: Pressure = { mode: 'none', reason: '', permille: 0 };

export interface BackgroundHost {
  /** A sealed memtable is in the tree now: reads need it no more. */
  onFlushed(memtable: LoggedMemtable): void;
  /** Pressure may have fallen: waiting writers may try again. */
  onPressureChanged(): void;
  /** What waiting writers wait for has failed: they should not wait for ever. */
  onStuck(error: NokvError): void;
  /** Grows with every write. */
  writesSoFar(): number;
  /** Set when writes were given up: a memtable that waits for them is never flushed. */
  writeFailure(): NokvError | undefined;
}

export interface BackgroundCounters {
  flushes: number;
  flushFailures: number;
  flushMs: number;
  lastFlushMs: number;
  maxFlushMs: number;
  /** Of the flush, what comes behind the table: the edit, its sync, the removal of the log. */
  releaseMs: number;
  lastReleaseMs: number;
  maxReleaseMs: number;
  flushWaitMs: number;
  lastFlushWaitMs: number;
  maxFlushWaitMs: number;
  compactions: number;
  compactionFailures: number;
  compactionMs: number;
  lastCompactionMs: number;
  maxCompactionMs: number;
}

interface SealedMemtable {
  readonly memtable: LoggedMemtable;
  readonly sealedMs: number;
}

export class Background {
  readonly counters: BackgroundCounters;
  readonly #env: Env;
  readonly #options: Options;
  readonly #tree: Tree;
  readonly #host: BackgroundHost;
  readonly #flushRunner: FlushRunner;
  readonly #compactionRunner: CompactionRunner;
  /** Oldest first. */
  readonly #sealed: SealedMemtable[];
  #flushing: Promise<void> | undefined;
  #compacting: Promise<void> | undefined;
  /** The running compaction also empties value-log segments. */
  #isCollecting: boolean;
  /** A kind of job that failed is not started while its timer runs; the other kind is. */
  #flushRetry: Timer | undefined;
  #compactionRetry: Timer | undefined;
  /** Runs while something was written since the last idle compaction. */
  #idleTimer: Timer | undefined;
  #isIdle: boolean;
  #isClosing: boolean;
  /** Callers that want to compact by hand: several may wait for one another. */
  #pauses: number;
  /** What the last flush and the last compaction failed with; tried again, unless compaction stopped. */
  #flushFailure: NokvError | undefined;
  #compactionFailure: NokvError | undefined;
  #isCompactionStopped: boolean;
  #slowdownDebtBytes: number;

  constructor(
    env: Env,
    options: Options,
    tree: Tree,
    flushRunner: FlushRunner,
    compactionRunner: CompactionRunner,
    host: BackgroundHost,
  ) {
    this.#env = env;
    this.#options = options;
    this.#tree = tree;
    this.#flushRunner = flushRunner;
    this.#compactionRunner = compactionRunner;
    this.#host = host;
    this.#sealed = [];
    this.#flushing = undefined;
    this.#compacting = undefined;
    this.#isCollecting = false;
    this.#flushRetry = undefined;
    this.#compactionRetry = undefined;
    this.#idleTimer = undefined;
    this.#isIdle = false;
    this.#isClosing = false;
    this.#pauses = 0;
    this.#flushFailure = undefined;
    this.#compactionFailure = undefined;
    this.#isCompactionStopped = false;
    this.#slowdownDebtBytes = 0;
    this.counters = {
      flushes: 0,
      flushFailures: 0,
      flushMs: 0,
      lastFlushMs: 0,
      maxFlushMs: 0,
      releaseMs: 0,
      lastReleaseMs: 0,
      maxReleaseMs: 0,
      flushWaitMs: 0,
      lastFlushWaitMs: 0,
      maxFlushWaitMs: 0,
      compactions: 0,
      compactionFailures: 0,
      compactionMs: 0,
      lastCompactionMs: 0,
      maxCompactionMs: 0,
    };
  }

  get failure(): NokvError | undefined {
    return this.#flushFailure ?? this.#compactionFailure;
  }

  get isFlushing(): boolean {
    return this.#flushing !== undefined;
  }

  get isCompacting(): boolean {
    return this.#compacting !== undefined;
  }

  get isCollecting(): boolean {
    return this.#isCollecting;
  }

  /** Table bytes that flushes wrote. */
  get flushedBytes(): number {
    return this.#flushRunner.bytesWritten;
  }

  get sealedCount(): number {
    return this.#sealed.length;
  }

  /** May one more memtable be sealed? */
  get hasMemtableSlot(): boolean {
    return this.#sealed.length < this.#options.memtableCount - 1;
  }

  /** Whether and why writers are held back right now. */
  pressure(): Pressure {
    const runs = this.#tree.current.runs.length;
    const { autoCompaction, l0StopTrigger, l0SlowdownTrigger, memtableCount } = this.#options;
    if (!this.hasMemtableSlot) {
      const reason = `memtables ${this.#sealed.length + 1}/${memtableCount}`;
      return { mode: 'stop', reason, permille: 1000 };
    }
    // Nobody would make room in L0: whoever turned compaction off decides how large it grows.
    if (!autoCompaction) return NO_PRESSURE;
    if (runs >= l0StopTrigger)
      return { mode: 'stop', reason: `L0 tables ${runs}/${l0StopTrigger}`, permille: 1000 };
    if (runs >= l0SlowdownTrigger) {
      const span = l0StopTrigger - l0SlowdownTrigger;
      const permille = Math.round((1000 * (runs - l0SlowdownTrigger)) / span);
      return { mode: 'slowdown', reason: `L0 tables ${runs}/${l0SlowdownTrigger}`, permille };
    }
    return NO_PRESSURE;
  }

  /** Slowdown: the bytes written since the last pause, at the allowed rate, in whole milliseconds. */
  delayMs(bytes: number): number {
    if (this.pressure().mode !== 'slowdown') {
      this.#slowdownDebtBytes = 0;
      return 0;
    }
    this.#slowdownDebtBytes += bytes;
    const delay = Math.floor(this.#slowdownDebtBytes / SLOWDOWN_BYTES_PER_MS);
    this.#slowdownDebtBytes -= delay * SLOWDOWN_BYTES_PER_MS;
    return delay;
  }

  /**
   * Must a writer wait for a memtable? A full L0 holds writers back, but not a flush that was asked for. Waiting helps
   * only if the background makes progress; it keeps trying, and so may the caller.
   * @throws what stops the background, ClosedError
   */
  mustWait(isFlush: boolean): boolean {
    if (this.#isClosing) throw new ClosedError('write');
    if (isFlush ? this.hasMemtableSlot : this.pressure().mode !== 'stop') return false;
    this.kick();
    const failure = this.stuckBy();
    if (failure !== undefined) throw failure;
    return true;
  }

  /** Why waiting for the pressure to fall is in vain at the moment, or undefined. */
  stuckBy(): NokvError | undefined {
    const isMemory = this.#sealed.length >= this.#options.memtableCount - 1;
    return isMemory ? this.#flushFailure : this.#compactionFailure;
  }

  /** Takes over a sealed memtable; it is flushed when its last write is visible. */
  addSealed(memtable: LoggedMemtable): void {
    this.#sealed.push({ memtable, sealedMs: this.#env.clock.monotonicMs() });
    memtable.onQuiet = () => this.kick();
    this.kick();
  }

  /** Starts whatever there is to do. */
  kick(): void {
    if (this.#isClosing) return;
    const mayFlush = this.#flushing === undefined && this.#flushRetry === undefined;
    const next = mayFlush ? this.#nextFlush() : undefined;
    if (next !== undefined) this.#flushing = this.#flushNext(next);
    if (this.#options.autoCompaction && this.#pauses === 0) this.#maybeCompact();
  }

  /** Resolves when every memtable that is sealed by now is in a table. @throws the failure of the last attempt, ClosedError */
  async flushed(): Promise<void> {
    const last = this.#sealed.at(-1);
    if (last === undefined) return;
    while (this.#sealed.includes(last)) {
      this.kick();
      if (this.#flushing === undefined) {
        const failure = this.#flushFailure ?? this.#host.writeFailure();
        if (failure !== undefined) throw failure;
        if (this.#isClosing) throw new ClosedError('flush');
        await this.#env.clock.nextTurn();
        continue;
      }
      await this.#flushing;
      if (this.#sealed.includes(last) && this.#flushFailure !== undefined) throw this.#flushFailure;
    }
  }

  /** Runs one compaction now, behind the one that runs; automatic ones wait meanwhile. @throws NokvError, ClosedError */
  async compactNow(pick: () => CompactionPlan | undefined): Promise<boolean> {
    this.#pauses++;
    let isRunning = false;
    try {
      while (this.#compacting !== undefined) await this.#compacting;
      if (this.#isClosing) throw new ClosedError('compact');
      const plan = pick();
      if (plan === undefined) return false;
      isRunning = true;
      const run = this.#runCompaction(plan);
      this.#compacting = run.then(
        () => undefined,
        () => undefined,
      );
      await run;
      return true;
    } finally {
      if (isRunning) this.#compacting = undefined;
      this.#pauses--;
      this.kick();
    }
  }

  /**
   * Resolves when nothing runs and nothing is due, work that only saves space included. Behind writers that go on that
   * may never be: a compaction is the last to be waited for when a memtable that was sealed later is in a table.
   */
  async idle(): Promise<void> {
    const flushesDue = this.counters.flushes + this.#sealed.length;
    for (;;) {
      this.#isIdle = true;
      this.kick();
      const isLast = this.counters.flushes > flushesDue;
      const running = isLast ? this.#compacting : (this.#flushing ?? this.#compacting);
      if (running === undefined) return;
      await running;
      if (isLast) return;
    }
  }

  /**
   * Resolves when writers are not held back: there is no pressure, and none waits for another reason.
   * @throws what stops the background, ClosedError
   */
  async unthrottled(hasWaiting: () => boolean): Promise<void> {
    for (;;) {
      const isPressed = this.pressure().mode !== 'none';
      if (!isPressed && !hasWaiting()) return;
      if (this.#isClosing) throw new ClosedError('wait for the background');
      this.kick();
      const failure = isPressed ? this.stuckBy() : undefined;
      if (failure !== undefined) throw failure;
      // Who waits without pressure waits for an ingest, or is about to be placed.
      const running = isPressed ? (this.#flushing ?? this.#compacting) : undefined;
      await (running ?? this.#env.clock.nextTurn());
    }
  }

  /** Stops: running jobs are cancelled or awaited, nothing new starts. Idempotent. */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#flushRetry?.cancel();
    this.#flushRetry = undefined;
    this.#compactionRetry?.cancel();
    this.#compactionRetry = undefined;
    this.#idleTimer?.cancel();
    this.#idleTimer = undefined;
    this.#compactionRunner.cancel();
    await this.#compacting;
    while (this.#flushing !== undefined) await this.#flushing;
  }

  #nextFlush(): SealedMemtable | undefined {
    const oldest = this.#sealed[0];
    return oldest !== undefined && oldest.memtable.pendingEntries === 0 ? oldest : undefined;
  }

  /** Flushes a sealed memtable; the next one has its own promise, so that nobody waits for more than wanted. Never rejects. */
  async #flushNext(next: SealedMemtable): Promise<void> {
    let isDone = false;
    try {
      await this.#flushOne(next);
      isDone = true;
    } catch (error) {
      this.counters.flushFailures++;
      this.#onJobFailure('flush', error);
    }
    this.#flushing = undefined;
    // A close waits for the flushes that follow: they let go of their logs.
    const after = this.#isClosing && isDone ? this.#nextFlush() : undefined;
    if (after !== undefined) this.#flushing = this.#flushNext(after);
    this.kick();
  }

  async #flushOne(sealed: SealedMemtable): Promise<void> {
    const { counters } = this;
    const startMs = this.#env.clock.monotonicMs();
    const waitMs = startMs - sealed.sealedMs;
    await this.#flushRunner.flush(sealed.memtable);
    const releaseMs = this.#env.clock.monotonicMs() - this.#flushRunner.builtMs;
    const tookMs = this.#flushRunner.builtMs - startMs;
    this.#sealed.shift();
    counters.flushes++;
    counters.releaseMs += releaseMs;
    counters.lastReleaseMs = releaseMs;
    counters.maxReleaseMs = Math.max(counters.maxReleaseMs, releaseMs);
    counters.flushMs += tookMs;
    counters.lastFlushMs = tookMs;
    counters.maxFlushMs = Math.max(counters.maxFlushMs, tookMs);
    counters.flushWaitMs += waitMs;
    counters.lastFlushWaitMs = waitMs;
    counters.maxFlushWaitMs = Math.max(counters.maxFlushWaitMs, waitMs);
    this.#flushFailure = undefined;
    this.#host.onFlushed(sealed.memtable);
    this.#host.onPressureChanged();
    this.kick();
  }

  #maybeCompact(): void {
    if (this.#compacting !== undefined || this.#isCompactionStopped) return;
    if (this.#compactionRetry !== undefined) return;
    const plan = this.#compactionRunner.pick(this.#isIdle);
    this.#isIdle = false;
    if (plan === undefined) this.#watchForIdle();
    else this.#compacting = this.#compactOnce(plan);
  }

  /** Comes back when nothing was written for a while. */
  #watchForIdle(): void {
    if (this.#idleTimer !== undefined || this.#tree.current.runs.length === 0) return;
    const before = this.#host.writesSoFar();
    this.#idleTimer = this.#env.clock.setTimer(IDLE_MS, () => {
      this.#idleTimer = undefined;
      this.#isIdle = this.#host.writesSoFar() === before;
      if (this.#isIdle) this.#compactWhenIdle();
      else this.#watchForIdle();
    });
  }

  /** One try: when there is nothing to save, only new tables are a reason to look again. */
  #compactWhenIdle(): void {
    if (this.#isClosing || this.#pauses > 0 || this.#compacting !== undefined) return;
    if (this.#isCompactionStopped || this.#compactionRetry !== undefined) return;
    const plan = this.#compactionRunner.pick(true);
    this.#isIdle = false;
    if (plan !== undefined) this.#compacting = this.#compactOnce(plan);
  }

  /** Never rejects. */
  async #compactOnce(plan: CompactionPlan): Promise<void> {
    try {
      await this.#runCompaction(plan);
    } catch (error) {
      if (!this.#isClosing) this.#onJobFailure('compaction', error);
    }
    this.#compacting = undefined;
    this.#isCollecting = false;
    this.kick();
  }

  async #runCompaction(plan: CompactionPlan): Promise<void> {
    const { counters } = this;
    const startMs = this.#env.clock.monotonicMs();
    this.#isCollecting = plan.valueLogsToEmpty.length > 0;
    try {
      await this.#compactionRunner.run(plan);
    } catch (error) {
      counters.compactionFailures++;
      throw error;
    }
    const tookMs = this.#env.clock.monotonicMs() - startMs;
    counters.compactions++;
    counters.compactionMs += tookMs;
    counters.lastCompactionMs = tookMs;
    counters.maxCompactionMs = Math.max(counters.maxCompactionMs, tookMs);
    this.#compactionFailure = undefined;
    this.#host.onPressureChanged();
  }

  #onJobFailure(job: 'flush' | 'compaction', error: unknown): void {
    if (!(error instanceof NokvError)) throw error;
    this.#env.log.write('error', `${job} failed`, { code: error.code, message: error.message });
    if (job === 'flush') {
      this.#flushFailure = error;
      this.#flushRetry ??= this.#retryTimer(() => (this.#flushRetry = undefined));
    } else {
      this.#compactionFailure = error;
      if (!hasCode(error, 'NOKV_NO_SPACE') && !hasCode(error, 'NOKV_IO')) {
        this.#isCompactionStopped = true;
      }
      this.#compactionRetry ??= this.#retryTimer(() => (this.#compactionRetry = undefined));
    }
    // Writers that wait for the other kind of job are none of this one's.
    if (this.pressure().mode === 'stop' && this.stuckBy() === error) this.#host.onStuck(error);
  }

  #retryTimer(end: () => void): Timer | undefined {
    if (this.#isClosing) return undefined;
    return this.#env.clock.setTimer(RETRY_MS, () => {
      end();
      this.kick();
    });
  }
}
