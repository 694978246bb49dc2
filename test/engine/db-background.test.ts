/** Who waits for the background, and for what: callers wait for what they need, and for nothing else. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { RUN_MANUALLY, type StepPolicy } from '../../src/env/inline-executor.js';
import { openSim, type OpenedDb, TINY, WORKDIR } from './db-fixture.js';

const ROW = Buffer.alloc(1000);

/** Compaction stands still until the test moves it. */
const COMPACT_MANUALLY: StepPolicy = {
  pause: (lane) => (lane === 'compaction' ? 'manual' : 'microtask'),
  steps: () => Infinity,
};

/** So do flushes. */
const FLUSH_MANUALLY: StepPolicy = {
  pause: (lane) => (lane === 'flush' ? 'manual' : 'microtask'),
  steps: () => Infinity,
};

/** What became of a promise so far. */
interface Outcome {
  state: string;
}

function watch(promise: Promise<unknown>): Outcome {
  const outcome: Outcome = { state: 'waits' };
  promise.then(
    () => (outcome.state = 'done'),
    (error: unknown) => {
      const code = (error as { code?: string }).code;
      outcome.state = code ?? String(error);
    },
  );
  return outcome;
}

async function turns(opened: OpenedDb, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await opened.env.clock.nextTurn();
}

/** Moves a lane until it has nothing to do. */
async function work(opened: OpenedDb, lane: string): Promise<void> {
  while (opened.env.executor.advance(lane, Infinity)) await turns(opened, 2);
}

/** Puts until one has to wait for room. */
async function fillMemory(opened: OpenedDb): Promise<Outcome> {
  const { db } = opened;
  for (let i = 0; i < 500; i++) {
    const outcome = watch(db.put(`fill${i}`, ROW));
    await turns(opened, 1);
    if (db.stats().write.queue_depth > 0) return outcome;
  }
  throw new Error('no write has to wait');
}

/**
 * Writers that go on until they are stopped. `putsPerTurn`: after so many they let the loop turn. The simulated disk and
 * workers need no turn, so that writers which fill memtables, one after the other, would leave none to the test.
 */
function writeOn(
  { env }: OpenedDb,
  count: number,
  put: (i: number) => Promise<void>,
  putsPerTurn = Infinity,
) {
  let isOver = false;
  let puts = 0;
  // Whatever the test comes to.
  onTestFinished(() => {
    isOver = true;
  });
  const writer = async (): Promise<void> => {
    while (!isOver) {
      await put(puts++);
      if (puts % putsPerTurn === 0) await env.clock.nextTurn();
    }
  };
  const writers = Promise.all(Array.from({ length: count }, writer));
  return {
    async stop(): Promise<void> {
      isOver = true;
      let isEnded = false;
      void writers.then(() => (isEnded = true));
      // Slowed-down writers wait for the time to pass.
      while (!isEnded) await env.clock.run(100);
    },
  };
}

describe('a write that waits for a memtable', () => {
  it('is not rejected when a compaction fails', async () => {
    const opened = await openSim(
      { ...TINY, memtableCount: 2, l0CompactionTrigger: 2 },
      { policy: RUN_MANUALLY },
    );
    const { db, env } = opened;
    for (let i = 0; i < 3; i++) {
      await db.put('key', ROW);
      const flushed = db.flush();
      await turns(opened, 1);
      await work(opened, 'flush');
      await flushed;
    }
    const waiting = await fillMemory(opened);
    env.fs.injectFault({ op: 'create', path: '.sst', errno: 'EIO' });
    env.executor.advance('compaction', Infinity);
    await turns(opened, 2);
    expect(db.stats().compaction.failed).toBe(1);
    expect(waiting.state).toBe('waits');
    await work(opened, 'flush');
    expect(waiting.state).toBe('done');
    const closed = watch(db.close());
    while (closed.state === 'waits') {
      for (const lane of ['flush', 'compaction']) env.executor.advance(lane, Infinity);
      await turns(opened, 1);
    }
    expect(closed.state).toBe('done');
  });

  it('is rejected when the flush fails', async () => {
    const opened = await openSim({ ...TINY, memtableCount: 2 }, { policy: RUN_MANUALLY });
    const { env } = opened;
    const waiting = await fillMemory(opened);
    env.fs.injectFault({ op: 'create', path: '.sst', errno: 'EIO' });
    await work(opened, 'flush');
    expect(waiting.state).toBe('NOKV_IO');
  });
});

