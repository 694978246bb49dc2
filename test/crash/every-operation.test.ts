/**
 * A crash before every file operation of the reference workload: a kill, and power cuts that lose, keep or
 * mix what was not synced. FULL=1 takes more power cuts at every operation, with SEED for the drawn ones.
 */
import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import type { Durability } from '../../src/engine/options.js';
import { KEEP_UNSYNCED, LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import { MemFs } from '../../src/env/mem-fs.js';
import type { MemOperation } from '../../src/env/mem-operation.js';
import { CrashChecker } from './crash-check.js';
import { History } from './history.js';
import { fewDeviations } from './reorderings.js';
import { openOn, SMALL } from './simulation.js';
import { type Host, referenceSteps, runSteps } from './workload.js';

const FULL = process.env['FULL'] === '1';
const SEED = Number(process.env['SEED'] ?? '1');
const TIMEOUT_MS = FULL ? 3_600_000 : 60_000;

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
    if (when !== 'before') return;
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
  await runSteps(host, history, referenceSteps(durability));
  await host.db.close();
  await checker.drain();
  return { history, checker, operations: fs.operations() };
}

const count = (run: Run, op: string, part: string): number =>
  run.operations.filter((one) => one.op === op && one.path.includes(part)).length;

describe('the reference workload', () => {
  it('passes through everything that changes files', async () => {
    const run = await runReference('os', () => undefined);
    expect(run.operations.length).toBeGreaterThan(300);
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
        expect(run.checker.checked).toBeGreaterThan(200);
      },
      TIMEOUT_MS,
    );

    it(
      'leaves after a power cut what was durable',
      async () => {
        const random = new Prng(SEED);
        let checks = 0;
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
            fewDeviations(fs, random, FULL ? 40 : 3, (policy, how) => {
              cut(policy, how);
            });
          }
        });
        expect(checks).toBeGreaterThan(900);
        expect(run.checker.checked).toBeGreaterThan(300);
      },
      TIMEOUT_MS,
    );
  },
);
