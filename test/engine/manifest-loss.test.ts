/**
 * A manifest that lost its end, by damage, and by so much that the rest is a sound one: whoever takes it for that
 * shows less than there is, and the writer removes all newer files. The logs that lie beside it tell.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import type { Env } from '../../src/base/env.js';
import { CorruptionError } from '../../src/base/errors.js';
import { openDb } from '../../src/engine/db.js';
import { checkWorkdir } from '../../src/engine/inspect/check-workdir.js';
import { startJob } from '../../src/engine/jobs.js';
import { checkLeftOverLogs } from '../../src/engine/left-over-logs.js';
import { type LoadedManifest, loadManifest } from '../../src/engine/manifest/manifest-reader.js';
import { LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import type { MemFs } from '../../src/env/mem-fs.js';
import { createSimEnv } from '../../src/env/sim-env.js';
import { openSim, rowsOf, TINY, WORKDIR } from './db-fixture.js';
import { diskOf } from './inspect/disk-state.js';

const MANIFEST = `${WORKDIR}/MANIFEST-000001`;

interface Killed {
  readonly fs: MemFs;
  readonly rows: readonly string[];
  /** Where the manifest is a sound one, but for what is behind it. */
  readonly ends: readonly number[];
}

/** Tables, value-log segments and two logs with entries, nothing of it closed in order. */
async function killedWorkdir(rounds: number): Promise<Killed> {
  const { db, env } = await openSim({ ...TINY, valueThreshold: 400, autoCompaction: false });
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < 50; i++) await db.put(`key${i}`, `${round}`.repeat(i % 5 === 0 ? 600 : 60));
    await db.flush();
  }
  for (let i = 0; i < 10; i++) await db.put(`late${i}`, 'x'.repeat(i % 5 === 0 ? 600 : 60));
  const rows = rowsOf(db.scan());
  const fs = env.fs.killClone();
  const { chains } = loadManifest(fs, WORKDIR, env.host.bootId) ?? { chains: new Map() };
  await db.close();
  return { fs, rows, ends: [...chains.keys()] };
}

function cutTo(fs: MemFs, bytes: number): MemFs {
  const cut = fs.clone();
  const file = cut.open(MANIFEST, 'update');
  file.truncate(bytes);
  file.close();
  return cut;
}

/** A later process, in the same boot. */
function later(fs: MemFs): Env {
  return createSimEnv(7, fs, { startJob });
}

async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

async function rowsIn(fs: MemFs, readOnly: boolean): Promise<string[]> {
  const db = await openDb(later(fs), WORKDIR, { ...TINY, readOnly, autoCompaction: false });
  try {
    return rowsOf(db.scan());
  } finally {
    await db.close();
  }
}

/** `later` with a file system that is that of `before` until the workdir is listed, then that of `after`. */
function movingOn(before: MemFs, after: MemFs): Env {
  const env = later(after);
  let current = before;
  const fs = new Proxy(after, {
    get: (_, name) => {
      if (name === 'list') current = after;
      const member: unknown = Reflect.get(current, name, current);
      return typeof member === 'function' ? (member.bind(current) as unknown) : member;
    },
  });
  return { ...env, fs };
}

