/** A cursor over a sorted array of entries: the obvious implementation, and a source for others. */
import { compareArrays } from '../../../src/base/bytes.js';
import { viewlessKey, type ModelEntry } from '../model-entry.js';
import type { EntryCursor } from '../../../src/engine/iterators/entry-cursor.js';
import type { RowBatch } from '../../../src/engine/iterators/row-batch.js';

export class ArrayCursor implements EntryCursor {
  valid = false;
  keyBytes = new Uint8Array(0);
  keyStart = 0;
  keyLength = 0;
  version = 0;
  seq = 0;
  kind = 0;
  expiresAt = 0;
  valueBytes = new Uint8Array(0);
  valueStart = 0;
  valueLength = 0;
  readonly isValueOwned: boolean;
  isClosed = false;
  /** A move to the entry at this index fails, as that to a damaged block does. */
  brokenAt: number | undefined = undefined;
  readonly #entries: readonly ModelEntry[];
  #at = -1;

  /** `entries` in internal order. With `isValueOwned` values are handed out as they lie, and rows added to batches. */
  constructor(entries: readonly ModelEntry[], isValueOwned = false) {
    this.#entries = entries;
    this.isValueOwned = isValueOwned;
  }

  seek(key: Uint8Array, start: number, length: number): void {
    const target = viewlessKey(key, start, length);
    const at = this.#entries.findIndex((entry) => compareArrays(entry.key, target) >= 0);
    this.#show(at === -1 ? this.#entries.length : at);
  }

  seekBefore(key: Uint8Array, start: number, length: number): void {
    const target = viewlessKey(key, start, length);
    this.#show(this.#entries.findLastIndex((entry) => compareArrays(entry.key, target) < 0));
  }

  first(): void {
    this.#show(0);
  }

  last(): void {
    this.#show(this.#entries.length - 1);
  }

  next(): void {
    this.#mustBeValid();
    this.#show(this.#at + 1);
  }

  prev(): void {
    this.#mustBeValid();
    this.#show(this.#at - 1);
  }

  nextKey(): void {
    this.#mustBeValid();
    const key = (this.#entries[this.#at] as ModelEntry).key;
    let at = this.#at;
    while (
      at < this.#entries.length &&
      compareArrays((this.#entries[at] as ModelEntry).key, key) === 0
    )
      at++;
    this.#show(at);
  }

  nextKeyInto(batch: RowBatch): void {
    do this.nextKey();
    while (this.isValueOwned && this.valid && batch.addPlain(this) && !batch.isFull);
  }

  close(): void {
    this.isClosed = true;
    this.valid = false;
  }

  #mustBeValid(): void {
    if (!this.valid) throw new Error('array cursor: moved without a current entry');
  }

  /** Poisons the old buffers, so that a reader that keeps them too long is found out. */
  #show(at: number): void {
    this.keyBytes.fill(0xdb);
    if (!this.isValueOwned) this.valueBytes.fill(0xdb);
    this.#at = at;
    const entry = this.#entries[at];
    this.valid = false;
    if (at === this.brokenAt) throw new Error('array cursor: broken');
    this.valid = entry !== undefined;
    if (entry === undefined) return;
    const pad = at % 3;
    this.keyBytes = new Uint8Array(pad + entry.key.length + 1);
    this.keyBytes.set(entry.key, pad);
    this.keyStart = pad;
    this.keyLength = entry.key.length;
    this.valueBytes = Uint8Array.of(0, ...entry.value);
    this.valueStart = 1;
    this.valueLength = entry.value.length;
    this.version = entry.version;
    this.seq = entry.seq;
    this.kind = entry.kind;
    this.expiresAt = entry.expiresAt;
  }
}
