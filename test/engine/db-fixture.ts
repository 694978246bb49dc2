/** A database on a simulated machine, for tests that look at it from outside. */
import { type Db, openDb } from '../../src/engine/db.js';
import { startJob } from '../../src/engine/jobs.js';
import type { OpenOptions } from '../../src/engine/options.js';
import { createSimEnv, type SimEnv, type SimEnvOptions } from '../../src/env/sim-env.js';

export const WORKDIR = '/db';

/** Room for little: a few KiB rotate a memtable, make tables and value-log segments. */
export const TINY: OpenOptions = {
  memtableBytes: 64 * 1024,
  tableBytes: 16 * 1024,
  blockBytes: 256,
  baseLevelBytes: 64 * 1024,
  valueLogFileBytes: 64 * 1024,
  // Three chunks: rows and blocks fight for them.
  cacheBytes: 256 * 1024,
};

export interface OpenedDb {
  readonly db: Db;
  readonly env: SimEnv;
}

export async function openSim(
  options: OpenOptions = {},
  envOptions: SimEnvOptions = {},
): Promise<OpenedDb> {
  const env = createSimEnv(1, undefined, { startJob, ...envOptions });
  return { db: await openDb(env, WORKDIR, options), env };
}

/** The same disk, by a new process; the old one must be closed. */
export async function reopen(before: OpenedDb, options: OpenOptions = {}): Promise<OpenedDb> {
  const env = createSimEnv(2, before.env.fs, { startJob, clock: before.env.clock });
  return { db: await openDb(env, WORKDIR, options), env };
}

/** The process dies without a word; the disk stays. */
export async function killAndReopen(
  before: OpenedDb,
  options: OpenOptions = {},
): Promise<OpenedDb> {
  const disk = before.env.fs.killClone();
  before.env.fs.halt();
  before.env.executor.abandon();
  const env = createSimEnv(3, disk, { startJob, clock: before.env.clock });
  return { db: await openDb(env, WORKDIR, options), env };
}

export function text(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1');
}

/** `key=value` of every row. */
export function rowsOf(scan: Iterable<{ key: Uint8Array; value: Uint8Array }>): string[] {
  return Array.from(scan, ({ key, value }) => `${text(key)}=${text(value)}`);
}