// After one flush the newest log was begun when nothing but the first edits was durable.
describe.each([1, 2])('a manifest that was cut, %i flushes', (rounds) => {
  let killed: Killed;
  const cuts = (): number[] => {
    const all = killed.ends.slice(1, -1);
    return all.flatMap((end) => [end, end + 1, end + 30]);
  };

  beforeAll(async () => {
    killed = await killedWorkdir(rounds);
  });

  it('is sound as long as it is whole', async () => {
    expect(await rowsIn(killed.fs.clone(), true)).toEqual(killed.rows);
    expect((await checkWorkdir(later(killed.fs.clone()), WORKDIR)).is_sound).toBe(true);
    expect(await rowsIn(killed.fs.clone(), false)).toEqual(killed.rows);
    expect(killed.ends.length).toBeGreaterThan(4);
  });

  it('is refused by a writer, which removes nothing, unless nothing is lost', async () => {
    let refused = 0;
    for (const bytes of cuts()) {
      const fs = cutTo(killed.fs, bytes);
      const before = diskOf(fs, WORKDIR).filter((line) => !line.includes('LOCK'));
      const error = await failureOf(
        rowsIn(fs, false).then((rows) => {
          expect(rows, `cut to ${bytes}`).toEqual(killed.rows);
        }),
      );
      if (error === undefined) continue;
      expect(error, `cut to ${bytes}`).toBeInstanceOf(CorruptionError);
      expect(diskOf(fs, WORKDIR).filter((line) => !line.includes('LOCK'))).toEqual(before);
      refused++;
    }
    expect(refused).toBeGreaterThan(4);
  });

  it('names the manifest and its end where a log was lost from it', async () => {
    const [, snapshotEnd = 0] = killed.ends;
    const error = await failureOf(rowsIn(cutTo(killed.fs, snapshotEnd), false));
    expect(error).toMatchObject({ file: MANIFEST, offset: snapshotEnd });
  });

  it('is refused by a read-only open, too', async () => {
    for (const bytes of cuts()) {
      const error = await failureOf(
        rowsIn(cutTo(killed.fs, bytes), true).then((rows) => {
          expect(rows, `cut to ${bytes}`).toEqual(killed.rows);
        }),
      );
      if (error !== undefined) expect(error, `cut to ${bytes}`).toBeInstanceOf(CorruptionError);
    }
  });

  it('is found by a check wherever a writer refuses it', async () => {
    for (const bytes of cuts()) {
      const error = await failureOf(rowsIn(cutTo(killed.fs, bytes), false));
      const report = await checkWorkdir(later(cutTo(killed.fs, bytes)), WORKDIR);
      expect(report.is_sound, `cut to ${bytes}`).toBe(error === undefined);
    }
  });

  it('is what a power loss may leave, when it was not synced', async () => {
    const { db, env } = await openSim(TINY);
    await db.put('a', '1');
    const after = env.fs.crashClone(LOSE_UNSYNCED);
    await db.close();
    expect((await checkWorkdir(later(after.clone()), WORKDIR)).is_sound).toBe(true);
    expect(await rowsIn(after.clone(), true)).toEqual([]);
    expect(await rowsIn(after, false)).toEqual([]);
  });
});

describe('a log that a live writer adds meanwhile', () => {
  it.each([4096, 1_000_000])(
    'is no loss, manifest rewritten when longer than %i',
    async (limit) => {
      const { db, env } = await openSim({ ...TINY, manifestRewriteBytes: limit });
      await db.put('a', '1');
      await db.flush();
      const before = env.fs.clone();
      for (let i = 0; i < 12; i++) {
        await db.put('a', '2');
        await db.flush();
        await db.put('a', '3');
        const after = env.fs.clone();
        // As a reader finds it that is slow between the manifest and the logs.
        const report = await checkWorkdir(movingOn(before.clone(), after.clone()), WORKDIR);
        expect(report.findings.filter(({ kind }) => kind === 'damage')).toEqual([]);
        const reader = await openDb(movingOn(before.clone(), after.clone()), WORKDIR, {
          readOnly: true,
        });
        expect(rowsOf(reader.scan())[0]).toMatch(/^a=[123]$/);
        await reader.close();
      }
      await db.close();
    },
  );

  it('does not fit the manifest as it was before, and fits it as it is', async () => {
    const { db, env } = await openSim(TINY);
    const load = (): LoadedManifest => {
      const loaded = loadManifest(env.fs, WORKDIR, env.host.bootId);
      if (loaded === undefined) throw new Error('no manifest');
      return loaded;
    };
    const before = load();
    await db.put('a', '1');
    await db.flush();
    await db.put('a', '2');
    expect(() => {
      checkLeftOverLogs(env, WORKDIR, before);
    }).toThrow(CorruptionError);
    expect(() => {
      checkLeftOverLogs(env, WORKDIR, before, () => before);
    }).toThrow(CorruptionError);
    checkLeftOverLogs(env, WORKDIR, before, load);
    await db.close();
  });
});
