/**
 * One call to the disk fails, for every one of a short workload (a sample of them unless FULL=1): nothing that
 * was acknowledged is lost, nothing hangs, every error is a NokvError that names a file, and what was
 * refused leaves no trace.
 */
import { describe, expect, it } from 'vitest';
import { IoError, NokvError } from '../../src/base/errors.js';
import { Prng } from '../../src/base/prng.js';
import type { Durability } from '../../src/engine/options.js';
import { LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import type { FaultRule } from '../../src/env/mem-faults.js';
import { MemFs } from '../../src/env/mem-fs.js';
import { checkCrashed } from './crash-check.js';
import { History, namesFile, readContent } from './history.js';
import { patiently } from './patience.js';
import { abandon, type Opened, openOn, SMALL, WORKDIR } from './simulation.js';
import { faultSteps, type Host, runSteps } from './workload.js';

const FULL = process.env['FULL'] === '1';
const TIMEOUT_MS = FULL ? 3_600_000 : 60_000;
/** Of so many operations one is made to fail, when not all are. */
const STRIDE = 9;

interface Outcome {
  readonly fs: MemFs;
  readonly history: History;
  readonly opened: Opened;
  readonly errors: readonly Error[];
  /** Operations of the disk before the workload, and after. */
  readonly first: number;
  readonly last: number;
  /**
   * A sync failed and the workdir was opened again on the same machine. What the system dropped then is still
   * read, looks synced to everybody, and is gone after a power cut: no program can tell.
   */
  readonly isSyncLost: boolean;
}

/** Runs the workload with one fault; every wait is patient. */
async function runWithFault(
  durability: Durability,
  fault: FaultRule | undefined,
): Promise<Outcome> {
  const fs = new MemFs();
  fs.makeDirectory(WORKDIR);
  fs.syncAll();
  const history = new History();
  const options = { ...SMALL, durability };
  const errors: Error[] = [];
  const first = fs.operationCount;
  const injected = fault === undefined ? undefined : fs.injectFault(fault);
  const open = async (): Promise<Opened> => {
    // The fault strikes once: whoever meets it at the open tries again.
    for (;;) {
      try {
        return await openOn(fs, options);
      } catch (error) {
        if (!(error instanceof NokvError) || errors.length > 3) throw error;
        errors.push(error);
      }
    }
  };
  let opened = await open();
  let isSyncLost = false;
  const host: Host = {
    db: opened.db,
    async reopen() {
      const end = history.beginSync();
      try {
        await patiently(opened.env.clock, 'close', opened.db.close());
        end();
      } catch (error) {
        errors.push(
          ...(error instanceof AggregateError ? (error.errors as Error[]) : [error as Error]),
        );
      }
      isSyncLost = errors.some((error) => isFailedSync(error));
      opened = await open();
      host.db = opened.db;
      const found = history.match(readContent(opened.db), history.promisedAfterKill());
      if (typeof found === 'string') throw new Error(`after a reopen: ${found}`);
      history.settle(found);
    },
    between: async () => undefined,
    wait: (what, promise) => patiently(opened.env.clock, what, promise),
  };
  await runSteps(host, history, faultSteps(durability), (error) => errors.push(error));
  injected?.cancel();
  return { fs, history, opened, errors, first, last: fs.operationCount, isSyncLost };
}

function isFailedSync(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (error instanceof IoError && error.op === 'sync') || isFailedSync(error.cause);
}

/** What was written is read, before and after the end of the process. */
async function checkOutcome(outcome: Outcome, durability: Durability): Promise<void> {
  const { fs, history, opened, errors } = outcome;
  for (const error of errors) {
    if (!(error instanceof NokvError)) throw error;
    if (!namesFile(error)) throw new Error(`names no file: ${error.message}`, { cause: error });
  }
  const promised = history.promisedAfterKill();
  const found = history.match(readContent(opened.db), promised);
  if (typeof found === 'string') throw new Error(`in the running process: ${found}`);
  const options = { ...SMALL, durability };
  const killed = fs.killClone();
  const cut = fs.crashClone(LOSE_UNSYNCED);
  await checkCrashed({ fs: killed, promised, what: 'kill' }, history, options);
  const afterCut = outcome.isSyncLost
    ? undefined
    : { fs: cut, promised: history.promisedAfterPowerLoss(), what: 'power cut' };
  if (afterCut !== undefined) await checkCrashed(afterCut, history, options);
  try {
    await patiently(opened.env.clock, 'close', opened.db.close());
  } catch (error) {
    for (const one of error instanceof AggregateError ? error.errors : [error]) {
      if (!(one instanceof NokvError)) throw one;
    }
  }
  abandon(opened);
}

describe.each(['os', 'disk'] as const)('durability %s', (durability) => {
  it.each(['EIO', 'ENOSPC'])(
    'any one change of the disk fails with %s',
    async (errno) => {
      const clean = await runWithFault(durability, undefined);
      expect(clean.errors).toEqual([]);
      const total = clean.last - clean.first;
      expect(total).toBeGreaterThan(150);
      const random = new Prng(durability.length * 100 + errno.length);
      const struck = new Set<string>();
      for (let nth = 1; nth <= total; nth += FULL ? 1 : 1 + random.below(2 * STRIDE)) {
        const applied = random.chance(1, 2);
        const what = `operation ${nth}, ${applied ? 'applied' : 'not applied'}`;
        try {
          const outcome = await runWithFault(durability, { nth, errno, applied });
          await checkOutcome(outcome, durability);
          const index = outcome.first + nth;
          const operation = outcome.fs.operations().find((one) => one.index === index);
          if (operation !== undefined) struck.add(operation.op);
        } catch (error) {
          throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, {
            cause: error,
          });
        }
      }
      expect(struck.size).toBeGreaterThan(3);
    },
    TIMEOUT_MS,
  );

  it(
    'any one read or open fails with EIO',
    async () => {
      const reading = ['open', 'read', 'list', 'stat'] as const;
      for (let nth = 1; ; nth += FULL ? 1 : 7) {
        const outcome = await runWithFault(durability, { op: reading, nth, errno: 'EIO' });
        try {
          await checkOutcome(outcome, durability);
        } catch (error) {
          throw new Error(
            `read ${nth}: ${error instanceof Error ? error.message : String(error)}`,
            {
              cause: error,
            },
          );
        }
        if (outcome.errors.length === 0 && nth > 600) break;
      }
    },
    TIMEOUT_MS,
  );
});

