/**
 * Failures of commands for the log: the first of each kind at once, further ones in one line a second. A full disk fails
 * every write of every client, and a log that tells of each fills what is left.
 */
import type { Clock, Log } from '../base/env.js';

const INTERVAL_MS = 1000;

interface Told {
  atMs: number;
  /** Not told of since. */
  others: number;
}

export class FailureLog {
  readonly #clock: Clock;
  readonly #log: Log;
  /** By code: there are few. */
  readonly #told: Map<string, Told>;

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
    this.#told = new Map();
  }

  add(code: string, message: string): void {
    const nowMs = this.#clock.monotonicMs();
    const told = this.#told.get(code);
    if (told !== undefined && nowMs - told.atMs < INTERVAL_MS) {
      told.others++;
      return;
    }
    const others = told?.others ?? 0;
    this.#told.set(code, { atMs: nowMs, others: 0 });
    this.#log.write('warn', 'redis_command_failed', {
      code,
      message,
      ...(others === 0 ? {} : { others_before: others }),
    });
  }
}
