/**
 * Messages between simulated nodes: kept in the order they were sent, taken out in any. Links are
 * one-way and may be cut. Snapshots that are lost are reported to `onSnapshotLost`, as the duty of a
 * transport is.
 */
import type { Prng } from '../../../src/base/prng.js';
import { Message, MSG_SNAP } from '../../../src/raft/core/index.js';

interface InFlight {
  readonly message: Message;
  readonly sentAt: number;
}

const IN_FLIGHT_MAX = 300;
/** One of so many messages that arrive is kept, to arrive once more much later; so many are kept. */
const KEPT_OF = 4;
const KEPT_MAX = 64;

export class Network {
  #queue: InFlight[] = [];
  readonly #kept: InFlight[] = [];
  #taken = 0;
  readonly #cut = new Set<number>();
  readonly #ageMax: number;
  /** Cut links keep what is on them until they are healed; else it is lost. */
  readonly #isHolding: boolean;
  readonly #onSnapshotLost: (m: Message) => void;
  /** Ticks of the fastest clock. */
  now = 0;

  constructor(ageMax: number, isHolding: boolean, onSnapshotLost: (m: Message) => void) {
    this.#ageMax = ageMax;
    this.#isHolding = isHolding;
    this.#onSnapshotLost = onSnapshotLost;
  }

  get size(): number {
    return this.#queue.length;
  }

  send(message: Message): void {
    this.#queue.push({ message, sentAt: this.now });
    if (this.#queue.length > IN_FLIGHT_MAX) this.drop(0);
  }

  /** Place of the first message that is meant, or -1. */
  find(isMeant: (m: Message) => boolean): number {
    return this.#queue.findIndex(({ message }) => isMeant(message));
  }

  /** Takes the message out; undefined when its link is cut, or it is too old. */
  take(at: number): Message | undefined {
    const taken = this.#queue[at] as InFlight;
    if (at === 0) this.#queue.shift();
    else this.#queue.splice(at, 1);
    const { message, sentAt } = taken;
    const isOld = this.now - sentAt > this.#ageMax;
    const isCut = this.#isCut(message.from, message.to);
    if (!isOld && !isCut) {
      if (++this.#taken % KEPT_OF === 0) this.#keep(taken);
      return message;
    }
    if (!isOld && this.#isHolding) this.#queue.push(taken);
    else this.#lose(message);
    return undefined;
  }

  drop(at: number): void {
    const [dropped] = this.#queue.splice(at, 1);
    if (dropped !== undefined) this.#lose(dropped.message);
  }

  /** The copy is the youngest, with the age of its original. */
  duplicate(at: number): void {
    const { message, sentAt } = this.#queue[at] as InFlight;
    this.#queue.push({ message: copyOf(message), sentAt });
  }

  /** Sends one again that arrived some time ago. */
  repeat(random: Prng): void {
    if (this.#kept.length === 0) return;
    const { message, sentAt } = this.#kept[random.below(this.#kept.length)] as InFlight;
    this.#queue.push({ message: copyOf(message), sentAt });
  }

  #keep({ message, sentAt }: InFlight): void {
    const copy = { message: copyOf(message), sentAt };
    if (this.#kept.length < KEPT_MAX) this.#kept.push(copy);
    else this.#kept[Math.floor(this.#taken / KEPT_OF) % KEPT_MAX] = copy;
  }

  #isCut(from: number, to: number): boolean {
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
