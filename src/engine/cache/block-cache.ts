/**
 * Cache of verified blocks, and of rows (row-cache.ts), under one byte budget that holds for the process:
 * memory is slabs ("chunks") of 1 MiB, not one allocation per block. A chunk holds rows, or is cut into slots of
 * one size class. Chunks, the slot arrays and the rows' index together stay below the budget.
 *
 *   slot number = chunk * slotsPerChunk + index;  bytes at chunks[chunk][index * slot size]
 *
 * Lookup needs no hashing: every table owns an Int32Array block -> slot (BlockOwner.slots), which the cache
 * clears on eviction.
 *
 * Policy, per size class: S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP
 * 2023). New blocks enter a small queue (a tenth of the class); those hit there move to the main
 * queue, the others leave and are remembered by fingerprint, and return straight to main. The main queue
 * gives every block as many more rounds as it was hit, up to three. So a scan passes through the small
 * queue only, and a hit is one byte written, without links to move.
 *
 * A class without free memory takes a chunk from another when it has none, or when a chunk of the other one
 * is empty or hit less than its own (sampled once per chunk's worth of evictions). Rows do the same.
 *
 * A block that a point read wants, which keeps the row, enters when it is wanted again soon (`reserveAgain`). So does
 * one that a scan wants, once all memory is in use: most are not worth the copy and what would have to leave for them.
 * A *dense* one holds pointers to values many times its size: it enters at once, and a hit counts DENSE_WORTH times, since as
 * many bytes of rows would have to be here for as many hits.
 *
 * Owned by one thread, synchronous. No pins: bytes of a slot are *borrowed* until the next reserve, drop
 * or put of a row, and callers that keep them longer copy.
 */
import { assert, INVARIANTS } from '../../base/assert.js';
import type { Memory } from '../../base/env.js';
import { KIB, MIB } from '../../base/limits.js';
import type { BlockOwner } from './block-owner.js';
import { BufferPool } from './buffer-pool.js';
import { ChunkSource } from './chunk-source.js';
import { fingerprint, GhostList } from './ghost-list.js';
import { SizeClasses, SLOT_BYTES_MIN } from './size-classes.js';
import { type ChunkLender, RowCache, rowIndexBytes } from './row-cache.js';

const NONE = -1;
const CHUNK_BYTES_MAX = MIB;
const CHUNK_BYTES_MIN = 64 * KIB;
/** Chunks wanted at least, before chunks get smaller. */
const CHUNKS_WANTED = 16;
/** Slot arrays and fingerprints per slot: 5 * 4 + 1 + 4 bytes; a chunk counts as its bytes plus these. */
const META_BYTES_PER_SLOT = 25;

/** Bits of a slot's state byte: hits (0 to 3), queue, use, density. */
const HITS = 0x03;
const MAIN = 0x04;
const USED = 0x10;
/** Of a dense table. */
const DENSE = 0x20;
/** What a hit of a dense block counts, against one of as many bytes of rows. */
const DENSE_WORTH = 32;

/** The class of a chunk that holds rows. */
const ROWS = 0xff;

/** Hits in the small queue that earn a place in the main one; on skewed loads 1 gave 1 to 2 % more hits than 2. */
const PROMOTION_HITS = 1;
/** Second chances looked at in one eviction, so that it stays short when everything is hot. */
const EVICTION_STEPS_MAX = 128;
/** Chunks' worth of blocks that point reads want again before a class gets its first chunk. */
const START_CHUNKS = 8;
/** Chunks of its own and of others that a class looks at when it wants one more. */
const STEAL_SAMPLES = 8;

