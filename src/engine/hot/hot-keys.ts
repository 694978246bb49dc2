/**
 * The trackers of hot keys of an open database, reads and writes apart, as the options ask for them, and what the
 * stats say of them. docs/hot-keys.md
 */
import type { Clock } from '../../base/env.js';
import { FAMILY_DEFAULT, FAMILY_LOCK } from '../key.js';
import { shownKey } from '../shown-key.js';
import type { FamilyName, Options } from '../options.js';
import { type HotCounter, HotRing, type HotRingFigures } from './hot-ring.js';
import { HotWrites } from './hot-writes.js';

export interface HotKeyStats {
  /** As text when it is printable ASCII, else 0x and hexadecimal; ends in "..." when it is longer than what is kept. */
  readonly key: string;
  readonly column_family: FamilyName;
  /** Touches in the window, estimated. */
  readonly count: number;
  readonly error: number;
  readonly per_second: number;
}

export interface HotRingStats extends HotRingFigures {
  /** Writes refused by the limit; 0 for reads. */
  readonly clamps: number;
  /** Wall time in seconds since 1970; 0: never. */
  readonly last_decay_unix: number;
}

export interface HotStats {
  readonly write_keys: readonly HotKeyStats[];
  readonly write_ring: HotRingStats | null;
  readonly read_keys: readonly HotKeyStats[];
  readonly read_ring: HotRingStats | null;
}

export class HotKeys {
  /** undefined: reads are not tracked. */
  readonly reads: HotRing | undefined;
  /** undefined: writes are not tracked, nor limited. */
  readonly writes: HotWrites | undefined;
  readonly #clock: Clock;
  readonly #top: number;

  constructor(clock: Clock, options: Options) {
    const { hotKeySampling: sampling, hotKeyWriteLimit: limit, readOnly } = options;
    const init = { nodes: options.hotKeyNodes, windowMs: options.hotKeyWindowMs };
    const isLimited = limit > 0;
    const writeSampling = isLimited ? 1 : sampling;
    this.#clock = clock;
    this.#top = options.hotKeyTop;
    this.reads = sampling === 0 ? undefined : new HotRing(clock, { ...init, sampling });
    this.writes =
      readOnly || writeSampling === 0
        ? undefined
        : new HotWrites(new HotRing(clock, { ...init, sampling: writeSampling }), limit);
  }

  stats(): HotStats {
    const { reads, writes } = this;
    return {
      write_keys: this.#keysOf(writes?.ring),
      write_ring: this.#figuresOf(writes?.ring, writes?.refused ?? 0),
      read_keys: this.#keysOf(reads),
      read_ring: this.#figuresOf(reads, 0),
    };
  }

  /** Without those whose figure is no more than its error: they are there because a list has to end with something. */
  #keysOf(ring: HotRing | undefined): HotKeyStats[] {
    if (ring === undefined) return [];
    const seconds = ring.coveredMs() / 1000;
    const known = ring.top(this.#top).filter(({ count, error }) => count > error);
    return known.map((counter) => keyStats(counter, seconds));
  }

  #figuresOf(ring: HotRing | undefined, clamps: number): HotRingStats | null {
    if (ring === undefined) return null;
    const figures = ring.figures();
    const decayedMs = ring.lastDecayMs;
    const agoMs = this.#clock.monotonicMs() - decayedMs;
    const unix = decayedMs === 0 ? 0 : Math.floor((this.#clock.nowMs() - agoMs) / 1000);
    return { ...figures, clamps, last_decay_unix: unix };
  }
}

function keyStats({ key, isCut, count, error }: HotCounter, seconds: number): HotKeyStats {
  return {
    key: `${shownKey(key)}${isCut ? '...' : ''}`,
    column_family: familyName(key[0] as number),
    count,
    error,
    per_second: count / seconds,
  };
}

function familyName(family: number): FamilyName {
  if (family === FAMILY_DEFAULT) return 'default';
  return family === FAMILY_LOCK ? 'lock' : 'write';
}
