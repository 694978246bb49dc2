/**
 * Cases of the recovery matrix in which something was half done: a crash before every file operation of a rotation,
 * a flush, a compaction, a collection, a manifest rewrite with its swap of CURRENT, a close, an open. Each crash
 * comes in three kinds: a kill, a power loss that takes everything unsynced, and one that takes nothing.
 */
import type { Db } from '../../src/engine/db.js';
import type { OpenOptions } from '../../src/engine/options.js';
import { KEEP_UNSYNCED, LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import { MemFs } from '../../src/env/mem-fs.js';
import type { MemOperation } from '../../src/env/mem-operation.js';
import { CrashChecker } from '../crash/crash-check.js';
import { History, type Write } from '../crash/history.js';
import { openOn, SMALL } from '../crash/simulation.js';
import type { Verdict } from './verdict.js';

const OPTIONS: OpenOptions = { ...SMALL, autoCompaction: false, valueLogGc: false };

export interface InterruptedCase {
  readonly name: string;
  readonly verdict: () => Promise<Verdict>;
}

interface Scene {
  readonly fs: MemFs;
  db: Db;
  readonly history: History;
  /** One write, waited for. */
  readonly put: (key: string, bytes: number) => Promise<void>;
  readonly reopen: () => Promise<void>;
}

interface Interruption {
  readonly name: string;
  readonly options?: OpenOptions;
  /** Before: nothing of it is interrupted. */
  readonly prepare?: (scene: Scene) => Promise<void>;
  readonly act: (scene: Scene) => Promise<void>;
  /** Operations that must be among those interrupted, or the case is about something else. */
  readonly passes: readonly ((operation: MemOperation) => boolean)[];
}

const creates =
  (part: string) =>
  ({ op, path }: MemOperation): boolean =>
    op === 'create' && path.includes(part);
const removes =
  (part: string) =>
  ({ op, path }: MemOperation): boolean =>
    op === 'remove' && path.includes(part);
const renamesCurrent = ({ op, to }: MemOperation): boolean =>
  op === 'rename' && to.endsWith('/CURRENT');

/** Two tables, values in the value log, half of them overwritten. */
async function twoTables({ db, put }: Scene): Promise<void> {
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 6; i++) await put(`v${i}`, 400 + round);
    for (let i = 0; i < 20; i++) await put(`a${i}`, 50);
    await db.flush();
  }
}

const INTERRUPTIONS: readonly Interruption[] = [
  {
    name: 'creation of a workdir',
    act: ({ put }) => put('a', 1),
    passes: [creates('MANIFEST-'), renamesCurrent, creates('.wal')],
  },
  {
    name: 'rotation of the log',
    act: async ({ put }) => {
      for (let i = 0; i < 4; i++) await put(`b${i}`, 30_000);
    },
    passes: [creates('.wal')],
  },
  {
    name: 'flush',
    prepare: async ({ put }) => {
      for (let i = 0; i < 20; i++) await put(`a${i}`, 200);
      await put('v', 5000);
    },
    act: ({ db }) => db.flush(),
    passes: [creates('.sst'), removes('.wal')],
  },
  {
    name: 'compaction',
    prepare: twoTables,
    act: ({ db }) => db.compact(),
    passes: [creates('.sst'), removes('.sst')],
  },
  {
    name: 'value-log collection',
    prepare: async (scene) => {
      await twoTables(scene);
      await scene.reopen();
      await scene.db.compact();
    },
    act: async ({ db }) => {
      await db.collectValueLog({ ratio: 0.1 });
    },
    passes: [creates('bucket-001'), removes('.vlog')],
  },
  {
    name: 'manifest rewrite and swap of CURRENT',
    options: { manifestRewriteBytes: 4096 },
    act: async ({ db, put }) => {
      for (let i = 0; i < 8; i++) {
        await put(`a${i}`, 50);
        await db.flush();
      }
    },
    passes: [creates('MANIFEST-'), creates('CURRENT.tmp'), renamesCurrent, removes('MANIFEST-')],
  },
  {
    name: 'close',
    prepare: twoTables,
    act: async ({ put, reopen }) => {
      await put('a', 1);
      await reopen();
    },
    passes: [({ op, path }) => op === 'sync' && path.includes('.wal')],
  },
];

