/**
 * The engine that does nothing: reads give one prepared value, writes are done at once. Its figures
 * are the harness's own cost, the ceiling for every other engine of the run.
 */
import { type BenchEngine, type EngineStats, NO_STATS } from '../engine.js';

export class NullEngine implements BenchEngine {
  readonly name = 'null';
  readonly keyForm = 'string';
  readonly isReal = false;
  readonly #value: Uint8Array;

  /** `valueBytes`: length of the value every read returns. */
  constructor(valueBytes: number) {
    this.#value = new Uint8Array(valueBytes);
  }

  async open(): Promise<void> {}

  insert(): undefined {
    return undefined;
  }

  update(): undefined {
    return undefined;
  }

  read(): Uint8Array {
    return this.#value;
  }

  scan(_start: string, count: number): number {
    return count;
  }

  async unthrottled(): Promise<void> {}

  async idle(): Promise<void> {}

  stats(): EngineStats {
    return NO_STATS;
  }

  async close(): Promise<void> {}
}
