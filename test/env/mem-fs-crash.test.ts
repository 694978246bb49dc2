/** MemFs: what a power loss, a kill and a failed sync leave behind. */
import { describe, expect, it } from 'vitest';
import type { FsFile } from '../../src/base/env.js';
import { Prng } from '../../src/base/prng.js';
import { forEachCrash, KEEP_UNSYNCED, LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import { MemFs } from '../../src/env/mem-fs.js';
import type { MemFsOptions } from '../../src/env/mem-fs.js';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/** A disk with the durable directory /db. */
function createDisk(options?: MemFsOptions): MemFs {
  const fs = new MemFs(options);
  fs.makeDirectory('/db');
  fs.syncAll();
  return fs;
}

/** A durable file with `length` bytes of `byte`. */
function createDurable(fs: MemFs, path: string, length: number, byte: number): FsFile {
  const file = fs.open(path, 'create');
  put(file, 0, length, byte);
  file.syncBlocking();
  fs.syncDirectory('/db');
  return file;
}

function put(file: FsFile, position: number, length: number, byte: number): void {
  expect(file.write(new Uint8Array(length).fill(byte), 0, length, position)).toBe(length);
}

/** The content as runs of equal bytes, "512*1 488*2"; "absent" when it is not there. */
function content(fs: MemFs, path: string): string {
  if (fs.stat(path) === undefined) return 'absent';
  const runs: string[] = [];
  let count = 0;
  const bytes = fs.readFile(path);
  for (let i = 0; i < bytes.length; i++) {
    count++;
    if (bytes[i] === bytes[i + 1]) continue;
    runs.push(`${count}*${String(bytes[i])}`);
    count = 0;
  }
  return runs.join(' ');
}

/** Every state in which a power loss can leave the files, sorted. */
function everyState(fs: MemFs, paths: string[]): string[] {
  const states = new Set<string>();
  const { complete } = forEachCrash((policy) => {
    const crashed = fs.crashClone(policy);
    states.add(paths.map((path) => content(crashed, path)).join(' | '));
  }, 2000);
  expect(complete).toBe(true);
  return [...states].sort();
}

describe('MemFs.crashClone', () => {
  it('keeps what was synced, loses what was not', () => {
    const fs = createDisk();
    const file = createDurable(fs, '/db/file', 1024, 1);
    put(file, 0, 512, 2);
    expect(content(fs.crashClone(LOSE_UNSYNCED), '/db/file')).toBe('1024*1');
    expect(content(fs.crashClone(KEEP_UNSYNCED), '/db/file')).toBe('512*2 512*1');
    file.syncBlocking();
    expect(content(fs.crashClone(LOSE_UNSYNCED), '/db/file')).toBe('512*2 512*1');
    expect(fs.unsynced()).toEqual([]);
  });

  it('keeps or drops each sector by itself', () => {
    const fs = createDisk();
    const file = createDurable(fs, '/db/file', 1024, 1);
    put(file, 0, 1024, 2);
    expect(everyState(fs, ['/db/file'])).toEqual([
      '1024*1',
      '1024*2',
      '512*1 512*2',
      '512*2 512*1',
    ]);
  });

  it('may find a sector in any state it had since the last sync, but never a mixture', () => {
    const fs = createDisk();
    const file = createDurable(fs, '/db/file', 512, 1);
    put(file, 0, 100, 2);
    put(file, 100, 100, 3);
    expect(everyState(fs, ['/db/file'])).toEqual(['100*2 100*3 312*1', '100*2 412*1', '512*1']);
  });

  it('drops size and content independently', () => {
    const fs = createDisk();
    const file = createDurable(fs, '/db/file', 512, 1);
    put(file, 512, 512, 2);
    expect(everyState(fs, ['/db/file'])).toEqual(['512*1', '512*1 512*0', '512*1 512*2']);
  });

  it('fills a dropped sector of a grown file with garbage when asked', () => {
    const fs = createDisk();
    const file = createDurable(fs, '/db/file', 512, 1);
    put(file, 512, 512, 2);
    const choose = ({ kind }: { kind: string }): number => (kind === 'size' ? 1 : 0);
    const zeros = fs.crashClone({ choose, fill: 'zeros' }).readFile('/db/file');
    const garbage = fs.crashClone({ choose, fill: 'garbage' }).readFile('/db/file');
    expect(new Set(zeros.subarray(512))).toEqual(new Set([0]));
    expect(new Set(garbage.subarray(512)).size).toBeGreaterThan(50);
    expect([...garbage.subarray(0, 512)]).toEqual([...zeros.subarray(0, 512)]);
  });

  it('reads a hole as zeros, whatever the filling', () => {
    const fs = createDisk();
    const file = createDurable(fs, '/db/file', 10, 1);
    file.truncate(2000);
    const crashed = fs.crashClone({ choose: ({ count }) => count - 1, fill: 'garbage' });
    expect(content(crashed, '/db/file')).toBe('10*1 1990*0');
  });

  it('undoes a truncation with the content that was cut off', () => {
    const fs = createDisk();
    const file = createDurable(fs, '/db/file', 1536, 1);
    file.truncate(512);
    expect(everyState(fs, ['/db/file'])).toEqual(['1536*1', '512*1']);
    file.syncBlocking();
    expect(everyState(fs, ['/db/file'])).toEqual(['512*1']);
  });

  it('tears a sector when asked', () => {
    const fs = createDisk();
    const file = createDurable(fs, '/db/file', 1024, 1);
    put(file, 0, 1024, 2);
    const crashed = fs.crashClone({
      choose: ({ count }) => count - 1,
      tear: (_path, sector) => (sector === 1 ? 100 : 512),
    });
    expect(content(crashed, '/db/file')).toBe('612*2 412*1');
  });

  it('loses a file whose directory was not synced, though its content was', () => {
    const fs = createDisk();
    const file = fs.open('/db/new', 'create');
    put(file, 0, 10, 1);
    file.syncBlocking();
    expect(everyState(fs, ['/db/new'])).toEqual(['10*1', 'absent']);
    fs.syncDirectory('/db');
    expect(everyState(fs, ['/db/new'])).toEqual(['10*1']);
  });

  it('keeps the name of a file whose content was not synced', () => {
    const fs = createDisk();
    const file = fs.open('/db/new', 'create');
    put(file, 0, 10, 1);
    fs.syncDirectory('/db');
    expect(everyState(fs, ['/db/new'])).toEqual(['', '10*0', '10*1']);
  });

  it('keeps a second name of a file when its directory was synced, whatever becomes of the first', () => {
    const fs = new MemFs();
    fs.makeDirectory('/in');
    fs.makeDirectory('/db');
    const file = fs.open('/in/a', 'create');
    file.write(new Uint8Array([1, 2, 3]), 0, 3, 0);
    file.syncBlocking();
    file.close();
    fs.syncAll();
    fs.link('/in/a', '/db/b');
    expect(fs.crashClone(LOSE_UNSYNCED).stat('/db/b')).toBeUndefined();
    expect(fs.crashClone(KEEP_UNSYNCED).readFile('/db/b')).toEqual(new Uint8Array([1, 2, 3]));
    fs.syncDirectory('/db');
    fs.remove('/in/a');
    for (const copy of [
      fs.killClone(),
      fs.crashClone(LOSE_UNSYNCED),
      fs.crashClone(KEEP_UNSYNCED),
    ]) {
      expect(copy.readFile('/db/b')).toEqual(new Uint8Array([1, 2, 3]));
    }
    expect(fs.crashClone(LOSE_UNSYNCED).stat('/in/a')).toBeDefined();
    expect(fs.usedBytes).toBe(512);
    fs.remove('/db/b');
    expect(fs.usedBytes).toBe(0);
  });

  it('does a rename whole or not at all, replacement included', () => {
    const fs = createDisk();
    createDurable(fs, '/db/current', 5, 1);
    createDurable(fs, '/db/temp', 5, 2);
    fs.rename('/db/temp', '/db/current');
    expect(everyState(fs, ['/db/current', '/db/temp'])).toEqual(['5*1 | 5*2', '5*2 | absent']);
  });

  it('keeps or undoes each change of a directory by itself', () => {
    const fs = createDisk();
    createDurable(fs, '/db/a', 1, 1);
    createDurable(fs, '/db/b', 1, 2);
    fs.remove('/db/a');
    fs.remove('/db/b');
    expect(everyState(fs, ['/db/a', '/db/b']).length).toBe(4);
    fs.syncDirectory('/db');
    expect(everyState(fs, ['/db/a', '/db/b'])).toEqual(['absent | absent']);
  });

  it('may leave a file under both names when only one directory of a rename was synced', () => {
    const fs = createDisk();
    fs.makeDirectory('/db/sub');
    fs.syncAll();
    createDurable(fs, '/db/a', 1, 1);
    fs.rename('/db/a', '/db/sub/a');
    expect(everyState(fs, ['/db/a', '/db/sub/a'])).toEqual(['1*1 | absent', 'absent | 1*1']);
    fs.syncDirectory('/db/sub');
    expect(everyState(fs, ['/db/a', '/db/sub/a'])).toEqual(['1*1 | 1*1', 'absent | 1*1']);
  });

  it('loses a whole new directory that its parent does not durably name', () => {
    const fs = createDisk();
    fs.makeDirectory('/db/vlog');
    const file = fs.open('/db/vlog/1', 'create');
    put(file, 0, 1, 1);
    file.syncBlocking();
    fs.syncDirectory('/db/vlog');
    expect(everyState(fs, ['/db/vlog/1'])).toEqual(['1*1', 'absent']);
  });

  it('gives the same disk for the same seed, and leaves the original alone', () => {
    const fs = createDisk();
    const file = createDurable(fs, '/db/file', 8192, 1);
    put(file, 100, 8000, 2);
    const states = SEEDS.map((seed) =>
      content(fs.crashClone({ seed, tearPercent: 30 }), '/db/file'),
    );
    const again = SEEDS.map((seed) =>
      content(fs.crashClone({ seed, tearPercent: 30 }), '/db/file'),
    );
    expect(again).toEqual(states);
    expect(new Set(states).size).toBeGreaterThan(4);
    expect(content(fs, '/db/file')).toBe('100*1 8000*2 92*1');
    expect(fs.crashClone({ seed: 3 }).unsynced()).toEqual([]);
  });

  it('refuses an answer that is not one', () => {
    const fs = createDisk();
    fs.open('/db/new', 'create');
    expect(() => fs.crashClone({ choose: () => 2 })).toThrow(RangeError);
  });
});

describe('MemFs under random work', () => {
  const SECTOR = 512;

  /**
   * Whole-sector writes of ever new values; a model keeps, per sector, what was there at the last
   * completed sync and everything since.
   */
  it.each(SEEDS)('never loses synced data and never invents any (seed %i)', (seed) => {
    const random = new Prng(seed);
    const fs = createDisk();
    const file = createDurable(fs, '/db/file', 8 * SECTOR, 0);
    const legal: Set<number>[] = Array.from({ length: 8 }, () => new Set([0]));
    const now = new Array<number>(8).fill(0);
    let lost = 0;
    for (let step = 1; step < 120; step++) {
      const sector = random.below(8);
      const value = step % 251;
      put(file, sector * SECTOR, SECTOR, value);
      now[sector] = value;
      (legal[sector] as Set<number>).add(value);
      if (random.chance(1, 10)) {
        file.syncBlocking();
        now.forEach((present, i) => (legal[i] = new Set([present])));
      }
      const crashed = fs.crashClone({ seed: seed * 1000 + step }).readFile('/db/file');
      for (let i = 0; i < 8; i++) {
        const found = crashed[i * SECTOR] as number;
        expect(legal[i], `seed ${seed} step ${step} sector ${i}`).toContain(found);
        expect(new Set(crashed.subarray(i * SECTOR, (i + 1) * SECTOR)).size).toBe(1);
        if (found !== now[i]) lost++;
      }
    }
    expect(lost).toBeGreaterThan(50);
  });

  it.each(SEEDS)('keeps a synced prefix of an append-only file (seed %i)', (seed) => {
    const random = new Prng(seed);
    const fs = createDisk();
    const file = createDurable(fs, '/db/log', 0, 0);
    let end = 0;
    let synced = 0;
    for (let step = 0; step < 80; step++) {
      const length = 1 + random.below(700);
      put(file, end, length, 1 + (step % 200));
      end += length;
      if (random.chance(1, 5)) {
        file.syncBlocking();
        synced = end;
      }
      const whole = fs.readFile('/db/log');
      const crashed = fs
        .crashClone({ seed: seed * 1000 + step, tearPercent: 20 })
        .readFile('/db/log');
      expect(crashed.length, `seed ${seed} step ${step}`).toBeGreaterThanOrEqual(synced);
      const difference = Buffer.compare(crashed.subarray(0, synced), whole.subarray(0, synced));
      expect(difference, `seed ${seed} step ${step}`).toBe(0);
    }
  });
});

describe('MemFs.killClone and clone', () => {
  it('keep everything written, synced or not, and what is still unsynced', () => {
    const fs = createDisk();
    const file = fs.open('/db/new', 'create');
    put(file, 0, 10, 1);
    const killed = fs.killClone();
    expect(content(killed, '/db/new')).toBe('10*1');
    expect(killed.unsynced()).toEqual(['create /db/new', 'content /db/new']);
    expect(content(killed.crashClone(LOSE_UNSYNCED), '/db/new')).toBe('absent');
    put(killed.open('/db/new', 'update'), 0, 5, 2);
    expect(content(fs, '/db/new')).toBe('10*1');
    put(file, 0, 3, 3);
    expect(content(killed, '/db/new')).toBe('5*2 5*1');
  });

  it('sync on the copy what was written on the original', () => {
    const fs = createDisk();
    const file = createDurable(fs, '/db/file', 512, 1);
    for (let i = 0; i < 5; i++) put(file, 0, 512, 2 + i);
    const copy = fs.clone();
    copy.open('/db/file', 'update').syncBlocking();
    expect(content(copy.crashClone(LOSE_UNSYNCED), '/db/file')).toBe('512*6');
    expect(content(fs.crashClone(LOSE_UNSYNCED), '/db/file')).toBe('512*1');
  });

  it('count boots and processes', () => {
    const fs = createDisk();
    const { bootCount, processCount } = fs.killClone().crashClone(LOSE_UNSYNCED);
    expect([bootCount, processCount]).toEqual([2, 3]);
  });

  it('give back the storage of removed files that only a handle kept', () => {
    const fs = createDisk({ capacity: 10 * 512 });
    const file = createDurable(fs, '/db/file', 1024, 1);
    fs.remove('/db/file');
    expect(fs.usedBytes).toBe(1024);
    expect(fs.killClone().usedBytes).toBe(0);
    expect(fs.crashClone(LOSE_UNSYNCED).usedBytes).toBe(1024);
    file.close();
    expect(fs.usedBytes).toBe(0);
  });
});

describe('MemFs sync', () => {
  it('covers what was written before it began, not what came after', async () => {
    const fs = createDisk({ syncMode: 'manual' });
    const file = createDurable(fs, '/db/file', 512, 1);
    put(file, 0, 512, 2);
    const synced = file.sync();
    put(file, 0, 512, 3);
    expect(content(fs.crashClone(LOSE_UNSYNCED), '/db/file')).toBe('512*1');
    expect(fs.pendingSyncs.map(({ path }) => path)).toEqual(['/db/file']);
    fs.completeSyncs();
    await synced;
    expect(content(fs.crashClone(LOSE_UNSYNCED), '/db/file')).toBe('512*2');
    expect(content(fs.crashClone(KEEP_UNSYNCED), '/db/file')).toBe('512*3');
    expect(fs.pendingSyncs).toEqual([]);
  });

  it('covers all of it however often the sector is rewritten meanwhile', async () => {
    const fs = createDisk({ syncMode: 'manual' });
    const file = createDurable(fs, '/db/file', 512, 1);
    for (let i = 0; i < 20; i++) put(file, 0, 512, 2 + i);
    const synced = file.sync();
    for (let i = 0; i < 30; i++) put(file, 0, 512, 30 + i);
    fs.completeSyncs();
    await synced;
    expect(content(fs.crashClone(LOSE_UNSYNCED), '/db/file')).toBe('512*21');
  });

  it('ends in a microtask otherwise', async () => {
    const fs = createDisk();
    const file = createDurable(fs, '/db/file', 512, 1);
    put(file, 0, 512, 2);
    let done = false;
    const synced = file.sync().then(() => (done = true));
    expect(done).toBe(false);
    await synced;
    expect(content(fs.crashClone(LOSE_UNSYNCED), '/db/file')).toBe('512*2');
  });

  it('that fails loses the dirty pages: visible until evicted, written by no later sync', async () => {
    const fs = createDisk({ syncMode: 'manual' });
    const file = createDurable(fs, '/db/file', 512, 1);
    put(file, 0, 512, 2);
    const synced = file.sync();
    const outcome = expect(synced).rejects.toMatchObject({ op: 'sync', errno: 'EIO' });
    (fs.pendingSyncs[0] as { fail(errno: string): void }).fail('EIO');
    await outcome;
    expect(content(fs, '/db/file')).toBe('512*2');
    file.syncBlocking();
    const onDisk = content(fs.crashClone(KEEP_UNSYNCED), '/db/file');
    expect(content(fs.crashClone(LOSE_UNSYNCED), '/db/file')).toBe(onDisk);
    fs.dropCaches();
    expect(content(fs, '/db/file')).toBe(onDisk);
  });

  it('that fails loses some of many pages, the same ones for the same seed', () => {
    const run = (seed: number): string => {
      const fs = createDisk({ seed });
      const file = createDurable(fs, '/db/file', 64 * 512, 1);
      put(file, 0, 64 * 512, 2);
      fs.injectFault({ op: 'sync', errno: 'EIO' });
      expect(() => file.syncBlocking()).toThrow('EIO');
      file.syncBlocking();
      return content(fs.crashClone(KEEP_UNSYNCED), '/db/file');
    };
    expect(run(1)).toBe(run(1));
    expect(run(1)).not.toBe(run(2));
    expect(run(1)).toContain('*1');
    expect(run(1)).toContain('*2');
  });

  it('writes a lost sector again once it was written again', () => {
    const fs = createDisk();
    const file = createDurable(fs, '/db/file', 512, 1);
    put(file, 0, 100, 2);
    fs.injectFault({ op: 'sync', errno: 'EIO' });
    expect(() => file.syncBlocking()).toThrow('EIO');
    put(file, 100, 100, 3);
    file.syncBlocking();
    expect(content(fs.crashClone(LOSE_UNSYNCED), '/db/file')).toBe('100*2 100*3 312*1');
  });
});

describe('forEachCrash', () => {
  it('stops at its limit and says so', () => {
    const fs = createDisk();
    const file = createDurable(fs, '/db/file', 10 * 512, 1);
    put(file, 0, 10 * 512, 2);
    let calls = 0;
    expect(forEachCrash((policy) => void (calls++, fs.crashClone(policy)), 100)).toEqual({
      rounds: 100,
      complete: false,
    });
    expect(calls).toBe(100);
    expect(forEachCrash((policy) => void fs.crashClone(policy), 2000)).toEqual({
      rounds: 1024,
      complete: true,
    });
  });
});
