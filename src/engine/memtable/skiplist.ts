/**
 * Skip list over the encoded keys of a memtable, in an index arena; entries by data arena offset.
 *
 *   word  field
 *      0  unused, so that 0 means "nothing"
 *      1  height in use
 *      2  shared: bytes that all keys have in common (a lower bound of it)
 *      3  reference: data arena offset of an entry, whose key has the shared bytes
 *      4  the list's start, a node of HEIGHT_MAX levels without key; then nodes:
 *
 *   node  0  head: data arena offset of the key's newest entry
 *         1  prefix: the 4 key bytes behind the shared ones, see prefixOf
 *      2...  next node per level, 0 for none
 *
 * The prefix word saves most of the visits to the data arena, which are cache misses: lookups and
 * inserts are 1.4 to 2 times as fast with it. It starts behind the shared bytes because real keys begin
 * alike. When a new key has fewer bytes in common, all
 * prefix words are recomputed: with few keys at once, later `shared` falls to half or less, so that it
 * happens at most 18 times with more than RECOMPUTE_KEYS keys.
 *
 * Heights are random (one in four nodes goes a level up), yet never such that the nodes together
 * exceed NODE_WORDS_MAX per key and SLACK_WORDS: a tower that would is cut, so that the room a key
 * takes is certain. The expectation is 3.33 words; the cut is practically never made.
 *
 * One thread writes. Readers in other threads get the arenas by message after the last insert.
 */
import { assert } from '../../base/assert.js';
import { compareBytes } from '../../base/bytes.js';
import type { Random } from '../../base/env.js';
import { entryKeyLength, entryKeyStart } from '../entry.js';
import { entryKeyEquals, linkEntry } from './entry-chain.js';

const HEIGHT_MAX = 12;
const TOWER = 2;
const HEIGHT_AT = 1;
const SHARED_AT = 2;
const REFERENCE_AT = 3;
const START = 4;
const HEADER_WORDS = START + TOWER + HEIGHT_MAX;

const NODE_WORDS_MAX = 4;
const SLACK_WORDS = 64;
const RECOMPUTE_KEYS = 1024;

/** Index arena bytes that surely take `entries` keys. */
export function skipListBytesFor(entries: number): number {
  return 4 * (HEADER_WORDS + SLACK_WORDS + NODE_WORDS_MAX * entries);
}

export class SkipList {
  readonly #data: Uint8Array;
  readonly #view: DataView;
  readonly #words: Int32Array;
  readonly #random: Random;
  /** Of the last search, per level: the last node whose key is less than the target, or START. */
  readonly #before: Int32Array;
  #keys: number;
  /** First word never allocated. */
  #end: number;

  /**
   * A list over an existing index, to be read: after `reset` also to be written.
   * `data` and `view` are the data arena; `random` decides heights.
   */
  constructor(data: Uint8Array, view: DataView, index: SharedArrayBuffer, random: Random) {
    assert(data.byteLength < 2 ** 31, 'skip list: data arena offsets fit 31 bits');
    assert(index.byteLength >= 4 * HEADER_WORDS, 'skip list: index arena holds the header');
    this.#data = data;
    this.#view = view;
    this.#words = new Int32Array(index, 0, index.byteLength >>> 2);
    this.#random = random;
    this.#before = new Int32Array(HEIGHT_MAX);
    this.#keys = 0;
    this.#end = HEADER_WORDS;
  }

  /** Makes the list empty; touches the header only, whatever the arena held before. */
  reset(): void {
    this.#words.fill(0, 0, HEADER_WORDS);
    this.#words[HEIGHT_AT] = 1;
    this.#keys = 0;
    this.#end = HEADER_WORDS;
  }

