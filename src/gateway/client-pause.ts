/**
 * CLIENT PAUSE: for a while the commands of all clients wait, or those that write. A session asks before each command
 * (`holds`), keeps the one that has to wait, and goes on when it is told that the pause is over.
 */
import type { Clock, Timer } from '../base/env.js';
import type { CommandSpec } from './command.js';
import type { TableEntry } from './command-table.js';
import type { Transaction } from './transaction.js';

export type PauseMode = 'none' | 'write' | 'all';
type Entry = TableEntry;

export class ClientPause {
  mode: PauseMode;
  readonly #clock: Clock;
  readonly #onOver: () => void;
  /** Monotonic milliseconds at which it is over. */
  #endMs: number;
  #timer: Timer | undefined;

  /** `onOver` is called after every pause, with mode `none`. */
  constructor(clock: Clock, onOver: () => void) {
    this.mode = 'none';
    this.#clock = clock;
    this.#onOver = onOver;
    this.#endMs = 0;
    this.#timer = undefined;
  }

  /** Pauses from now on. One that is under way gets the stricter mode and the later end of both. */
  begin(mode: 'write' | 'all', ms: number): void {
    const endMs = this.#clock.monotonicMs() + ms;
    if (this.mode !== 'all') this.mode = mode;
    if (this.#timer !== undefined && endMs <= this.#endMs) return;
    this.#endMs = endMs;
    this.#wait();
  }

  /** Ends it before its time; nothing happens when there is none. */
  end(): void {
    if (this.mode === 'none') return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.mode = 'none';
    this.#onOver();
  }

  /** Must this command wait? The end of the pause itself must not. */
  holds(
    entry: Entry | undefined,
    args: readonly Buffer[],
    transaction: Transaction<CommandSpec>,
  ): boolean {
    if (this.mode === 'none' || entry === undefined) return false;
    if (this.mode === 'all') return !isUnpause(entry, args);
    return entry.isWrite || (entry.name === 'exec' && transaction.queued.some(isWriting));
  }

  #wait(): void {
    this.#timer?.cancel();
    const leftMs = Math.max(0, this.#endMs - this.#clock.monotonicMs());
    this.#timer = this.#clock.setTimer(Math.min(leftMs, TIMER_MS_MAX), () => {
      if (this.#clock.monotonicMs() < this.#endMs) this.#wait();
      else this.end();
    });
  }
}

/** A longer timer would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

function isWriting({ entry }: { readonly entry: Entry }): boolean {
  return entry.isWrite;
}

function isUnpause(entry: Entry, args: readonly Buffer[]): boolean {
  return entry.name === 'client' && args[1]?.toString('latin1', 0, 8).toUpperCase() === 'UNPAUSE';
}
