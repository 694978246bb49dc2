import { describe, expect, it } from 'vitest';
import { countInserts, drawStreams } from '../../src/bench/draw.js';
import {
  INSERT,
  READ,
  SCAN,
  type Workload,
  describeMix,
  orderForOneLoad,
  parseMix,
  parseWorkloads,
} from '../../src/bench/workloads.js';

const names = (workloads: readonly Workload[]): string =>
  workloads.map((workload) => workload.name).join('');
const DRAW = {
  clients: 3,
  operations: 10_000,
  records: 1000,
  scanLengthMax: 100,
  seed: 9,
  theta: 0.99,
  hotRecords: 0.2,
  hotOperations: 0.8,
};

describe('parseWorkloads', () => {
  it('takes letters together, apart, in any case, each once', () => {
    expect(names(parseWorkloads('AC'))).toBe('AC');
    expect(names(parseWorkloads('a, c ,A'))).toBe('AC');
    expect(names(parseWorkloads('F G'))).toBe('FG');
  });

  it('refuses unknown letters and nothing at all', () => {
    expect(() => parseWorkloads('AX')).toThrow('unknown workload "X"');
    expect(() => parseWorkloads(' , ')).toThrow('no workloads selected');
  });
});

describe('parseMix', () => {
  it('scales weights to shares', () => {
    const mix = parseMix('read=50, update=30,scan=20');
    expect(mix).toEqual({ read: 0.5, update: 0.3, insert: 0, scan: 0.2, rmw: 0 });
    expect(describeMix(mix)).toBe('read 50 % update 30 % scan 20 %');
  });

  it.each([
    ['raed=1', 'unknown operation "raed"; did you mean "read"?'],
    ['read=x', 'weight of "read" is not a number'],
    ['read=-1', 'weight of "read" is not a number'],
    ['read=', 'weight of "read" is not a number'],
    ['read=0', 'the mix has no operations'],
  ])('refuses %s', (text, message) => {
    expect(() => parseMix(text)).toThrow(message);
  });
});

describe('orderForOneLoad', () => {
  it('keeps the given order, those that insert last', () => {
    expect(names(orderForOneLoad(parseWorkloads('ABCDEF')))).toBe('ABCFDE');
    expect(names(orderForOneLoad(parseWorkloads('EDGA')))).toBe('AEDG');
  });
});

describe('drawStreams', () => {
  const [e] = parseWorkloads('E') as [Workload];

  it('deals exactly the asked number of operations to the clients', () => {
    const streams = drawStreams(e, DRAW);
    expect(streams.map((stream) => stream.count)).toEqual([3334, 3333, 3333]);
  });

  it('draws kinds in their shares and scan lengths from 1 to the longest', () => {
    const streams = drawStreams(e, DRAW);
    const inserts = countInserts(streams);
    expect(inserts / 10_000).toBeCloseTo(0.05, 1);
    const lengths = streams.flatMap((stream) =>
      [...stream.scanLengths].filter((_, i) => stream.kinds[i] === SCAN),
    );
    expect(Math.min(...lengths)).toBe(1);
    expect(Math.max(...lengths)).toBe(100);
    const kinds = new Set(streams.flatMap((stream) => [...stream.kinds]));
    expect(kinds).toEqual(new Set([SCAN, INSERT]));
  });

  it('a sequence is walked by all clients together', () => {
    const walk: Workload = { ...e, mix: parseMix('read=1'), distribution: 'sequential' };
    const streams = drawStreams(walk, { ...DRAW, operations: 6, records: 100 });
    expect(streams.map((stream) => [...stream.records])).toEqual([
      [0, 3],
      [1, 4],
      [2, 5],
    ]);
    expect(streams[0]?.kinds[0]).toBe(READ);
  });

  it('is the same for the same seed and differs for another', () => {
    const [a] = parseWorkloads('A') as [Workload];
    expect(drawStreams(a, DRAW)).toEqual(drawStreams(a, DRAW));
    expect(drawStreams(a, DRAW)).not.toEqual(drawStreams(a, { ...DRAW, seed: 10 }));
  });
});