  /** Offset of the newest entry of a key, or 0. */
  find(key: Uint8Array, start: number, length: number): number {
    const node = this.seek(key, start, length);
    if (node === 0) return 0;
    const head = this.#words[node] as number;
    return entryKeyEquals(this.#data, this.#view, head, key, start, length) ? head : 0;
  }

  /**
   * Makes the entry `at` visible: links it into its key's chain, or adds the key.
   * Requires hasRoomFor(1) and a valid encoded key. Returns true for a new key.
   */
  insert(at: number): boolean {
    const words = this.#words;
    const start = entryKeyStart(this.#view, at);
    const length = entryKeyLength(this.#view, at);
    this.#includeInShared(at, start, length);
    const found = this.seek(this.#data, start, length);
    if (found !== 0) {
      const head = words[found] as number;
      if (entryKeyEquals(this.#data, this.#view, head, this.#data, start, length)) {
        words[found] = linkEntry(this.#view, head, at);
        return false;
      }
    }
    this.#addNode(at, start, length);
    return true;
  }

  /** First node whose key is >= the target (any byte string), or 0. Leaves #before behind. */
  seek(key: Uint8Array, start: number, length: number): number {
    const words = this.#words;
    const shared = words[SHARED_AT] as number;
    const side = this.#sideOfShared(shared, key, start, length);
    const prefix = prefixOf(key, start, length, shared);
    let level = (words[HEIGHT_AT] as number) - 1;
    let node = START;
    // The node that ended the level above; 0 also where the list ends. Known not to be less.
    let stop = 0;
    for (;;) {
      const next = words[node + TOWER + level] as number;
      if (
        next !== stop &&
        (side > 0 || (side === 0 && this.#isLess(next, prefix, key, start, length)))
      ) {
        node = next;
        continue;
      }
      this.#before[level] = node;
      if (level === 0) return next;
      stop = next;
      level--;
    }
  }

  /** Last node whose key is < the target (any byte string), or 0. */
  seekBefore(key: Uint8Array, start: number, length: number): number {
    this.seek(key, start, length);
    const node = this.#before[0] as number;
    return node === START ? 0 : node;
  }

  first(): number {
    return this.#words[START + TOWER] as number;
  }

  last(): number {
    const words = this.#words;
    let node = START;
    for (let level = (words[HEIGHT_AT] as number) - 1; level >= 0; level--) {
      let next = words[node + TOWER + level] as number;
      while (next !== 0) {
        node = next;
        next = words[node + TOWER + level] as number;
      }
    }
    return node === START ? 0 : node;
  }

  /** The node after a node, or 0. */
  after(node: number): number {
    return this.#words[node + TOWER] as number;
  }

  /** Offset of the newest entry of a node's key. */
  head(node: number): number {
    return this.#words[node] as number;
  }

  /** True when `entries` more keys surely fit, whatever they are. Inserts for known keys take nothing. */
  hasRoomFor(entries: number): boolean {
    const byKeys = HEADER_WORDS + SLACK_WORDS + NODE_WORDS_MAX * (this.#keys + entries);
    const byWords = this.#end + (TOWER + HEIGHT_MAX) * entries;
    return Math.min(byKeys, byWords) <= this.#words.length;
  }

  /** Words of the index arena in use. */
  usedWords(): number {
    return this.#end;
  }

  /** Negative or positive when the target sorts before or after everything, by the shared bytes alone. */
  #sideOfShared(shared: number, key: Uint8Array, start: number, length: number): number {
    if (shared === 0) return 0;
    const at = entryKeyStart(this.#view, this.#words[REFERENCE_AT] as number);
    return compareBytes(key, start, length < shared ? length : shared, this.#data, at, shared);
  }

  /** True when the node's key is less than the target, both having the shared bytes. */
  #isLess(node: number, prefix: number, key: Uint8Array, start: number, length: number): boolean {
    const words = this.#words;
    const own = words[node + 1] as number;
    if (own !== prefix) return own < prefix;
    const head = words[node] as number;
    const skip = words[SHARED_AT] as number;
    const ownStart = entryKeyStart(this.#view, head) + skip;
    const ownLength = entryKeyLength(this.#view, head) - skip;
    return compareBytes(this.#data, ownStart, ownLength, key, start + skip, length - skip) < 0;
  }

  /** Adds a node behind the #before of the last search. */
  #addNode(at: number, start: number, length: number): void {
    const words = this.#words;
    const height = this.#pickHeight();
    const node = this.#end;
    this.#end += TOWER + height;
    assert(this.#end <= words.length, 'skip list: the index arena has room, as hasRoomFor said');
    words[node] = at;
    words[node + 1] = prefixOf(this.#data, start, length, words[SHARED_AT] as number);
    for (let level = words[HEIGHT_AT] as number; level < height; level++)
      this.#before[level] = START;
    if (height > (words[HEIGHT_AT] as number)) words[HEIGHT_AT] = height;
    for (let level = 0; level < height; level++) {
      const before = (this.#before[level] as number) + TOWER + level;
      words[node + TOWER + level] = words[before] as number;
      words[before] = node;
    }
    this.#keys++;
  }

  /** One to HEIGHT_MAX, each level a quarter of the one below; within the room that is certain. */
  #pickHeight(): number {
    const wordsMax = HEADER_WORDS + SLACK_WORDS + NODE_WORDS_MAX * (this.#keys + 1);
    const heightMax = Math.min(HEIGHT_MAX, wordsMax - this.#end - TOWER);
    let bits = this.#random.u32();
    let height = 1;
    while (height < heightMax && (bits & 3) === 0) {
      bits >>>= 2;
      height++;
    }
    return height;
  }

  /** Lowers `shared` to what the key of `at` has in common with the others. */
  #includeInShared(at: number, start: number, length: number): void {
    const words = this.#words;
    const reference = words[REFERENCE_AT] as number;
    if (reference === 0) {
      words[REFERENCE_AT] = at;
      words[SHARED_AT] = length;
      return;
    }
    const shared = words[SHARED_AT] as number;
    if (shared === 0) return;
    const referenceStart = entryKeyStart(this.#view, reference);
    const data = this.#data;
    let common = 0;
    while (
      common < shared &&
      common < length &&
      data[referenceStart + common] === data[start + common]
    ) {
      common++;
    }
    if (common < shared) this.#lowerShared(common);
  }

  #lowerShared(common: number): void {
    const words = this.#words;
    const shared = this.#keys <= RECOMPUTE_KEYS ? common : common >>> 1;
    words[SHARED_AT] = shared;
    for (let node = this.first(); node !== 0; node = this.after(node)) {
      const head = words[node] as number;
      const start = entryKeyStart(this.#view, head);
      words[node + 1] = prefixOf(this.#data, start, entryKeyLength(this.#view, head), shared);
    }
  }
}

/**
 * Four bytes of a key from `skip` on, zeros behind its end, as a signed number that orders as the bytes
 * do: when the prefixes of two keys with the same first `skip` bytes differ, so do the keys, alike.
 */
function prefixOf(key: Uint8Array, start: number, length: number, skip: number): number {
  const at = start + skip;
  const left = length - skip;
  const word =
    ((left > 0 ? (key[at] as number) : 0) << 24) |
    ((left > 1 ? (key[at + 1] as number) : 0) << 16) |
    ((left > 2 ? (key[at + 2] as number) : 0) << 8) |
    (left > 3 ? (key[at + 3] as number) : 0);
  return word ^ 0x80000000;
}

/** A place in a skip list: one key. Nodes never move, so inserts do not disturb it. Moves as in ArtPath. */
export class SkipListPath {
  readonly #list: SkipList;
  readonly #data: Uint8Array;
  readonly #view: DataView;
  #node: number;

  constructor(list: SkipList, data: Uint8Array, view: DataView) {
    this.#list = list;
    this.#data = data;
    this.#view = view;
    this.#node = 0;
  }

  first(): number {
    return this.#land(this.#list.first());
  }

  last(): number {
    return this.#land(this.#list.last());
  }

  /** To the first key >= the target, which may be any byte string. */
  seek(key: Uint8Array, start: number, length: number): number {
    return this.#land(this.#list.seek(key, start, length));
  }

  /** To the last key < the target, which may be any byte string. */
  seekBefore(key: Uint8Array, start: number, length: number): number {
    return this.#land(this.#list.seekBefore(key, start, length));
  }

  /** Requires that the path is at a key. */
  next(): number {
    return this.#land(this.#list.after(this.#node));
  }

  /** Requires that the path is at a key. O(log keys): there are no links back. */
  prev(): number {
    const at = this.#list.head(this.#node);
    const start = entryKeyStart(this.#view, at);
    return this.seekBefore(this.#data, start, entryKeyLength(this.#view, at));
  }

  #land(node: number): number {
    this.#node = node;
    return node === 0 ? 0 : this.#list.head(node);
  }
}
