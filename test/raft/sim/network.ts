/**
 * Messages between simulated nodes: kept in the order they were sent, taken out in any. Links are
 * one-way and may be cut. Snapshots that are lost are reported to `onSnapshotLost`, as the duty of a
 * transport is.
 */
import { Message, MSG_SNAP } from '../../../src/raft/core/index.js';

interface InFlight {
  readonly message: Message;
  readonly sentAt: number;
}

const IN_FLIGHT_MAX = 300;

export class Network {
  #queue: InFlight[] = [];
  readonly #cut = new Set<number>();
  readonly #ageMax: number;
  readonly #onSnapshotLost: (m: Message) => void;
  /** Ticks of the fastest clock. */
  now = 0;

  constructor(ageMax: number, onSnapshotLost: (m: Message) => void) {
    this.#ageMax = ageMax;
    this.#onSnapshotLost = onSnapshotLost;
  }

  get size(): number {
    return this.#queue.length;
  }

  send(message: Message): void {
    this.#queue.push({ message, sentAt: this.now });
    if (this.#queue.length > IN_FLIGHT_MAX) this.drop(0);
  }

  /** Takes the message out; undefined when it is lost on a cut link, or too old. */
  take(at: number): Message | undefined {
    const taken = this.#queue[at] as InFlight;
    if (at === 0) this.#queue.shift();
    else this.#queue.splice(at, 1);
    const { message, sentAt } = taken;
    const isOld = this.now - sentAt > this.#ageMax;
    if (!isOld && !this.isCut(message.from, message.to)) return message;
    this.#lose(message);
    return undefined;
  }

  drop(at: number): void {
    const [dropped] = this.#queue.splice(at, 1);
    if (dropped !== undefined) this.#lose(dropped.message);
  }

  /** The copy is the youngest, with the age of its original. */
  duplicate(at: number): void {
    const { message, sentAt } = this.#queue[at] as InFlight;
    if (message.type === MSG_SNAP) return;
    this.#queue.push({ message: copyOf(message), sentAt });
  }

  isCut(from: number, to: number): boolean {
    return this.#cut.has(from * 64 + to);
  }

  cut(from: number, to: number): void {
    this.#cut.add(from * 64 + to);
  }

  healAll(): void {
    this.#cut.clear();
  }

  #lose(m: Message): void {
    if (m.type === MSG_SNAP) this.#onSnapshotLost(m);
  }
}

/** A receiver owns its message, so a repeated one needs two. */
function copyOf(m: Message): Message {
  return Object.assign(new Message(m.type, m.to), m);
}
