/**
 * Random transactions of several clients against the engine, judged by what they have seen. RUNS=n runs so many
 * seeds, SEED=n one. The judge must also see it when the engine's validation is broken on purpose.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { RecentWrites } from '../../src/engine/txn/recent-writes.js';
import type { Isolation } from '../../src/engine/txn/transaction.js';
import { WriteQueue } from '../../src/engine/write-queue.js';
import { WriteGroup } from '../../src/engine/write-group.js';
import { judge, type Verdict } from './history-checker.js';
import { record } from './recorder.js';

const FIRST = Number(process.env['SEED'] ?? '1');
const RUNS = Number(process.env['RUNS'] ?? (process.env['SEED'] === undefined ? '60' : '1'));

interface Sum {
  committed: number;
  conflicts: number;
  skewed: number;
  /** Seeds whose history the isolation forbids, with the first reason. */
  readonly wrong: string[];
}

async function runSeeds(isolation: Isolation, runs = RUNS): Promise<Sum> {
  const sum: Sum = { committed: 0, conflicts: 0, skewed: 0, wrong: [] };
  for (let seed = FIRST; seed < FIRST + runs; seed++) {
    const { history, committed, conflicts } = await record(seed, isolation);
    const verdict: Verdict = judge(history);
    sum.committed += committed;
    sum.conflicts += conflicts;
    if (isolation === 'snapshot' && verdict.serializable.length > 0) sum.skewed++;
    const [reason] = verdict[isolation];
    if (reason !== undefined) sum.wrong.push(`SEED=${seed}: ${reason}`);
  }
  return sum;
}

describe('random transactions', () => {
  it('that are serializable leave histories that are', async () => {
    const sum = await runSeeds('serializable');
    expect(sum.wrong).toEqual([]);
    expect(sum.committed).toBeGreaterThan(10 * RUNS);
    expect(sum.conflicts).toBeGreaterThan(RUNS);
  });

  it('in snapshots leave histories with write skew and nothing worse', async () => {
    const sum = await runSeeds('snapshot');
    expect(sum.wrong).toEqual([]);
    expect(sum.committed).toBeGreaterThan(10 * RUNS);
    expect(sum.skewed).toBeGreaterThan(RUNS / 10);
  });
});

describe('the judge sees validation that', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  const broken = async (isolation: Isolation): Promise<number> =>
    (await runSeeds(isolation, 30)).wrong.length;

  it('does not look at keys', async () => {
    vi.spyOn(RecentWrites.prototype, 'findKey').mockReturnValue(undefined);
    expect(await broken('snapshot')).toBeGreaterThan(5);
  });

  it('does not look at ranges', async () => {
    vi.spyOn(RecentWrites.prototype, 'findInSpans').mockReturnValue(undefined);
    expect(await broken('serializable')).toBeGreaterThan(5);
  });

  it('does not know what was on its way to the disk when the first transaction began', async () => {
    vi.spyOn(WriteGroup.prototype, 'noteAll').mockReturnValue(undefined);
    expect(await broken('serializable')).toBeGreaterThan(0);
  });

  it('forgets too early', async () => {
    const forget = RecentWrites.prototype.forget;
    vi.spyOn(RecentWrites.prototype, 'forget').mockImplementation(function (this: RecentWrites) {
      this.clear();
      forget.call(this, 0);
    });
    expect(await broken('serializable')).toBeGreaterThan(5);
  });

  it('comes before the wait for a place instead of with it', async () => {
    const write = WriteQueue.prototype.writeBatch;
    vi.spyOn(WriteQueue.prototype, 'writeBatch').mockImplementation(async function (
      this: WriteQueue,
      operations,
      key,
      durability,
      guard,
    ) {
      guard?.validate();
      await new Promise(setImmediate);
      const late = { validate: () => undefined, placed: (seq: number) => guard?.placed(seq) };
      return write.call(this, operations, key, durability, guard === undefined ? undefined : late);
    });
    expect(await broken('serializable')).toBeGreaterThan(0);
  });
});
