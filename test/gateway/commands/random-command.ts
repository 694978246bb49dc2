/**
 * Commands by chance: few keys, values and options that get in each other's way. None whose answer depends on the time
 * of the day or on chance: times are absolute and far from now.
 */
import type { Prng } from '../../../src/base/prng.js';

export const KEYS = ['a', 'b', 'c', 'dd', 'de', '', 'k\0\xff'];
const VALUES = [
  ...[
    '',
    '0',
    '1',
    '-1',
    '10',
    '007',
    ' 1',
    '1 ',
    '3.5',
    '-0.1',
    '1e3',
    'abc',
    'ABCabc',
    '\xff\x00\x0f',
  ],
  ...['9223372036854775807', '-9223372036854775808', '9007199254740993', 'ohmytext', 'mynewtext'],
  ...['0x1p-3', '123456789012345678901234567890', '.5', 'aaaaaaaaaabbbbbbbbbb', '\x00'.repeat(9)],
];
const INTEGERS = [
  ...[
    '0',
    '1',
    '-1',
    '2',
    '7',
    '8',
    '-8',
    '15',
    '100',
    '-100',
    '9223372036854775807',
    '1.5',
    'x',
    '',
  ],
  ...['-9223372036854775808', '9223372036854775808', '4294967295', '9007199254740991', '-0', '+1'],
];
const SMALL = ['0', '1', '-1', '2', '3', '-2', '-3', '5', '8', '9', '17', '-20', '40', '300', 'x'];
const BITS = ['0', '1', '2', '7', '8', '15', '31', '65', '#0', '#3', '-1', 'x', '4294967296'];
/** None within a century of now but these. */
const TIMES_MS = [
  '1',
  '-5',
  '0',
  '4000000000000',
  '4000000000001',
  '5000000000000',
  'x',
  '9007199254740991',
];
const TIMES_S = ['1', '-5', '0', '4000000000', '4000000001', '5000000000', 'x', '9007199254740'];
const TYPES = ['u1', 'u4', 'u8', 'i8', 'i5', 'u63', 'i64', 'i63', 'u13', 'u64', 'i0', 'q'];
const PATTERNS = ['*', 'a', '?', 'd*', 'd?', '[a-c]', '[^a-c]', '*e', '\\a', '[ab', '*d*e*', ''];

type Draw = (random: Prng) => string[];

const pick = (random: Prng, list: readonly string[]): string =>
  list[random.below(list.length)] as string;
const key = (random: Prng): string => pick(random, KEYS);
const value = (random: Prng): string => pick(random, VALUES);
const integer = (random: Prng): string => pick(random, INTEGERS);
const small = (random: Prng): string => pick(random, SMALL);
const several = (random: Prng, max: number, draw: (random: Prng) => string[]): string[] =>
  Array.from({ length: random.below(max + 1) }, () => draw(random)).flat();
const keys: Draw = (random) => [key(random), ...several(random, 3, (r) => [key(r)])];

function setOption(random: Prng): string[] {
  switch (random.below(7)) {
    case 0:
      return ['NX'];
    case 1:
      return ['xx'];
    case 2:
      return ['GET'];
    case 3:
      return ['KEEPTTL'];
    case 4:
      return ['PXAT', pick(random, TIMES_MS)];
    case 5:
      return ['EXAT', pick(random, TIMES_S)];
    default:
      return [pick(random, ['PERSIST', 'EX', 'bad', 'PXAT'])];
  }
}

const getexOption: Draw = (random) => (random.chance(1, 2) ? setOption(random) : ['PERSIST']);

const lcsOption: Draw = (random) =>
  pick(random, ['LEN', 'IDX', 'WITHMATCHLEN', 'MINMATCHLEN 2', 'IDX', 'bad']).split(' ');

const condition: Draw = (random) => [pick(random, ['NX', 'XX', 'GT', 'LT', 'bad'])];

function field(random: Prng): string[] {
  const place = [pick(random, TYPES), pick(random, BITS)];
  switch (random.below(4)) {
    case 0:
      return ['GET', ...place];
    case 1:
      return ['SET', ...place, integer(random)];
    case 2:
      return ['INCRBY', ...place, integer(random)];
    default:
      return ['OVERFLOW', pick(random, ['WRAP', 'SAT', 'FAIL', 'bad'])];
  }
}