/** Counters since the cache was made, and its memory; plain data. */
export interface BlockCacheStats {
  readonly budgetBytes: number;
  /** Chunks and their bookkeeping. */
  readonly memoryBytes: number;
  /** Bytes of the blocks cached now. */
  readonly usedBytes: number;
  readonly hitsL0: number;
  readonly hitsOther: number;
  readonly missesL0: number;
  readonly missesOther: number;
  readonly inserts: number;
  readonly evictions: number;
  /** Blocks too large for a slot, and all of them when the budget is 0. */
  readonly rejected: number;
  readonly chunksMoved: number;
}

/** One size class; queues are doubly linked through the slot arrays, free slots singly. */
class ClassState {
  slots = 0;
  free = NONE;
  smallHead = NONE;
  smallTail = NONE;
  smallCount = 0;
  mainHead = NONE;
  mainTail = NONE;
  /** Evictions since the class last looked for a chunk. */
  pressure = 0;
}

export class BlockCache implements ChunkLender {
  readonly budgetBytes: number;
  readonly chunkBytes: number;
  readonly chunksMax: number;
  readonly rows: RowCache;
  /** Buffers of those who read past the cache. */
  readonly buffers: BufferPool;
  readonly #slotsPerChunk: number;
  readonly #slotShift: number;
  readonly #classes: SizeClasses;
  readonly #states: ClassState[];
  readonly #chunks: Uint8Array[];
  readonly #source: ChunkSource;
  readonly #chunkClass: Uint8Array;
  /** Slot size of each chunk, bytes. */
  readonly #chunkSlotBytes: Uint32Array;
  /** Slots in use of each chunk. */
  readonly #chunkUsed: Uint16Array;
  readonly #state: Uint8Array;
  /** Block owner's id. */
  readonly #owner: Uint32Array;
  /** Block number. */
  readonly #item: Uint32Array;
  readonly #length: Uint32Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #ghosts: GhostList;
  readonly #owners: (BlockOwner | undefined)[];
  readonly #freeIds: number[];
  /** Per level class. */
  readonly #hits: Float64Array;
  readonly #misses: Float64Array;
  #usedBytes: number;
  #inserts: number;
  #evictions: number;
  #rejected: number;
  #chunksMoved: number;
  #stealHand: number;

