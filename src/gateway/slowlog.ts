/**
 * Commands that held the thread for long, newest first, in bounded memory: arguments are cut as Redis cuts them.
 */
import type { Reply } from './reply.js';

const ARGUMENTS_SHOWN = 32;
const ARGUMENT_BYTES_SHOWN = 128;

export interface SlowEntry {
  readonly id: number;
  /** Wall time, seconds. */
  readonly atSeconds: number;
  readonly microseconds: number;
  readonly args: readonly Buffer[];
  readonly address: string;
  readonly name: string;
}

export class Slowlog {
  /** Newest last. */
  readonly #entries: SlowEntry[];
  #nextId: number;

  constructor() {
    this.#entries = [];
    this.#nextId = 0;
  }

  get length(): number {
    return this.#entries.length;
  }

  /** Copies the arguments. */
  add(entry: Omit<SlowEntry, 'id'>, lengthMax: number): void {
    const id = this.#nextId++;
    if (lengthMax > 0) this.#entries.push({ ...entry, id, args: shorten(entry.args) });
    this.trim(lengthMax);
  }

  trim(lengthMax: number): void {
    if (this.#entries.length > lengthMax) this.#entries.splice(0, this.#entries.length - lengthMax);
  }

  reset(): void {
    this.#entries.length = 0;
  }

  /** SLOWLOG GET. */
  newest(count: number): Reply {
    const entries = this.#entries.slice(Math.max(0, this.#entries.length - count)).reverse();
    return entries.map(({ id, atSeconds, microseconds, args, address, name }) => [
      id,
      atSeconds,
      microseconds,
      args,
      address,
      name,
    ]);
  }
}

function shorten(args: readonly Buffer[]): Buffer[] {
  const shown = args.length > ARGUMENTS_SHOWN ? args.slice(0, ARGUMENTS_SHOWN - 1) : args;
  const short = shown.map(shortenOne);
  if (shown.length < args.length) {
    short.push(Buffer.from(`... (${args.length - shown.length} more arguments)`));
  }
  return short;
}

function shortenOne(arg: Buffer): Buffer {
  if (arg.length <= ARGUMENT_BYTES_SHOWN) return Buffer.from(arg);
  const more = arg.length - ARGUMENT_BYTES_SHOWN;
  const head = arg.subarray(0, ARGUMENT_BYTES_SHOWN);
  return Buffer.concat([head, Buffer.from(`... (${more} more bytes)`)]);
}
