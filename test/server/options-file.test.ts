import { describe, expect, it } from 'vitest';
import { NokvError } from '../../src/base/errors.js';
import { MemFs } from '../../src/env/mem-fs.js';
import { parseOptions, readOptions } from '../../src/server/options-file.js';

/** The error of a text, or what it gave. */
function failureOf(text: string): NokvError {
  try {
    throw new Error(`no error, but ${JSON.stringify(parseOptions(text, 'nokv.toml'))}`);
  } catch (error) {
    if (error instanceof NokvError) return error;
    throw error;
  }
}

describe('parseOptions', () => {
  it('reads names in any case and with any separators, and tables as parts of names', () => {
    const written = ['cacheBytes', 'cache_bytes', 'Cache-Bytes', 'CACHEBYTES', '"cache bytes"'];
    for (const name of [...written, 'cache.bytes']) {
      expect(parseOptions(`${name} = 4096`, 'x')).toEqual({ cacheBytes: 4096 });
    }
    const table = '[value_log]\ngc = false\ngc_ratio = 0.25\n[value_log.file]\nbytes = "1MiB"\n';
    expect(parseOptions(table, 'x')).toEqual({
      valueLogGc: false,
      valueLogGcRatio: 0.25,
      valueLogFileBytes: 1_048_576,
    });
  });

  it('reads rules for filters as tables, and says where one is wrong', () => {
    const text =
      '[[prefix_filters]]\nprefix = "user:"\ndelimiter = ":"\ncolumn_family = "default"\n' +
      '[[prefix_filters]]\nColumn-Family = "lock"\nlength = ';
    expect(parseOptions(`${text}8`, 'x')).toEqual({
      prefixFilters: [
        { prefix: 'user:', delimiter: ':', columnFamily: 'default' },
        { columnFamily: 'lock', length: 8 },
      ],
    });
    expect(failureOf(text.replace('lock', 'write') + '0').message).toBe(
      'Cannot read options from nokv.toml, line 7: "prefixFilters[1].length" must be an integer from 1 to 255',
    );
    expect(failureOf('[[prefix_filters]]\nlenght = 2').message).toContain('did you mean "length"?');
  });

  it('reads the options of hot keys from a table of their own', () => {
    const text =
      '[hot_key]\nsampling = 1\nwindow_ms = 2000\ntop = 4\nnodes = 64\nwrite_limit = 128\n';
    expect(parseOptions(text, 'x')).toEqual({
      hotKeySampling: 1,
      hotKeyWindowMs: 2000,
      hotKeyTop: 4,
      hotKeyNodes: 64,
      hotKeyWriteLimit: 128,
    });
    expect(failureOf('hot_key_window_ms = 5').message).toContain('from 100 to 3600000');
  });

  it('takes sizes with a unit for what is counted in bytes, and for nothing else', () => {
    expect(parseOptions('memtable_bytes = "1.5 MiB"\nvalue_threshold = "64k"', 'x')).toEqual({
      memtableBytes: 1_572_864,
      valueThreshold: 65_536,
    });
    expect(failureOf('memtable_count = "3"').message).toContain('"memtable_count" must be');
    expect(failureOf('cache_bytes = "much"').message).toContain('"cache_bytes" must be');
  });

  it('reads rules for values, inline or as tables', () => {
    const rules = [
      { prefix: 'index:', strategy: 'inline' },
      { columnFamily: 'write', strategy: 'threshold', threshold: 16_384 },
    ];
    const inline =
      'value-policies = [\n  { prefix = "index:", strategy = "inline" },\n' +
      '  { column-family = "write", strategy = "threshold", threshold = "16KiB" },\n]';
    expect(parseOptions(inline, 'x')).toEqual({ valuePolicies: rules });
    const tables =
      '[[value_policies]]\nPrefix = "index:"\nstrategy = "inline"\n' +
      '[[value_policies]]\ncolumnFamily = "write"\nstrategy = "threshold"\nthreshold = 16384';
    expect(parseOptions(tables, 'x')).toEqual({ valuePolicies: rules });
  });

  it('leaves out what an empty file does not say', () => {
    expect(parseOptions('# nothing\n', 'x')).toEqual({});
  });

  it.each([
    ['an unknown name', 'durability = "os"\n\nblokc_bytes = 1', 3, '"blokc_bytes"', 'blockBytes'],
    ['an unknown name in a table', '[cache]\nbyte = 1', 2, '"cache.byte"', 'cacheBytes'],
    [
      'an unknown field of a rule',
      'value_policies = [\n { strategy = "inline", prefx = "a" }\n]',
      1,
      '"valuePolicies[0].prefx"',
      'prefix',
    ],
  ])('names for %s the line and the nearest name', (_what, text, line, name, nearest) => {
    const error = failureOf(text);
    expect(error.code).toBe('NOKV_INVALID');
    expect(error.message).toBe(
      `Cannot read options from nokv.toml, line ${line}: unknown option ${name}; did you mean "${nearest}"?`,
    );
    expect(error.details).toMatchObject({ file: 'nokv.toml', line, suggestion: nearest });
  });

  it.each([
    ['a wrong type', 'cache_bytes = 0\nreadOnly = "yes"', 2, '"readOnly" must be true or false'],
    ['a value out of range', '\n\nvalue_log_buckets = 0', 3, '"value_log_buckets" must be'],
    ['a fraction', 'memtable-count = 2.5', 1, '"memtable-count" must be an integer from 2 to 64'],
    ['a date', 'durability = 2026-01-01', 1, '"durability" must be one of os, disk'],
    ['a list', 'cacheBytes = [\n 1 ]', 1, '"cacheBytes" must be an integer'],
    ['a wrong choice', 'memtable = """\narts"""', 1, '"memtable" must be one of art, skiplist'],
    [
      'a wrong rule',
      '[[value_policies]]\nstrategy = "inline"\n\n[[value_policies]]\nstrategy = "outline"',
      5,
      '"valuePolicies[1].strategy" must be one of inline, offload, threshold',
    ],
    [
      'a rule without a strategy',
      'cache_bytes = 0\n[[value_policies]]\nprefix = "a"',
      2,
      '"valuePolicies[0].strategy" must be',
    ],
    ['rules that are none', 'value_policies = 1', 1, '"value_policies" must be an array of rules'],
    [
      'triggers in no order',
      'l0_compaction_trigger = 1\nl0_slowdown_trigger = 60',
      2,
      '"l0_slowdown_trigger" must be at least l0CompactionTrigger (1) and below l0StopTrigger (48)',
    ],
    [
      'a name that comes twice',
      'cache_bytes = 1\ncacheBytes = 2',
      2,
      '"cacheBytes" is "cache_bytes" again',
    ],
    [
      'a field that comes twice',
      '[[valuepolicies]]\nstrategy = "inline"\nSTRATEGY = "inline"',
      3,
      '"STRATEGY" is "strategy" again',
    ],
    ['what is no TOML', 'cache_bytes = 1\ncache_bytes: 2', 2, 'it is no TOML: '],
  ])('names for %s the file, the line and the key', (_what, text, line, message) => {
    const error = failureOf(text);
    expect(error.code).toBe('NOKV_INVALID');
    expect(error.message).toContain(`Cannot read options from nokv.toml, line ${line}: ${message}`);
    expect(error.details).toMatchObject({ file: 'nokv.toml', line });
    expect(error.hint).not.toBe('');
  });

  it('names no line for a value that the file leaves to the default', () => {
    const { message } = failureOf('l0_compaction_trigger = 30');
    expect(message).toContain('nokv.toml: "l0SlowdownTrigger" must be at least');
  });
});