  /**
   * A budget below one chunk of 64 KiB and its bookkeeping disables the cache: everything is rejected. `memory`: what
   * prepares chunks before they are wanted, if anything does.
   */
  constructor(budgetBytes: number, memory?: Memory) {
    let chunkBytes = CHUNK_BYTES_MAX;
    while (chunkBytes > CHUNK_BYTES_MIN && chunkBytes * CHUNKS_WANTED > budgetBytes)
      chunkBytes /= 2;
    this.budgetBytes = budgetBytes;
    this.buffers = new BufferPool();
    this.chunkBytes = chunkBytes;
    this.#slotsPerChunk = chunkBytes / SLOT_BYTES_MIN;
    this.#slotShift = 31 - Math.clz32(this.#slotsPerChunk);
    const indexBytes = rowIndexBytes(budgetBytes);
    this.chunksMax = Math.floor(
      Math.max(0, budgetBytes - indexBytes) /
        (chunkBytes + this.#slotsPerChunk * META_BYTES_PER_SLOT),
    );
    const slots = this.chunksMax * this.#slotsPerChunk;
    this.#classes = new SizeClasses(chunkBytes);
    this.#states = Array.from(this.#classes.sizes, () => new ClassState());
    this.#chunks = [];
    this.#source = new ChunkSource(chunkBytes, this.chunksMax, memory);
    this.#chunkClass = new Uint8Array(this.chunksMax);
    this.#chunkSlotBytes = new Uint32Array(this.chunksMax);
    this.#chunkUsed = new Uint16Array(this.chunksMax);
    this.#state = new Uint8Array(slots);
    this.#owner = new Uint32Array(slots);
    this.#item = new Uint32Array(slots);
    this.#length = new Uint32Array(slots);
    this.#next = new Int32Array(slots);
    this.#previous = new Int32Array(slots);
    this.#ghosts = new GhostList(Math.ceil(slots / 4));
    this.rows = new RowCache(this, indexBytes);
    this.#owners = [];
    this.#freeIds = [];
    this.#hits = new Float64Array(2);
    this.#misses = new Float64Array(2);
    this.#usedBytes = 0;
    this.#inserts = 0;
    this.#evictions = 0;
    this.#rejected = 0;
    this.#chunksMoved = 0;
    this.#stealHand = 0;
  }

  /** Makes a table known; its `slots` are set to `blockCount` empty ones. */
  attach(owner: BlockOwner, blockCount: number): void {
    assert(owner.id === NONE, 'block cache: attached twice');
    owner.slots = new Int32Array(blockCount).fill(NONE);
    owner.id = this.#freeIds.pop() ?? this.#owners.length;
    this.#owners[owner.id] = owner;
  }

  /** Frees the slots of a table that is closed or deleted. Idempotent. */
  drop(owner: BlockOwner): void {
    if (owner.id === NONE) return;
    for (const slot of owner.slots) if (slot !== NONE) this.release(slot);
    this.#owners[owner.id] = undefined;
    this.#freeIds.push(owner.id);
    owner.id = NONE;
  }

  /** Counts a hit on a slot of this level class and keeps the block longer. */
  touch(slot: number, levelClass: number): void {
    const state = this.#state[slot] as number;
    if ((state & HITS) !== HITS) this.#state[slot] = state + 1;
    (this.#hits[levelClass] as number)++;
  }

  countMiss(levelClass: number): void {
    (this.#misses[levelClass] as number)++;
  }

  /** The chunk that holds a slot; borrowed. */
  bytesOf(slot: number): Uint8Array {
    return this.#chunks[slot >>> this.#slotShift] as Uint8Array;
  }

  /** Start of a slot's bytes in its chunk. */
  startOf(slot: number): number {
    return (
      (slot & (this.#slotsPerChunk - 1)) *
      (this.#chunkSlotBytes[slot >>> this.#slotShift] as number)
    );
  }

  lengthOf(slot: number): number {
    return this.#length[slot] as number;
  }

  /** Corrects the length of a slot just reserved (not above the reserved one). */
  setLength(slot: number, length: number): void {
    assert(length <= (this.#length[slot] as number), 'block cache: slot length grows');
    this.#usedBytes += length - (this.#length[slot] as number);
    this.#length[slot] = length;
  }

  /**
   * A slot of `length` bytes for a block, evicting others; -1 when it is not to be cached. It counts as
   * cached at once: the caller fills it before anything else happens, or calls `release`.
   * Requires the block not cached.
   */
  reserve(owner: BlockOwner, block: number, length: number): number {
    if (INVARIANTS) assert(owner.slots[block] === NONE, 'block cache: block is cached already');
    const slot = this.#take(owner, block, length);
    if (slot !== NONE) owner.slots[block] = slot;
    return slot;
  }

  /** Frees a slot. */
  release(slot: number): void {
    this.#detach(slot);
    const state = this.#states[this.#chunkClass[slot >>> this.#slotShift] as number] as ClassState;
    this.#state[slot] = 0;
    this.#next[slot] = state.free;
    state.free = slot;
  }

  /**
   * As `reserve`, for a point read, which keeps the row, or a scan: -1 also when the block was not wanted lately.
   */
  reserveAgain(owner: BlockOwner, block: number, length: number): number {
    if (owner.isDense) return this.reserve(owner, block, length);
    const print = fingerprint(owner.id, block);
    if (!this.#ghosts.take(print)) {
      this.#ghosts.add(print);
      return NONE;
    }
    if (length <= this.#classes.bytesMax && this.chunksMax > 0 && !this.#mayStart(length))
      return NONE;
    return this.reserve(owner, block, length);
  }

  /** There is memory that nobody uses yet. */
  get hasRoom(): boolean {
    return this.#source.hasChunk;
  }

  /** Lends a chunk to the rows; see ChunkLender. */
  lend(use: number): number {
    if (this.hasRoom) {
      this.#growChunks();
      this.#chunkClass[this.#chunks.length - 1] = ROWS;
      return this.#chunks.length - 1;
    }
    let victim = this.#findEmpty(ROWS);
    if (victim === NONE && use > 0) victim = this.#findLessUsed(ROWS, use);
    if (victim === NONE) return NONE;
    this.#empty(victim);
    this.#chunkClass[victim] = ROWS;
    this.#chunksMoved++;
    return victim;
  }

  bytesOfChunk(chunk: number): Uint8Array {
    return this.#chunks[chunk] as Uint8Array;
  }

  stats(): BlockCacheStats {
    const perChunk = this.chunkBytes + this.#slotsPerChunk * META_BYTES_PER_SLOT;
    return {
      budgetBytes: this.budgetBytes,
      memoryBytes: this.#chunks.length * perChunk + this.rows.stats().indexBytes,
      usedBytes: this.#usedBytes,
      hitsL0: this.#hits[0] as number,
      hitsOther: this.#hits[1] as number,
      missesL0: this.#misses[0] as number,
      missesOther: this.#misses[1] as number,
      inserts: this.#inserts,
      evictions: this.#evictions,
      rejected: this.#rejected,
      chunksMoved: this.#chunksMoved,
    };
  }

  /** A slot for (owner, item), in its queue; -1 when rejected. */
  #take({ id: owner, isDense }: BlockOwner, item: number, length: number): number {
    const slot =
      length > this.#classes.bytesMax || this.chunksMax === 0 ? NONE : this.#claim(length);
    if (slot === NONE) {
      this.#rejected++;
      return NONE;
    }
    this.#inserts++;
    this.#usedBytes += length;
    (this.#chunkUsed[slot >>> this.#slotShift] as number)++;
    this.#owner[slot] = owner;
    this.#item[slot] = item;
    this.#length[slot] = length;
    const isReturning = this.#ghosts.take(fingerprint(owner, item));
    // One that is dense begins as if hit: a chunk of them would be taken away before the first.
    this.#state[slot] = USED | (isReturning ? MAIN : 0) | (isDense ? DENSE | 1 : 0);
    this.#push(slot);
    return slot;
  }

  /**
   * False for a class that would have to take its first chunk from another, mostly: random reads want blocks again
   * now and then, too, and each chunk taken costs a thousand rows. True once for several chunks' worth of asking.
   */
  #mayStart(length: number): boolean {
    const index = this.#classes.classOf(length);
    const state = this.#states[index] as ClassState;
    if (state.slots > 0 || this.hasRoom) return true;
    const perChunk = Math.floor(this.chunkBytes / (this.#classes.sizes[index] as number));
    if (++state.pressure < START_CHUNKS * perChunk) return false;
    state.pressure = 0;
    return true;
  }

  /** A slot outside all queues that holds `length` bytes. */
  #claim(length: number): number {
    const wanted = this.#classes.classOf(length);
    let index = wanted;
    if ((this.#states[wanted] as ClassState).slots === 0 && !this.hasRoom) {
      // Rather a slot one or two classes larger than a chunk taken for a rare size.
      for (let i = wanted + 1; i <= wanted + 2 && i < this.#states.length; i++) {
        if ((this.#states[i] as ClassState).slots > 0) {
          index = i;
          break;
        }
      }
    }
    const state = this.#states[index] as ClassState;
    if (state.free === NONE && this.hasRoom) this.#addChunk(index);
    if (state.free === NONE) this.#maybeSteal(index, state);
    if (state.free === NONE) {
      state.pressure++;
      this.#evict(state);
    }
    const slot = state.free;
    state.free = this.#next[slot] as number;
    return slot;
  }

  #addChunk(index: number): void {
    this.#growChunks();
    this.#cut(this.#chunks.length - 1, index);
  }

  #growChunks(): void {
    this.#chunks.push(this.#source.take());
  }

  /** Cuts an empty chunk into free slots of a class. */
  #cut(chunk: number, index: number): void {
    const size = this.#classes.sizes[index] as number;
    const state = this.#states[index] as ClassState;
    const first = chunk << this.#slotShift;
    const count = Math.floor(this.chunkBytes / size);
    this.#chunkClass[chunk] = index;
    this.#chunkSlotBytes[chunk] = size;
    for (let slot = first + count - 1; slot >= first; slot--) {
      this.#state[slot] = 0;
      this.#next[slot] = state.free;
      state.free = slot;
    }
    state.slots += count;
  }

  /**
   * Takes a chunk of another class when this one has none, or is worth more: an empty one, or one hit less
   * than its own. Looking at others' chunks ages them, since a class without inserts has no clock of its own;
   * a class without hits (a scan) neither takes nor ages.
   */
  #maybeSteal(index: number, state: ClassState): void {
    const perChunk = Math.floor(this.chunkBytes / (this.#classes.sizes[index] as number));
    if (state.slots > 0 && state.pressure < perChunk) return;
    state.pressure = 0;
    let victim = this.#findEmpty(index);
    if (victim === NONE) {
      const ownUse = state.slots === 0 ? Number.MAX_SAFE_INTEGER : this.#useOfClass(index);
      if (ownUse > 0) victim = this.#findLessUsed(index, ownUse);
    }
    if (victim === NONE) return;
    this.#empty(victim);
    this.#cut(victim, index);
    this.#chunksMoved++;
  }

  /** A chunk of another class with nothing in it. */
  #findEmpty(index: number): number {
    for (let chunk = 0; chunk < this.#chunks.length; chunk++) {
      const owner = this.#chunkClass[chunk];
      if (this.#chunkUsed[chunk] === 0 && owner !== index && owner !== ROWS) return chunk;
    }
    return NONE;
  }

  /** The most used of some chunks of a class. */
  #useOfClass(index: number): number {
    let use = 0;
    let samples = 0;
    for (let i = 0; i < this.#chunks.length && samples < STEAL_SAMPLES; i++) {
      const chunk = this.#stealHand++ % this.#chunks.length;
      if (this.#chunkClass[chunk] !== index) continue;
      samples++;
      use = Math.max(use, this.#useOf(chunk, 0));
    }
    return use;
  }

  /** The least used of some chunks of other classes when its use is below half of `ownUse`; ages them. */
  #findLessUsed(index: number, ownUse: number): number {
    let victim = NONE;
    let victimUse = ownUse / 2;
    let samples = 0;
    for (let i = 0; i < this.#chunks.length && samples < STEAL_SAMPLES; i++) {
      const chunk = this.#stealHand++ % this.#chunks.length;
      if (this.#chunkClass[chunk] === index) continue;
      samples++;
      const use = this.#useOf(chunk, 1);
      if (use >= victimUse) continue;
      victim = chunk;
      victimUse = use;
    }
    return victim;
  }

  /** Recent hits of a chunk's slots, weighted by their size; then takes `aging` from each. */
  #useOf(chunk: number, aging: number): number {
    if (this.#chunkClass[chunk] === ROWS) return this.rows.useOf(chunk);
    const first = chunk << this.#slotShift;
    const size = this.#chunkSlotBytes[chunk] as number;
    const end = first + Math.floor(this.chunkBytes / size);
    let hits = 0;
    for (let slot = first; slot < end; slot++) {
      const state = this.#state[slot] as number;
      if ((state & HITS) === 0) continue;
      hits += (state & HITS) * ((state & DENSE) === 0 ? 1 : DENSE_WORTH);
      this.#state[slot] = state - aging;
    }
    return hits * size;
  }

  /** Evicts everything in a chunk and takes its slots out of their class. */
  #empty(chunk: number): void {
    if (this.#chunkClass[chunk] === ROWS) {
      this.rows.giveBack(chunk);
      return;
    }
    const first = chunk << this.#slotShift;
    const count = Math.floor(this.chunkBytes / (this.#chunkSlotBytes[chunk] as number));
    const state = this.#states[this.#chunkClass[chunk] as number] as ClassState;
    for (let slot = first; slot < first + count; slot++) {
      if (((this.#state[slot] as number) & USED) === 0) continue;
      this.#evictions++;
      this.release(slot);
    }
    let kept = NONE;
    for (let slot = state.free; slot !== NONE;) {
      const next = this.#next[slot] as number;
      if (slot >>> this.#slotShift !== chunk) {
        this.#next[slot] = kept;
        kept = slot;
      }
      slot = next;
    }
    state.free = kept;
    state.slots -= count;
  }

  /** Frees one slot of a class by S3-FIFO. Requires one in use. */
  #evict(state: ClassState): void {
    for (let step = 0; ; step++) {
      const isSmall =
        state.mainTail === NONE ||
        (state.smallTail !== NONE && state.smallCount * 10 > state.slots);
      const slot = isSmall ? state.smallTail : state.mainTail;
      const bits = this.#state[slot] as number;
      const isKept = (bits & HITS) >= (isSmall ? PROMOTION_HITS : 1);
      if (!isKept || step >= EVICTION_STEPS_MAX) {
        if (isSmall) this.#ghosts.add(this.#fingerprintOf(slot));
        this.#evictions++;
        this.release(slot);
        return;
      }
      this.#unlink(slot);
      this.#state[slot] = isSmall ? (bits & ~HITS) | MAIN : bits - 1;
      this.#push(slot);
    }
  }

  #fingerprintOf(slot: number): number {
    return fingerprint(this.#owner[slot] as number, this.#item[slot] as number);
  }

  /** Takes a slot out of its queue and its owner's list. */
  #detach(slot: number): void {
    assert(((this.#state[slot] as number) & USED) !== 0, 'block cache: slot is not in use');
    this.#unlink(slot);
    this.#usedBytes -= this.#length[slot] as number;
    (this.#chunkUsed[slot >>> this.#slotShift] as number)--;
    const owner = this.#owners[this.#owner[slot] as number] as BlockOwner;
    owner.slots[this.#item[slot] as number] = NONE;
    if (INVARIANTS) {
      const start = this.startOf(slot);
      this.bytesOf(slot).fill(0xdb, start, start + (this.#length[slot] as number));
    }
  }

  /** Puts a slot at the head of the queue its state names. */
  #push(slot: number): void {
    const state = this.#states[this.#chunkClass[slot >>> this.#slotShift] as number] as ClassState;
    const isMain = ((this.#state[slot] as number) & MAIN) !== 0;
    const head = isMain ? state.mainHead : state.smallHead;
    this.#previous[slot] = NONE;
    this.#next[slot] = head;
    if (head !== NONE) this.#previous[head] = slot;
    if (isMain) {
      state.mainHead = slot;
      if (head === NONE) state.mainTail = slot;
    } else {
      state.smallHead = slot;
      if (head === NONE) state.smallTail = slot;
      state.smallCount++;
    }
  }

  #unlink(slot: number): void {
    const state = this.#states[this.#chunkClass[slot >>> this.#slotShift] as number] as ClassState;
    const isMain = ((this.#state[slot] as number) & MAIN) !== 0;
    const next = this.#next[slot] as number;
    const previous = this.#previous[slot] as number;
    if (next !== NONE) this.#previous[next] = previous;
    else if (isMain) state.mainTail = previous;
    else state.smallTail = previous;
    if (previous !== NONE) this.#next[previous] = next;
    else if (isMain) state.mainHead = next;
    else state.smallHead = next;
    if (!isMain) state.smallCount--;
  }
}
