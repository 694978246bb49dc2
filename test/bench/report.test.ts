import { describe, expect, it } from 'vitest';
import { compareRows } from '../../src/bench/compare.js';
import { htmlReport } from '../../src/bench/html-report.js';
import {
  comparisonTable,
  csvText,
  formatInteger,
  formatNs,
  jsonReport,
  machineTable,
  summaryTable,
  tableText,
} from '../../src/bench/report.js';
import { median, medianRows } from '../../src/bench/rows.js';
import { row } from './fixtures.js';

const ABOUT = { settings: { scanLengthMax: 10 }, machine: { node: 'v20' }, comparison: null };

describe('csvText', () => {
  it('starts with exactly the columns of the reference', () => {
    const [head = '', line = ''] = csvText([row()]).split('\n');
    const reference =
      'name,engine,workload,ops,ops_per_sec,avg_ns,p50_ns,p95_ns,p99_ns,duration_ns,data_bytes,data_mb,' +
      'reads,updates,inserts,scans,scan_items,rmw,val_avg,val_p50,val_p95,val_p99';
    expect(head.startsWith(`${reference},`)).toBe(true);
    expect(head.slice(reference.length + 1)).toMatchInlineSnapshot(
      `"mode,round,p999_ns,max_ns,settle_ns,misses,cpu_ms,rss_peak_bytes,rss_base_bytes,disk_bytes,write_amplification,cache_hit_rate"`,
    );
    expect(line).toMatchInlineSnapshot(
      `"YCSB-A,nokv,A,1000000,176543.21,90612,41000,204039,307851,5664331217,1011500000,964.64,500123,499877,0,0,0,0,1000,1000,1000,1000,os,1,1240000,48000000,120000000,0,7421.5,891289600,188743680,1258291200,3.142,"`,
    );
  });

  it('quotes what needs it', () => {
    expect(csvText([row({ workload: 'a,"b"' })])).toContain('"a,""b"""');
  });
});

describe('summaryTable', () => {
  it('has the columns of the reference', () => {
    const table = summaryTable(
      [row(), row({ engine: 'lmdb', workload: 'load', opsPerSec: 53_000 })],
      [],
    );
    expect(`\n${tableText(table)}\n`).toMatchInlineSnapshot(`
      "
      ENGINE  OPERATION  MODE    OPS/S  AVG LATENCY      P50     P95     P99  TOTAL OPS    READS  UPDATES  INSERTS  SCANS  SCAN ITEMS  RMW  VAL AVG  VAL P95  DATA (MB)  DURATION
      nokv    YCSB-A     os    176,543      90.6 us  41.0 us  204 us  308 us  1,000,000  500,123  499,877        0      0           0    0    1,000    1,000     964.64    5.66 s
      lmdb    YCSB-LOAD  os     53,000      90.6 us  41.0 us  204 us  308 us  1,000,000  500,123  499,877        0      0           0    0    1,000    1,000     964.64    5.66 s
      "
    `);
  });

  it('shows the throughput of every round beside the median', () => {
    const rounds = [100, 300, 200].map((opsPerSec, i) => row({ opsPerSec, round: i + 1 }));
    const table = summaryTable(medianRows(rounds), rounds);
    expect(table.columns.at(-1)?.name).toBe('ROUNDS (OPS/S)');
    expect(table.rows[0]?.[3]).toBe('200');
    expect(table.rows[0]?.at(-1)).toBe('100 300 200');
  });
});

describe('machineTable', () => {
  it('shows tail, memory, CPU and disk, and - for what nobody counted', () => {
    const table = machineTable([row(), row({ writeAmplification: null })]);
    expect(`\n${tableText(table)}\n`).toMatchInlineSnapshot(`
      "
      ENGINE  OPERATION    P99.9      MAX  SETTLE     CPU  RSS (MB)  RSS BASE (MB)  DISK (MB)  WRITE AMP  MISSES
      nokv    YCSB-A     1.24 ms  48.0 ms  120 ms  7.42 s       850            180      1,200       3.14       0
      nokv    YCSB-A     1.24 ms  48.0 ms  120 ms  7.42 s       850            180      1,200          -       0
      "
    `);
  });
});

describe('comparisonTable', () => {
  it('says what changed', () => {
    const base = [{ engine: 'nokv', workload: 'A', opsPerSec: 200_000 }];
    expect(comparisonTable(compareRows([row()], base, 0.1)).rows).toEqual([
      ['nokv', 'A', '176,543', '200,000', '-11.7 %', 'slower'],
    ]);
  });
});

