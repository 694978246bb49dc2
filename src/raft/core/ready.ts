/** What a replica wants done: the output of the core. docs/raft-core.md has the order of the duties. */
import type { Entry } from './entry.js';
import type { Message } from './messages.js';
import type { HardState, ReadState, Snapshot, SoftState } from './state.js';

export class Ready {
  /** Set when it changed. */
  readonly softState: SoftState | undefined;
  /** Set when it changed: durable before `messages` are sent. */
  readonly hardState: HardState | undefined;
  /** Reads that may be served once their index is applied. */
  readonly readStates: readonly ReadState[];
  /** Durable before `messages` are sent; they replace what is stored from their first index on. */
  readonly entries: readonly Entry[];
  /** Set when the state machine and the log are to be replaced by it, before anything else is applied. */
  readonly snapshot: Snapshot | undefined;
  /** To be applied, in this order. */
  readonly committedEntries: readonly Entry[];
  /** With asyncStorageWrites these may be sent at once, and those to local threads hold the work. */
  readonly messages: readonly Message[];
  /** hardState and entries must be durable, not just written. */
  readonly mustSync: boolean;

  constructor(
    softState: SoftState | undefined,
    hardState: HardState | undefined,
    readStates: readonly ReadState[],
    entries: readonly Entry[],
    snapshot: Snapshot | undefined,
    committedEntries: readonly Entry[],
    messages: readonly Message[],
    mustSync: boolean,
  ) {
    this.softState = softState;
    this.hardState = hardState;
    this.readStates = readStates;
    this.entries = entries;
    this.snapshot = snapshot;
    this.committedEntries = committedEntries;
    this.messages = messages;
    this.mustSync = mustSync;
  }
}
