/** A small workdir with every kind of file, and every way in which one byte of it, or one file, can be damaged. */
import type { OpenOptions } from '../../src/engine/options.js';
import { KEEP_UNSYNCED } from '../../src/env/mem-crash.js';
import { MemFs } from '../../src/env/mem-fs.js';
import { History, type Write } from './history.js';
import { filesBelow, openOn, WORKDIR } from './simulation.js';

export const TINY: OpenOptions = {
  memtableBytes: 65_536,
  memtableCount: 2,
  blockBytes: 256,
  valueThreshold: 40,
  valueLogFileBytes: 65_536,
  autoCompaction: false,
  cacheBytes: 0,
};

/** How the workdir was left: closed, killed (found by the same boot), or powered off. */
export type Ending = 'closed' | 'killed' | 'powered off';

export interface Workdir {
  readonly fs: MemFs;
  readonly history: History;
  /** Operations that are in tables: no loss of a log tail takes them away. */
  readonly flushed: number;
}

const bytes = (length: number, tag: string): Buffer => Buffer.alloc(length, tag);

/** Tables of several blocks, range tombstones, two buckets of the value log, a log with a tail. */
export async function smallWorkdir(ending: Ending): Promise<Workdir> {
  const fs = new MemFs();
  const history = new History();
  const open = async (): Promise<Awaited<ReturnType<typeof openOn>>> => openOn(fs, TINY);
  let { db } = await open();
  const put = (key: string, value: Buffer): Write => ({ type: 'put', key, value });
  const write = async (...writes: readonly Write[]): Promise<void> => {
    const error = await history.write(db, writes, 'os');
    if (error !== undefined) throw error;
  };
  for (let i = 0; i < 10; i++) await write(put(`a${i}`, bytes(30, `a${i}.`)));
  for (let i = 0; i < 5; i++) await write(put(`v${i}`, bytes(60, `v${i}.`)));
  await db.flush();
  // The segment is sealed by the close; half of it is overwritten, then collected.
  await db.close();
  ({ db } = await open());
  await write(put('v0', bytes(50, 'w0.')), put('v1', bytes(10, 'w1.')), put('v2', bytes(0, '')));
  await write({ type: 'deleteRange', start: 'a2', end: 'a4' });
  await db.compact();
  await db.collectValueLog({ ratio: 0.1 });
  await write(put('b1', bytes(45, 'b1.')), { type: 'deleteRange', start: 'a7', end: 'a8' });
  await write({ type: 'del', key: 'a9' });
  await db.flush();
  const flushed = history.issued;
  await write(put('t1', bytes(12, 't1.')));
  await write(put('t2', bytes(48, 't2.')), { type: 'del', key: 'a0' });
  await write({ type: 'deleteRange', start: 'a4', end: 'a6' });
  await write(put('t3', bytes(3, 't3.')));
  if (ending === 'closed') await db.close();
  const left = ending === 'powered off' ? fs.crashClone(KEEP_UNSYNCED) : fs.killClone();
  return { fs: left, history, flushed };
}

/** One way to damage a disk. */
export interface Damage {
  readonly path: string;
  readonly what: string;
  /** A log segment is shorter than it was. */
  readonly isLogCut: boolean;
  readonly apply: (fs: MemFs) => void;
}

/** Every bit flipped, every byte 0x00 and 0xff, every length, garbage behind the end, and no file at all. */
export function* damages(fs: MemFs): Generator<Damage, void, void> {
  for (const path of filesBelow(fs, WORKDIR)) {
    const content = fs.readFile(path);
    for (let offset = 0; offset < content.length; offset++) {
      const byte = content[offset] as number;
      const masks = new Set([1, 2, 4, 8, 16, 32, 64, 128, byte, byte ^ 0xff]);
      masks.delete(0);
      for (const mask of masks) {
        const what = `${path} at ${offset}: ${byte} becomes ${byte ^ mask}`;
        yield { path, what, isLogCut: false, apply: (disk) => disk.rot(path, offset, mask) };
      }
    }
    for (let length = 0; length < content.length; length++) {
      yield {
        path,
        what: `${path} of ${content.length} bytes cut to ${length}`,
        isLogCut: path.endsWith('.wal'),
        apply: (disk) => resize(disk, path, length),
      };
    }
    for (const more of [1, 20, 600]) {
      const what = `${path} with ${more} bytes behind its end`;
      const apply = (disk: MemFs): void => append(disk, path, content.length, more);
      yield { path, what, isLogCut: false, apply };
    }
    yield { path, what: `${path} is gone`, isLogCut: false, apply: (disk) => disk.remove(path) };
  }
}

function resize(disk: MemFs, path: string, length: number): void {
  const file = disk.open(path, 'update');
  file.truncate(length);
  file.close();
}

function append(disk: MemFs, path: string, at: number, count: number): void {
  const file = disk.open(path, 'update');
  file.write(Buffer.alloc(count, 0x5a), 0, count, at);
  file.close();
}
