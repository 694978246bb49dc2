/** Sizes as people write them: "64MiB", "1.5 GiB", "512". */
import { NokvError } from './errors.js';

const BYTES_OF_UNIT: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kib: 1024,
  kb: 1000,
  m: 1024 ** 2,
  mib: 1024 ** 2,
  mb: 1000 ** 2,
  g: 1024 ** 3,
  gib: 1024 ** 3,
  gb: 1000 ** 3,
  t: 1024 ** 4,
  tib: 1024 ** 4,
  tb: 1000 ** 4,
};

/** Bytes from a size; KB and MB are decimal. @throws NokvError NOKV_INVALID with an example. */
export function parseBytes(text: string): number {
  const { value, unit } = splitNumber(text) ?? {};
  const factor = BYTES_OF_UNIT[unit ?? '?'];
  const bytes = Math.round((value ?? NaN) * (factor ?? NaN));
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new NokvError('NOKV_INVALID', `Cannot read size "${text}": write it like 64MiB`, {
    details: { text },
  });
}

/** "1.5 GiB" is 1.5 and "gib"; undefined for what does not begin with a number. */
export function splitNumber(text: string): { value: number; unit: string } | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  if (match === null) return undefined;
  return { value: Number(match[1]), unit: (match[2] ?? '').toLowerCase() };
}
