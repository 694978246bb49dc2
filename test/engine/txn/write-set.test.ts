/** WriteSet against a plain model: what it holds, hands out and takes back, and what a range delete costs. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { encodeKey, FAMILY_DEFAULT, KeyBuffer } from '../../../src/engine/key.js';
import { type KeySpan, mergeSpans } from '../../../src/engine/txn/key-spans.js';
import { type PendingWrite, type Savepoint, WriteSet } from '../../../src/engine/txn/write-set.js';

/** Calls of what a change may not do for all that is there. */
const calls = vi.hoisted(() => ({ compares: 0, sizes: 0 }));
vi.mock(import('../../../src/base/bytes.js'), async (original) => {
  const bytes = await original();
  return {
    ...bytes,
    compareArrays: (a, b) => {
      calls.compares++;
      return bytes.compareArrays(a, b);
    },
  };
});
vi.mock(import('../../../src/engine/entry.js'), async (original) => {
  const entry = await original();
  return {
    ...entry,
    entrySize: (...sizes) => {
      calls.sizes++;
      return entry.entrySize(...sizes);
    },
  };
});

beforeEach(() => {
  calls.compares = 0;
  calls.sizes = 0;
});

const encoded = (key: string): Uint8Array => encodeKey(FAMILY_DEFAULT, key);
const nameOf = (number: number): string => `k${String(number).padStart(7, '0')}`;
const textOf = (spans: readonly KeySpan[]): string[] =>
  spans.map(({ lower, upper }) => `${String(lower)}-${String(upper)}`);
const keysOf = (writes: readonly PendingWrite[]): string[] => writes.map(({ text }) => text);

function put(writes: WriteSet, key: string): void {
  const buffer = new KeyBuffer();
  buffer.encode(FAMILY_DEFAULT, key);
  writes.put(buffer, new Uint8Array(3), 0, 0);
}

/** The writes of a set as a list of steps: a savepoint is a length of it. */
type Step = { readonly key: string } | { readonly from: string; readonly to: string };

function modelOf(steps: readonly Step[]): { keys: string[]; spans: KeySpan[] } {
  const keys = new Set<string>();
  const spans: KeySpan[] = [];
  for (const step of steps) {
    if ('key' in step) keys.add(step.key);
    else {
      for (const key of keys) if (step.from <= key && key < step.to) keys.delete(key);
      spans.push({ lower: encoded(step.from), upper: encoded(step.to) });
    }
  }
  return { keys: [...keys].sort(), spans: mergeSpans(spans) };
}

/** Of a write set that has these steps and a savepoint behind them. */
function bytesAfter(steps: readonly Step[]): number {
  const fresh = new WriteSet();
  for (const step of steps) {
    if ('key' in step) put(fresh, step.key);
    else fresh.deleteRange(encoded(step.from), encoded(step.to), 0);
  }
  fresh.savepoint();
  return fresh.bytes;
}

