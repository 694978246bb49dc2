/**
 * The cursors of SCAN. Clients take them for 64-bit numbers (some for doubles), while a place in an ordered keyspace is
 * a key; so a cursor is the number of a key that is kept here. There is room for so many, the least recently kept
 * leave. A number that is not known (any more) stands for the beginning: a scan then tells keys again rather than
 * leave some out. Numbers begin at a random place, so that one of an earlier process is not taken for one of this.
 */
const CURSORS_MAX = 16 * 1024;
const KEY_BYTES_MAX = 16 * 1024 * 1024;
/** Doubles are exact far beyond what is counted up from here. */
const FIRST_MAX = 2 ** 52;

export class ScanCursors {
  /** In the order in which they were given out. */
  readonly #keys: Map<number, Uint8Array>;
  #bytes: number;
  #last: number;

  /** `random`: in [0, 1). */
  constructor(random: number) {
    this.#keys = new Map();
    this.#bytes = 0;
    this.#last = 1 + Math.floor(random * FIRST_MAX);
  }

  /** A cursor that goes on after `key`, which is kept as it is. */
  keep(key: Uint8Array): string {
    for (const [oldest, oldestKey] of this.#keys) {
      if (this.#keys.size < CURSORS_MAX && this.#bytes + key.length <= KEY_BYTES_MAX) break;
      this.#keys.delete(oldest);
      this.#bytes -= oldestKey.length;
    }
    this.#last++;
    this.#keys.set(this.#last, key);
    this.#bytes += key.length;
    return String(this.#last);
  }

  /** The key after which to go on; undefined: from the beginning. */
  find(cursor: number): Uint8Array | undefined {
    return this.#keys.get(cursor);
  }
}
