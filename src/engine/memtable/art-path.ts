/**
 * A place in an adaptive radix tree: the way from the root to one key, as an explicit stack of
 * (node, position). Steps are amortised O(1); nothing is allocated but the stack, when it grows.
 *
 * Nodes move when they grow, so a key inserted since the last move makes the stack stale: the next
 * step then descends again to the key of the path's entry, which never moves.
 *
 * Moves return the offset of the key's newest entry, or 0 when there is no such key; after 0 the
 * path is nowhere, and `next` and `prev` must not be called.
 */
import { entryKeyLength, entryKeyStart } from '../entry.js';
import { type Art } from './art.js';
import {
  childAt,
  lastPosition,
  nodeDepth,
  positionAfter,
  positionBefore,
  positionFrom,
} from './art-node.js';
import { entryKeyMismatch } from './entry-chain.js';

const STACK_WORDS_INITIAL = 64;

export class ArtPath {
  readonly #art: Art;
  /** Pairs (node, position), root first; the last pair leads to the key's leaf. */
  #stack: Int32Array;
  /** Words of the stack in use. */
  #top: number;
  /** `art.keys` when the stack was right. */
  #keys: number;
  /** An entry of the key, or 0. */
  #at: number;

  constructor(art: Art) {
    this.#art = art;
    this.#stack = new Int32Array(STACK_WORDS_INITIAL);
    this.#top = 0;
    this.#keys = 0;
    this.#at = 0;
  }

  first(): number {
    this.#restart();
    return this.#descendFirst(this.#art.root());
  }

  last(): number {
    this.#restart();
    return this.#descendLast(this.#art.root());
  }

  /** To the first key >= the target, which may be any byte string. */
  seek(key: Uint8Array, start: number, length: number): number {
    this.#restart();
    const art = this.#art;
    const near = art.nearEntry(key, start, length);
    if (near === 0) return this.#land(0);
    const split = entryKeyMismatch(art.data, art.view, near, key, start, length);
    let ref = art.root();
    while (ref > 0 && nodeDepth(art.words[ref] as number) < split) {
      const depth = nodeDepth(art.words[ref] as number);
      ref = this.#enter(ref, positionFrom(art.words, art.bytes, ref, key[start + depth] as number));
    }
    // All keys below `ref` share `split` bytes with the target, and `near` is one of them.
    if (split === length) return this.#descendFirst(ref);
    if (ref > 0 && nodeDepth(art.words[ref] as number) === split) {
      const position = positionFrom(art.words, art.bytes, ref, key[start + split] as number);
      return position < 0 ? this.#climbNext() : this.#descendFirst(this.#enter(ref, position));
    }
    const isBelow =
      split === entryKeyLength(art.view, near) ||
      (art.data[entryKeyStart(art.view, near) + split] as number) < (key[start + split] as number);
    return isBelow ? this.#climbNext() : this.#descendFirst(ref);
  }

  /** To the last key < the target, which may be any byte string. */
  seekBefore(key: Uint8Array, start: number, length: number): number {
    return this.seek(key, start, length) === 0 ? this.last() : this.prev();
  }

  /** Requires that the path is at a key. */
  next(): number {
    if (this.#keys !== this.#art.keys) this.#refresh();
    return this.#climbNext();
  }

  /** Requires that the path is at a key. */
  prev(): number {
    if (this.#keys !== this.#art.keys) this.#refresh();
    return this.#climbPrev();
  }

  #restart(): void {
    this.#top = 0;
    this.#keys = this.#art.keys;
  }

  #refresh(): void {
    const art = this.#art;
    this.seek(art.data, entryKeyStart(art.view, this.#at), entryKeyLength(art.view, this.#at));
  }

  /** Goes up to the nearest node with a later child, and down to the first key below that. */
  #climbNext(): number {
    const art = this.#art;
    const stack = this.#stack;
    while (this.#top > 0) {
      const node = stack[this.#top - 2] as number;
      const position = positionAfter(art.words, art.bytes, node, stack[this.#top - 1] as number);
      if (position >= 0) {
        stack[this.#top - 1] = position;
        return this.#descendFirst(childAt(art.words, art.bytes, node, position));
      }
      this.#top -= 2;
    }
    return this.#land(0);
  }

  #climbPrev(): number {
    const art = this.#art;
    const stack = this.#stack;
    while (this.#top > 0) {
      const node = stack[this.#top - 2] as number;
      const position = positionBefore(art.words, art.bytes, node, stack[this.#top - 1] as number);
      if (position >= 0) {
        stack[this.#top - 1] = position;
        return this.#descendLast(childAt(art.words, art.bytes, node, position));
      }
      this.#top -= 2;
    }
    return this.#land(0);
  }

  #descendFirst(from: number): number {
    const art = this.#art;
    let ref = from;
    while (ref > 0) ref = this.#enter(ref, positionFrom(art.words, art.bytes, ref, 0));
    return this.#land(ref);
  }

  #descendLast(from: number): number {
    const art = this.#art;
    let ref = from;
    while (ref > 0) ref = this.#enter(ref, lastPosition(art.words, art.bytes, ref));
    return this.#land(ref);
  }

  /** Pushes (node, position); returns the reference there. */
  #enter(node: number, position: number): number {
    if (this.#top === this.#stack.length) {
      const grown = new Int32Array(2 * this.#stack.length);
      grown.set(this.#stack);
      this.#stack = grown;
    }
    this.#stack[this.#top] = node;
    this.#stack[this.#top + 1] = position;
    this.#top += 2;
    return childAt(this.#art.words, this.#art.bytes, node, position);
  }

  /** Ends a move at a leaf reference, or nowhere at 0. */
  #land(ref: number): number {
    this.#at = ref === 0 ? 0 : ~ref;
    return this.#at;
  }
}
