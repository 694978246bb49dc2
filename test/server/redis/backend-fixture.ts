/** An embedded backend on a simulated machine, and short words for what tests do with it. */
import type { Db } from '../../../src/engine/db.js';
import type { OpenOptions } from '../../../src/engine/options.js';
import type { SimEnv } from '../../../src/env/sim-env.js';
import { ALL_KEYS } from '../../../src/gateway/backend.js';
import { type EmbeddedBackend, openEmbeddedBackend } from '../../../src/server/embedded-backend.js';
import { killAndReopen, openSim, reopen } from '../../engine/db-fixture.js';

export interface Served {
  readonly db: Db;
  readonly env: SimEnv;
  readonly backend: EmbeddedBackend;
}

export async function serve(options: OpenOptions = {}): Promise<Served> {
  const { db, env } = await openSim(options);
  return { db, env, backend: await openEmbeddedBackend(env, db) };
}

/** Closes, and opens again. */
export async function serveAgain(before: Served, options: OpenOptions = {}): Promise<Served> {
  await before.backend.close();
  await before.db.close();
  const { db, env } = await reopen(before, options);
  return { db, env, backend: await openEmbeddedBackend(env, db) };
}

export async function killAndServe(before: Served, options: OpenOptions = {}): Promise<Served> {
  const { db, env } = await killAndReopen(before, options);
  return { db, env, backend: await openEmbeddedBackend(env, db) };
}

export const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

export function get(backend: EmbeddedBackend, key: string): string | null | Promise<string | null> {
  return backend.update([bytes(key)], (view) => {
    const value = view.get(bytes(key));
    return value === undefined ? null : Buffer.from(value.bytes).toString('latin1');
  });
}

export function set(backend: EmbeddedBackend, key: string, value: string, expiresAt = 0): unknown {
  return backend.update([bytes(key)], (view) => view.set(bytes(key), bytes(value), expiresAt));
}

export function del(backend: EmbeddedBackend, key: string): boolean | Promise<boolean> {
  return backend.update([bytes(key)], (view) => view.delete(bytes(key)));
}

export function size(backend: EmbeddedBackend): number | Promise<number> {
  return backend.update(ALL_KEYS, (view) => view.size());
}

export function keys(backend: EmbeddedBackend): string[] | Promise<string[]> {
  return backend.update(ALL_KEYS, (view) =>
    Array.from(view.keysAfter(undefined), (key) => Buffer.from(key).toString('latin1')),
  );
}

export function clear(backend: EmbeddedBackend): unknown {
  return backend.update(ALL_KEYS, (view) => view.clear());
}

/** Adds one, as INCR does. */
export function increment(backend: EmbeddedBackend, key: string): number | Promise<number> {
  return backend.update([bytes(key)], (view) => {
    const value = Number(Buffer.from(view.get(bytes(key))?.bytes ?? bytes('0')).toString()) + 1;
    view.set(bytes(key), bytes(String(value)), 0);
    return value;
  });
}
