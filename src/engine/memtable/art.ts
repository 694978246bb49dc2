/**
 * Adaptive radix tree over the encoded keys of a memtable. Nodes: art-node.ts; ordered moves:
 * art-path.ts. The tree lies in an index arena and refers to entries by their data arena offset.
 *
 *   word  field
 *      0  unused, so that 0 means "nothing"
 *      1  root reference
 *   2...  nodes
 *
 * Path compression is optimistic: a node stores the depth of the byte it branches on and skips the
 * bytes that all keys below it share. A lookup compares one whole key, at the leaf; an insert
 * compares with the leaf, or with the sample entry of the node where it got stuck, to learn where
 * the new key really branches off. Samples stay valid because a memtable never loses a key.
 *
 * Encoded keys are prefix-free, so two different keys differ at a byte that both have, and a leaf
 * never has children. Lookups and seeks take any byte string.
 *
 * Room. Every node has c >= 2 children, and n keys mean that the sum of (c - 1) over all nodes is
 * n - 1. With everything a node has outgrown, in words, a node costs per (c - 1):
 *   NODE_4     7 / 1                     = 7      at 2 children
 *   NODE_16   (7 + 22) / 4               = 7.25   at 5
 *   NODE_48   (7 + 22 + 114) / 16        < 9      at 17
 *   NODE_256  (7 + 22 + 114 + 258) / 48  < 9      at 49
 * so n keys never take more than 9 n words (free lists only make it less): KEY_WORDS_MAX.
 * `hasRoomFor` knows a second bound that starts from the words in use, see wordsBound.
 *
 * One thread writes. Readers in other threads get the arenas by message after the last insert.
 */
import { assert } from '../../base/assert.js';
import { entryKeyLength, entryKeyStart } from '../entry.js';
import {
  addChild,
  childSlot,
  growNode,
  initNode4,
  isNodeFull,
  NODE_16,
  NODE_16_WORDS,
  NODE_256_WORDS,
  NODE_4,
  NODE_48,
  NODE_48_WORDS,
  nodeDepth,
  nodeSample,
  nodeType,
  nodeWords,
} from './art-node.js';
import { entryKeyEquals, entryKeyMismatch, linkEntry } from './entry-chain.js';

const ROOT_SLOT = 1;
const HEADER_WORDS = 2;
const KEY_WORDS_MAX = 9;

/** Words per key of wordsBound, beyond the first key of a node that existed before. */
const BOUND_WORDS = 9.5;

/** Index arena bytes that surely take `entries` keys. */
export function artBytesFor(entries: number): number {
  return 4 * (HEADER_WORDS + KEY_WORDS_MAX * entries);
}

export class Art {
  readonly data: Uint8Array;
  readonly view: DataView;
  /** Two views of the index arena. */
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  /** Keys inserted by this instance; a path made at another count is stale. */
  keys: number;
  /** First word never allocated. */
  #end: number;
  /** First free node by type, 0 for none; a free node's first word links to the next. */
  readonly #free: Int32Array;
  /** Nodes in use by type. */
  readonly #live: Int32Array;

  /**
   * A tree over an existing index, to be read: after `reset` also to be written.
   * `data` and `view` are the data arena.
   */
  constructor(data: Uint8Array, view: DataView, index: SharedArrayBuffer) {
    assert(data.byteLength < 2 ** 31, 'art: data arena offsets fit 31 bits');
    assert(index.byteLength < 2 ** 31, 'art: index arena offsets fit 31 bits');
    assert(index.byteLength >= 4 * HEADER_WORDS, 'art: index arena holds the header');
    this.data = data;
    this.view = view;
    this.words = new Int32Array(index, 0, index.byteLength >>> 2);
    this.bytes = new Uint8Array(index);
    this.keys = 0;
    this.#end = HEADER_WORDS;
    this.#free = new Int32Array(4);
    this.#live = new Int32Array(4);
  }

  /** Makes the tree empty; touches the header only, whatever the arena held before. */
  reset(): void {
    this.words[ROOT_SLOT] = 0;
    this.keys = 0;
    this.#end = HEADER_WORDS;
    this.#free.fill(0);
    this.#live.fill(0);
  }

  root(): number {
    return this.words[ROOT_SLOT] as number;
  }

  /** Offset of the newest entry of a key, or 0. */
  find(key: Uint8Array, start: number, length: number): number {
    const words = this.words;
    const bytes = this.bytes;
    let ref = words[ROOT_SLOT] as number;
    while (ref > 0) {
      const header = words[ref] as number;
      const depth = nodeDepth(header);
      if (depth >= length) return 0;
      const slot = childSlot(words, bytes, ref, header, key[start + depth] as number);
      if (slot === 0) return 0;
      ref = words[slot] as number;
    }
    if (ref === 0) return 0;
    return entryKeyEquals(this.data, this.view, ~ref, key, start, length) ? ~ref : 0;
  }

