import { describe, expect, it } from 'vitest';
import { forEachCrash } from '../../../src/env/mem-crash.js';
import { MemFs } from '../../../src/env/mem-fs.js';
import { IoError, ReadOnlyError } from '../../../src/base/errors.js';
import { ManifestLog } from '../../../src/engine/manifest/manifest-log.js';
import { loadManifest, readManifest } from '../../../src/engine/manifest/manifest-reader.js';
import { edit, INIT, WORKDIR } from './edits.js';

/** How far a run has come: every edit sets lastSeq to the next number. */
interface Progress {
  /** The highest number that a sync or a rewrite has returned for; -1 before the creation has. */
  durable: number;
  /** The highest number whose append was begun. */
  begun: number;
}

function appendNext(log: ManifestLog, progress: Progress): void {
  progress.begun++;
  log.append(edit({ lastSeq: progress.begun }));
}

function syncNow(log: ManifestLog, progress: Progress): void {
  const { lastSeq } = log.version;
  log.syncBlocking();
  progress.durable = lastSeq;
}

/** Creates, appends, rewrites twice, opens in between: everything that swaps CURRENT or writes a manifest. */
function runProgram(fs: MemFs, progress: Progress): void {
  let log = ManifestLog.create(fs, WORKDIR, INIT, 1);
  progress.durable = 0;
  appendNext(log, progress);
  syncNow(log, progress);
  appendNext(log, progress);
  appendNext(log, progress);
  log.rewrite({ ...INIT, fileNumber: 10 }, 2);
  progress.durable = progress.begun;
  appendNext(log, progress);
  log.close();
  const loaded = loadManifest(fs, WORKDIR, INIT.bootId);
  if (loaded === undefined) throw new Error('no CURRENT');
  log = ManifestLog.open(fs, WORKDIR, loaded);
  progress.durable = progress.begun;
  appendNext(log, progress);
  syncNow(log, progress);
  log.rewrite({ ...INIT, fileNumber: 20 }, 3);
  appendNext(log, progress);
  log.close();
}

/** A disk with an empty workdir, which is the caller's to make durable. */
function emptyWorkdir(): MemFs {
  const fs = new MemFs();
  fs.makeDirectory(WORKDIR);
  fs.syncAll();
  return fs;
}

/** Opens what a crash left, checks it against what was promised, and goes on writing. */
function checkCrashed(fs: MemFs, bootId: string, promised: Progress, what: string): void {
  const loaded = loadManifest(fs, WORKDIR, bootId);
  if (loaded === undefined) {
    expect(promised.durable, what).toBe(-1);
    ManifestLog.create(fs, WORKDIR, { ...INIT, bootId }, 1).close();
    return;
  }
  const found = loaded.version.lastSeq;
  expect(found, what).toBeGreaterThanOrEqual(Math.max(0, promised.durable));
  expect(found, what).toBeLessThanOrEqual(promised.begun);
  const damage = readManifest(fs, WORKDIR).findings.filter((finding) => finding.kind === 'damage');
  if (loaded.tail.tornBytes === 0) expect(damage, what).toEqual([]);
  const log = ManifestLog.open(fs, WORKDIR, loaded);
  log.append(edit({ lastSeq: found + 100 }));
  log.syncBlocking();
  log.close();
  const again = loadManifest(fs.crashClone({ choose: () => 0 }), WORKDIR, 'boot-c');
  expect(again?.version.lastSeq, what).toBe(found + 100);
}

describe('ManifestLog on the simulated disk', () => {
  it('keeps every synced edit when the process or the power ends around each operation', () => {
    const fs = emptyWorkdir();
    const progress: Progress = { durable: -1, begun: 0 };
    let crashes = 0;
    fs.onOperation = (operation, when) => {
      const what = `${when} ${operation.index} ${operation.op} ${operation.path}`;
      checkCrashed(fs.killClone(), INIT.bootId, progress, `kill ${what}`);
      for (const fill of ['zeros', 'garbage'] as const) {
        const done = forEachCrash(
          (policy, round) => {
            checkCrashed(
              fs.crashClone(policy),
              'boot-b',
              progress,
              `power ${what} ${fill} round ${round}`,
            );
          },
          200,
          fill,
        );
        crashes += done.rounds;
      }
      for (const seed of [1, 2, 3, 4]) {
        const torn = fs.crashClone({ seed, tearPercent: 50 });
        checkCrashed(torn, 'boot-b', progress, `torn ${what} seed ${seed}`);
      }
    };
    runProgram(fs, progress);
    expect(progress.begun).toBe(6);
    expect(crashes).toBeGreaterThan(500);
  });

  it('loses no synced edit, or says so and stops, when any one operation fails', () => {
    const clean = emptyWorkdir();
    const first = clean.operationCount + 1;
    runProgram(clean, { durable: -1, begun: 0 });
    const total = clean.operationCount;
    for (let nth = first; nth <= total; nth++) {
      for (const errno of ['EIO', 'ENOSPC']) {
        for (const applied of [false, true]) {
          const fs = emptyWorkdir();
          const progress: Progress = { durable: -1, begun: 0 };
          fs.injectFault({ nth: nth - first + 1, errno, applied });
          const what = `${errno} at operation ${nth}, applied ${applied}`;
          try {
            runProgram(fs, progress);
          } catch (error) {
            expect(error instanceof IoError || error instanceof ReadOnlyError, what).toBe(true);
          }
          const atFault = `${what}: ${fs.operations()[nth - 1]?.op}`;
          checkCrashed(fs.crashClone({ choose: () => 0 }), 'boot-b', progress, atFault);
          checkCrashed(
            fs.crashClone({ choose: (piece) => piece.count - 1 }),
            'boot-b',
            progress,
            atFault,
          );
        }
      }
    }
    expect(total).toBeGreaterThan(40);
  });
});
