/** MemFs: reports of operations, injected faults, capacity, rot, lock. */
import { describe, expect, it } from 'vitest';
import { IoError, LockedError } from '../../src/base/errors.js';
import type { FsFile } from '../../src/base/env.js';
import { LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import { MemFs } from '../../src/env/mem-fs.js';

const BYTES = new Uint8Array(4096).fill(7);

function errnoFrom(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(IoError);
    return (error as IoError).errno;
  }
  return 'none';
}

function write(file: FsFile, length: number, position: number): number {
  return file.write(BYTES, 0, length, position);
}

/** Every kind of mutating operation once. */
async function exercise(fs: MemFs): Promise<void> {
  fs.makeDirectory('/db/sub');
  const file = fs.open('/db/a', 'create');
  write(file, 100, 50);
  file.truncate(60);
  await file.sync();
  file.syncBlocking();
  fs.rename('/db/a', '/db/b');
  fs.syncDirectory('/db');
  fs.remove('/db/b');
  fs.removeDirectory('/db/sub');
}

const EXERCISED = [
  '1 mkdir /db 0+0',
  '2 mkdir /db/sub 0+0',
  '3 create /db/a 0+0',
  '4 write /db/a 50+100',
  '5 truncate /db/a 0+60',
  '6 sync /db/a 0+0',
  '7 sync /db/a 0+0',
  '8 rename /db/a 0+0 /db/b',
  '9 syncdir /db 0+0',
  '10 remove /db/b 0+0',
  '11 rmdir /db/sub 0+0',
];

describe('MemFs operations', () => {
  it('are counted, logged and reported before and after', async () => {
    const fs = new MemFs();
    const reported: string[] = [];
    fs.onOperation = ({ index }, when) => reported.push(`${index} ${when}`);
    await exercise(fs);
    const logged = fs
      .operations()
      .map(({ index, op, path, offset, bytes, to }) =>
        `${index} ${op} ${path} ${offset}+${bytes} ${to}`.trim(),
      );
    expect(logged).toEqual(EXERCISED);
    expect(fs.operationCount).toBe(EXERCISED.length);
    expect(reported).toEqual(EXERCISED.flatMap((_, i) => [`${i + 1} before`, `${i + 1} after`]));
  });

  it('let a test cut the power before and after each of them', async () => {
    const copies: string[] = [];
    const fs = new MemFs();
    fs.onOperation = (operation, when) => {
      const kept = fs.killClone();
      copies.push(
        `${operation.op} ${when}: ${kept.stat('/db/a')?.bytes ?? '-'} ${kept.stat('/db/b')?.bytes ?? '-'}`,
      );
    };
    await exercise(fs);
    expect(copies.slice(6, 10)).toEqual([
      'write before: 0 -',
      'write after: 150 -',
      'truncate before: 150 -',
      'truncate after: 60 -',
    ]);
    expect(copies.slice(14, 16)).toEqual(['rename before: 60 -', 'rename after: - 60']);
  });

  it('stop for good once the process was declared dead', async () => {
    const fs = new MemFs();
    fs.onOperation = ({ op }, when) => {
      if (op === 'rename' && when === 'before') fs.halt();
    };
    await expect(exercise(fs)).rejects.toMatchObject({ op: 'rename', errno: 'EIO' });
    expect(errnoFrom(() => fs.list('/db'))).toBe('EIO');
    expect(errnoFrom(() => fs.open('/db/c', 'create'))).toBe('EIO');
    expect(fs.killClone().list('/db')).toEqual(['a', 'sub']);
  });
});

