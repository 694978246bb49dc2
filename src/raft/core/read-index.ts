/**
 * Reads that wait for a quorum to confirm the leader. Requests are numbered in order of arrival; a
 * heartbeat carries the number of the latest one (8 bytes, little-endian), and an answer to it
 * confirms that request and every earlier one. Owned by one Raft; replaced at every change of term.
 */
import type { Message } from './messages.js';
import { NO_CONTEXT } from './messages.js';
import type { AckedIndexer, JointConfig } from './quorum.js';

/** Reads ask a quorum: linearizable whatever clocks do. */
export const READ_ONLY_SAFE = 0;
/** Reads trust the leader's lease and may be a little stale: docs/raft-core.md. Needs checkQuorum. */
export const READ_ONLY_LEASE_BASED = 1;
export type ReadOnlyOption = typeof READ_ONLY_SAFE | typeof READ_ONLY_LEASE_BASED;

const CONTEXT_SIZE = 8;
const U32 = 4_294_967_296;

export interface ReadRequest {
  readonly request: Message;
  /** Commit index when the request arrived: what the read must see. */
  readonly index: number;
}

const NO_REQUESTS: readonly ReadRequest[] = Object.freeze([]);

export class ReadIndexQueue implements AckedIndexer {
  readonly #acks = new Map<number, number>();
  #waiting: ReadRequest[] = [];
  /** Number of the last confirmed request. */
  #confirmed = 0;

  add(index: number, request: Message): void {
    this.#waiting.push({ request, index });
  }

  /** Number of the latest request, to go out with a heartbeat; NO_CONTEXT when none waits. */
  heartbeatContext(): Uint8Array {
    if (this.#waiting.length === 0) return NO_CONTEXT;
    const number = this.#confirmed + this.#waiting.length;
    const context = new Uint8Array(CONTEXT_SIZE);
    const view = new DataView(context.buffer);
    view.setUint32(0, number % U32, true);
    view.setUint32(4, Math.floor(number / U32), true);
    return context;
  }

  /** `from` has confirmed what its context says. A context that is none of ours is ignored. */
  receiveAck(from: number, context: Uint8Array): void {
    if (context.length !== CONTEXT_SIZE) return;
    const view = new DataView(context.buffer, context.byteOffset, CONTEXT_SIZE);
    const number = view.getUint32(0, true) + view.getUint32(4, true) * U32;
    if (number > this.#confirmed + this.#waiting.length) return;
    if (number > this.ackedIndex(from)) this.#acks.set(from, number);
  }

  ackedIndex(voter: number): number {
    return this.#acks.get(voter) ?? -1;
  }

  /** Takes out the requests that a quorum has confirmed, in order of arrival. */
  takeConfirmed(voters: JointConfig): readonly ReadRequest[] {
    const confirmed = voters.committedIndex(this);
    const count = Math.min(confirmed - this.#confirmed, this.#waiting.length);
    if (count <= 0) return NO_REQUESTS;
    this.#confirmed += count;
    return this.#waiting.splice(0, count);
  }
}
