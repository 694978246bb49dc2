/** NodeFs: the meaning of each call on the real disk, and errors as IoError. */
import { mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { IoError } from '../../src/base/errors.js';
import { NodeFs } from '../../src/env/node-fs.js';
import { temporaryDirectory } from './temp-directory.js';

function errnoFrom(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    expect(error).toBeInstanceOf(IoError);
    return (error as IoError).errno;
  }
  return 'none';
}

describe('NodeFs files', () => {
  it('write, read back and report sizes at any position', () => {
    const fs = new NodeFs();
    const path = fs.join(temporaryDirectory(), 'file');
    const file = fs.open(path, 'create');
    const bytes = new Uint8Array([9, 1, 2, 3, 9]);
    expect(file.write(bytes, 1, 3, 10)).toBe(3);
    expect(file.size()).toBe(13);
    const target = new Uint8Array(20);
    expect(file.read(target, 2, 18, 9)).toBe(4);
    expect([...target.subarray(0, 8)]).toEqual([0, 0, 0, 1, 2, 3, 0, 0]);
    expect(file.read(target, 0, 5, 13)).toBe(0);
    expect(file.read(target, 0, 0, 0)).toBe(0);
    expect(file.write(bytes, 0, 0, 0)).toBe(0);
    file.truncate(11);
    expect(file.size()).toBe(11);
    file.close();
    expect([...fs.readFile(path)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  });

  it('move bytes of a SharedArrayBuffer', () => {
    const fs = new NodeFs();
    const file = fs.open(fs.join(temporaryDirectory(), 'file'), 'create');
    const shared = new Uint8Array(new SharedArrayBuffer(8)).fill(5);
    expect(file.write(shared, 2, 4, 0)).toBe(4);
    const target = new Uint8Array(new SharedArrayBuffer(8));
    expect(file.read(target, 1, 8 - 1, 0)).toBe(4);
    expect([...target]).toEqual([0, 5, 5, 5, 5, 0, 0, 0]);
    file.close();
  });

  it('sync both ways, and keep the descriptor until a sync under way has ended', async () => {
    const fs = new NodeFs();
    const directory = temporaryDirectory();
    const file = fs.open(fs.join(directory, 'file'), 'create');
    file.write(new Uint8Array(4096), 0, 4096, 0);
    file.syncBlocking();
    const synced = file.sync();
    file.close();
    const other = fs.open(fs.join(directory, 'other'), 'create');
    await synced;
    expect(other.write(new Uint8Array(1), 0, 1, 0)).toBe(1);
    other.close();
    fs.syncDirectory(directory);
  });

  it('answer EBADF once closed, and close twice without complaint', async () => {
    const fs = new NodeFs();
    const file = fs.open(fs.join(temporaryDirectory(), 'file'), 'create');
    file.close();
    file.close();
    const bytes = new Uint8Array(1);
    expect(errnoFrom(() => file.read(bytes, 0, 1, 0))).toBe('EBADF');
    expect(errnoFrom(() => file.write(bytes, 0, 1, 0))).toBe('EBADF');
    expect(errnoFrom(() => file.truncate(0))).toBe('EBADF');
    expect(errnoFrom(() => file.size())).toBe('EBADF');
    expect(errnoFrom(() => file.syncBlocking())).toBe('EBADF');
    await expect(file.sync()).rejects.toMatchObject({ op: 'sync', errno: 'EBADF' });
  });

  it('throw a wrong range as it is, not as a failure of the disk', () => {
    const fs = new NodeFs();
    const file = fs.open(fs.join(temporaryDirectory(), 'file'), 'create');
    expect(() => file.write(new Uint8Array(4), 2, 4, 0)).toThrow(RangeError);
    file.close();
  });
});

describe('NodeFs errors', () => {
  it('name call, path and errno', () => {
    const fs = new NodeFs();
    const directory = temporaryDirectory();
    const path = fs.join(directory, 'file');
    writeFileSync(path, 'x');
    const absent = fs.join(directory, 'absent');
    expect(errnoFrom(() => fs.open(absent, 'read'))).toBe('ENOENT');
    expect(errnoFrom(() => fs.open(absent, 'update'))).toBe('ENOENT');
    expect(errnoFrom(() => fs.open(path, 'create'))).toBe('EEXIST');
    expect(errnoFrom(() => fs.readFile(absent))).toBe('ENOENT');
    expect(errnoFrom(() => fs.list(absent))).toBe('ENOENT');
    expect(errnoFrom(() => fs.remove(absent))).toBe('ENOENT');
    expect(errnoFrom(() => fs.rename(absent, path))).toBe('ENOENT');
    expect(errnoFrom(() => fs.syncDirectory(absent))).toBe('ENOENT');
    expect(errnoFrom(() => fs.removeDirectory(directory))).toBe('ENOTEMPTY');
    expect(errnoFrom(() => fs.makeDirectory(path))).toBe('EEXIST');
    expect(errnoFrom(() => fs.freeBytes(absent))).toBe('ENOENT');
    expect(() => fs.open(absent, 'read')).toThrow(`Cannot open ${absent}: ENOENT`);
  });

  it('make a full disk NOKV_NO_SPACE', () => {
    const file = new NodeFs().open('/dev/full', 'update');
    try {
      file.write(new Uint8Array(10), 0, 10, 0);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: 'NOKV_NO_SPACE', op: 'write', retryable: true });
    } finally {
      file.close();
    }
  });
});