describe('a write that waits for L0', () => {
  it('is rejected when the compaction fails', async () => {
    const opened = await openSim(
      { ...TINY, l0CompactionTrigger: 1, l0SlowdownTrigger: 2, l0StopTrigger: 3 },
      { policy: COMPACT_MANUALLY },
    );
    const { db, env } = opened;
    for (let i = 0; i < 3; i++) {
      await db.put('key', ROW);
      await db.flush();
    }
    const waiting = await fillMemory(opened);
    expect(db.stats().write.throttle_reason).toContain('L0');
    env.fs.injectFault({ op: 'create', path: '.sst', errno: 'EIO' });
    env.executor.advance('compaction', Infinity);
    await turns(opened, 2);
    expect(waiting.state).toBe('NOKV_IO');
    await turns(opened, 1);
    const closed = watch(db.close());
    for (let i = 0; i < 20; i++) await work(opened, 'compaction').then(() => turns(opened, 1));
    expect(closed.state).toBe('done');
  });
});

describe('a failed compaction', () => {
  /** One has failed, and waits for its next try; the disk is well again. */
  async function afterFailedCompaction(): Promise<OpenedDb> {
    const opened = await openSim({ ...TINY, memtableCount: 2, l0CompactionTrigger: 2 });
    const { db, env } = opened;
    await db.put('a', ROW);
    await db.flush();
    const rule = { op: 'create', path: '.sst', errno: 'EIO', nth: 2, times: Infinity } as const;
    const fault = env.fs.injectFault(rule);
    await db.put('a', ROW);
    await db.flush();
    await turns(opened, 3);
    fault.cancel();
    expect(db.stats().compaction.failed).toBe(1);
    return opened;
  }

  it('delays no flush that makes room for writes', async () => {
    const opened = await afterFailedCompaction();
    const outcomes: Outcome[] = [];
    for (let i = 0; i < 200; i++) {
      outcomes.push(watch(opened.db.put(`w${i}`, ROW)));
      await turns(opened, 1);
    }
    await turns(opened, 10);
    expect(outcomes.filter(({ state }) => state !== 'done')).toEqual([]);
    expect(opened.db.stats().compaction.failed).toBe(1);
    await opened.db.close();
  });

  it.each(['flush', 'close'] as const)('delays no %s', async (call) => {
    const opened = await afterFailedCompaction();
    const { db, env } = opened;
    for (let i = 0; i < 20; i++) await db.put(`w${i}`, ROW);
    const flushes = db.stats().flush.completed;
    const ended = [watch(db.flush())];
    if (call === 'close') ended.push(watch(db.close()));
    await turns(opened, 20);
    expect(ended.map(({ state }) => state)).toEqual(ended.map(() => 'done'));
    if (call === 'close') return;
    expect(db.stats().flush.completed).toBe(flushes + 1);
    // The compaction itself waits for its time.
    expect(db.stats().compaction.runs).toBe(0);
    await env.clock.run(500);
    expect(db.stats().compaction.runs).toBeGreaterThan(0);
    await db.close();
  });
});

describe('a failed flush', () => {
  it('delays no compaction, and is tried again after its pause', async () => {
    const opened = await openSim({ ...TINY, l0CompactionTrigger: 2 }, { policy: COMPACT_MANUALLY });
    const { db, env } = opened;
    for (let i = 0; i < 6; i++) {
      await db.put('a', ROW);
      await db.flush();
    }
    const fault = env.fs.injectFault({ op: 'create', path: '.sst', errno: 'EIO' });
    await db.put('a', ROW);
    await expect(db.flush()).rejects.toMatchObject({ code: 'NOKV_IO' });
    fault.cancel();
    await work(opened, 'compaction');
    expect(db.stats().compaction.runs).toBeGreaterThan(0);
    await env.clock.run(499);
    expect(db.stats().flush.pending).toBe(1);
    await env.clock.run(1);
    expect(db.stats().flush.pending).toBe(0);
    while (env.executor.advance('compaction', Infinity)) await turns(opened, 2);
    await db.close();
  });
});

describe.each(['settle', 'untilUnthrottled'] as const)('Db.%s', (call) => {
  it.each([
    ['os', 1],
    ['os', 4],
    ['disk', 1],
    ['disk', 4],
  ] as const)('ends while others write with durability %s, %i at a time', async (durability, n) => {
    const opened = await openSim(TINY);
    const { db } = opened;
    const writers = writeOn(opened, n, (i) => db.put(`k${i % 100}`, 'v', { durability }));
    await turns(opened, 10);
    const outcome = watch(db[call]());
    await turns(opened, 50);
    expect(outcome.state).toBe('done');
    await writers.stop();
    await db.close();
  });

  it('ends while others fill memtables', async () => {
    const opened = await openSim({ ...TINY, l0CompactionTrigger: 2 });
    const { db } = opened;
    const writers = writeOn(opened, 8, (i) => db.put(`k${i % 1000}`, ROW), 16);
    await turns(opened, 20);
    const flushesBefore = db.stats().flush.completed;
    const outcome = watch(db[call]());
    await turns(opened, 100);
    expect(outcome.state).toBe('done');
    expect(db.stats().flush.completed).toBeGreaterThan(flushesBefore);
    await writers.stop();
    await db.close();
  });

  it('waits for the writes that wait for room', async () => {
    const opened = await openSim({ ...TINY, memtableCount: 2 }, { policy: FLUSH_MANUALLY });
    const { db } = opened;
    const waiting = await fillMemory(opened);
    const outcome = watch(db[call]());
    await turns(opened, 20);
    expect([waiting.state, outcome.state]).toEqual(['waits', 'waits']);
    await work(opened, 'flush');
    await turns(opened, 5);
    expect([waiting.state, outcome.state]).toEqual(['done', 'done']);
    await db.close();
  });
});