describe('WriteSet', () => {
  it.each([1, 2, 3, 4])('is as a list of its writes says, seed %i', (seed) => {
    const random = new Prng(seed);
    const writes = new WriteSet();
    let steps: Step[] = [];
    let marks: { savepoint: Savepoint; length: number }[] = [];
    const held: { now: () => string[]; then: string[] }[] = [];
    const hold = (now: () => string[]): void => void held.push({ now, then: now() });
    for (let i = 0; i < 3000; i++) {
      const [a, b] = [random.below(150), random.below(150)];
      const what = random.below(40);
      if (what < 20) {
        put(writes, nameOf(a));
        steps.push({ key: nameOf(a) });
      } else if (what < 34 && a !== b) {
        const length = random.chance(1, 10) ? 40 : 2;
        const [from, to] = [nameOf(a), nameOf(a + 1 + random.below(length))];
        writes.deleteRange(encoded(from), encoded(to), 0);
        steps.push({ from, to });
      } else if (what < 36) {
        marks.push({ savepoint: writes.savepoint(), length: steps.length });
      } else if (what < 38 && marks.length > 0) {
        const at = random.below(marks.length);
        const mark = marks[at] as (typeof marks)[number];
        expect(writes.rollbackTo(mark.savepoint)).toBe(true);
        steps = steps.slice(0, mark.length);
        marks = marks.slice(0, at + 1);
      } else if (what === 38) {
        const [sorted, deleted] = [writes.sorted(), writes.deleted];
        hold(() => keysOf(sorted));
        hold(() => textOf(deleted));
      }
      if (i % 50 !== 0) continue;
      const { keys, spans } = modelOf(steps);
      expect(textOf(writes.deleted), `step ${i}`).toEqual(textOf(spans));
      expect(keysOf([...writes.points()]).sort(), `step ${i}`).toEqual(
        keys.map((key) => Buffer.from(encoded(key)).toString('latin1')),
      );
      expect(keysOf(writes.sorted())).toEqual(keysOf([...writes.points()]).sort());
      for (const { now, then } of held.splice(0)) expect(now()).toEqual(then);
    }
    const { bytes } = writes;
    const first = writes.rollbackTo(marks[0]?.savepoint as Savepoint);
    expect([first, bytes > writes.bytes]).toEqual([true, true]);
    expect(writes.bytes).toBe(bytesAfter(steps.slice(0, marks[0]?.length)));
  });

  it.each([
    ['ascend', (i: number) => i],
    ['descend', (i: number) => 10_000 - i],
    ['come in any order', (i: number) => (i * 7919) % 10_007],
  ])('compares and sums little for each of many ranges that %s', (_how, numberOf) => {
    const writes = new WriteSet();
    writes.savepoint();
    for (let i = 0; i < 5000; i++) {
      const name = nameOf(numberOf(i));
      writes.deleteRange(encoded(`${name}a`), encoded(`${name}b`), 0);
    }
    expect(writes.deleted).toHaveLength(5000);
    // Two searches of 13 steps each.
    expect(calls.compares).toBeLessThan(5000 * 30);
    expect(calls.sizes).toBeLessThan(5000 * 4);
  });

  it('copies the list of ranges only when somebody else has it', () => {
    const writes = new WriteSet();
    const slice = vi.spyOn(Array.prototype, 'slice');
    const copies = (): number => slice.mock.results.filter(isLong).length;
    const isLong = ({ value }: { value: unknown }): boolean => (value as unknown[]).length > 10;
    const deleteRange = (i: number): void =>
      writes.deleteRange(encoded(`${nameOf(i)}a`), encoded(`${nameOf(i)}b`), 0);
    for (let i = 0; i < 100; i++) deleteRange(i);
    expect(copies()).toBe(0);
    const before = writes.deleted;
    for (let i = 100; i < 200; i++) deleteRange(i);
    expect([copies(), before.length, writes.deleted.length]).toEqual([1, 100, 200]);
    slice.mockRestore();
  });

  it('drops and takes back many keys of a range at once', () => {
    const writes = new WriteSet();
    for (let i = 0; i < 1000; i++) put(writes, nameOf(i));
    const before = writes.sorted();
    const point = writes.savepoint();
    const splice = vi.spyOn(Array.prototype, 'splice');
    writes.deleteRange(encoded('k'), encoded('l'), 0);
    expect([writes.count, before.length]).toEqual([1, 1000]);
    writes.rollbackTo(point);
    expect(splice.mock.calls.length).toBeLessThan(10);
    splice.mockRestore();
    expect([writes.count, writes.deleted]).toEqual([1000, []]);
    expect(keysOf(writes.sorted())).toEqual(keysOf(before));
  });

  it('takes back a range that joined more ranges than fit on the stack', () => {
    const writes = new WriteSet();
    for (let i = 0; i < 150_000; i++) {
      const lower = Uint8Array.of(FAMILY_DEFAULT, i >>> 16, (i >>> 8) & 0xff, i & 0xff, 0);
      const upper = lower.slice();
      upper[4] = 1;
      writes.deleteRange(lower, upper, 0);
    }
    const point = writes.savepoint();
    writes.deleteRange(Uint8Array.of(FAMILY_DEFAULT), Uint8Array.of(FAMILY_DEFAULT + 1), 0);
    expect(writes.deleted).toHaveLength(1);
    writes.rollbackTo(point);
    expect(writes.deleted).toHaveLength(150_000);
  });
});
