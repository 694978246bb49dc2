/**
 * Which keys are touched most, lately, in memory that does not grow with the number of keys: a table of counters in
 * buckets of 8, chosen by the hash of the key, each bucket a Space-Saving sketch. A key without a counter takes over
 * the one with the least weight of its bucket, and inherits that weight as its possible error.
 *
 *   weight   touches of the key, halved every half window, with what was inherited
 *   error    the inherited part of it
 *   slots    touches since the key has its counter, by eighth of the window; `recent` is their sum
 *
 * What holds, with N the weight of a bucket (its touches, halved in the same way):
 *   - a key whose own weight is above N / 8 has a counter;
 *   - recent <= touches of the key in the window <= recent + 4 * error: what came before the key had its counter
 *     weighs at most `error` together, and a touch of the window has been halved twice at most.
 *
 * Only one touch in `sampling` is counted, at random distances, so that a rhythm of the caller is not taken for
 * frequency; figures are scaled up by it. Time passes when a touch is counted, or somebody asks: no timer.
 * Keys of the engine's own families are not counted.
 *
 * Owned by one thread.
 */
import { copyBytes, equalBytes } from '../../base/bytes.js';
import type { Clock } from '../../base/env.js';
import { FAMILY_SYSTEM, type KeyBuffer } from '../key.js';

/** Parts of the window: it moves on by one of them at a time. */
export const WINDOW_SLOTS = 8;
const WAYS = 8;
/** Slots from one halving to the next. */
const DECAY_SLOTS = WINDOW_SLOTS / 2;
/** After so many halvings nothing is left. */
const DECAYS_MAX = 64;
/** Bytes kept of an encoded key. Two longer ones that agree so far, in length and in hash are one key here. */
const KEY_BYTES_KEPT = 128;
/** Highest weight of the missed touches of a window in terms of `error`: two halvings. */
const MISSED_PER_ERROR = 4;

/** One of the hottest keys. */
export interface HotCounter {
  /** The encoded key, or its first KEY_BYTES_KEPT bytes; owned. */
  readonly key: Uint8Array;
  readonly isCut: boolean;
  /** Touches in the window, estimated. */
  readonly count: number;
  /** `count` may be off by so much: touches before the key had its counter, and two deviations of the sampling. */
  readonly error: number;
}

export interface HotRingFigures {
  readonly buckets: number;
  /** Counters in use, of `node_cap`. */
  readonly nodes: number;
  readonly node_cap: number;
  readonly load_factor: number;
  readonly bytes: number;
  readonly window_slots: number;
  /** Milliseconds. */
  readonly window_slot_duration: number;
  /** Milliseconds from one halving to the next. */
  readonly decay_interval: number;
  readonly decay_shift: number;
  /** One touch in so many is counted. */
  readonly sampling: number;
  readonly touches: number;
  /** Touches passed over by the sampling. */
  readonly sample_drops: number;
  /** Keys that got a counter, and that lost it to another one. */
  readonly inserts: number;
  readonly removes: number;
  readonly decay_runs: number;
}

export interface HotRingInit {
  /** Counters at least; rounded up to a power of two. */
  readonly nodes: number;
  /** 1: every touch. */
  readonly sampling: number;
  readonly windowMs: number;
}

export class HotRing {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #sampling: number;
  readonly #slotMs: number;
  readonly #nodes: number;
  readonly #bucketMask: number;
  readonly #hashes: Uint32Array;
  /** Of the encoded keys; 0: a free counter. */
  readonly #lengths: Uint32Array;
  readonly #weights: Float64Array;
  readonly #errors: Float64Array;
  readonly #recent: Uint32Array;
  /** WINDOW_SLOTS for each counter, side by side: a touch meets one line of the processor's cache. */
  readonly #slots: Uint32Array;
  readonly #keys: Uint8Array;
  readonly #startMs: number;
  /** Number of the present slot, since the clock's origin. */
  #slot: number;
  /** Touches until the next one that counts. */
  #left: number;
  /** Of a xorshift generator; never 0. */
  #random: number;
  /** Touches up to the next one that counts, all distances so far. */
  #drawn: number;
  #counted: number;
  #used: number;
  #inserts: number;
  #removes: number;
  #decays: number;
  /** Monotonic milliseconds; 0: never. */
  #lastDecayMs: number;