describe('Db.settle', () => {
  it('waits for the writes on their way to the disk, and for what is due', async () => {
    const opened = await openSim({ ...TINY, l0CompactionTrigger: 2 }, { policy: COMPACT_MANUALLY });
    const { db } = opened;
    for (let i = 0; i < 3; i++) {
      await db.put('key', ROW);
      await db.flush();
    }
    const written = watch(db.put('other', ROW, { durability: 'disk' }));
    const outcome = watch(db.settle());
    await turns(opened, 20);
    expect([written.state, outcome.state]).toEqual(['done', 'waits']);
    await work(opened, 'compaction');
    await turns(opened, 5);
    expect(outcome.state).toBe('done');
    expect(db.stats().compaction.runs).toBeGreaterThan(0);
    await db.close();
  });
});

describe('Db.untilUnthrottled', () => {
  it('rejects instead of waiting for ever when the database is closed meanwhile', async () => {
    const opened = await openSim(
      { ...TINY, l0CompactionTrigger: 1, l0SlowdownTrigger: 2, l0StopTrigger: 3 },
      { policy: COMPACT_MANUALLY },
    );
    const { db } = opened;
    for (let i = 0; i < 3; i++) {
      await db.put('key', ROW);
      await db.flush();
    }
    const outcome = watch(db.untilUnthrottled());
    const closed = watch(db.close());
    await turns(opened, 5);
    await work(opened, 'compaction');
    await turns(opened, 20);
    expect([closed.state, outcome.state]).toEqual(['done', 'NOKV_CLOSED']);
  });
});

describe('Db.flush', () => {
  it('waits for what was in memory, not for what is sealed meanwhile', async () => {
    const opened = await openSim({ ...TINY, memtableCount: 3 }, { policy: FLUSH_MANUALLY });
    const { db, env } = opened;
    await db.put('before', ROW);
    const outcome = watch(db.flush());
    const waiting = await fillMemory(opened);
    expect([outcome.state, waiting.state]).toEqual(['waits', 'waits']);
    env.executor.advance('flush', Infinity);
    await turns(opened, 5);
    expect(db.stats().flush.completed).toBe(1);
    expect(outcome.state).toBe('done');
    await work(opened, 'flush');
    await db.close();
  });

  it('ends while others keep all memtables full', async () => {
    const opened = await openSim({ ...TINY, memtableCount: 2 }, { policy: FLUSH_MANUALLY });
    const { db, env } = opened;
    for (let i = 0; i < 1000; i++) watch(db.put(`w${i}`, ROW));
    await turns(opened, 5);
    const outcome = watch(db.flush());
    for (let i = 0; i < 3; i++) {
      env.executor.advance('flush', Infinity);
      await turns(opened, 5);
    }
    expect(db.stats().write.queue_depth).toBeGreaterThan(0);
    expect(outcome.state).toBe('done');
    await work(opened, 'flush');
    const closed = watch(db.close());
    while (closed.state === 'waits') {
      env.executor.advance('flush', Infinity);
      await turns(opened, 1);
    }
  });
});

describe('a failed write', () => {
  it.each(['put', 'batch'] as const)(
    'fills no memtable with values that were undone: %s',
    async (call) => {
      const { db, env } = await openSim({ ...TINY, memtableBytes: 1 << 20, valueThreshold: 128 });
      await db.put('small', 'value');
      const logs = env.fs.list(WORKDIR).filter((name) => name.endsWith('.wal'));
      const rule = {
        op: 'write',
        path: '.vlog',
        errno: 'ENOSPC',
        times: Infinity,
        nth: 2,
      } as const;
      const fault = env.fs.injectFault(rule);
      const value = Buffer.alloc(20_000);
      const operations = [0, 1, 2, 3].map((i) => ({ type: 'put', key: `b${i}`, value }) as const);
      for (let i = 0; i < 200; i++) {
        const done = call === 'put' ? db.put(`k${i}`, ROW) : db.batch(operations);
        await done.catch(() => undefined);
      }
      expect(fault.hits).toBeGreaterThan(100);
      expect(env.fs.list(WORKDIR).filter((name) => name.endsWith('.wal'))).toEqual(logs);
      expect(db.stats().flush.completed).toBe(0);
      fault.cancel();
      await db.close();
    },
  );
});
