/**
 * XXH64 as a WebAssembly module, put together here instruction by instruction: JavaScript has no 64-bit multiply,
 * and a module of 800 bytes needs neither a compiler at build time nor a native addon. About 8 GB/s and 30 ns a call;
 * zlib.crc32 takes 2 to 4 GB/s and 200 ns.
 *
 * Algorithm: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, section XXH64. The seed is 32 bits,
 * the result the low 32 bits of the hash: 64-bit numbers cannot pass to JavaScript without an allocation.
 *
 *   memory                      INPUT_BYTES from address 0, filled by the caller
 *   digest(length, seed)        of memory[0, length)
 *   begin(seed)                 of something longer, in pieces:
 *   stripes(length)             takes memory[0, length) in; length is a multiple of 32, not 0
 *   finish(length, total)       the last piece, shorter or of any length, and the length of all; requires total >= 32
 *
 * Binary format: https://webassembly.github.io/spec/core/binary/. An instruction is a list of bytes; functions below
 * return such lists, so that a round of the hash reads as it does in the specification.
 */

/** Bytes that the module takes at once; a multiple of 32. */
export const INPUT_BYTES = 64 * 1024;
/** WebAssembly counts memory in pages of 64 KiB. */
const PAGES = 1;

type Code = readonly number[];

/** Of the specification. */
export const PRIME_1 = 0x9e3779b185ebca87n;
export const PRIME_2 = 0xc2b2ae3d27d4eb4fn;
export const PRIME_3 = 0x165667b19e3779f9n;
export const PRIME_4 = 0x85ebca77c2b2ae63n;
export const PRIME_5 = 0x27d4eb2f165667c5n;

const I32 = 0x7f;
const I64 = 0x7e;

/** Signed LEB128. */
function signed(value: bigint): number[] {
  const bytes: number[] = [];
  for (let rest = value; ;) {
    const byte = Number(rest & 0x7fn);
    rest >>= 7n;
    const isLast = (rest === 0n && (byte & 0x40) === 0) || (rest === -1n && (byte & 0x40) !== 0);
    bytes.push(isLast ? byte : byte | 0x80);
    if (isLast) return bytes;
  }
}

/** Unsigned LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

const get = (local: number): Code => [0x20, local];
const set = (local: number): Code => [0x21, local];
const tee = (local: number): Code => [0x22, local];
const getGlobal = (global: number): Code => [0x23, global];
const setGlobal = (global: number): Code => [0x24, global];
const i32 = (value: number): Code => [0x41, ...signed(BigInt(value))];
const i64 = (value: bigint): Code => [0x42, ...signed(BigInt.asIntN(64, value))];
const call = (func: number): Code => [0x10, func];

const ADD_32: Code = [0x6a];
const AND_32: Code = [0x71];
const LESS_32: Code = [0x49];
const AT_LEAST_32: Code = [0x4f];
const AT_MOST_32: Code = [0x4d];
const ABOVE_32: Code = [0x4b];
const ADD: Code = [0x7c];
const SUB: Code = [0x7d];
const MUL: Code = [0x7e];
const XOR: Code = [0x85];
const SHIFT_RIGHT: Code = [0x88];
const ROTATE_LEFT: Code = [0x89];
const TO_64: Code = [0xad];
const TO_32: Code = [0xa7];

/** Loads of 64, 32 and 8 bits into 64, without an alignment promised. */
const load64 = (offset: number): Code => [0x29, 0, ...unsigned(offset)];
const LOAD_32: Code = [0x35, 0, 0];
const LOAD_8: Code = [0x31, 0, 0];

const END = 0x0b;
const loop = (body: Code): Code => [0x03, 0x40, ...body, END];
const block = (body: Code): Code => [0x02, 0x40, ...body, END];
const when = (body: Code, otherwise: Code): Code => [0x04, 0x40, ...body, 0x05, ...otherwise, END];
const whenOnly = (body: Code): Code => [0x04, 0x40, ...body, END];
const branch = (depth: number): Code => [0x0c, depth];
const branchIf = (depth: number): Code => [0x0d, depth];

