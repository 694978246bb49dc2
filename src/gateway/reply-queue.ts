/**
 * Replies that are not written yet, in the order of their commands. The head of the queue is the oldest command that
 * still waits for the store; replies of later ones wait behind it, whenever they are known.
 *
 * Slots are used again, and shared by all connections (SlotPool): a pipeline of writes allocates none.
 */
import type { CommitWaiter } from './backend.js';
import type { TableEntry } from './command-table.js';
import type { RedisError } from './reply.js';
import { type Reply, ReplyMap, ReplySet } from './reply.js';
import type { Protocol } from './resp-writer.js';

/** Slots kept for later. */
const POOL_SLOTS_MAX = 8192;

export interface ReplyOwner {
  /** The store has answered; the reply stands in the slot. */
  onSettled(slot: ReplySlot): void;
  /** What the client is told when the store fails. */
  errorReply(error: unknown): RedisError;
}

export class ReplySlot implements CommitWaiter {
  next: ReplySlot | undefined;
  owner: ReplyOwner | undefined;
  entry: TableEntry | undefined;
  reply: Reply;
  protocol: Protocol;
  isDone: boolean;
  /** The client does not want it (CLIENT REPLY). */
  isSilent: boolean;
  /** Bytes that the reply holds while it waits. */
  bytes: number;
  /** The two ends of a promise; made once per slot. */
  readonly onValue: (reply: Reply) => void;
  readonly onError: (error: unknown) => void;

  constructor() {
    this.next = undefined;
    this.owner = undefined;
    this.entry = undefined;
    this.reply = null;
    this.protocol = 2;
    this.isDone = false;
    this.isSilent = false;
    this.bytes = 0;
    this.onValue = (reply) => {
      this.reply = reply;
      this.isDone = true;
      this.owner?.onSettled(this);
    };
    this.onError = (error) => this.onCommitFailed(error);
  }

  /** The reply, which is here already, may go out. */
  onCommitted(): void {
    this.isDone = true;
    this.owner?.onSettled(this);
  }

  /** Whatever the reply was to be, this is it. */
  onCommitFailed(error: unknown): void {
    this.reply = this.owner?.errorReply(error) ?? null;
    this.isDone = true;
    this.owner?.onSettled(this);
  }
}

export class SlotPool {
  readonly #free: ReplySlot[];

  constructor() {
    this.#free = [];
  }

  take(): ReplySlot {
    return this.#free.pop() ?? new ReplySlot();
  }

  /** Requires: the promise of the slot has settled, or it never had one. */
  give(slot: ReplySlot): void {
    slot.next = undefined;
    slot.owner = undefined;
    slot.entry = undefined;
    slot.reply = null;
    slot.isDone = false;
    slot.isSilent = false;
    slot.bytes = 0;
    if (this.#free.length < POOL_SLOTS_MAX) this.#free.push(slot);
  }
}

export class ReplyQueue {
  head: ReplySlot | undefined;
  #tail: ReplySlot | undefined;
  length: number;
  /** Sum over the slots. */
  bytes: number;

  constructor() {
    this.head = undefined;
    this.#tail = undefined;
    this.length = 0;
    this.bytes = 0;
  }

  push(slot: ReplySlot): void {
    if (this.#tail === undefined) this.head = slot;
    else this.#tail.next = slot;
    this.#tail = slot;
    this.length++;
    this.bytes += slot.bytes;
  }

  /** Takes the head off. Requires: there is one. */
  shift(): ReplySlot {
    const slot = this.head as ReplySlot;
    this.head = slot.next;
    if (this.head === undefined) this.#tail = undefined;
    this.length--;
    this.bytes -= slot.bytes;
    return slot;
  }
}

/** About how much memory a reply holds, bytes. */
export function heldBytesOf(reply: Reply): number {
  if (reply instanceof Uint8Array) return reply.length;
  if (typeof reply === 'string') return 2 * reply.length;
  if (reply instanceof ReplySet) return heldBytesOfAll(reply.members);
  if (reply instanceof ReplyMap) {
    return reply.entries.reduce((sum, entry) => sum + heldBytesOfAll(entry), 0);
  }
  return Array.isArray(reply) ? heldBytesOfAll(reply) : 0;
}

function heldBytesOfAll(replies: readonly Reply[]): number {
  let sum = 0;
  for (const reply of replies) sum += 16 + heldBytesOf(reply);
  return sum;
}
