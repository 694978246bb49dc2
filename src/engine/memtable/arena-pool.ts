/**
 * Arenas of memtables: pairs of SharedArrayBuffers, recycled. A memory page that was touched once stays
 * with the process, and buffers wait for the garbage collector of every worker that saw them: 60
 * fresh buffers of 64 MiB reached 3.9 GB, three recycled ones 244 MB.
 *
 * An arena has one owner at a time: from `acquire` to `release`, during which its memtable and all who
 * hold the memtable's descriptor, in this thread or another, may use it. A recycled arena holds
 * what the last owner left; the indexes reset what they need.
 *
 * The pool does not limit how many arenas are out (the write queue does, by back pressure), only how
 * many free ones it keeps.
 */
import { assert } from '../../base/assert.js';

/** The memory of one memtable. */
export interface Arena {
  /** Record groups with their entries. */
  readonly data: SharedArrayBuffer;
  /** Skip list or radix tree. */
  readonly index: SharedArrayBuffer;
}

export interface ArenaPoolFigures {
  /** Free arenas kept. */
  readonly free: number;
  /** Arenas acquired and not released, those of unusual size included. */
  readonly used: number;
  /** Bytes of all of them. */
  readonly bytes: number;
}

export class ArenaPool {
  readonly #dataBytes: number;
  readonly #indexBytes: number;
  readonly #freeMax: number;
  readonly #free: Arena[];
  readonly #used: Set<Arena>;

  /** Sizes in bytes of the arenas that are recycled; `freeMax` is the most that `release` keeps. */
  constructor(dataBytes: number, indexBytes: number, freeMax: number) {
    this.#dataBytes = dataBytes;
    this.#indexBytes = indexBytes;
    this.#freeMax = freeMax;
    this.#free = [];
    this.#used = new Set();
  }

  /**
   * An arena of at least these sizes: a usual one when that is enough, else a fresh, larger one, which
   * is not kept when it comes back. Never blocks.
   * @throws RangeError when the machine has no such memory.
   */
  acquire(dataBytes = this.#dataBytes, indexBytes = this.#indexBytes): Arena {
    const isUsual = dataBytes <= this.#dataBytes && indexBytes <= this.#indexBytes;
    const arena = isUsual
      ? (this.#free.pop() ?? newArena(this.#dataBytes, this.#indexBytes))
      : newArena(Math.max(dataBytes, this.#dataBytes), Math.max(indexBytes, this.#indexBytes));
    this.#used.add(arena);
    return arena;
  }

  /** Takes an arena back. Requires that nobody uses it any more, in any thread. */
  release(arena: Arena): void {
    assert(
      this.#used.delete(arena),
      'arena pool: an arena is released once, to the pool it came from',
    );
    const isUsual =
      arena.data.byteLength === this.#dataBytes && arena.index.byteLength === this.#indexBytes;
    if (isUsual && this.#free.length < this.#freeMax) this.#free.push(arena);
  }

  /** Drops the free arenas. */
  clear(): void {
    this.#free.length = 0;
  }

  inspect(): ArenaPoolFigures {
    let bytes = 0;
    for (const arena of this.#free) bytes += arena.data.byteLength + arena.index.byteLength;
    for (const arena of this.#used) bytes += arena.data.byteLength + arena.index.byteLength;
    return { free: this.#free.length, used: this.#used.size, bytes };
  }
}

function newArena(dataBytes: number, indexBytes: number): Arena {
  return { data: new SharedArrayBuffer(dataBytes), index: new SharedArrayBuffer(indexBytes) };
}
