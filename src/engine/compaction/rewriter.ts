/**
 * The loop of flush and compaction: entries in internal order in, the ones that the drop rules keep out.
 *
 * Deletes that may vanish are held back until the end of their key: if a later (older) entry of the key is
 * kept, they are written before it, else they are gone. Only their version and sequence number are held.
 *
 * A generator: it yields after every 64 KiB or so of input or moved values, so that tests can interleave
 * it, and looks at the cancel flag there.
 */
import { copyBytes, equalBytes } from '../../base/bytes.js';
import { ClosedError } from '../../base/errors.js';
import { KIB } from '../../base/limits.js';
import { KIND_DELETE, KIND_VALUE_POINTER, NO_EXPIRY } from '../entry.js';
import type { EntryCursor } from '../iterators/entry-cursor.js';
import type { ValueLogReference } from '../table-meta.js';
import { pointerFileNumber, pointerLength } from '../vlog/value-pointer.js';
import {
  DROP_COVERED,
  DROP_SHADOWED,
  HOLD,
  HOLD_EXPIRED,
  KEEP,
  type DropRules,
} from './drop-rules.js';
import type { RewriteStatistics } from './job-spec.js';
import type { TableOutputs } from './table-outputs.js';
import type { ValueRelocation } from './value-relocation.js';

const YIELD_BYTES = 64 * KIB;
/** What handling an entry costs beside its bytes, in bytes. */
const ENTRY_COST = 16;
const NO_BYTES = new Uint8Array(0);

export class Rewriter {
  readonly #input: EntryCursor;
  readonly #rules: DropRules;
  readonly #outputs: TableOutputs;
  readonly #relocation: ValueRelocation | undefined;
  readonly #cancel: Int32Array | undefined;
  /** Copy of the current key: #key[0, #keyLength). */
  #key: Uint8Array;
  #keyLength: number;
  /** An entry of the current key was written. */
  #isKeyStarted: boolean;
  /** Held deletes of the current key, newest first, as version, seq pairs. */
  readonly #held: number[];
  /** How many of them are expired entries. */
  #heldExpired: number;
  readonly #discard: Map<number, { fileNumber: number; bytes: number; count: number }>;
  #bytesIn: number;
  #bytesMoved: number;
  #entriesIn: number;
  #shadowed: number;
  #covered: number;
  #expired: number;
  #tombstones: number;

  constructor(
    input: EntryCursor,
    rules: DropRules,
    outputs: TableOutputs,
    relocation: ValueRelocation | undefined,
    cancel: SharedArrayBuffer | undefined,
  ) {
    this.#input = input;
    this.#rules = rules;
    this.#outputs = outputs;
    this.#relocation = relocation;
    this.#cancel = cancel === undefined ? undefined : new Int32Array(cancel);
    this.#key = new Uint8Array(64);
    this.#keyLength = 0;
    this.#isKeyStarted = false;
    this.#held = [];
    this.#heldExpired = 0;
    this.#discard = new Map();
    this.#bytesIn = 0;
    this.#bytesMoved = 0;
    this.#entriesIn = 0;
    this.#shadowed = 0;
    this.#covered = 0;
    this.#expired = 0;
    this.#tombstones = 0;
  }

