/** LCS: the longest common subsequence of two values, its length, or where it lies in both. */
import type { View } from '../backend.js';
import type { KeyCommand } from '../command.js';
import { RedisError, type Reply, ReplyMap } from '../reply.js';
import { arg, isWord, positionArg, STRING_BYTES_MAX, SYNTAX_ERROR } from './data-arguments.js';
import { keyCommand, READ, TWO_KEYS } from './command-specs.js';

const EMPTY = new Uint8Array(0);

interface Options {
  readonly isLength: boolean;
  readonly isIndexes: boolean;
  readonly isWithLength: boolean;
  readonly matchMin: number;
}

function optionsOf(args: readonly Buffer[]): Options {
  const options = { isLength: false, isIndexes: false, isWithLength: false, matchMin: 0 };
  for (let i = 3; i < args.length; i++) {
    const word = arg(args, i);
    if (isWord(word, 'idx')) options.isIndexes = true;
    else if (isWord(word, 'len')) options.isLength = true;
    else if (isWord(word, 'withmatchlen')) options.isWithLength = true;
    else if (isWord(word, 'minmatchlen') && i + 1 < args.length) {
      options.matchMin = Math.max(0, positionArg(args, ++i));
    } else throw SYNTAX_ERROR;
  }
  if (options.isLength && options.isIndexes) {
    throw new RedisError('ERR If you want both the length and indexes, please just use IDX.');
  }
  return options;
}

/** Lengths of the common subsequences of all beginnings: row i, column j at i * (b.length + 1) + j. */
function tableOf(a: Uint8Array, b: Uint8Array): Uint32Array {
  const width = b.length + 1;
  const cells = (a.length + 1) * width;
  if (cells * Uint32Array.BYTES_PER_ELEMENT > STRING_BYTES_MAX) {
    throw new RedisError(
      'ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len',
    );
  }
  const table = new Uint32Array(cells);
  for (let i = 1; i <= a.length; i++) {
    const byte = a[i - 1];
    for (let j = 1, at = i * width + 1; j < width; j++, at++) {
      const above = table[at - width] as number;
      const before = table[at - 1] as number;
      if (byte === b[j - 1]) table[at] = (table[at - width - 1] as number) + 1;
      else table[at] = above > before ? above : before;
    }
  }
  return table;
}

/** Walks from the ends to the beginnings; as Redis does, so that of several answers it is the same. */
class Walk {
  readonly result: Uint8Array;
  /** From the last to the first. */
  readonly matches: Reply[];
  readonly #options: Options;
  /** The match being extended: its ends in both, and its length; 0: none. */
  #endA = 0;
  #endB = 0;
  #length = 0;

  constructor(a: Uint8Array, b: Uint8Array, table: Uint32Array, options: Options) {
    this.#options = options;
    this.matches = [];
    const width = b.length + 1;
    let left = table[table.length - 1] as number;
    this.result = new Uint8Array(left);
    let i = a.length;
    let j = b.length;
    while (i > 0 && j > 0) {
      if (a[i - 1] === b[j - 1]) {
        this.result[--left] = a[i - 1] as number;
        this.#extend(--i, --j);
      } else {
        this.#emit();
        const above = table[(i - 1) * width + j] as number;
        const before = table[i * width + j - 1] as number;
        if (above > before) i--;
        else j--;
      }
    }
    this.#emit();
  }

  /** By the bytes at `i` and `j`, which lie right before it, since anything else ends a match. */
  #extend(i: number, j: number): void {
    if (this.#length === 0) {
      this.#endA = i;
      this.#endB = j;
    }
    this.#length++;
  }

  #emit(): void {
    const length = this.#length;
    this.#length = 0;
    if (length === 0 || length < this.#options.matchMin) return;
    const ranges: Reply[] = [
      [this.#endA - length + 1, this.#endA],
      [this.#endB - length + 1, this.#endB],
    ];
    if (this.#options.isWithLength) ranges.push(length);
    this.matches.push(ranges);
  }
}

function lcs(view: View, args: readonly Buffer[]): Reply {
  const a = view.get(arg(args, 1))?.bytes ?? EMPTY;
  const b = view.get(arg(args, 2))?.bytes ?? EMPTY;
  const options = optionsOf(args);
  const table = tableOf(a, b);
  const length = table[table.length - 1] as number;
  if (options.isLength) return length;
  const walk = new Walk(a, b, table, options);
  if (!options.isIndexes) return walk.result;
  return new ReplyMap([
    ['matches', walk.matches],
    ['len', length],
  ]);
}

export const LCS_COMMANDS: readonly KeyCommand[] = [
  keyCommand('string', 'lcs', -3, READ, TWO_KEYS, '7.0.0', 'Find longest common substring', lcs),
];