/** A crash before every operation of `act`. @throws Error naming the crash */
async function runInterruption(interruption: Interruption): Promise<Verdict> {
  const options = { ...OPTIONS, ...interruption.options };
  const fs = new MemFs();
  const history = new History();
  const checker = new CrashChecker(history, options);
  const passed = new Set<number>();
  let isActing = false;
  fs.onOperation = (operation, when) => {
    if (when !== 'before' || !isActing) return;
    interruption.passes.forEach((test, i) => {
      if (test(operation)) passed.add(i);
    });
    const what = `before ${operation.op} ${operation.path}`;
    checker.add(fs.killClone(), history.promisedAfterKill(), `kill ${what}`);
    const durable = history.promisedAfterPowerLoss();
    checker.add(fs.crashClone(LOSE_UNSYNCED), durable, `power cut that loses all ${what}`);
    checker.add(fs.crashClone(KEEP_UNSYNCED), durable, `power cut that keeps all ${what}`);
  };
  isActing = interruption.prepare === undefined;
  const scene = await makeScene(fs, history, options);
  await interruption.prepare?.(scene);
  isActing = true;
  await interruption.act(scene);
  isActing = false;
  await scene.db.close();
  try {
    await checker.drain();
  } catch (error) {
    return { text: 'broken', deviation: error instanceof Error ? error.message : String(error) };
  }
  const text = `opened: after each of ${checker.checked} crashes`;
  if (passed.size === interruption.passes.length) return { text, deviation: undefined };
  return {
    text,
    deviation: `only ${passed.size} of ${interruption.passes.length} phases were met`,
  };
}

async function makeScene(fs: MemFs, history: History, options: OpenOptions): Promise<Scene> {
  let stamp = 0;
  const scene: Scene = {
    fs,
    db: (await openOn(fs, options)).db,
    history,
    async put(key, bytes) {
      const write: Write = { type: 'put', key, value: Buffer.alloc(bytes, `${stamp++}.`) };
      const error = await history.write(scene.db, [write], 'os');
      if (error !== undefined) throw error;
    },
    async reopen() {
      const end = history.beginSync();
      await scene.db.close();
      end();
      scene.db = (await openOn(fs, options, 2)).db;
    },
  };
  return scene;
}

/** A crash before every operation of the open that follows a crash: recovery is cut and run again. */
async function runRecoveryCut(isPowerLoss: boolean): Promise<Verdict> {
  const before = new MemFs();
  const history = new History();
  const scene = await makeScene(before, history, OPTIONS);
  await twoTables(scene);
  for (let i = 0; i < 3; i++) await scene.put(`b${i}`, 30_000);
  await scene.put('v9', 700);
  const left = isPowerLoss ? before.crashClone(KEEP_UNSYNCED) : before.killClone();
  const checker = new CrashChecker(history, OPTIONS);
  const exactly = { low: history.issued, operations: history.issued };
  // What a kill left in memory is durable only when the next open has synced it.
  const durable = isPowerLoss ? exactly : history.promisedAfterPowerLoss();
  left.onOperation = ({ op, path }, when) => {
    if (when !== 'before') return;
    const what = `of the recovery before ${op} ${path}`;
    checker.add(left.killClone(), exactly, `kill ${what}`);
    checker.add(left.crashClone(LOSE_UNSYNCED), durable, `power cut that loses all ${what}`);
    checker.add(left.crashClone(KEEP_UNSYNCED), exactly, `power cut that keeps all ${what}`);
  };
  const { db } = await openOn(left, OPTIONS, 3);
  left.onOperation = undefined;
  await db.close();
  await scene.db.close();
  try {
    await checker.drain();
  } catch (error) {
    return { text: 'broken', deviation: error instanceof Error ? error.message : String(error) };
  }
  return { text: `opened: after each of ${checker.checked} crashes`, deviation: undefined };
}

export function interruptedCases(): InterruptedCase[] {
  const cases = INTERRUPTIONS.map((one) => ({
    name: `half-finished: ${one.name}`,
    verdict: () => runInterruption(one),
  }));
  const recoveries = [false, true].map((isPowerLoss) => ({
    name: `half-finished: recovery from a ${isPowerLoss ? 'power loss' : 'kill'}`,
    verdict: () => runRecoveryCut(isPowerLoss),
  }));
  return [...cases, ...recoveries];
}