const unit: Draw = (random) => (random.chance(1, 3) ? [pick(random, ['BIT', 'BYTE', 'bad'])] : []);
const range: Draw = (random) => [small(random), small(random)];

const COMMANDS: readonly Draw[] = [
  (r) => ['SET', key(r), value(r)],
  (r) => ['SET', key(r), value(r)],
  (r) => ['SET', key(r), value(r), ...several(r, 3, setOption)],
  (r) => ['SET', key(r), value(r), ...setOption(r)],
  (r) => ['GET', key(r)],
  (r) => ['SETNX', key(r), value(r)],
  (r) => ['SETEX', key(r), pick(r, ['0', '-1', 'x', '9223372036854775807']), value(r)],
  (r) => ['GETSET', key(r), value(r)],
  (r) => ['GETDEL', key(r)],
  (r) => ['GETEX', key(r), ...several(r, 2, getexOption)],
  (r) => ['MGET', ...keys(r)],
  (r) => ['MSET', ...several(r, 4, (one) => [key(one), value(one)])],
  (r) => ['MSETNX', key(r), value(r), ...several(r, 2, (one) => [key(one), value(one)])],
  (r) => ['APPEND', key(r), value(r)],
  (r) => ['STRLEN', key(r)],
  (r) => ['GETRANGE', key(r), ...range(r)],
  (r) => ['SETRANGE', key(r), small(r), value(r)],
  (r) => ['LCS', key(r), key(r), ...several(r, 3, lcsOption)],
  (r) => ['INCR', key(r)],
  (r) => ['DECR', key(r)],
  (r) => ['INCRBY', key(r), integer(r)],
  (r) => ['DECRBY', key(r), integer(r)],
  (r) => ['INCRBYFLOAT', key(r), value(r)],
  (r) => ['INCRBYFLOAT', key(r), randomFloat(r)],
  (r) => ['DEL', ...keys(r)],
  (r) => ['EXISTS', ...keys(r)],
  (r) => ['TYPE', key(r)],
  (r) => ['RENAME', key(r), key(r)],
  (r) => ['RENAMENX', key(r), key(r)],
  (r) => ['COPY', key(r), key(r), ...several(r, 1, () => ['REPLACE'])],
  (r) => ['EXPIREAT', key(r), pick(r, TIMES_S), ...several(r, 2, condition)],
  (r) => ['PEXPIREAT', key(r), pick(r, TIMES_MS.slice(0, -1)), ...several(r, 2, condition)],
  (r) => ['EXPIRETIME', key(r)],
  (r) => ['PEXPIRETIME', key(r)],
  (r) => ['PERSIST', key(r)],
  (r) => ['KEYS', pick(r, PATTERNS)],
  (r) => ['SCAN', '0', 'COUNT', '1000', 'MATCH', pick(r, PATTERNS)],
  () => ['DBSIZE'],
  (r) => ['SETBIT', key(r), pick(r, BITS), pick(r, ['0', '1', '2'])],
  (r) => ['GETBIT', key(r), pick(r, BITS)],
  (r) => ['BITCOUNT', key(r)],
  (r) => ['BITCOUNT', key(r), ...range(r), ...unit(r)],
  (r) => ['BITPOS', key(r), pick(r, ['0', '1', '2']), ...several(r, 1, (one) => [small(one)])],
  (r) => ['BITPOS', key(r), pick(r, ['0', '1']), ...range(r), ...unit(r)],
  (r) => ['BITOP', pick(r, ['AND', 'OR', 'XOR', 'NOT']), key(r), ...keys(r)],
  (r) => ['BITFIELD', key(r), ...several(r, 4, field)],
  (r) => ['BITFIELD_RO', key(r), ...several(r, 2, field)],
  (r) => (r.chance(1, 10) ? ['FLUSHALL'] : ['DBSIZE']),
];

function randomFloat(random: Prng): string {
  const digits = String(random.u32()).slice(0, 1 + random.below(10));
  const exponent = random.chance(1, 2) ? '' : `e${random.below(40) - 20}`;
  return `${random.chance(1, 2) ? '-' : ''}${random.below(1000)}.${digits}${exponent}`;
}

export function randomCommand(random: Prng): Buffer[] {
  const draw = COMMANDS[random.below(COMMANDS.length)] as Draw;
  return draw(random).map((word) => Buffer.from(word, 'latin1'));
}
