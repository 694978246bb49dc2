/**
 * Names of commands as clients write them, each a Buffer of its own that is given out again and again: almost every
 * command begins with a name that came before, and a view of the input costs more than finding it here. One for all
 * connections of a gateway. Whoever comes last has the place; who writes strange names only makes others slower.
 */

/** Longer names are not kept. */
const NAME_BYTES_MAX = 16;
const PLACES = 256;

const EMPTY = Buffer.alloc(0);

export class NameCache {
  readonly #names: Buffer[];

  constructor() {
    this.#names = new Array<Buffer>(PLACES).fill(EMPTY);
  }

  /** The name `bytes[start, end)`; undefined when it is too long or empty. Nobody alters it. */
  find(bytes: Uint8Array, start: number, end: number): Buffer | undefined {
    const length = end - start;
    if (length < 1 || length > NAME_BYTES_MAX) return undefined;
    const place = placeOf(bytes[start] as number, bytes[end - 1] as number, length);
    const name = this.#names[place] as Buffer;
    if (name.length !== length) return this.#keep(place, bytes, start, length);
    for (let i = 0; i < length; i++) {
      if (name[i] !== bytes[start + i]) return this.#keep(place, bytes, start, length);
    }
    return name;
  }

  #keep(place: number, bytes: Uint8Array, start: number, length: number): Buffer {
    const name = Buffer.allocUnsafeSlow(length);
    for (let i = 0; i < length; i++) name[i] = bytes[start + i] as number;
    this.#names[place] = name;
    return name;
  }
}

function placeOf(first: number, last: number, length: number): number {
  return (first + 7 * last + 31 * length) & (PLACES - 1);
}
