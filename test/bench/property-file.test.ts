import { describe, expect, it } from 'vitest';
import { parsePropertyFile } from '../../src/bench/property-file.js';

const WORKLOAD_E = `
# Yahoo! Cloud System Benchmark
# Workload E: Short ranges
recordcount=1000
operationcount = 5000
workload=site.ycsb.workloads.CoreWorkload

readallfields=true

readproportion=0
updateproportion=0
scanproportion=0.95
insertproportion=0.05

requestdistribution=zipfian
maxscanlength=100
scanlengthdistribution=uniform
`;

describe('parsePropertyFile', () => {
  it("reads YCSB's own workloade", () => {
    const file = parsePropertyFile(WORKLOAD_E, 'workloade');
    expect(file.workload).toEqual({
      name: 'workloade',
      mix: { read: 0, update: 0, insert: 0.05, scan: 0.95, rmw: 0 },
      distribution: 'zipfian',
      scanLengthMax: 100,
    });
    expect([file.records, file.operations]).toEqual([1000, 5000]);
    expect(file.ignored).toEqual(['readallfields']);
    expect(file.valueBytes).toBeUndefined();
  });

  it("fills in YCSB's defaults: 95 % reads, 5 % updates, uniform", () => {
    const { workload } = parsePropertyFile('recordcount=5', 'bare');
    expect(workload.mix).toEqual({ read: 0.95, update: 0.05, insert: 0, scan: 0, rmw: 0 });
    expect(workload.distribution).toBe('uniform');
  });

  it('values are all fields together, with YCSB defaults for the one not given', () => {
    expect(parsePropertyFile('fieldcount=4\nfieldlength=250', 'x').valueBytes).toBe(1000);
    expect(parsePropertyFile('fieldlength=10', 'x').valueBytes).toBe(100);
    expect(parsePropertyFile('fieldcount=3', 'x').valueBytes).toBe(300);
  });

  it('takes colons, blanks, comments, joined lines and CRLF', () => {
    const file = parsePropertyFile(
      '! note\r\nthreadcount: 8\r\ntarget 500\r\ninsertorder=or\\\r\n   dered\r\nhotspotdatafraction=0.1',
      'x',
    );
    expect(file.concurrency).toBe(8);
    expect(file.rate).toBe(500);
    expect(file.insertOrder).toBe('ordered');
    expect(file.chooser.hotRecords).toBe(0.1);
  });

  it.each([
    ['readproportion=lots', 'property readproportion is "lots"'],
    ['recordcount=1.5', 'property recordcount is "1.5"'],
    ['requestdistribution=exponential', 'property requestdistribution is "exponential"'],
    ['scanlengthdistribution=zipfian', 'property scanlengthdistribution is "zipfian"'],
    ['insertorder=random', 'property insertorder is "random"'],
  ])('refuses %s', (text, message) => {
    expect(() => parsePropertyFile(text, 'x')).toThrow(message);
  });

  it('reports every property it does not use', () => {
    const { ignored } = parsePropertyFile('table=usertable\nfoo.bar=1\nworkload=x', 'x');
    expect(ignored).toEqual(['table', 'foo.bar']);
  });
});