describe('jsonReport', () => {
  it('has medians in rows, every round in rounds, snake case names', () => {
    const rounds = [row({ round: 1 }), row({ round: 2, opsPerSec: 100_000 })];
    const report = jsonReport(rounds, ABOUT);
    expect(report.rounds).toHaveLength(2);
    expect(report.settings).toEqual({ scan_length_max: 10 });
    expect(report.rows).toMatchInlineSnapshot(`
      [
        {
          "avg_ns": 90612,
          "cache_hit_rate": null,
          "cpu_ms": 7421.5,
          "curve": [
            [
              0,
              800,
            ],
            [
              10,
              2000,
            ],
            [
              25,
              9000,
            ],
            [
              50,
              41000,
            ],
            [
              75,
              90000,
            ],
            [
              90,
              160000,
            ],
            [
              95,
              204039,
            ],
            [
              97.5,
              250000,
            ],
            [
              99,
              307851,
            ],
            [
              99.5,
              400000,
            ],
            [
              99.9,
              1240000,
            ],
            [
              99.95,
              2000000,
            ],
            [
              99.99,
              9000000,
            ],
            [
              100,
              48000000,
            ],
          ],
          "data_bytes": 1011500000,
          "data_mb": 964.64,
          "disk_bytes": 1258291200,
          "duration_ns": 5664331217,
          "engine": "nokv",
          "inserts": 0,
          "max_ns": 48000000,
          "misses": 0,
          "mode": "os",
          "name": "YCSB-A",
          "ops": 1000000,
          "ops_per_sec": 138271.6,
          "p50_ns": 41000,
          "p95_ns": 204039,
          "p999_ns": 1240000,
          "p99_ns": 307851,
          "reads": 500123,
          "rmw": 0,
          "round": 0,
          "rss_base_bytes": 188743680,
          "rss_peak_bytes": 891289600,
          "scan_items": 0,
          "scans": 0,
          "settle_ns": 120000000,
          "updates": 499877,
          "val_avg": 1000,
          "val_p50": 1000,
          "val_p95": 1000,
          "val_p99": 1000,
          "workload": "A",
          "write_amplification": 3.142,
        },
      ]
    `);
  });
});

describe('medianRows', () => {
  it('groups by engine and workload; null only when every round is null', () => {
    const rows = [
      row({ p99Ns: 5, writeAmplification: null }),
      row({ engine: 'lmdb' }),
      row({ p99Ns: 7, writeAmplification: 2 }),
    ];
    const medians = medianRows(rows);
    expect(medians.map((found) => found.engine)).toEqual(['nokv', 'lmdb']);
    expect(medians[0]).toMatchObject({ p99Ns: 6, writeAmplification: 2, round: 0 });
    expect(medianRows([row({ cacheHitRate: null })])[0]?.cacheHitRate).toBeNull();
  });

  it('median is the middle one, or the mean of the two', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3]), median([9])]).toEqual([2, 2.5, 9]);
  });
});

describe('htmlReport', () => {
  const rounds = [row(), row({ engine: '<script>alert(1)</script>' })];
  const html = htmlReport(jsonReport(rounds, ABOUT), medianRows(rounds), rounds);

  it('is one file: no address, no outside script or style', () => {
    expect(html).not.toMatch(/https?:|src=|<link|@import|url\(/);
    expect(html.match(/<script/g)).toHaveLength(1);
  });

  it('escapes names, and carries the data', () => {
    expect(html).not.toContain('<script>alert');
    const data = /<script type="application\/json" id="data">(.*)<\/script>/.exec(html)?.[1];
    expect(JSON.parse(data ?? '')).toMatchObject({ rows: [{ ops: 1_000_000 }, {}] });
  });

  it('has a bar and a curve per engine and workload', () => {
    expect(html.match(/<rect /g)).toHaveLength(2);
    expect(html.match(/<polyline /g)).toHaveLength(2);
    expect(html).not.toContain('NaN');
  });
});

describe('formatNs', () => {
  it('shows three digits and a unit', () => {
    expect([0, 999, 1_240, 38_000, 999_600, 4.1e7, 2.41e9].map(formatNs)).toEqual([
      '0 ns',
      '999 ns',
      '1.24 us',
      '38.0 us',
      '1.00 ms',
      '41.0 ms',
      '2.41 s',
    ]);
  });
});

describe('formatInteger', () => {
  it('groups thousands', () => {
    expect([0, 999, 1000, 1_234_567.6].map(formatInteger)).toEqual([
      '0',
      '999',
      '1,000',
      '1,234,568',
    ]);
  });
});
