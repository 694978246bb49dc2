/** Fragments in, tombstones out: the same pairs over the same keys, and each once over keys without a gap. */
import { describe, expect, it } from 'vitest';
import { TombstoneJoiner } from '../../../src/engine/compaction/tombstone-joiner.js';
import { compareArrays } from '../../../src/base/bytes.js';
import type { TableSink } from '../../../src/engine/compaction/table-access.js';
import type { RangeTombstone } from '../../../src/engine/range-tombstones.js';
import { forSeeds, keyName, keyOf } from '../model-entry.js';

const KEYS = 12;

function sinkTo(list: RangeTombstone[]): TableSink {
  const unused = (): never => expect.unreachable('only range tombstones are written');
  return {
    estimatedBytes: 0,
    add: unused,
    noteStale: unused,
    finish: unused,
    addRangeTombstone: (lower, upper, version, seq) => list.push({ lower, upper, version, seq }),
  };
}

describe('TombstoneJoiner', () => {
  it('joins what goes on and nothing over a gap', () => {
    forSeeds(300, (random) => {
      const written: RangeTombstone[] = [];
      const joiner = new TombstoneJoiner(sinkTo(written));
      /** Per gap between two neighbouring keys the numbers that cover it. */
      const cells: number[][] = [];
      for (let at = 0; at < KEYS; at++) {
        const numbers = [9, 7, 5, 3].filter(() => random.chance(2, 3));
        const needed = numbers.filter(() => random.chance(4, 5));
        const isThere = random.chance(4, 5);
        cells.push(isThere ? needed : []);
        if (!isThere) continue;
        const [lower, upper] = [keyOf(keyName(at)), keyOf(keyName(at + 1))];
        joiner.add(lower, upper, numbers, numbers, (i) => needed.includes(numbers[i] as number));
      }
      joiner.finish();
      cells.forEach((numbers, at) => {
        const [lower, upper] = [keyOf(keyName(at)), keyOf(keyName(at + 1))];
        const over = written.filter(
          (one) => compareArrays(one.lower, lower) <= 0 && compareArrays(one.upper, upper) >= 0,
        );
        expect(over.map((one) => one.seq).sort((a, b) => b - a)).toEqual(numbers);
      });
      const runs = cells.flatMap((numbers, at) =>
        numbers.filter((number) => !(cells[at - 1] ?? []).includes(number)),
      );
      expect(written.length).toBe(runs.length);
    });
  });
});
