import { describe, expect, it } from 'vitest';
import { parseBytes } from '../../src/base/byte-size.js';
import { NokvError } from '../../src/base/errors.js';
import {
  formatBytes,
  formatCount,
  formatDuration,
  formatPercent,
  formatTime,
  parseDuration,
} from '../../src/cli/format.js';

const MIB = 1024 * 1024;

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [512, '512 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1536, '1.5 KiB'],
    [72 * MIB, '72.0 MiB'],
    [240 * MIB, '240 MiB'],
    [1024 * MIB - 1, '1.0 GiB'],
    [99.96 * 1024, '100 KiB'],
  ])('prints %d bytes as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it('prints what parseBytes reads back within its precision', () => {
    for (let bytes = 1; bytes < 2 ** 42; bytes *= 3) {
      expect(Math.abs(parseBytes(formatBytes(bytes)) - bytes)).toBeLessThanOrEqual(bytes * 0.05);
    }
  });
});

describe('formatTime', () => {
  it('prints a date, and the number where no date goes that far', () => {
    expect(formatTime(0)).toBe('1970-01-01T00:00:00.000Z');
    expect(formatTime(8.64e15)).toBe('+275760-09-13T00:00:00.000Z');
    expect(formatTime(8.64e15 + 1)).toBe('8640000000000001');
    expect(formatTime(Number.MAX_SAFE_INTEGER)).toBe('9007199254740991');
  });
});

describe('formatCount', () => {
  it('groups thousands, and leaves the fraction alone', () => {
    expect(formatCount(0)).toBe('0');
    expect(formatCount(999)).toBe('999');
    expect(formatCount(88213)).toBe('88,213');
    expect(formatCount(1234567.8915)).toBe('1,234,567.8915');
  });
});

describe('formatDuration', () => {
  it.each([
    [0.21, '0.21 ms'],
    [0.999, '1.0 ms'],
    [38.4, '38 ms'],
    [999.4, '999 ms'],
    [999.6, '1.0 s'],
    [59_900, '59.9 s'],
    [59_990, '1 m 0 s'],
    [130_000, '2 m 10 s'],
    [11_100_000, '3 h 5 m'],
    [86_400_000 * 4 + 7_200_000, '4 d 2 h'],
  ])('prints %d ms as %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });
});

describe('formatPercent', () => {
  it('has no percentage of nothing', () => {
    expect(formatPercent(31, 100)).toBe('31%');
    expect(formatPercent(0, 0)).toBe('-');
  });
});

describe('parseBytes', () => {
  it.each([
    ['0', 0],
    ['512', 512],
    ['64MiB', 64 * MIB],
    ['64 mib', 64 * MIB],
    ['64M', 64 * MIB],
    ['1.5 KiB', 1536],
    ['2GB', 2_000_000_000],
  ])('reads %s', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each(['', 'MiB', '-1', '64 XiB', '1e3', '9999999TiB', '1 2'])('refuses "%s"', (text) => {
    expect(() => parseBytes(text)).toThrow(NokvError);
    expect(() => parseBytes(text)).toThrow(/64MiB/);
  });
});

describe('parseDuration', () => {
  it.each([
    ['0', 0],
    ['250ms', 250],
    ['1.5s', 1500],
    ['500us', 0.5],
    ['10m', 600_000],
    ['2 h', 7_200_000],
  ])('reads %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '250', 'ms', '-1s', '1w'])('refuses "%s", also a number without unit', (text) => {
    expect(() => parseDuration(text)).toThrow(/250ms/);
  });
});
