/** What one client has queued between MULTI and EXEC, and which keys it watches. */
import { GIB } from '../base/limits.js';
import type { Stamp } from './backend.js';
import type { CommandSpec } from './command.js';
import type { TableEntry } from './command-table.js';

/** Arguments of all queued commands, bytes; more breaks the transaction. */
export const QUEUED_BYTES_MAX = GIB;
/** Charged for each argument beside its bytes. */
const ARGUMENT_OVERHEAD = 64;

export interface QueuedCommand<C extends CommandSpec> {
  readonly entry: TableEntry<C>;
  readonly args: readonly Buffer[];
}

export class Transaction<C extends CommandSpec> {
  #queued: QueuedCommand<C>[];
  #queuedBytes: number;
  readonly #watched: Map<string, Stamp>;
  isOpen: boolean;
  /** A command was refused: EXEC will refuse all. */
  isBroken: boolean;

  constructor() {
    this.#queued = [];
    this.#queuedBytes = 0;
    this.#watched = new Map();
    this.isOpen = false;
    this.isBroken = false;
  }

  get queued(): readonly QueuedCommand<C>[] {
    return this.#queued;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get watched(): ReadonlyMap<string, Stamp> {
    return this.#watched;
  }

  /** Copies the arguments. False when there is no room: the transaction is broken then. */
  add(entry: TableEntry<C>, args: readonly Buffer[]): boolean {
    for (const arg of args) this.#queuedBytes += arg.length + ARGUMENT_OVERHEAD;
    if (this.#queuedBytes > QUEUED_BYTES_MAX) {
      this.isBroken = true;
      this.#queued = [];
      return false;
    }
    this.#queued.push({ entry, args: args.map((arg) => Buffer.from(arg)) });
    return true;
  }

  /** The first stamp counts: what has changed since stays changed. */
  watch(name: string, stamp: Stamp): void {
    if (!this.#watched.has(name)) this.#watched.set(name, stamp);
  }

  unwatch(): void {
    this.#watched.clear();
  }

  /** Over, with its watches. */
  end(): void {
    this.#queued = [];
    this.#queuedBytes = 0;
    this.isOpen = false;
    this.isBroken = false;
    this.unwatch();
  }
}