  /**
   * Makes the entry `at` visible: links it into its key's chain, or adds the key.
   * Requires hasRoomFor(1) and a valid encoded key. Returns true for a new key.
   */
  insert(at: number): boolean {
    const words = this.words;
    const key = this.data;
    const start = entryKeyStart(this.view, at);
    const length = entryKeyLength(this.view, at);
    let slot = ROOT_SLOT;
    let ref = words[ROOT_SLOT] as number;
    let parentDepth = -1;
    while (ref > 0) {
      const header = words[ref] as number;
      const depth = nodeDepth(header);
      if (depth >= length) break;
      const next = childSlot(words, this.bytes, ref, header, key[start + depth] as number);
      const child = next === 0 ? 0 : (words[next] as number);
      if (child === 0) break;
      slot = next;
      ref = child;
      parentDepth = depth;
    }
    if (ref === 0) {
      words[slot] = ~at; // the first key of all
    } else {
      const sample = ref < 0 ? ~ref : nodeSample(words, ref);
      const split = entryKeyMismatch(key, this.view, sample, key, start, length);
      if (ref < 0 && split === length) {
        words[slot] = ~linkEntry(this.view, sample, at);
        return false;
      }
      assert(split < length, 'art: no key is a prefix of another');
      if (split < parentDepth) slot = this.#slotAbove(split, key, start);
      this.#addKey(slot, split, sample, at);
    }
    this.keys++;
    return true;
  }

  /**
   * An entry with a key of the subtree where the lookup of `key` ends, or 0 when the tree is empty.
   * Its first difference from `key` is where `key` leaves the tree.
   */
  nearEntry(key: Uint8Array, start: number, length: number): number {
    const words = this.words;
    let ref = words[ROOT_SLOT] as number;
    while (ref > 0) {
      const header = words[ref] as number;
      const depth = nodeDepth(header);
      if (depth >= length) break;
      const slot = childSlot(words, this.bytes, ref, header, key[start + depth] as number);
      const child = slot === 0 ? 0 : (words[slot] as number);
      if (child === 0) break;
      ref = child;
    }
    return ref > 0 ? nodeSample(words, ref) : ref === 0 ? 0 : ~ref;
  }

  /** True when `entries` more keys surely fit, whatever they are. Inserts for known keys take nothing. */
  hasRoomFor(entries: number): boolean {
    if (HEADER_WORDS + KEY_WORDS_MAX * (this.keys + entries) <= this.words.length) return true;
    return this.#end + this.#wordsBound(entries) <= this.words.length;
  }

  /** Words of the index arena in use, free nodes included. */
  usedWords(): number {
    return this.#end;
  }

  /**
   * Most words that `entries` more keys can take from here. A node that exists now and gets j of them
   * costs at most: NODE_48, 258 once; NODE_16, 114, and 258 more from j = 33; NODE_4, 22, then 114
   * from j = 13, then 258 from j = 45. All are within (first growth) + BOUND_WORDS (j - 1), and nodes
   * that do not exist yet cost at most KEY_WORDS_MAX per key. The worst program therefore first adds
   * one key to each of the largest nodes.
   */
  #wordsBound(entries: number): number {
    const in48 = Math.min(entries, this.#live[NODE_48] as number);
    const in16 = Math.min(entries - in48, this.#live[NODE_16] as number);
    const in4 = Math.min(entries - in48 - in16, this.#live[NODE_4] as number);
    return (
      BOUND_WORDS * entries +
      in48 * (NODE_256_WORDS - BOUND_WORDS) +
      in16 * (NODE_48_WORDS - BOUND_WORDS) +
      in4 * (NODE_16_WORDS - BOUND_WORDS)
    );
  }

  /** The first slot on the path of `key` whose subtree branches on byte `depth` or later. */
  #slotAbove(depth: number, key: Uint8Array, start: number): number {
    const words = this.words;
    let slot = ROOT_SLOT;
    for (;;) {
      const ref = words[slot] as number;
      if (ref < 0) return slot;
      const header = words[ref] as number;
      if (nodeDepth(header) >= depth) return slot;
      slot = childSlot(words, this.bytes, ref, header, key[start + nodeDepth(header)] as number);
    }
  }

  /**
   * Adds the key of `at` to the subtree in `slot`, whose keys all share `split` bytes with it; `sample`
   * is an entry with one of them, and differs from it there.
   */
  #addKey(slot: number, split: number, sample: number, at: number): void {
    const words = this.words;
    const ref = words[slot] as number;
    const byte = this.data[entryKeyStart(this.view, at) + split] as number;
    if (ref < 0 || nodeDepth(words[ref] as number) !== split) {
      const node = this.#allocate(NODE_4);
      const sampleByte = this.data[entryKeyStart(this.view, sample) + split] as number;
      initNode4(words, node, split, sample, sampleByte, ref, byte, ~at);
      words[slot] = node;
      return;
    }
    let node = ref;
    const header = words[node] as number;
    if (isNodeFull(header)) {
      const type = nodeType(header);
      node = this.#allocate(type + 1);
      growNode(words, this.bytes, ref, node);
      this.#release(ref, type);
      words[slot] = node;
    }
    addChild(words, this.bytes, node, byte, ~at);
  }

  #allocate(type: number): number {
    this.#live[type] = (this.#live[type] as number) + 1;
    const free = this.#free[type] as number;
    if (free !== 0) {
      this.#free[type] = this.words[free] as number;
      return free;
    }
    const node = this.#end;
    this.#end += nodeWords(type);
    assert(this.#end <= this.words.length, 'art: the index arena has room, as hasRoomFor said');
    return node;
  }

  #release(node: number, type: number): void {
    this.#live[type] = (this.#live[type] as number) - 1;
    this.words[node] = this.#free[type] as number;
    this.#free[type] = node;
  }
}
