/**
 * Commands by the bytes of their name in any case, found without making a string, and what was counted of each. An
 * open hash table of twice as many slots as names, built once.
 */
import type { CommandSpec } from './command.js';
import { LatencyHistogram } from './latency-histogram.js';

const ABOUT_TRANSACTION = ['multi', 'exec', 'discard', 'watch', 'quit', 'reset'];

/** A command with its figures. */
export class TableEntry<C extends CommandSpec = CommandSpec> {
  readonly command: C;
  readonly name: string;
  readonly argsMin: number;
  /** Infinity for commands of any length. */
  readonly argsMax: number;
  readonly isWrite: boolean;
  /** Runs also before AUTH. */
  readonly isForStrangers: boolean;
  readonly isForbiddenInMulti: boolean;
  /** Runs at once between MULTI and EXEC too. */
  readonly isAboutTransaction: boolean;
  readonly isInSlowlog: boolean;
  /** Executed, failed ones included; alone and in EXEC. */
  calls: number;
  failed: number;
  /** Refused before they ran: wrong arity, not authenticated. */
  rejected: number;
  /** Milliseconds on the thread; the wait for the disk is not in it. */
  totalMs: number;
  readonly latency: LatencyHistogram;

  constructor(command: C) {
    this.command = command;
    this.name = command.name;
    this.argsMin = Math.abs(command.arity);
    this.argsMax = command.arity < 0 ? Infinity : command.arity;
    this.isWrite = command.flags.includes('write');
    this.isForStrangers = command.flags.includes('no_auth');
    this.isForbiddenInMulti = command.flags.includes('no_multi');
    this.isAboutTransaction = ABOUT_TRANSACTION.includes(command.name);
    // EXEC is logged as a whole: what it ran is not measured one by one.
    this.isInSlowlog = command.name === 'exec' || !command.flags.includes('skip_slowlog');
    this.calls = 0;
    this.failed = 0;
    this.rejected = 0;
    this.totalMs = 0;
    this.latency = new LatencyHistogram();
  }

  resetFigures(): void {
    this.calls = 0;
    this.failed = 0;
    this.rejected = 0;
    this.totalMs = 0;
    this.latency.reset();
  }
}

export class CommandTable<C extends CommandSpec = CommandSpec> {
  readonly entries: readonly TableEntry<C>[];
  readonly #slots: (TableEntry<C> | undefined)[];
  readonly #mask: number;

  /** Requires: no name twice. */
  constructor(commands: readonly C[]) {
    this.entries = commands.map((command) => new TableEntry(command));
    let size = 16;
    while (size < 4 * commands.length) size *= 2;
    this.#mask = size - 1;
    this.#slots = new Array<TableEntry<C> | undefined>(size).fill(undefined);
    for (const entry of this.entries) this.#insert(entry);
  }

  #insert(entry: TableEntry<C>): void {
    const name = Buffer.from(entry.name);
    if (this.find(name) !== undefined) {
      throw new RangeError(`command table: ${entry.name} comes twice`);
    }
    let at = hashOf(name) & this.#mask;
    while (this.#slots[at] !== undefined) at = (at + 1) & this.#mask;
    this.#slots[at] = entry;
  }

  find(name: Uint8Array): TableEntry<C> | undefined {
    let at = hashOf(name) & this.#mask;
    for (;;) {
      const entry = this.#slots[at];
      if (entry === undefined || isNamed(entry.name, name)) return entry;
      at = (at + 1) & this.#mask;
    }
  }
}

function hashOf(name: Uint8Array): number {
  let hash = name.length;
  // Names of clients may be long; no command's is.
  const length = Math.min(name.length, 32);
  for (let i = 0; i < length; i++) hash = (Math.imul(hash, 31) + lower(name[i] as number)) | 0;
  return hash ^ (hash >>> 15);
}

function isNamed(known: string, name: Uint8Array): boolean {
  if (known.length !== name.length) return false;
  for (let i = 0; i < name.length; i++) {
    if (known.charCodeAt(i) !== lower(name[i] as number)) return false;
  }
  return true;
}

function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}
