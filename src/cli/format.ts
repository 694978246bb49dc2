/**
 * Numbers as people read and write them: sizes with IEC units, durations, times, counts. Parsers (parseBytes is in
 * base/byte-size.ts) accept what the formatters print, and throw NOKV_INVALID with an example.
 */
import { splitNumber } from '../base/byte-size.js';
import { NokvError } from '../base/errors.js';

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

const MS_OF_UNIT: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** The last time that a Date can be: in the year 275760. */
const TIME_MS_MAX = 8.64e15;

/** "512 B", "72.0 MiB", "240 MiB": one decimal below 100. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // 1023.5 KiB would round to "1024 KiB".
  while (Math.abs(value) >= 1023.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || Math.abs(value) >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${BYTE_UNITS[unit] ?? ''}`;
}

/** "88,213". */
export function formatCount(count: number): string {
  const [whole = '', fraction] = String(count).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/** "1 table", "1,204 entries". `many` defaults to `one` with an s. */
export function formatCountOf(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** Milliseconds as "0.21 ms", "38 ms", "1.4 s", "2 m 10 s", "3 h 5 m", "4 d 2 h". */
export function formatDuration(ms: number): string {
  if (ms < 0.995) return `${ms.toFixed(2)} ms`;
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${seconds % 60} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${minutes % 60} m`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Milliseconds of the epoch as "2026-11-29T07:34:28.000Z"; the number itself where no date goes that far. */
export function formatTime(ms: number): string {
  return Math.abs(ms) <= TIME_MS_MAX ? new Date(ms).toISOString() : String(ms);
}

/** `part` of `whole` as "31%"; "-" when there is no whole. */
export function formatPercent(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(0)}%`;
}

/** Milliseconds from "250ms", "1.5s", "10m". @throws NokvError NOKV_INVALID. */
export function parseDuration(text: string): number {
  const { value, unit } = splitNumber(text) ?? {};
  const factor = value === 0 && unit === '' ? 1 : MS_OF_UNIT[unit ?? '?'];
  const ms = (value ?? NaN) * (factor ?? NaN);
  if (Number.isFinite(ms)) return ms;
  throw new NokvError('NOKV_INVALID', `Cannot read duration "${text}": write it like 250ms`, {
    details: { text },
  });
}
