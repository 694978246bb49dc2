/**
 * Keys that somebody watches: each has a number that changes with every write, delete and expiry. Nobody says when he
 * stops watching, so there is room for so many, and the oldest leave: their stamps are never right again, and the
 * client that comes back with one of them is told that something has changed.
 */
import { NO_EXPIRY } from '../../gateway/backend.js';

const KEYS_MAX = 64 * 1024;
const NAME_CHARACTERS_MAX = 16 * 1024 * 1024;

interface Watched {
  number: number;
  /** When the value it had then expires, wall milliseconds, or NO_EXPIRY. */
  expiresAt: number;
}

export class WatchedKeys {
  /** Oldest first. */
  readonly #keys: Map<string, Watched>;
  #characters: number;
  #lastNumber: number;

  constructor() {
    this.#keys = new Map();
    this.#characters = 0;
    this.#lastNumber = 0;
  }

  get isEmpty(): boolean {
    return this.#keys.size === 0;
  }

  /** Begins to watch, or goes on. `expiresAt`: of its live value; NO_EXPIRY also when there is none. */
  stamp(name: string, expiresAt: number, nowMs: number): number {
    let watched = this.#keys.get(name);
    if (watched === undefined) {
      this.#makeRoom(name.length);
      watched = { number: ++this.#lastNumber, expiresAt };
    } else {
      // To the end of the line.
      this.#keys.delete(name);
      this.#characters -= name.length;
      if (hasExpired(watched, nowMs)) {
        watched.number = ++this.#lastNumber;
        watched.expiresAt = expiresAt;
      }
    }
    this.#keys.set(name, watched);
    this.#characters += name.length;
    return watched.number;
  }

  /** The key gets a new value, or none (NO_EXPIRY). */
  touch(name: string, expiresAt: number): void {
    const watched = this.#keys.get(name);
    if (watched === undefined) return;
    watched.number = ++this.#lastNumber;
    watched.expiresAt = expiresAt;
  }

  /** Is everything as it was? */
  isUnchanged(stamps: ReadonlyMap<string, unknown>, nowMs: number): boolean {
    for (const [name, stamp] of stamps) {
      const watched = this.#keys.get(name);
      if (watched === undefined || watched.number !== stamp || hasExpired(watched, nowMs))
        return false;
    }
    return true;
  }

  names(): Iterable<string> {
    return this.#keys.keys();
  }

  /** All stamps are wrong from now on. */
  forget(): void {
    this.#keys.clear();
    this.#characters = 0;
  }

  #makeRoom(characters: number): void {
    for (const name of this.#keys.keys()) {
      const fits =
        this.#keys.size < KEYS_MAX && this.#characters + characters <= NAME_CHARACTERS_MAX;
      if (fits) return;
      this.#keys.delete(name);
      this.#characters -= name.length;
    }
  }
}

function hasExpired(watched: Watched, nowMs: number): boolean {
  return watched.expiresAt !== NO_EXPIRY && watched.expiresAt <= nowMs;
}
