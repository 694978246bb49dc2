/** How long the calls of one command took on the thread, in powers of two: what LATENCY HISTOGRAM tells. */

/** 1.024 us, and twice as much each; the last one takes all that is longer than half a second. */
const BUCKETS = 21;
const FIRST_NS = 1024;
const NS_MAX = 2 ** 31;

export class LatencyHistogram {
  readonly #counts: Float64Array;

  constructor() {
    this.#counts = new Float64Array(BUCKETS);
  }

  record(ms: number): void {
    const ns = Math.min(1e6 * ms, NS_MAX);
    const bucket = ns <= FIRST_NS ? 0 : Math.min(BUCKETS - 1, 32 - Math.clz32((ns - 1) >>> 10));
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
  }

  reset(): void {
    this.#counts.fill(0);
  }

  get calls(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }

  /** Bounds in microseconds, as Redis rounds them, each with the calls up to it; bounds that add none are left out. */
  cumulative(): (readonly [microseconds: number, calls: number])[] {
    const told: [number, number][] = [];
    let calls = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      if (count === 0) continue;
      calls += count;
      const boundNs = FIRST_NS * 2 ** bucket;
      told.push([Math.floor((boundNs + boundNs / 128 - 1) / 1000), calls]);
    }
    return told;
  }
}