describe('MemFs.injectFault', () => {
  it('fails the n-th mutating operation, for every n, without effect', async () => {
    for (let nth = 1; nth <= EXERCISED.length; nth++) {
      const fs = new MemFs();
      const fault = fs.injectFault({ nth, errno: 'EIO' });
      await expect(exercise(fs)).rejects.toMatchObject({ errno: 'EIO' });
      expect(fs.operationCount).toBe(nth);
      expect(fault.hits).toBe(1);
    }
  });

  it('matches by operation and path, and for a number of times', () => {
    const fs = new MemFs();
    const [log, table] = [fs.open('/1.wal', 'create'), fs.open('/2.sst', 'create')];
    const fault = fs.injectFault({ op: 'write', path: '.wal', nth: 2, times: 2, errno: 'EDQUOT' });
    const outcomes = [1, 2, 3, 4].map((i) => {
      expect(write(table, 1, i)).toBe(1);
      return errnoFrom(() => write(log, 1, i));
    });
    expect(outcomes).toEqual(['none', 'EDQUOT', 'EDQUOT', 'none']);
    expect([fault.matches, fault.hits]).toEqual([4, 2]);
    expect(log.size()).toBe(5);
  });

  it('ends when cancelled, and may go on for ever by chance', () => {
    const fs = new MemFs({ seed: 5 });
    const file = fs.open('/file', 'create');
    write(file, 10, 0);
    const fault = fs.injectFault({ op: 'read', times: Infinity, oneIn: 4, errno: 'EIO' });
    const target = new Uint8Array(10);
    let failed = 0;
    for (let i = 0; i < 400; i++)
      if (errnoFrom(() => file.read(target, 0, 10, 0)) === 'EIO') failed++;
    expect(failed).toBeGreaterThan(60);
    expect(failed).toBeLessThan(140);
    fault.cancel();
    for (let i = 0; i < 50; i++) file.read(target, 0, 10, 0);
  });

  it('cuts a write short, with and without an error', () => {
    const fs = new MemFs();
    const file = fs.open('/file', 'create');
    fs.injectFault({ op: 'write', shortBytes: 30 });
    expect(write(file, 100, 0)).toBe(30);
    expect(file.size()).toBe(30);
    fs.injectFault({ op: 'write', shortBytes: 5, errno: 'EIO' });
    expect(errnoFrom(() => write(file, 100, 30))).toBe('EIO');
    expect(file.size()).toBe(35);
    expect(write(file, 100, 35)).toBe(100);
  });

  it('can fail a call that took effect', () => {
    const fs = new MemFs();
    const file = fs.open('/a', 'create');
    fs.injectFault({ op: ['rename', 'write'], times: 2, errno: 'EIO', applied: true });
    expect(errnoFrom(() => fs.rename('/a', '/b'))).toBe('EIO');
    expect(fs.list('/')).toEqual(['b']);
    expect(errnoFrom(() => write(file, 10, 0))).toBe('EIO');
    expect(file.size()).toBe(10);
  });

  it('fails opens, lists and stats when told to', () => {
    const fs = new MemFs();
    fs.open('/a', 'create').close();
    fs.injectFault({ op: ['open', 'list', 'stat'], times: 3, errno: 'EACCES' });
    expect(errnoFrom(() => fs.open('/a', 'read'))).toBe('EACCES');
    expect(errnoFrom(() => fs.list('/'))).toBe('EACCES');
    expect(errnoFrom(() => fs.stat('/a'))).toBe('EACCES');
    expect(errnoFrom(() => fs.readFile('/a'))).toBe('none');
  });
});

describe('MemFs capacity', () => {
  it('cuts a write short, then refuses, and takes more after a removal', () => {
    const fs = new MemFs({ capacity: 2048 });
    const first = fs.open('/first', 'create');
    expect(write(first, 1000, 0)).toBe(1000);
    expect(fs.freeBytes('/')).toBe(1024);
    const second = fs.open('/second', 'create');
    expect(write(second, 1500, 100)).toBe(924);
    expect(errnoFrom(() => write(second, 576, 1024))).toBe('ENOSPC');
    expect(second.size()).toBe(1024);
    expect(write(second, 200, 300)).toBe(200);
    fs.remove('/first');
    expect(errnoFrom(() => write(second, 1, 1024))).toBe('ENOSPC');
    first.close();
    expect(write(second, 576, 1024)).toBe(576);
  });

  it('counts storage, not size: holes are free, a truncation gives back', () => {
    const fs = new MemFs({ capacity: 1024 });
    const file = fs.open('/file', 'create');
    file.truncate(1_000_000);
    expect(fs.freeBytes('/')).toBe(1024);
    write(file, 10, 500_000);
    expect(fs.usedBytes).toBe(512);
    file.truncate(100);
    expect(fs.usedBytes).toBe(0);
    const other = fs.open('/other', 'create');
    expect(write(other, 1024, 0)).toBe(1024);
    fs.rename('/file', '/other');
    other.close();
    expect(fs.usedBytes).toBe(0);
  });

  it('is without end by default', () => {
    expect(new MemFs().freeBytes('/')).toBeUndefined();
  });
});