/** `accumulator = rotl(accumulator + lane * PRIME_2, 31) * PRIME_1`, both on the stack before, the result after. */
const ROUND: Code = [
  ...i64(PRIME_2),
  ...MUL,
  ...ADD,
  ...i64(31n),
  ...ROTATE_LEFT,
  ...i64(PRIME_1),
  ...MUL,
];
/** The same of a lane alone: the accumulator is 0. */
const ROUND_OF_ZERO: Code = [
  ...i64(PRIME_2),
  ...MUL,
  ...i64(31n),
  ...ROTATE_LEFT,
  ...i64(PRIME_1),
  ...MUL,
];

// Globals: the four accumulators between two pieces, and the seed.
const ACCUMULATORS = [0, 1, 2, 3] as const;
const SEED = 4;

// Functions.
const BEGIN = 0;
const STRIPES = 1;
const FINISH = 2;
const TAIL = 3;

/** begin(seed) */
function begin(): Code {
  const seed: Code = [...get(0), ...TO_64];
  return [
    ...seed,
    ...setGlobal(SEED),
    ...getGlobal(SEED),
    ...i64(PRIME_1 + PRIME_2),
    ...ADD,
    ...setGlobal(0),
    ...getGlobal(SEED),
    ...i64(PRIME_2),
    ...ADD,
    ...setGlobal(1),
    ...getGlobal(SEED),
    ...setGlobal(2),
    ...getGlobal(SEED),
    ...i64(PRIME_1),
    ...SUB,
    ...setGlobal(3),
  ];
}

/** stripes(length): locals are 0 length, 1 address, 2 to 5 the accumulators. */
function stripes(): Code {
  const step = ACCUMULATORS.flatMap((lane) => [
    ...get(2 + lane),
    ...get(1),
    ...load64(8 * lane),
    ...ROUND,
    ...set(2 + lane),
  ]);
  return [
    ...ACCUMULATORS.flatMap((lane) => [...getGlobal(lane), ...set(2 + lane)]),
    ...loop([
      ...step,
      ...get(1),
      ...i32(32),
      ...ADD_32,
      ...tee(1),
      ...get(0),
      ...LESS_32,
      ...branchIf(0),
    ]),
    ...ACCUMULATORS.flatMap((lane) => [...get(2 + lane), ...setGlobal(lane)]),
  ];
}

/** finish(length, total): locals are 0 length, 1 total, 2 the bytes in whole stripes, 3 the hash. */
function finish(): Code {
  const rotations = [1n, 7n, 12n, 18n];
  const sum = ACCUMULATORS.flatMap((lane) => [
    ...getGlobal(lane),
    ...i64(rotations[lane] as bigint),
    ...ROTATE_LEFT,
    ...(lane === 0 ? [] : ADD),
  ]);
  const merge = ACCUMULATORS.flatMap((lane) => [
    ...get(3),
    ...getGlobal(lane),
    ...ROUND_OF_ZERO,
    ...XOR,
    ...i64(PRIME_1),
    ...MUL,
    ...i64(PRIME_4),
    ...ADD,
    ...set(3),
  ]);
  return [
    ...[...get(0), ...i32(-32), ...AND_32, ...tee(2)],
    ...whenOnly([...get(2), ...call(STRIPES)]),
    ...[...sum, ...set(3), ...merge],
    ...[...get(2), ...get(0), ...get(3), ...get(1), ...TO_64, ...ADD, ...call(TAIL)],
  ];
}

