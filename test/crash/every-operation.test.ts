/**
 * A crash before every file operation of the reference workload, and after the last: a kill, and power cuts that lose,
 * keep or mix what was not synced.
 *
 * FULL=1: the long workload, of more than 2,000 file operations, and at each of them every order of up to three unsynced
 * operations, with SEED for the drawn power cuts beside them. PART=2/8 takes every eighth operation of it, from the second.
 */
import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import type { Durability } from '../../src/engine/options.js';
import { KEEP_UNSYNCED, LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import { MemFs } from '../../src/env/mem-fs.js';
import type { MemOperation } from '../../src/env/mem-operation.js';
import { CrashChecker } from './crash-check.js';
import { History } from './history.js';
import { fewOperations } from './reorderings.js';
import { openOn, SMALL } from './simulation.js';
import { type Host, referenceSteps, ROUNDS_LONG, ROUNDS_SHORT, runSteps } from './workload.js';

const FULL = process.env['FULL'] === '1';
const SEED = Number(process.env['SEED'] ?? '1');
const [PART, PARTS] = (process.env['PART'] ?? '1/1').split('/').map(Number) as [number, number];
const TIMEOUT_MS = FULL ? 7_200_000 : 60_000;
const ROUNDS = FULL ? ROUNDS_LONG : ROUNDS_SHORT;
const OPERATIONS_MIN = FULL ? 2000 : 400;
/** Of power cuts, and of crashes after which everything was looked at: a run below them proves too little. */
const CUTS_MIN = (FULL ? 4000 : 900) / PARTS;
const CHECKED_MIN = (FULL ? 1000 : 300) / PARTS;

interface Run {
  readonly history: History;
  readonly checker: CrashChecker;
  readonly operations: readonly MemOperation[];
}

/** Runs the reference workload; `crash` may take copies of the disk before each operation. */
async function runReference(
  durability: Durability,
  crash: (fs: MemFs, history: History, checker: CrashChecker, what: string) => void,
): Promise<Run> {
  const fs = new MemFs();
  const history = new History();
  const options = { ...SMALL, durability };
  const checker = new CrashChecker(history, options);
  fs.onOperation = (operation, when) => {
    if (when !== 'before' || operation.index % PARTS !== PART - 1) return;
    crash(fs, history, checker, `before ${operation.index} ${operation.op} ${operation.path}`);
  };
  const host: Host = {
    db: (await openOn(fs, options)).db,
    async reopen() {
      const end = history.beginSync();
      await host.db.close();
      end();
      host.db = (await openOn(fs, options, 2)).db;
    },
    between: () => checker.drain(),
  };
  await checker.drain();
  await runSteps(host, history, referenceSteps(durability, ROUNDS));
  await host.db.close();
  crash(fs, history, checker, 'after the last operation');
  await checker.drain();
  return { history, checker, operations: fs.operations() };
}

const count = (run: Run, op: string, part: string): number =>
  run.operations.filter((one) => one.op === op && one.path.includes(part)).length;

describe('the reference workload', () => {
  it('passes through everything that changes files', async () => {
    const run = await runReference('os', () => undefined);
    expect(run.operations.length).toBeGreaterThan(OPERATIONS_MIN);
    expect(count(run, 'create', '.wal')).toBeGreaterThan(8);
    expect(count(run, 'create', '.sst')).toBeGreaterThan(8);
    expect(count(run, 'create', 'bucket-000')).toBeGreaterThan(3);
    expect(count(run, 'create', 'bucket-001')).toBeGreaterThan(0);
    expect(count(run, 'remove', '.vlog')).toBeGreaterThan(0);
    expect(count(run, 'remove', '.sst')).toBeGreaterThan(3);
    expect(count(run, 'create', 'MANIFEST')).toBeGreaterThan(2);
  });
});

describe.each(['os', 'disk'] as const)(
  'a crash before every operation, durability %s',
  (durability) => {
    it(
      'leaves after a kill what was acknowledged',
      async () => {
        const run = await runReference(durability, (fs, history, checker, what) => {
          checker.add(fs.killClone(), history.promisedAfterKill(), `kill ${what}`);
        });
        expect(run.operations.length).toBeGreaterThan(OPERATIONS_MIN);
        expect(run.checker.checked).toBeGreaterThan(OPERATIONS_MIN / 2 / PARTS);
      },
      TIMEOUT_MS,
    );

    it(
      'leaves after a power cut what was durable',
      async () => {
        const random = new Prng(SEED);
        let checks = 0;
        let samples = 0;
        const run = await runReference(durability, (fs, history, checker, what) => {
          const promised = history.promisedAfterPowerLoss();
          const cut = (policy: Parameters<MemFs['crashClone']>[0], how: string): void => {
            checks++;
            checker.add(fs.crashClone(policy), promised, `power cut ${how} ${what}`);
          };
          cut(LOSE_UNSYNCED, 'loses all');
          cut(KEEP_UNSYNCED, 'keeps all');
          for (let i = 0; i < (FULL ? 6 : 1); i++) {
            const seed = random.u32();
            cut({ seed, tearPercent: random.below(2) * 30 }, `seed ${seed}`);
          }
          if (FULL || random.chance(1, 8)) {
            const { isComplete } = fewOperations(fs, random, FULL ? Infinity : 3, cut);
            if (!isComplete) samples++;
          }
        });
        expect(checks).toBeGreaterThan(CUTS_MIN);
        expect(run.checker.checked).toBeGreaterThan(CHECKED_MIN);
        if (FULL) expect(samples, 'operations where not every order was tried').toBe(0);
      },
      TIMEOUT_MS,
    );
  },
);
