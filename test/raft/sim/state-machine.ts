/**
 * The application of a simulated node: a hash over everything applied, and the members. A snapshot
 * carries the hash, so two state machines at one index are equal when their hashes are.
 */
import { Snapshot, type ConfState, type Entry } from '../../../src/raft/core/index.js';

export class StateMachine {
  applied: number;
  hash: number;
  conf: ConfState;

  constructor(applied: number, hash: number, conf: ConfState) {
    this.applied = applied;
    this.hash = hash;
    this.conf = conf;
  }

  static fromSnapshot({ index, data, confState }: Snapshot): StateMachine {
    const hash = data.length === 0 ? 0 : new DataView(data.buffer).getUint32(0);
    return new StateMachine(index, hash, confState);
  }

  /** Takes the next entry; `conf` are the members after it. */
  apply(entry: Entry, conf: ConfState): void {
    let hash = mix(this.hash, entry.index);
    hash = mix(hash, entry.term);
    hash = mix(hash, entry.type);
    for (const byte of entry.data) hash = mix(hash, byte);
    this.hash = hash;
    this.applied = entry.index;
    this.conf = conf;
  }

  /** `term`: that of the last applied entry. */
  snapshot(term: number): Snapshot {
    const data = new Uint8Array(4);
    new DataView(data.buffer).setUint32(0, this.hash);
    return new Snapshot(this.applied, term, this.conf, data);
  }
}

function mix(hash: number, value: number): number {
  return (Math.imul(hash ^ value, 0x9e3779b1) + 0x7f4a7c15) >>> 0;
}
