/**
 * Writes by key: counts them, and with a limit refuses those of a key that has been written too often in the window.
 * With a limit every write is counted. A key is refused only when that many writes of it are known of; one whose
 * share of all writes is so small that it loses its counter (hot-ring.ts) may be let through.
 */
import { BusyError } from '../../base/errors.js';
import type { BatchOperation } from '../batch.js';
import { KIND_RANGE_DELETE } from '../entry.js';
import type { KeyBuffer } from '../key.js';
import { shownKey } from '../shown-key.js';
import type { HotRing } from './hot-ring.js';

export class HotWrites {
  readonly ring: HotRing;
  /** Writes of one key in the window; 0: no limit. */
  readonly limit: number;
  #refused: number;

  constructor(ring: HotRing, limit: number) {
    this.ring = ring;
    this.limit = limit;
    this.#refused = 0;
  }

  /** Writes refused so far, a batch counted once. */
  get refused(): number {
    return this.#refused;
  }

  /** An entry of the key gets its place; a range delete is no write of a key. */
  touch(kind: number, key: KeyBuffer): void {
    if (kind !== KIND_RANGE_DELETE) this.ring.touch(key);
  }

  /** @throws BusyError when the key has reached the limit */
  admit(key: KeyBuffer): void {
    if (this.limit === 0 || !this.ring.hasReached(key, this.limit)) return;
    this.#refused++;
    throw new BusyError('Cannot write: the key was written too often, hot key write throttled', {
      queue: 'hot key',
      limit: this.limit,
      backoffMs: this.ring.msUntilBelow(key, this.limit),
      key: shownKey(key.bytes.subarray(0, key.length)),
    });
  }

  /** The same for each operation of a batch, which is refused as a whole; `key` is used to encode them. @throws BusyError */
  admitAll(operations: readonly BatchOperation[], key: KeyBuffer): void {
    if (this.limit === 0) return;
    for (const operation of operations) {
      if (operation.kind === KIND_RANGE_DELETE) continue;
      key.encode(operation.family, operation.key);
      this.admit(key);
    }
  }
}
