/**
 * Which tables and key ranges running compactions hold. A job claims its input files, and per level the key
 * range it takes from or writes to; a claim is released as a whole, by its number, so nothing can be
 * left behind, whether source and output level are the same or not.
 *
 * Owned by the foreground thread.
 */
import { assert } from '../../base/assert.js';
import type { TableMeta } from '../table-meta.js';
import { rangesMeet, type KeyRange } from './drop-rules.js';

interface LevelRange extends KeyRange {
  readonly level: number;
}

interface Claim {
  readonly files: readonly number[];
  readonly ranges: readonly LevelRange[];
}

/** What a job takes: satisfied by a CompactionPick. */
export interface Claimable extends KeyRange {
  readonly inputs: readonly { readonly level: number; readonly meta: TableMeta }[];
  readonly outputLevel: number;
}

export class Claims {
  readonly #claims = new Map<number, Claim>();
  readonly #files = new Set<number>();
  #lastNumber = 0;

  /** Number of claims held. */
  get count(): number {
    return this.#claims.size;
  }

  /** Claims a job's inputs and output range; the returned number releases them. */
  claim(job: Claimable): number {
    const files = job.inputs.map((input) => input.meta.fileNumber);
    for (const file of files) {
      assert(!this.#files.has(file), 'claims: a table is claimed twice');
      this.#files.add(file);
    }
    const { lower, upper } = job;
    const levels = new Set([...job.inputs.map((input) => input.level), job.outputLevel]);
    const ranges = [...levels].map((level) => ({ level, lower, upper }));
    this.#lastNumber++;
    this.#claims.set(this.#lastNumber, { files, ranges });
    return this.#lastNumber;
  }

  /** Gives everything back that `claim` took. Requires a number that was not released yet. */
  release(number: number): void {
    const claim = this.#claims.get(number);
    assert(claim !== undefined, 'claims: released twice');
    this.#claims.delete(number);
    for (const file of claim.files) this.#files.delete(file);
  }

  hasTable(meta: TableMeta): boolean {
    return this.#files.has(meta.fileNumber);
  }

  /** Does a running job read from or write to this range of the level? */
  hasRange(level: number, range: KeyRange): boolean {
    for (const claim of this.#claims.values()) {
      for (const held of claim.ranges) {
        if (held.level === level && rangesMeet(held, range)) return true;
      }
    }
    return false;
  }
}