describe('NodeFs directories', () => {
  it('list names in the order of their bytes', () => {
    const fs = new NodeFs();
    const directory = temporaryDirectory();
    for (const name of ['b', 'a', 'B', '\u{10000}', '\uff5e', 'aa', 'é']) {
      writeFileSync(join(directory, name), '');
    }
    expect(fs.list(directory)).toEqual(['B', 'a', 'aa', 'b', 'é', '\uff5e', '\u{10000}']);
  });

  it('tell what a path is', () => {
    const fs = new NodeFs();
    const directory = temporaryDirectory();
    fs.makeDirectory(fs.join(directory, 'a', 'b'));
    fs.makeDirectory(fs.join(directory, 'a', 'b'));
    writeFileSync(join(directory, 'file'), 'abc');
    expect(fs.stat(fs.join(directory, 'a'))).toMatchObject({ bytes: 0, isDirectory: true });
    expect(fs.stat(fs.join(directory, 'file'))).toMatchObject({ bytes: 3, isDirectory: false });
    expect(fs.stat(fs.join(directory, 'none'))).toBeUndefined();
    expect(fs.stat(fs.join(directory, 'file', 'under'))).toBeUndefined();
    expect(fs.freeBytes(directory)).toBeGreaterThan(0);
  });

  it('link gives a file a second name, which outlives the first, and never one that is taken', () => {
    const fs = new NodeFs();
    const directory = temporaryDirectory();
    const [from, to] = [fs.join(directory, 'from'), fs.join(directory, 'to')];
    writeFileSync(from, 'content');
    fs.link(from, to);
    expect(errnoFrom(() => fs.link(from, to))).toBe('EEXIST');
    expect(errnoFrom(() => fs.link(fs.join(directory, 'none'), from))).toBe('ENOENT');
    fs.remove(from);
    expect(Buffer.from(fs.readFile(to)).toString()).toBe('content');
  });

  it('link refuses a symlink, whose second name would end with the file it points to', () => {
    const fs = new NodeFs();
    const directory = temporaryDirectory();
    const [file, symlink, to] = ['file', 'symlink', 'to'].map((name) => join(directory, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(file, 'content');
    symlinkSync(file, symlink);
    expect(errnoFrom(() => fs.link(symlink, to))).toBe('ENOTSUP');
    expect(fs.list(directory)).toEqual(['file', 'symlink']);
  });

  it('rename over a file, remove files and directories', () => {
    const fs = new NodeFs();
    const directory = temporaryDirectory();
    const [from, to] = [fs.join(directory, 'from'), fs.join(directory, 'to')];
    writeFileSync(from, 'new');
    writeFileSync(to, 'old');
    fs.rename(from, to);
    expect(Buffer.from(fs.readFile(to)).toString()).toBe('new');
    fs.remove(to);
    mkdirSync(from);
    fs.removeDirectory(from);
    expect(fs.list(directory)).toEqual([]);
  });
});

describe('NodeFs keepAccessTimes', () => {
  it('reads without touching the access time', () => {
    const directory = temporaryDirectory();
    const path = join(directory, 'file');
    writeFileSync(path, 'abc');
    const before = statSync(path, { bigint: true }).atimeNs;
    const fs = new NodeFs({ keepAccessTimes: true });
    expect(fs.readFile(path).length).toBe(3);
    expect(statSync(path, { bigint: true }).atimeNs).toBe(before);
  });

  it('still reads what the system does not allow to be read that way', () => {
    const directory = temporaryDirectory();
    symlinkSync('/proc/self/stat', join(directory, 'link'));
    const file = new NodeFs({ keepAccessTimes: true }).open(join(directory, 'link'), 'read');
    expect(file.read(new Uint8Array(10), 0, 10, 0)).toBe(10);
    file.close();
  });

  it('gives up making a directory where the file system has no room for it, as /proc', () => {
    const fs = new NodeFs();
    // Elsewhere than on Linux the parent is not there either, and the root may not be written to.
    expect(() => fs.makeDirectory('/proc/nokv-is-not-a-process/data')).toThrow(IoError);
  });
});
