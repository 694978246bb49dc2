/**
 * The gateway's store on a database in the same process. Commands run one after another in this thread, each to its
 * end; what they read and change is in memory or read at once, so that nothing is locked and nothing retried. Only the
 * answer waits: until the batch with its changes, or with changes it has seen, is as durable as configured. A read that
 * has seen nothing pending is answered at once, without a promise.
 *
 * The database may be read by others in the process at any time. Nobody else may write to it while it is served: the
 * count of keys would be wrong until it is opened again. Page: docs/redis-storage.md.
 */
import { assert } from '../base/assert.js';
import type { Env } from '../base/env.js';
import { hasCode } from '../base/errors.js';
import type { Db } from '../engine/db.js';
import type { Durability } from '../engine/options.js';
import {
  type ALL_KEYS,
  type Backend,
  CHANGED,
  type KeyspaceView,
  type Stamp,
  type View,
  watchName,
} from '../gateway/backend.js';
import { ScanCursors } from '../gateway/scan-cursors.js';
import { CommitLine } from './redis/commit-line.js';
import { EmbeddedView } from './redis/embedded-view.js';
import { ExpiryIndex } from './redis/expiry-index.js';
import type { KeyCounts } from './redis/layout.js';
import { type PendingBatch, PendingWrites } from './redis/pending.js';
import { openCount } from './redis/stored-count.js';
import { WallTime } from './redis/wall-time.js';
import { WatchedKeys } from './redis/watched-keys.js';

/** Expired keys counted out at once. */
const EXPIRE_MAX = 1000;

/** Serves `db`, which stays the caller's. Counts its keys first when somebody else has written to it since. */
export async function openEmbeddedBackend(env: Env, db: Db): Promise<EmbeddedBackend> {
  const counts = await openCount(db, db.entryReader(), env.clock);
  const backend = new EmbeddedBackend(env, db, counts);
  try {
    // What has expired since the last time, in bounded pieces.
    while (await backend.expireSome()) continue;
  } catch (error) {
    // It can wait: reads are served on a full disk.
    if (!hasCode(error, 'NOKV_NO_SPACE')) throw error;
  }
  return backend;
}

export class EmbeddedBackend implements Backend {
  waitsFor: PendingBatch | undefined;
  readonly #db: Db;
  readonly #pending: PendingWrites;
  readonly #line: CommitLine;
  readonly #expiry: ExpiryIndex;
  readonly #watched: WatchedKeys;
  readonly #time: WallTime;
  readonly #view: EmbeddedView;
  #isRunning: boolean;

  /** Use `openEmbeddedBackend`. `counts`: of the keys of `db`. */
  constructor(env: Env, db: Db, counts: KeyCounts) {
    this.#db = db;
    this.#time = new WallTime(env.clock);
    const pending = new PendingWrites(counts);
    const expiry = new ExpiryIndex(db, pending);
    const watched = new WatchedKeys();
    const nowMs = (): number => this.#time.nowMs();
    this.#pending = pending;
    this.#expiry = expiry;
    this.#watched = watched;
    this.#line = new CommitLine({ db, clock: env.clock, pending, nowMs }, () => {
      expiry.reset();
      watched.forget();
      this.#view.forget();
    });
    const cursors = new ScanCursors(env.random.u32() / 2 ** 32);
    const reader = db.entryReader();
    this.#view = new EmbeddedView({ db, reader, pending, expiry, watched, cursors });
    this.#isRunning = false;
    this.waitsFor = undefined;
  }

  update<T>(keys: readonly Uint8Array[], body: (view: View) => T): T | Promise<T>;
  update<T>(keys: typeof ALL_KEYS, body: (view: KeyspaceView) => T): T | Promise<T>;
  update<T>(_keys: unknown, body: (view: KeyspaceView) => T): T | Promise<T> {
    let result: T;
    try {
      result = this.#run(body, this.#time.nowMs());
    } catch (error) {
      if (this.waitsFor === undefined) throw error;
      return this.waitsFor.promise.then(() => {
        throw error;
      });
    }
    return this.waitsFor === undefined ? result : this.waitsFor.answer(result);
  }

  updateAtOnce<T>(body: (view: KeyspaceView) => T, wallMs: number): T {
    return this.#run(body, this.#time.of(wallMs));
  }

  /** `isForgetting`: the body changes no key but expired ones. */
  #run<T>(body: (view: KeyspaceView) => T, nowMs: number, isForgetting = false): T {
    const pending = this.#pending;
    this.#begin(nowMs);
    let result: T;
    try {
      result = body(this.#view);
    } catch (error) {
      this.#takeBack();
      throw error;
    }
    this.#isRunning = false;
    const changed = pending.end(isForgetting);
    if (changed !== undefined) this.#line.schedule();
    this.waitsFor = changed ?? pending.met;
    return result;
  }

  updateUnchanged<T>(
    watched: ReadonlyMap<string, Stamp>,
    body: (view: KeyspaceView) => T,
  ): T | typeof CHANGED | Promise<T | typeof CHANGED> {
    if (!this.#watched.isUnchanged(watched, this.#time.nowMs())) return CHANGED;
    return this.update([], body as (view: View) => T);
  }

  stamp(key: Uint8Array): Stamp {
    this.#begin(this.#time.nowMs());
    try {
      return this.#watched.stamp(watchName(key), this.#view.expiryOf(key), this.#view.nowMs);
    } finally {
      this.#isRunning = false;
    }
  }

  get hasFailed(): boolean {
    return this.#line.hasFailed;
  }

  get expiredKeys(): number {
    return this.#expiry.expiredKeys;
  }

  sync(): Promise<void> {
    return this.#db.sync();
  }

  /** What an answer waits for from the next batch on. */
  setDurability(durability: Durability): void {
    this.#line.durability = durability;
  }

  expireSome(): boolean | Promise<boolean> {
    this.#time.sample();
    if (!this.#expiry.isDue(this.#time.nowMs())) return false;
    const forget = (): boolean => this.#expiry.popDue(this.#view.nowMs, EXPIRE_MAX) > 0;
    const isMore = this.#run(forget, this.#time.nowMs(), true);
    return this.waitsFor === undefined ? isMore : this.waitsFor.answer(isMore);
  }

  close(): Promise<void> {
    return this.#line.settled();
  }

  #begin(nowMs: number): void {
    assert(!this.#isRunning, 'embedded backend: a body calls the backend');
    this.#isRunning = true;
    this.waitsFor = undefined;
    this.#view.begin(nowMs);
    this.#pending.begin();
  }

  /** Nothing was changed; what was thrown may tell of something pending. */
  #takeBack(): void {
    const pending = this.#pending;
    this.#isRunning = false;
    if (pending.rollback()) {
      this.#expiry.reset();
      this.#view.forget();
    }
    const { met, batches } = pending;
    // The batch of its own changes may be no more.
    this.waitsFor = met === undefined || batches.includes(met) ? met : batches.at(-1);
  }
}
