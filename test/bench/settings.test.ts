import { describe, expect, it } from 'vitest';
import { parseEngines } from '../../src/bench/engines.js';
import { resolveSettings } from '../../src/bench/settings.js';

const FILE = {
  name: 'mine',
  text: 'recordcount=500\noperationcount=700\nthreadcount=3\nfieldlength=20\nreadproportion=1\nupdateproportion=0\nmaxscanlength=7\ncolor=red',
};

describe('resolveSettings', () => {
  it('has the defaults of the published figures', () => {
    const { settings } = resolveSettings({});
    expect(settings.workloads.map((workload) => workload.name).join('')).toBe('ABCDEF');
    expect(settings).toMatchObject({
      records: 1_000_000,
      operations: 1_000_000,
      clients: 16,
      rate: 0,
      warmup: 0,
      seed: 42,
      insertOrder: 'hashed',
      chooser: { theta: 0.99, hotRecords: 0.2, hotOperations: 0.8 },
      values: { kind: 'fixed', bytes: 1000 },
      compressibility: 0,
      scanLengthMax: 100,
      fresh: false,
      engine: {
        durability: 'os',
        memtable: 'art',
        cacheBytes: 536_870_912,
        memtableBytes: 67_108_864,
        valueThreshold: 2048,
        nokv: {},
      },
    });
  });

  it('takes options of nokv from a file, and what was given by name before them', () => {
    const options = {
      cacheBytes: 0,
      durability: 'disk',
      blockBytes: 512,
      memtable: 'art',
    } as const;
    const { engine } = resolveSettings({ options, memtable: 'skiplist' }).settings;
    expect(engine).toEqual({
      durability: 'disk',
      memtable: 'skiplist',
      cacheBytes: 0,
      memtableBytes: 67_108_864,
      valueThreshold: 2048,
      nokv: options,
    });
  });

  it('a property file gives workload and settings, and names what it cannot use', () => {
    const { settings, ignoredProperties } = resolveSettings({ propertyFile: FILE });
    expect(settings).toMatchObject({ records: 500, operations: 700, clients: 3 });
    expect(settings.values).toEqual({ kind: 'fixed', bytes: 200 });
    expect(settings.workloads).toEqual([
      {
        name: 'mine',
        mix: { read: 1, update: 0, insert: 0, scan: 0, rmw: 0 },
        distribution: 'uniform',
        scanLengthMax: 7,
      },
    ]);
    expect(ignoredProperties).toEqual(['color']);
  });

  it('given values win over the file', () => {
    const given = { propertyFile: FILE, records: 9, valueSize: 5, scanLength: 3, workloads: 'C' };
    const { settings } = resolveSettings(given);
    expect(settings).toMatchObject({ records: 9, operations: 700, values: { bytes: 5 } });
    expect(settings.workloads.map((workload) => workload.name)).toEqual(['C', 'mine']);
    expect(settings.workloads[1]?.scanLengthMax).toBe(3);
  });

  it('a mix is a workload of its own', () => {
    const { settings } = resolveSettings({ mix: 'read=1,scan=1', distribution: 'hotspot' });
    expect(settings.workloads).toEqual([
      {
        name: 'mix',
        mix: { read: 0.5, update: 0, insert: 0, scan: 0.5, rmw: 0 },
        distribution: 'hotspot',
      },
    ]);
  });

  it.each([
    [{ records: 0 }, 'records is out of range'],
    [{ records: 100_000_001 }, 'records is out of range'],
    [{ mix: 'read=1e308,update=1e308' }, 'the weights of the mix are too large'],
    [{ concurrency: 0 }, 'concurrency is out of range'],
    [{ rate: -1 }, 'rate is out of range'],
    [{ theta: 1 }, 'theta out of range'],
    [{ theta: NaN }, 'theta out of range'],
    [{ compressibility: 2 }, 'value-compressibility is out of range'],
    [{ distribution: 'uniform' }, 'a distribution without a mix'],
    [{ mix: 'read=1', distribution: 'zipf' }, 'unknown distribution "zipf"'],
  ])('refuses %j', (given, message) => {
    expect(() => resolveSettings(given)).toThrow(message);
  });
});

describe('the name of a property file', () => {
  it.each(['load', 'A', 'g', 'mix', 'LOAD'])(
    'is not "%s": rows of two workloads would meet',
    (name) => {
      expect(() => resolveSettings({ propertyFile: { ...FILE, name } })).toThrow(
        `the property file is called "${name}", as a workload of nokv is`,
      );
    },
  );

  it('may be that of a workload of YCSB', () => {
    const { settings } = resolveSettings({ propertyFile: { ...FILE, name: 'workloada' } });
    expect(settings.workloads.map((workload) => workload.name)).toEqual(['workloada']);
  });
});

describe('parseEngines', () => {
  it('takes names in order, each once', () => {
    expect(parseEngines('null, LMDB,null')).toEqual(['null', 'lmdb']);
  });

  it('refuses unknown names, with the nearest one, and nothing at all', () => {
    expect(() => parseEngines('rocksbd')).toThrow('did you mean "rocksdb"?');
    expect(() => parseEngines(' ,')).toThrow('no engines selected');
  });
});
