/** The parts of the core against obvious models: quorums, windows, codecs, text, the stored log. */
import { describe, expect, it } from 'vitest';
import { RaftError } from '../../../src/base/errors.js';
import { Prng } from '../../../src/base/prng.js';
import {
  decodeConfChangeV1,
  decodeConfChangeV2,
  encodeConfChange,
} from '../../../src/raft/core/conf-change-codec.js';
import { confChange, confChangeV2 } from '../../../src/raft/core/conf-change.js';
import { ConfChanger, restoreMembership } from '../../../src/raft/core/conf-changer.js';
import { confChangesText } from '../../../src/raft/core/describe.js';
import {
  countWithin,
  EMPTY_DATA,
  ENTRY_CONF_CHANGE,
  ENTRY_NORMAL,
  entriesSize,
  Entry,
  entrySize,
  NO_DATA,
} from '../../../src/raft/core/entry.js';
import { quoteBytes } from '../../../src/raft/core/go-text.js';
import { INDEX_MAX, NODE_ID_MAX, NO_LIMIT, TERM_MAX } from '../../../src/raft/core/ids.js';
import { Inflights } from '../../../src/raft/core/inflights.js';
import { MemoryStorage } from '../../../src/raft/core/memory-storage.js';
import { JointConfig, MajorityConfig } from '../../../src/raft/core/quorum.js';
import { ConfState, equalConfStates, Snapshot } from '../../../src/raft/core/state.js';
import { ProgressTracker } from '../../../src/raft/core/tracker.js';

const ROUNDS = 2000;
const SEED = 7;

