/**
 * Has threads of libuv's pool touch memory: they read zeros into it. Nothing else in Node reaches an ArrayBuffer from another
 * thread. Where there is no device of zeros, pages come at their first use.
 */
import { closeSync, openSync, read } from 'node:fs';
import type { Memory } from '../base/env.js';

const ZEROS = '/dev/zero';

export class NodeMemory implements Memory {
  readonly #device: string;
  /** Open while something is under preparation. */
  #descriptor: number | undefined;
  #pending: number;

  /** `device`: another one than the system's, for tests. */
  constructor(device = ZEROS) {
    this.#device = device;
    this.#descriptor = undefined;
    this.#pending = 0;
  }

  prepare(bytes: Uint8Array, done: () => void): void {
    this.#pending++;
    const finish = (): void => {
      if (--this.#pending === 0) this.#close();
      done();
    };
    const descriptor = this.#open();
    if (descriptor === undefined) setImmediate(finish);
    // A failure or a short read leaves pages for their first use.
    else read(descriptor, bytes, 0, bytes.length, null, finish);
  }

  /** undefined when there is none, or no descriptor left. */
  #open(): number | undefined {
    if (this.#descriptor !== undefined) return this.#descriptor;
    try {
      this.#descriptor = openSync(this.#device, 'r');
    } catch {
      return undefined;
    }
    return this.#descriptor;
  }

  #close(): void {
    if (this.#descriptor === undefined) return;
    closeSync(this.#descriptor);
    this.#descriptor = undefined;
  }
}
