/**
 * The low 32 bits of XXH64: the checksum of bulk data. In WebAssembly (xxh64-module.ts) where the process has it;
 * elsewhere (`node --jitless`) in BigInts, right and a thousand times slower, so that files stay readable.
 */
import { copyBytes } from './bytes.js';
import {
  INPUT_BYTES,
  PRIME_1,
  PRIME_2,
  PRIME_3,
  PRIME_4,
  PRIME_5,
  xxh64Module,
} from './xxh64-module.js';

interface Machine {
  /** The module's memory: [0, INPUT_BYTES). */
  readonly input: Uint8Array;
  readonly begin: (seed: number) => void;
  readonly stripes: (length: number) => void;
  readonly finish: (length: number, total: number) => number;
  readonly digest: (length: number, seed: number) => number;
}

/** As much of the WebAssembly API as is used; the compiler's types of it come with those of browsers only. */
interface WebAssemblyApi {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => {
    readonly exports: Omit<Machine, 'input'> & {
      readonly memory: { readonly buffer: ArrayBuffer };
    };
  };
}

function makeMachine(): Machine | null {
  const api = (globalThis as { WebAssembly?: WebAssemblyApi }).WebAssembly;
  if (api === undefined) return null;
  try {
    const { memory, begin, stripes, finish, digest } = new api.Instance(
      new api.Module(xxh64Module()),
    ).exports;
    return { input: new Uint8Array(memory.buffer), begin, stripes, finish, digest };
  } catch {
    // Its memory reserves gigabytes of addresses, which a process may be denied (ulimit -v).
    return null;
  }
}

/** null: this process has no WebAssembly. Making it takes a third of a millisecond. */
const MACHINE = makeMachine();

/** Is xxh64 fast here? Whoever writes asks; whoever reads has no choice. */
export function hasFastXxh64(): boolean {
  return MACHINE !== null;
}

/** The low 32 bits of XXH64 of a byte range, unsigned. `seed` is an unsigned 32-bit number. */
export function xxh64(bytes: Uint8Array, start: number, length: number, seed: number): number {
  if (MACHINE === null) return slowXxh64(bytes, start, length, seed);
  const { input } = MACHINE;
  if (length <= INPUT_BYTES) {
    copyBytes(bytes, start, input, 0, length);
    return MACHINE.digest(length, seed) >>> 0;
  }
  MACHINE.begin(seed);
  let done = 0;
  for (; length - done > INPUT_BYTES; done += INPUT_BYTES) {
    copyBytes(bytes, start + done, input, 0, INPUT_BYTES);
    MACHINE.stripes(INPUT_BYTES);
  }
  copyBytes(bytes, start + done, input, 0, length - done);
  return MACHINE.finish(length - done, length) >>> 0;
}

const u64 = (value: bigint): bigint => BigInt.asUintN(64, value);
const rotate = (value: bigint, bits: bigint): bigint =>
  u64(value << bits) | (value >> (64n - bits));
const round = (accumulator: bigint, lane: bigint): bigint =>
  u64(rotate(u64(accumulator + lane * PRIME_2), 31n) * PRIME_1);

/** `xxh64` by the letter of the specification. */
export function slowXxh64(bytes: Uint8Array, start: number, length: number, seed: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, length);
  let at = 0;
  let hash = BigInt(seed) + PRIME_5;
  if (length >= 32) {
    const seed64 = BigInt(seed);
    const lanes = [
      u64(seed64 + PRIME_1 + PRIME_2),
      u64(seed64 + PRIME_2),
      seed64,
      u64(seed64 - PRIME_1),
    ];
    for (; at + 32 <= length; at += 32) {
      for (let i = 0; i < 4; i++)
        lanes[i] = round(lanes[i] as bigint, view.getBigUint64(at + 8 * i, true));
    }
    const [a, b, c, d] = lanes as [bigint, bigint, bigint, bigint];
    hash = u64(rotate(a, 1n) + rotate(b, 7n) + rotate(c, 12n) + rotate(d, 18n));
    for (const lane of lanes) hash = u64((hash ^ round(0n, lane)) * PRIME_1 + PRIME_4);
  }
  hash = u64(hash + BigInt(length));
  for (; at + 8 <= length; at += 8) {
    hash = u64(rotate(hash ^ round(0n, view.getBigUint64(at, true)), 27n) * PRIME_1 + PRIME_4);
  }
  if (at + 4 <= length) {
    hash = u64(
      rotate(hash ^ u64(BigInt(view.getUint32(at, true)) * PRIME_1), 23n) * PRIME_2 + PRIME_3,
    );
    at += 4;
  }
  for (; at < length; at++) {
    hash = u64(rotate(hash ^ u64(BigInt(view.getUint8(at)) * PRIME_5), 11n) * PRIME_1);
  }
  hash = u64((hash ^ (hash >> 33n)) * PRIME_2);
  hash = u64((hash ^ (hash >> 29n)) * PRIME_3);
  return Number((hash ^ (hash >> 32n)) & 0xffff_ffffn);
}