/** tail(address, end, hash): the last bytes and the avalanche; the low 32 bits. */
function tail(): Code {
  const moveOn = (bytes: number): Code => [...get(0), ...i32(bytes), ...ADD_32];
  const eight: Code = [
    ...[...get(2), ...get(0), ...load64(0), ...ROUND_OF_ZERO, ...XOR],
    ...[...i64(27n), ...ROTATE_LEFT, ...i64(PRIME_1), ...MUL, ...i64(PRIME_4), ...ADD, ...set(2)],
    ...[...moveOn(8), ...set(0)],
  ];
  const four: Code = [
    ...[...get(2), ...get(0), ...LOAD_32, ...i64(PRIME_1), ...MUL, ...XOR],
    ...[...i64(23n), ...ROTATE_LEFT, ...i64(PRIME_2), ...MUL, ...i64(PRIME_3), ...ADD, ...set(2)],
    ...[...moveOn(4), ...set(0)],
  ];
  const one: Code = [
    ...[...get(2), ...get(0), ...LOAD_8, ...i64(PRIME_5), ...MUL, ...XOR],
    ...[...i64(11n), ...ROTATE_LEFT, ...i64(PRIME_1), ...MUL, ...set(2)],
    ...[...moveOn(1), ...set(0)],
  ];
  const fold = (bits: bigint): Code => [...get(2), ...get(2), ...i64(bits), ...SHIFT_RIGHT, ...XOR];
  return [
    ...block(loop([...moveOn(8), ...get(1), ...ABOVE_32, ...branchIf(1), ...eight, ...branch(0)])),
    ...[...moveOn(4), ...get(1), ...AT_MOST_32, ...whenOnly(four)],
    ...block(loop([...get(0), ...get(1), ...AT_LEAST_32, ...branchIf(1), ...one, ...branch(0)])),
    ...[...fold(33n), ...i64(PRIME_2), ...MUL, ...set(2)],
    ...[...fold(29n), ...i64(PRIME_3), ...MUL, ...set(2)],
    ...[...fold(32n), ...TO_32],
  ];
}

/** digest(length, seed) */
function digest(): Code {
  const long: Code = [...get(1), ...call(BEGIN), ...get(0), ...get(0), ...call(FINISH), ...set(2)];
  const short: Code = [
    ...[...i32(0), ...get(0)],
    ...[...get(1), ...TO_64, ...i64(PRIME_5), ...ADD, ...get(0), ...TO_64, ...ADD],
    ...[...call(TAIL), ...set(2)],
  ];
  return [...get(0), ...i32(32), ...AT_LEAST_32, ...when(long, short), ...get(2)];
}

const section = (id: number, content: Code): Code => [id, ...unsigned(content.length), ...content];
const vector = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
const name = (text: string): Code => [text.length, ...Buffer.from(text)];

/** A function's code; `locals` are pairs of how many and of which type. */
function body(locals: readonly Code[], code: Code): Code {
  const content = [...vector(locals), ...code, END];
  return [...unsigned(content.length), ...content];
}

/** The module; exports `memory`, `digest`, `begin`, `stripes`, `finish`. */
export function xxh64Module(): Uint8Array {
  const type = (parameters: Code, results: Code): Code => [
    0x60,
    ...unsigned(parameters.length),
    ...parameters,
    ...unsigned(results.length),
    ...results,
  ];
  const types = vector([type([I32], []), type([I32, I32], [I32]), type([I32, I32, I64], [I32])]);
  const functions = vector([[0], [0], [1], [2], [1]]);
  const memories = vector([[1, PAGES, PAGES]]);
  const globals = vector([...ACCUMULATORS, SEED].map(() => [I64, 1, ...i64(0n), END]));
  const exported = (text: string, kind: number, index: number): Code => [
    ...name(text),
    kind,
    index,
  ];
  const exports = vector([
    exported('memory', 2, 0),
    exported('begin', 0, BEGIN),
    exported('stripes', 0, STRIPES),
    exported('finish', 0, FINISH),
    exported('digest', 0, 4),
  ]);
  const codes = vector([
    body([], begin()),
    body(
      [
        [1, I32],
        [4, I64],
      ],
      stripes(),
    ),
    body(
      [
        [1, I32],
        [1, I64],
      ],
      finish(),
    ),
    body([], tail()),
    body([[1, I32]], digest()),
  ]);
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, types),
    ...section(3, functions),
    ...section(5, memories),
    ...section(6, globals),
    ...section(7, exports),
    ...section(10, codes),
  ]);
}
