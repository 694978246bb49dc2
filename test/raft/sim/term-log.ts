/**
 * The terms of a log, as the checker follows it: everything a node handed out to be written. It is
 * never compacted, so that later questions about old indexes have answers; a snapshot starts it anew.
 */
import type { Entry } from '../../../src/raft/core/index.js';

export class TermLog {
  /** Last index before the first known entry; its term is known, too. */
  #offset: number;
  /** terms[i] is that of offset + i. */
  #terms: number[];

  constructor(offset = 0, terms: number[] = [0]) {
    this.#offset = offset;
    this.#terms = terms;
  }

  static of(entries: readonly Entry[]): TermLog {
    return new TermLog(
      (entries[0] as Entry).index,
      entries.map(({ term }) => term),
    );
  }

  get offset(): number {
    return this.#offset;
  }

  get lastIndex(): number {
    return this.#offset + this.#terms.length - 1;
  }

  /** -1 where none is known. */
  term(index: number): number {
    return this.#terms[index - this.#offset] ?? -1;
  }

  put(index: number, term: number): void {
    this.#terms.length = index - this.#offset;
    this.#terms.push(term);
  }

  restore(index: number, term: number): void {
    this.#offset = index;
    this.#terms = [term];
  }

  copy(): TermLog {
    return new TermLog(this.#offset, this.#terms.slice());
  }
}