/** Runs with a fresh generator per round; a failure names the seed of its round. */
function rounds(run: (random: Prng) => void): void {
  for (let round = 0; round < ROUNDS; round++) {
    const seed = SEED + round;
    try {
      run(new Prng(seed));
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
}

const randomIds = (random: Prng, max: number): number[] =>
  Array.from({ length: random.below(max + 1) }, () => 1 + random.below(9));

describe('JointConfig', () => {
  it('commits what more than half of each half has reached', () => {
    rounds((random) => {
      const halves = [randomIds(random, 7), randomIds(random, 5)] as const;
      const acks = new Map(randomIds(random, 9).map((id) => [id, random.below(6)]));
      const committed = halves.map((ids) => {
        const voters = [...new Set(ids)];
        if (voters.length === 0) return Infinity;
        let best = 0;
        for (let index = 1; index < 6; index++) {
          const reached = voters.filter((id) => (acks.get(id) ?? 0) >= index).length;
          if (reached * 2 > voters.length) best = index;
        }
        return best;
      });
      const joint = new JointConfig(new MajorityConfig(halves[0]), new MajorityConfig(halves[1]));
      const acked = { ackedIndex: (id: number): number => acks.get(id) ?? -1 };
      expect(joint.committedIndex(acked)).toBe(Math.min(...committed));
    });
  });
});

describe('Inflights', () => {
  it('holds what a list of messages with both limits holds', () => {
    rounds((random) => {
      const countMax = 1 + random.below(5);
      const bytesMax = random.chance(1, 2) ? NO_LIMIT : 1 + random.below(20);
      let window = new Inflights(countMax, bytesMax);
      let model: { index: number; bytes: number }[] = [];
      let index = 0;
      for (let i = 0; i < 30; i++) {
        const total = model.reduce((sum, one) => sum + one.bytes, 0);
        const isFull = model.length === countMax || total >= bytesMax;
        expect([window.count, window.isFull]).toEqual([model.length, isFull]);
        if (!isFull && random.chance(2, 3)) {
          index += 1 + random.below(3);
          const bytes = random.below(8);
          window.add(index, bytes);
          model.push({ index, bytes });
        } else {
          const upTo = random.below(index + 2);
          window.freeUpTo(upTo);
          model = model.filter((one) => one.index > upTo);
        }
        if (random.chance(1, 10)) window = window.clone();
      }
    });
  });
});

describe('conf changes as bytes', () => {
  it('come back as they were', () => {
    rounds((random) => {
      const context = new Uint8Array(random.below(200));
      random.fill(context);
      const ids = [1, 127, 128, 70_000, 2 ** 40, NODE_ID_MAX];
      const single = (): { type: number; nodeId: number } => ({
        type: random.below(4),
        nodeId: ids[random.below(ids.length)] as number,
      });
      const v1 = confChange(single().type, single().nodeId, context);
      expect(decodeConfChangeV1(encodeConfChange(v1))).toEqual(v1);
      const changes = Array.from({ length: random.below(4) }, single);
      const v2 = confChangeV2(changes, random.below(3), context);
      expect(decodeConfChangeV2(encodeConfChange(v2))).toEqual(v2);
    });
  });

  it('are those of the protocol buffers', () => {
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
    expect(hex(encodeConfChange(confChange(3, 300, Uint8Array.of(7))))).toBe('100318ac02220107');
    const v2 = confChangeV2([{ type: 0, nodeId: 2 }], 2);
    expect(hex(encodeConfChange(v2))).toBe('0802120408001002');
    expect(decodeConfChangeV2(NO_DATA)).toEqual(confChangeV2([]));
    // An unknown field of each wire type is passed over.
    const unknown = Buffer.from(`780179${'00'.repeat(8)}7a02ffff7d000000001803`, 'hex');
    expect(decodeConfChangeV1(unknown).nodeId).toBe(3);
  });

  it('that are none are refused, whatever they are', () => {
    rounds((random) => {
      const bytes = new Uint8Array(random.below(24));
      random.fill(bytes);
      for (const decode of [decodeConfChangeV1, decodeConfChangeV2]) {
        try {
          decode(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(RaftError);
        }
      }
    });
    const above = Uint8Array.of(0x18, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1);
    expect(() => decodeConfChangeV1(above)).toThrow(RaftError);
    expect(() => encodeConfChange(confChange(0, 1.5))).toThrow(RaftError);
  });
});

describe('ConfChanger', () => {
  it('reaches no configuration that cannot be restored from its ConfState', () => {
    rounds((random) => {
      const tracker = new ProgressTracker(10, 0);
      const history: string[] = [];
      for (let i = 0; i < 12; i++) {
        const changes = Array.from({ length: random.below(4) }, () => ({
          type: random.below(4),
          nodeId: random.below(6),
        }));
        const changer = new ConfChanger(tracker, i);
        const result = random.chance(1, 3)
          ? changer.simple(changes.slice(0, 1))
          : random.chance(1, 2)
            ? changer.enterJoint(random.chance(1, 2), changes)
            : changer.leaveJoint();
        history.push(confChangesText(changes));
        if (typeof result === 'string') continue;
        tracker.config = result.config;
        tracker.progress = result.progress;
        const state = tracker.config.confState();
        const restored = restoreMembership(new ProgressTracker(10, 0), i, state);
        if (typeof restored === 'string') throw new Error(`${restored}: ${history.join('; ')}`);
        expect(equalConfStates(restored.config.confState(), state)).toBe(true);
        expect(String(restored.config)).toBe(String(tracker.config));
      }
    });
  });
});

describe('entrySize', () => {
  const data = (length: number): Uint8Array => new Uint8Array(length);

  it('is what the protocol buffer of the entry takes', () => {
    expect(entrySize(new Entry(ENTRY_NORMAL, 1, 1, NO_DATA))).toBe(4);
    expect(entrySize(new Entry(ENTRY_NORMAL, 1, 1, EMPTY_DATA))).toBe(6);
    expect(entrySize(new Entry(ENTRY_NORMAL, 128, 16_384, data(127)))).toBe(3 + 4 + 2 + 127);
    expect(entrySize(new Entry(ENTRY_CONF_CHANGE, 1, 1, data(200)))).toBe(2 + 4 + 3 + 200);
    expect(entrySize(new Entry(ENTRY_NORMAL, TERM_MAX, INDEX_MAX, NO_DATA))).toBe(18);
  });

  it('limits a run of entries, but never below one', () => {
    const entries = [1, 2, 3].map((index) => new Entry(ENTRY_NORMAL, 1, index, data(10)));
    const size = entriesSize(entries);
    expect(
      [0, 1, 31, 32, size - 1, size, NO_LIMIT].map((max) => countWithin(entries, max)),
    ).toEqual([1, 1, 1, 2, 2, 3, 3]);
    expect(countWithin([], 5)).toBe(0);
  });
});

describe('quoteBytes', () => {
  it.each([
    ['plain', '"plain"'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ['\n\t\x01\x7f', '"\\n\\t\\x01\\x7f"'],
    ['é日😀', '"é日😀"'],
    ['\u00a0\u200b\ufeff', '"\\u00a0\\u200b\\ufeff"'],
    ['\u{e0001}', '"\\U000e0001"'],
  ])('quotes %j', (text, quoted) => {
    expect(quoteBytes(new TextEncoder().encode(text))).toBe(quoted);
  });

  it('escapes bytes that are no UTF-8', () => {
    expect(quoteBytes(Uint8Array.of(0x61, 0xff, 0xc0, 0x80))).toBe('"a\\xff\\xc0\\x80"');
    expect(quoteBytes(Uint8Array.of(0xed, 0xa0, 0x80))).toBe('"\\xed\\xa0\\x80"');
    expect(quoteBytes(Uint8Array.of(0xe6, 0x97))).toBe('"\\xe6\\x97"');
  });
});

describe('MemoryStorage', () => {
  const run = (from: number, to: number, term: number): Entry[] =>
    Array.from(
      { length: to - from + 1 },
      (_, i) => new Entry(ENTRY_NORMAL, term, from + i, NO_DATA),
    );
  const filled = (): MemoryStorage => {
    const storage = new MemoryStorage();
    storage.applySnapshot(new Snapshot(3, 3, new ConfState([1]), NO_DATA));
    storage.append(run(4, 6, 4));
    return storage;
  };
  const shape = (storage: MemoryStorage): string =>
    storage
      .entries(storage.firstIndex(), storage.lastIndex() + 1, NO_LIMIT)
      .map(({ term, index }) => `${term}/${index}`)
      .join(' ');

  it('appends, replaces from the first index on, and skips what is compacted', () => {
    const storage = filled();
    storage.append(run(7, 7, 4));
    expect(shape(storage)).toBe('4/4 4/5 4/6 4/7');
    storage.append(run(5, 6, 5));
    expect(shape(storage)).toBe('4/4 5/5 5/6');
    storage.append(run(2, 4, 6));
    expect(shape(storage)).toBe('6/4');
    storage.append(run(1, 3, 7));
    storage.append([]);
    expect(shape(storage)).toBe('6/4');
    expect(() => storage.append(run(9, 9, 7))).toThrow('missing log entry [last: 4, append at: 9]');
  });

  it('compacts, keeping the term before the first entry', () => {
    const storage = filled();
    storage.compact(5);
    expect([storage.firstIndex(), storage.lastIndex(), storage.term(5)]).toEqual([6, 6, 4]);
    expect(() => storage.compact(5)).toThrow('due to compaction');
    expect(() => storage.term(4)).toThrow('due to compaction');
    expect(() => storage.term(7)).toThrow('is unavailable');
    expect(() => storage.entries(5, 6, NO_LIMIT)).toThrow('due to compaction');
    expect(() => storage.compact(7)).toThrow(RaftError);
  });

  it('makes snapshots of what it holds, and takes newer ones only', () => {
    const storage = filled();
    const snapshot = storage.createSnapshot(5, new ConfState([1, 2]), Uint8Array.of(9));
    expect(snapshot).toMatchObject({ index: 5, term: 4, confState: { voters: [1, 2] } });
    expect(storage.createSnapshot(6, undefined, NO_DATA).confState.voters).toEqual([1, 2]);
    expect(() => storage.createSnapshot(6, undefined, NO_DATA)).toThrow(RaftError);
    expect(() => storage.createSnapshot(7, undefined, NO_DATA)).toThrow(RaftError);
    expect(() => storage.applySnapshot(snapshot)).toThrow('older than the existing snapshot');
    storage.applySnapshot(new Snapshot(20, 6, new ConfState([3]), NO_DATA));
    expect([storage.firstIndex(), storage.lastIndex(), storage.term(20)]).toEqual([21, 20, 6]);
  });
});