describe('MemFs damage', () => {
  it('flips bits of what is read at one place, until told otherwise', () => {
    const fs = new MemFs();
    const file = fs.open('/file', 'create');
    write(file, 10, 0);
    fs.flipRead('/file', 4, 0x81);
    const target = new Uint8Array(8);
    file.read(target, 2, 5, 2);
    expect([...target]).toEqual([0, 0, 7, 7, 7 ^ 0x81, 7, 7, 0]);
    expect(fs.killClone().readFile('/file')[4]).toBe(7 ^ 0x81);
    fs.flipRead('/file', 4, 0);
    expect(fs.readFile('/file')[4]).toBe(7);
  });

  it('flips one bit of some reads at a rate', () => {
    const fs = new MemFs({ seed: 3 });
    const file = fs.open('/file', 'create');
    write(file, 64, 0);
    fs.flipReads(10);
    let damaged = 0;
    for (let i = 0; i < 1000; i++) {
      const wrong = [...fs.readFile('/file')].filter((byte) => byte !== 7);
      expect(wrong.length).toBeLessThan(2);
      damaged += wrong.length;
    }
    expect(damaged).toBeGreaterThan(50);
    expect(damaged).toBeLessThan(200);
  });

  it('rots stored bytes, synced or not', () => {
    const fs = new MemFs();
    const file = fs.open('/file', 'create');
    write(file, 10, 0);
    fs.syncAll();
    fs.rot('/file', 3, 1);
    fs.rot('/file', 300, 1);
    expect([...fs.crashClone(LOSE_UNSYNCED).readFile('/file')]).toEqual([
      7, 7, 7, 6, 7, 7, 7, 7, 7, 7,
    ]);
  });
});

describe('MemFs.lockDirectory', () => {
  it('is held by one at a time, and released by a crash', () => {
    const fs = new MemFs({ owner: 'pid 7 of the simulation' });
    fs.makeDirectory('/db');
    fs.syncAll();
    const lock = fs.lockDirectory('/db');
    expect(() => fs.lockDirectory('/db/../db')).toThrow(LockedError);
    expect(() => fs.lockDirectory('/db')).toThrow('held by pid 7 of the simulation');
    fs.killClone().lockDirectory('/db');
    fs.crashClone(LOSE_UNSYNCED).lockDirectory('/db');
    lock.release();
    const second = fs.lockDirectory('/db');
    lock.release();
    expect(() => fs.lockDirectory('/db')).toThrow(LockedError);
    second.release();
  });
});

describe('MemFs handles', () => {
  it('refuse what the real ones refuse', () => {
    const fs = new MemFs();
    const file = fs.open('/file', 'create');
    write(file, 10, 0);
    const reader = fs.open('/file', 'read');
    expect(errnoFrom(() => write(reader, 1, 0))).toBe('EBADF');
    expect(errnoFrom(() => reader.truncate(0))).toBe('EINVAL');
    expect(() => write(file, 5000, 0)).toThrow(RangeError);
    file.close();
    file.close();
    expect(errnoFrom(() => file.size())).toBe('EBADF');
    expect(errnoFrom(() => fs.open('/', 'read'))).toBe('EISDIR');
  });
});
