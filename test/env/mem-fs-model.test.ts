/** MemFs against the real disk: one random program of operations, the same results. */
import { describe, expect, it } from 'vitest';
import { IoError } from '../../src/base/errors.js';
import type { Fs, FsFile } from '../../src/base/env.js';
import { Prng } from '../../src/base/prng.js';
import { MemFs } from '../../src/env/mem-fs.js';
import { NodeFs } from '../../src/env/node-fs.js';
import { temporaryDirectory } from './temp-directory.js';

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];
const STEPS = 400;
const NAMES = ['a', 'b', 'c', 'd1', 'd1/a', 'd1/b', 'd2', 'd2/a', 'd1/d3', 'd1/d3/a'];

/** One side of the comparison: a disk, its root and the files it has open, by slot. */
class Side {
  readonly #fs: Fs;
  readonly #root: string;
  readonly #files: (FsFile | undefined)[];

  constructor(fs: Fs, root: string) {
    this.#fs = fs;
    this.#root = root;
    this.#files = [undefined, undefined, undefined];
  }

  /** Runs one step drawn from `random`; what it returned, or the errno. */
  step(random: Prng): string {
    try {
      return JSON.stringify(this.#run(random)) ?? 'nothing';
    } catch (error) {
      if (!(error instanceof IoError)) throw error;
      return `${error.op} ${error.errno}`;
    }
  }

  closeAll(): void {
    for (const file of this.#files) file?.close();
  }

  #run(random: Prng): unknown {
    const kind = random.below(14);
    const path = this.#path(random);
    const other = this.#path(random);
    const slot = random.below(this.#files.length);
    const file = this.#files[slot];
    const position = random.below(3000);
    const length = random.below(1500);
    const bytes = new Uint8Array(length + 8);
    random.fill(bytes);
    switch (kind) {
      case 0:
      case 1:
        return this.#open(slot, path, 'create');
      case 2:
        return this.#openExisting(slot, path, random.chance(1, 4) ? 'read' : 'update');
      case 3:
      case 4:
      case 5:
        return file?.write(bytes, 3, length, position);
      case 6:
        return this.#read(file, bytes, length, position);
      case 7:
        file?.truncate(position);
        return file?.size();
      case 8:
        file?.syncBlocking();
        return this.#fs.rename(path, other);
      case 9:
        return this.#fs.remove(path);
      case 10:
        return this.#fs.makeDirectory(path);
      case 11:
        return this.#fs.removeDirectory(path);
      case 12:
        this.#fs.syncDirectory(this.#root);
        return this.#fs.list(path);
      default:
        return this.#describe(path);
    }
  }

  #path(random: Prng): string {
    return this.#fs.join(this.#root, NAMES[random.below(NAMES.length)] as string);
  }

  #open(slot: number, path: string, mode: 'create' | 'read' | 'update'): void {
    const opened = this.#fs.open(path, mode);
    this.#files[slot]?.close();
    this.#files[slot] = opened;
  }

  /** A directory can be opened on the real disk, but not read: not compared. */
  #openExisting(slot: number, path: string, mode: 'read' | 'update'): unknown {
    if (this.#fs.stat(path)?.isDirectory === true) return 'directory';
    return this.#open(slot, path, mode);
  }

  #read(file: FsFile | undefined, target: Uint8Array, length: number, position: number): unknown {
    const count = file?.read(target, 1, length, position);
    return [count, ...target];
  }

  #describe(path: string): unknown {
    const found = this.#fs.stat(path);
    if (found === undefined || found.isDirectory) return found?.isDirectory;
    return [found.bytes, ...this.#fs.readFile(path)];
  }
}

describe('MemFs', () => {
  it.each(SEEDS)('does what the real disk does (seed %i)', (seed) => {
    const mem = new MemFs();
    mem.makeDirectory('/root');
    const left = new Side(mem, '/root');
    const right = new Side(new NodeFs(), temporaryDirectory());
    const results = new Map<string, number>();
    for (let step = 0; step < STEPS; step++) {
      const stepSeed = seed * 100_000 + step;
      const actual = left.step(new Prng(stepSeed));
      const expected = right.step(new Prng(stepSeed));
      if (actual !== expected) expect(`step ${step}: ${actual}`).toBe(`step ${step}: ${expected}`);
      const kind = expected.slice(0, 12);
      results.set(kind, (results.get(kind) ?? 0) + 1);
    }
    left.closeAll();
    right.closeAll();
    // The program is worth something only if it met both successes and many kinds of failure.
    expect(results.size).toBeGreaterThan(10);
  });
});