  constructor(clock: Pick<Clock, 'monotonicMs'>, init: HotRingInit) {
    let nodes = WAYS;
    while (nodes < init.nodes) nodes *= 2;
    this.#clock = clock;
    this.#sampling = init.sampling;
    this.#slotMs = init.windowMs / WINDOW_SLOTS;
    this.#nodes = nodes;
    this.#bucketMask = nodes / WAYS - 1;
    this.#hashes = new Uint32Array(nodes);
    this.#lengths = new Uint32Array(nodes);
    this.#weights = new Float64Array(nodes);
    this.#errors = new Float64Array(nodes);
    this.#recent = new Uint32Array(nodes);
    this.#slots = new Uint32Array(nodes * WINDOW_SLOTS);
    this.#keys = new Uint8Array(nodes * KEY_BYTES_KEPT);
    this.#startMs = clock.monotonicMs();
    this.#slot = Math.floor(this.#startMs / this.#slotMs);
    this.#left = 0;
    this.#random = 0x2545f491;
    this.#drawn = 0;
    this.#counted = 0;
    this.#used = 0;
    this.#inserts = 0;
    this.#removes = 0;
    this.#decays = 0;
    this.#lastDecayMs = 0;
    this.#draw();
  }

  /** The key is read, or written. */
  touch(key: KeyBuffer): void {
    if (--this.#left === 0) this.#count(key);
  }

  /**
   * Are at least `limit` touches of the key in the window known of? When every touch counts there are no more known
   * of than there were.
   */
  hasReached(key: KeyBuffer, limit: number): boolean {
    const node = this.#find(key);
    // Time only lowers the figure: the clock need not be asked when it is low enough as it stands.
    if (node < 0 || (this.#recent[node] as number) * this.#sampling < limit) return false;
    this.#advance(this.#clock.monotonicMs());
    return (this.#recent[node] as number) * this.#sampling >= limit;
  }

  /** Milliseconds until the key has not reached `limit`, if nothing touches it meanwhile; 0 when it is so now. */
  msUntilBelow(key: KeyBuffer, limit: number): number {
    const nowMs = this.#clock.monotonicMs();
    this.#advance(nowMs);
    const node = this.#find(key);
    if (node < 0) return 0;
    let left = (this.#recent[node] as number) * this.#sampling;
    for (let age = WINDOW_SLOTS - 1; age >= 0; age--) {
      if (left < limit) return age === WINDOW_SLOTS - 1 ? 0 : this.#endsInMs(age + 1, nowMs);
      const at = node * WINDOW_SLOTS + slotIndex(this.#slot - age);
      left -= this.#sampling * (this.#slots[at] as number);
    }
    return this.#endsInMs(0, nowMs);
  }

  /** The `count` hottest keys of the window, hottest first. */
  top(count: number): HotCounter[] {
    this.#advance(this.#clock.monotonicMs());
    const recent = this.#recent;
    const nodes: number[] = [];
    for (let node = 0; node < this.#nodes; node++) {
      if ((recent[node] as number) > 0) nodes.push(node);
    }
    nodes.sort((a, b) => (recent[b] as number) - (recent[a] as number) || a - b);
    return nodes.slice(0, count).map((node) => this.#counterAt(node));
  }

  /** What part of the window has passed since the tracker began, milliseconds: what counts are divided by for rates. */
  coveredMs(): number {
    const nowMs = this.#clock.monotonicMs();
    const window = (WINDOW_SLOTS - 1) * this.#slotMs + (nowMs % this.#slotMs);
    return Math.max(this.#slotMs, Math.min(window, nowMs - this.#startMs));
  }

  /** Monotonic milliseconds of the last halving, or 0. */
  get lastDecayMs(): number {
    return this.#lastDecayMs;
  }

  figures(): HotRingFigures {
    this.#advance(this.#clock.monotonicMs());
    const touches = this.#drawn - this.#left;
    const arrays = [this.#hashes, this.#lengths, this.#weights, this.#errors, this.#recent];
    const bytes = arrays.reduce((sum, array) => sum + array.byteLength, 0);
    return {
      buckets: this.#bucketMask + 1,
      nodes: this.#used,
      node_cap: this.#nodes,
      load_factor: this.#used / this.#nodes,
      bytes: bytes + this.#slots.byteLength + this.#keys.byteLength,
      window_slots: WINDOW_SLOTS,
      window_slot_duration: this.#slotMs,
      decay_interval: this.#slotMs * DECAY_SLOTS,
      decay_shift: 1,
      sampling: this.#sampling,
      touches,
      sample_drops: touches - this.#counted,
      inserts: this.#inserts,
      removes: this.#removes,
      decay_runs: this.#decays,
    };
  }

  #counterAt(node: number): HotCounter {
    const recent = this.#recent[node] as number;
    const length = this.#lengths[node] as number;
    const kept = Math.min(length, KEY_BYTES_KEPT);
    const missed = MISSED_PER_ERROR * (this.#errors[node] as number);
    const deviations = this.#sampling === 1 ? 0 : 2 * Math.sqrt(recent);
    const start = node * KEY_BYTES_KEPT;
    return {
      key: this.#keys.slice(start, start + kept),
      isCut: kept < length,
      count: recent * this.#sampling,
      error: Math.ceil((missed + deviations) * this.#sampling),
    };
  }

  /** Draws the distance to the next touch that counts: uniform from 1 to 2 * sampling - 1. */
  #draw(): void {
    let distance = 1;
    if (this.#sampling > 1) {
      let x = this.#random;
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
      this.#random = x;
      distance += (x >>> 0) % (2 * this.#sampling - 1);
    }
    this.#left = distance;
    this.#drawn += distance;
  }

  #count(key: KeyBuffer): void {
    this.#draw();
    this.#counted++;
    if ((key.bytes[0] as number) >= FAMILY_SYSTEM) return;
    this.#advance(this.#clock.monotonicMs());
    let node = this.#find(key);
    if (node < 0) node = this.#takeNode(key);
    (this.#weights[node] as number)++;
    (this.#recent[node] as number)++;
    (this.#slots[node * WINDOW_SLOTS + slotIndex(this.#slot)] as number)++;
  }

  /** The counter of the key, or -1. */
  #find(key: KeyBuffer): number {
    const { hash, length } = key;
    const hashes = this.#hashes;
    let node = (hash & this.#bucketMask) * WAYS;
    for (const end = node + WAYS; node < end; node++) {
      if (hashes[node] !== hash || this.#lengths[node] !== length) continue;
      const kept = length < KEY_BYTES_KEPT ? length : KEY_BYTES_KEPT;
      if (equalBytes(this.#keys, node * KEY_BYTES_KEPT, key.bytes, 0, kept)) return node;
    }
    return -1;
  }

  /** A counter for a key that has none: the lightest of its bucket. Free ones have no weight. */
  #takeNode(key: KeyBuffer): number {
    const weights = this.#weights;
    const first = (key.hash & this.#bucketMask) * WAYS;
    let node = first;
    for (let other = first + 1; other < first + WAYS; other++) {
      if ((weights[other] as number) < (weights[node] as number)) node = other;
    }
    if (this.#lengths[node] === 0) this.#used++;
    else this.#removes++;
    this.#inserts++;
    this.#errors[node] = weights[node] as number;
    this.#recent[node] = 0;
    const slots = node * WINDOW_SLOTS;
    for (let i = 0; i < WINDOW_SLOTS; i++) this.#slots[slots + i] = 0;
    this.#hashes[node] = key.hash;
    this.#lengths[node] = key.length;
    const kept = Math.min(key.length, KEY_BYTES_KEPT);
    copyBytes(key.bytes, 0, this.#keys, node * KEY_BYTES_KEPT, kept);
    return node;
  }

  /** Milliseconds until the slot of this age, in slots, has left the window. */
  #endsInMs(age: number, nowMs: number): number {
    return Math.ceil((this.#slot - age + WINDOW_SLOTS) * this.#slotMs - nowMs);
  }

  /** Empties the slots that have left the window, and halves the weights. */
  #advance(nowMs: number): void {
    const slot = Math.floor(nowMs / this.#slotMs);
    const before = this.#slot;
    if (slot <= before) return;
    this.#slot = slot;
    const recent = this.#recent;
    const slots = this.#slots;
    for (let next = Math.max(before + 1, slot - WINDOW_SLOTS + 1); next <= slot; next++) {
      let at = slotIndex(next);
      for (let node = 0; node < this.#nodes; node++, at += WINDOW_SLOTS) {
        (recent[node] as number) -= slots[at] as number;
        slots[at] = 0;
      }
    }
    const decays = Math.floor(slot / DECAY_SLOTS) - Math.floor(before / DECAY_SLOTS);
    if (decays > 0) this.#decay(decays, nowMs);
  }

  #decay(times: number, nowMs: number): void {
    let factor = 1;
    for (let i = 0; i < Math.min(times, DECAYS_MAX); i++) factor /= 2;
    for (let node = 0; node < this.#nodes; node++) {
      (this.#weights[node] as number) *= factor;
      (this.#errors[node] as number) *= factor;
    }
    this.#decays += times;
    this.#lastDecayMs = nowMs;
  }
}

/** Which of a counter's slots has this number. */
function slotIndex(slot: number): number {
  return slot & (WINDOW_SLOTS - 1);
}
