/**
 * A small deterministic generator (xoshiro128**), seeded through splitmix32: same seed, same
 * sequence on every machine and V8 version. Not for secrets.
 */
export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** `seed` is any safe integer; both halves matter. */
  constructor(seed: number) {
    let state = (seed ^ Math.floor(seed / 4_294_967_296)) >>> 0;
    const next = (): number => {
      state = (state + 0x9e3779b9) >>> 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      return (z ^ (z >>> 15)) >>> 0;
    };
    this.#a = next();
    this.#b = next();
    this.#c = next();
    this.#d = next() | 1;
  }

  /** Uniform in [0, 2^32). */
  u32(): number {
    const product = Math.imul(this.#b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const t = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= t;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  /** Uniform in [0, bound). Requires 0 < bound <= 2^32. The bias is below 2^-21 for bounds under 2^21. */
  below(bound: number): number {
    return Math.floor((this.u32() / 4_294_967_296) * bound);
  }

  /** Uniform in [0, 1), 32 bits of it. */
  fraction(): number {
    return this.u32() / 4_294_967_296;
  }

  /** True with probability `numerator / denominator`. */
  chance(numerator: number, denominator: number): boolean {
    return this.below(denominator) < numerator;
  }

  /** Fills `target` with random bytes. */
  fill(target: Uint8Array): void {
    let i = 0;
    for (; i + 4 <= target.length; i += 4) {
      const word = this.u32();
      target[i] = word & 0xff;
      target[i + 1] = (word >>> 8) & 0xff;
      target[i + 2] = (word >>> 16) & 0xff;
      target[i + 3] = word >>> 24;
    }
    for (; i < target.length; i++) target[i] = this.u32() & 0xff;
  }
}