  /** Runs over the whole input. @throws ClosedError when cancelled; errors of input and outputs. */
  *run(): Generator<void, void, void> {
    const input = this.#input;
    let yieldAt = YIELD_BYTES;
    this.#checkCancelled();
    for (input.first(); input.valid; input.next()) {
      if (!this.#isCurrentKey()) this.#startKey();
      this.#entriesIn++;
      this.#bytesIn += input.keyLength + input.valueLength;
      this.#handle();
      if (this.#bytesIn + this.#bytesMoved + ENTRY_COST * this.#entriesIn < yieldAt) continue;
      yieldAt = this.#bytesIn + this.#bytesMoved + ENTRY_COST * this.#entriesIn + YIELD_BYTES;
      yield;
      this.#checkCancelled();
    }
    this.#dropHeld();
  }

  /** Value-log records that no output points to any more, by file; moved ones not counted. */
  discard(): ValueLogReference[] {
    return [...this.#discard.values()].sort((a, b) => a.fileNumber - b.fileNumber);
  }

  /** `bytesRead` of a compaction are those of its tables; undefined counts keys and values. */
  statistics(bytesWritten: number, bytesRead: number | undefined): RewriteStatistics {
    return {
      bytesRead: bytesRead ?? this.#bytesIn,
      bytesWritten,
      valueLogBytesWritten: this.#bytesMoved,
      entriesIn: this.#entriesIn,
      entriesOut: this.#outputs.entries,
      droppedShadowed: this.#shadowed,
      droppedCovered: this.#covered,
      droppedExpired: this.#expired,
      droppedTombstones: this.#tombstones,
    };
  }

  #checkCancelled(): void {
    if (this.#cancel !== undefined && Atomics.load(this.#cancel, 0) !== 0) {
      throw new ClosedError('finish a background job');
    }
  }

  #isCurrentKey(): boolean {
    const input = this.#input;
    if (input.keyLength !== this.#keyLength) return false;
    return equalBytes(input.keyBytes, input.keyStart, this.#key, 0, this.#keyLength);
  }

  #startKey(): void {
    const { keyBytes, keyStart, keyLength } = this.#input;
    this.#dropHeld();
    if (this.#key.length < keyLength) this.#key = new Uint8Array(2 * keyLength);
    copyBytes(keyBytes, keyStart, this.#key, 0, keyLength);
    this.#keyLength = keyLength;
    this.#isKeyStarted = false;
    this.#rules.startKey(keyBytes, keyStart, keyLength);
  }

  #handle(): void {
    const input = this.#input;
    const decision = this.#rules.decide(
      input.keyBytes,
      input.keyStart,
      input.keyLength,
      input.version,
      input.seq,
      input.kind,
      input.expiresAt,
    );
    if (decision === KEEP) {
      this.#keep();
      return;
    }
    if (input.kind === KIND_VALUE_POINTER) this.#noteDiscard();
    if (decision === DROP_SHADOWED) this.#shadowed++;
    else if (decision === DROP_COVERED) this.#covered++;
    else if (decision === HOLD || decision === HOLD_EXPIRED) this.#hold(decision);
    else {
      this.#writeHeld();
      this.#writeDelete(input.version, input.seq);
      if (this.#rules.isStale) this.#outputs.noteStale(this.#keyLength);
    }
  }

  #keep(): void {
    const input = this.#input;
    const relocation = this.#relocation;
    let valueBytes = input.valueBytes;
    let valueStart = input.valueStart;
    this.#writeHeld();
    this.#startOutputKey();
    if (input.kind === KIND_VALUE_POINTER && relocation?.wants(valueBytes, valueStart) === true) {
      const { keyBytes, keyStart, keyLength, version, seq } = input;
      this.#bytesMoved += relocation.move(
        keyBytes,
        keyStart,
        keyLength,
        version,
        seq,
        valueBytes,
        valueStart,
      );
      valueBytes = relocation.pointer;
      valueStart = 0;
    }
    this.#outputs.add(
      input.keyBytes,
      input.keyStart,
      input.keyLength,
      input.version,
      input.seq,
      input.kind,
      input.expiresAt,
      valueBytes,
      valueStart,
      input.valueLength,
    );
    if (this.#rules.isStale) this.#outputs.noteStale(input.keyLength + input.valueLength);
  }

  #hold(decision: number): void {
    if (decision === HOLD_EXPIRED) this.#heldExpired++;
    this.#held.push(this.#input.version, this.#input.seq);
  }

  /** An older entry of the key stays: the held deletes must stay too. */
  #writeHeld(): void {
    const held = this.#held;
    if (held.length === 0) return;
    for (let i = 0; i < held.length; i += 2) {
      this.#writeDelete(held[i] as number, held[i + 1] as number);
      if (this.#rules.isStale) this.#outputs.noteStale(this.#keyLength);
    }
    held.length = 0;
    this.#heldExpired = 0;
  }

  /** The key has ended: nothing is left that a held delete could hide. */
  #dropHeld(): void {
    if (this.#held.length === 0) return;
    this.#tombstones += (this.#held.length >> 1) - this.#heldExpired;
    this.#expired += this.#heldExpired;
    this.#held.length = 0;
    this.#heldExpired = 0;
  }

  #writeDelete(version: number, seq: number): void {
    this.#startOutputKey();
    const length = this.#keyLength;
    this.#outputs.add(this.#key, 0, length, version, seq, KIND_DELETE, NO_EXPIRY, NO_BYTES, 0, 0);
  }

  #startOutputKey(): void {
    if (this.#isKeyStarted) return;
    this.#isKeyStarted = true;
    this.#outputs.startKey(this.#key, 0, this.#keyLength);
  }

  #noteDiscard(): void {
    const { valueBytes, valueStart } = this.#input;
    const fileNumber = pointerFileNumber(valueBytes, valueStart);
    let reference = this.#discard.get(fileNumber);
    if (reference === undefined) {
      reference = { fileNumber, bytes: 0, count: 0 };
      this.#discard.set(fileNumber, reference);
    }
    reference.bytes += pointerLength(valueBytes, valueStart);
    reference.count++;
  }
}