describe('a full disk', () => {
  it.each([0, 700, 5000, 40_000, 90_000])(
    'refuses writes, %i bytes later, until there is space again',
    async (bytes) => {
      const fs = new MemFs();
      const history = new History();
      const { db, env } = await openOn(fs, SMALL);
      await history.write(db, [{ type: 'put', key: 'a', value: Buffer.from('1') }], 'os');
      fs.setCapacity(fs.usedBytes + bytes);
      const refused: NokvError[] = [];
      for (let i = 0; i < 60; i++) {
        const key = `${'abv'[i % 3] as string}${i % 7}`;
        const writes = [
          { type: 'put', key, value: Buffer.alloc(40 + (i % 5) * 1500, key) },
        ] as const;
        const error = await patiently(
          env.clock,
          'write',
          history.write(db, writes, i % 9 === 0 ? 'disk' : 'os'),
        );
        if (error !== undefined) refused.push(error);
      }
      expect(refused.length).toBeGreaterThan(5);
      for (const error of refused) {
        expect(error.code).toBe('NOKV_NO_SPACE');
        expect(error.outcome).toBe('none');
        expect(namesFile(error)).toBe(true);
      }
      const full = fs.killClone();
      full.setCapacity(undefined);
      await checkCrashed(
        { fs: full, promised: history.promisedAfterKill(), what: 'full' },
        history,
        SMALL,
      );
      fs.setCapacity(undefined);
      const written = await patiently(
        env.clock,
        'write',
        history.write(db, [{ type: 'put', key: 'v0', value: Buffer.alloc(3000, 'x') }], 'disk'),
      );
      expect(written).toBeUndefined();
      await env.clock.run(1000);
      await patiently(env.clock, 'flush', db.flush());
      expect(history.match(readContent(db), history.promisedAfterKill())).toBe(history.issued);
      await patiently(env.clock, 'close', db.close());
      const { db: again } = await openOn(fs, SMALL);
      expect(history.match(readContent(again), history.promisedAfterKill())).toBe(history.issued);
    },
  );
});

describe('a failed sync', () => {
  it('of a new log segment refuses only the write that asked for it, and nothing of that is written', async () => {
    const fs = new MemFs();
    const { db } = await openOn(fs, SMALL);
    await db.put('b1', Buffer.alloc(40_000, '1'));
    fs.injectFault({ op: 'sync', path: '.wal', errno: 'EIO' });
    const refused = db.put('b2', Buffer.alloc(40_000, '2'));
    await expect(refused).rejects.toMatchObject({ code: 'NOKV_IO', outcome: 'none' });
    await db.put('b3', Buffer.alloc(40_000, '3'), { durability: 'disk' });
    const { db: after } = await openOn(fs.crashClone(LOSE_UNSYNCED), SMALL);
    expect([...readContent(after).keys()]).toEqual(['b1', 'b3']);
    await db.close();
  });

  it.each(['.wal', '.vlog'])(
    'of a %s file stops all writes until the database is reopened',
    async (ending) => {
      const fs = new MemFs();
      const history = new History();
      const { db, env } = await openOn(fs, SMALL);
      const put = (key: string, durability: Durability): Promise<NokvError | undefined> =>
        patiently(
          env.clock,
          'write',
          history.write(db, [{ type: 'put', key, value: Buffer.alloc(500, key) }], durability),
        );
      expect(await put('a', 'disk')).toBeUndefined();
      expect(await put('v1', 'disk')).toBeUndefined();
      fs.injectFault({ op: 'sync', path: ending, errno: 'EIO' });
      const error = await put('v2', 'disk');
      expect(error?.outcome).toBe('unknown');
      expect(error?.cause).toBeInstanceOf(IoError);
      for (const durability of ['os', 'disk'] as const) {
        const later = await put('v3', durability);
        expect(later?.code).toBe('NOKV_READ_ONLY');
        expect(namesFile(later)).toBe(true);
      }
      expect(db.get('v2')).toBeUndefined();
      expect(db.get('v1')).toHaveLength(500);
      const cut = fs.crashClone(LOSE_UNSYNCED);
      await expect(patiently(env.clock, 'close', db.close())).rejects.toThrow();
      const what = 'power cut';
      const promised = history.promisedAfterPowerLoss();
      expect(promised.low).toBe(2);
      await checkCrashed({ fs: cut, promised, what }, history, SMALL);
      const { db: again } = await openOn(fs, SMALL);
      await again.put('v3', 'later', { durability: 'disk' });
      await again.close();
    },
  );
});
