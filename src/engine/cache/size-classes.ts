/**
 * Size classes of the block cache: 1 KiB, then each an eighth larger (rounded to 64 bytes), up to a quarter
 * of a chunk. A block wastes 6 % of its slot on average.
 */
export const SLOT_BYTES_MIN = 1024;
const GRAIN = 64;

export class SizeClasses {
  /** Slot size of each class, bytes, ascending. */
  readonly sizes: Uint32Array;
  /** The largest block that fits, bytes. */
  readonly bytesMax: number;
  readonly #byGrain: Uint8Array;

  constructor(chunkBytes: number) {
    const bytesMax = Math.floor(chunkBytes / 4);
    const sizes: number[] = [];
    for (
      let size = SLOT_BYTES_MIN;
      size < bytesMax;
      size = Math.ceil((size * 1.125) / GRAIN) * GRAIN
    ) {
      sizes.push(size);
    }
    sizes.push(bytesMax);
    this.sizes = Uint32Array.from(sizes);
    this.bytesMax = bytesMax;
    this.#byGrain = new Uint8Array(Math.ceil(bytesMax / GRAIN) + 1);
    let index = 0;
    for (let grain = 0; grain < this.#byGrain.length; grain++) {
      while (index < sizes.length - 1 && (sizes[index] as number) < grain * GRAIN) index++;
      this.#byGrain[grain] = index;
    }
  }

  /** The smallest class that holds `length` bytes. Requires length <= bytesMax. */
  classOf(length: number): number {
    return this.#byGrain[Math.ceil(length / GRAIN)] as number;
  }
}
