import { describe, expect, it } from 'vitest';
import {
  compareRows,
  comparisonFailure,
  differentSettings,
  parseBase,
  parseShare,
} from '../../src/bench/compare.js';
import { toJsonRow } from '../../src/bench/rows.js';
import { row } from './fixtures.js';

const base = (opsPerSec: number, workload = 'A') => ({ engine: 'nokv', workload, opsPerSec });

describe('parseShare', () => {
  it('takes percents and fractions', () => {
    expect([parseShare('10%'), parseShare('0.25'), parseShare(' 5 % '), parseShare('0')]).toEqual([
      0.1, 0.25, 0.05, 0,
    ]);
  });

  it.each(['', 'ten', '-5%', '100%', '10'])('refuses "%s"', (text) => {
    expect(() => parseShare(text)).toThrow('is not a share');
  });
});

describe('parseBase', () => {
  const rows = [toJsonRow(row())];
  it('takes the envelope, its data and bare rows', () => {
    for (const document of [{ ok: true, schema: 1, data: { rows } }, { rows }]) {
      expect(parseBase(JSON.stringify(document))).toEqual([base(176_543.21)]);
    }
  });

  it.each(['', '[]', '{"rows":[{}]}', '{"data":{}}', 'null'])('refuses %s', (text) => {
    expect(() => parseBase(text)).toThrow('the base has no benchmark rows');
  });
});

describe('differentSettings', () => {
  const settings = { records: 10, engines: ['nokv'], rounds: 1, engine: { cache_bytes: 1 } };
  const text = (inBase: unknown): string => JSON.stringify({ data: { settings: inBase } });

  it('names what is another setting in the base, and not which rows are there', () => {
    expect(differentSettings(text(settings), settings)).toEqual([]);
    const other = {
      records: 20,
      engines: ['lmdb'],
      rounds: 3,
      engine: { cache_bytes: 2, nokv: {} },
    };
    expect(differentSettings(text({ ...other, seed: 1 }), settings)).toEqual([
      'records: 10, in the base 20',
      'engine.cache_bytes: 1, in the base 2',
      'seed: none, in the base 1',
    ]);
    expect(differentSettings('{"rows":[]}', settings)).toEqual([]);
  });
});

describe('compareRows', () => {
  it('fails a row that lost more than the limit, and only that', () => {
    const rows = [row({ opsPerSec: 89_999 }), row({ opsPerSec: 90_000, workload: 'B' })];
    const comparison = compareRows(rows, [base(100_000), base(100_000, 'B')], 0.1);
    expect(comparison.rows.map((found) => found.isSlower)).toEqual([true, false]);
    const failure = comparisonFailure(comparison);
    expect(failure?.code).toBe('NOKV_UNHEALTHY');
    expect(failure?.message).toContain('nokv A -10.0 %');
  });

  it('reports rows without a partner and fails nothing for them', () => {
    const rows = [row({ workload: 'C' }), row({ workload: 'B', opsPerSec: 1 })];
    const comparison = compareRows(rows, [base(1e9), base(1, 'B')], 0);
    expect(comparison.onlyHere).toEqual(['nokv C']);
    expect(comparison.onlyInBase).toEqual(['nokv A']);
    expect(comparisonFailure(comparison)).toBeUndefined();
  });

  it('fails when no row has a partner', () => {
    const comparison = compareRows([row({ workload: 'C' })], [base(1e9)], 0);
    expect(comparisonFailure(comparison)).toMatchObject({
      code: 'NOKV_INVALID',
      message: 'Cannot compare: the base has no row of this run',
      details: { only_here: 'nokv C', only_in_base: 'nokv A' },
    });
  });
});
