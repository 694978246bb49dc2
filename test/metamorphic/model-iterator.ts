/** A positioned iterator over rows that were copied when it was opened: what DbIterator promises, plainly. */
import type { ModelRow } from '../model.js';
import type { Move } from './program.js';

export class ModelIterator {
  readonly #rows: readonly ModelRow[];
  /** Outside the rows: not valid. */
  #at: number;

  /** `rows` ascending. */
  constructor(rows: readonly ModelRow[]) {
    this.#rows = rows;
    this.#at = -1;
  }

  /** Key and value it stands on then; two nulls when it is not valid. */
  move({ to, key }: Move): (string | null)[] {
    const rows = this.#rows;
    switch (to) {
      case 'first':
        this.#at = 0;
        break;
      case 'last':
        this.#at = rows.length - 1;
        break;
      case 'seek':
        this.#at = rows.findIndex((row) => row.key >= key);
        break;
      case 'seekForPrev':
        // An empty key is before all.
        this.#at = rows.findLastIndex((row) => key !== '' && row.key <= key);
        break;
      case 'next':
        if (this.#row() !== undefined) this.#at++;
        break;
      case 'prev':
        if (this.#row() !== undefined) this.#at--;
        break;
    }
    const row = this.#row();
    return row === undefined ? [null, null] : [row.key, row.value];
  }

  get isValid(): boolean {
    return this.#row() !== undefined;
  }

  #row(): ModelRow | undefined {
    return this.#rows[this.#at];
  }
}