describe('readOptions', () => {
  const fs = new MemFs();
  const write = (path: string, content: Uint8Array): void => {
    const file = fs.open(path, 'create');
    file.write(content, 0, content.length, 0);
    file.close();
  };

  it('reads a file', () => {
    write('/nokv.toml', Buffer.from('durability = "disk"\n'));
    expect(readOptions(fs, '/nokv.toml')).toEqual({ durability: 'disk' });
  });

  it('refuses what is not there, is a directory, is large, or is no text', () => {
    const codeOf = (path: string): unknown => {
      try {
        return readOptions(fs, path);
      } catch (error) {
        return error instanceof NokvError ? `${error.code} ${error.message}` : error;
      }
    };
    fs.makeDirectory('/folder');
    write('/large', new Uint8Array(1_048_577));
    write('/bytes', Uint8Array.of(0xff, 0xfe));
    expect(codeOf('/none')).toBe('NOKV_NOT_FOUND Cannot read options: there is no /none');
    expect(codeOf('/folder')).toMatch(/^NOKV_INVALID .*\/folder: it is a directory$/);
    expect(codeOf('/large')).toMatch(/^NOKV_INVALID .*\/large: it has more than 1 MiB$/);
    expect(codeOf('/bytes')).toMatch(/^NOKV_INVALID .*\/bytes: it is not UTF-8$/);
  });
});
