/** LineReader. */
import { describe, expect, it } from 'vitest';
import { crc32Of } from '../../src/base/crc32.js';
import { Prng } from '../../src/base/prng.js';
import { LineReader } from '../../src/transfer/line-reader.js';

interface Line {
  text: string;
  line: number;
  offset: number;
  crc: number;
}

function readAll(chunks: Iterable<Uint8Array>): Line[] {
  const reader = new LineReader(0, 0, 0);
  const lines: Line[] = [];
  const keep = (): void => {
    const { line, offset, crc } = reader;
    const text = reader.bytes.toString('latin1', reader.start, reader.end);
    lines.push({ text, line, offset, crc });
  };
  for (const chunk of chunks) {
    // The reader may not depend on a chunk that went by.
    const own = Uint8Array.from(chunk);
    reader.push(own);
    while (reader.next()) keep();
    own.fill(0xdb);
  }
  if (reader.finish()) keep();
  return lines;
}

describe('LineReader', () => {
  it('gives lines, offsets and checksums, however the bytes are cut', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const random = new Prng(seed);
      const bytes = Uint8Array.from({ length: 500 }, () => (random.u32() % 9 === 0 ? 10 : 120));
      const expected: Line[] = [];
      for (let at = 0; at < bytes.length;) {
        const found = bytes.indexOf(10, at);
        const end = found < 0 ? bytes.length : found;
        const offset = found < 0 ? end : end + 1;
        const text = 'x'.repeat(end - at);
        expected.push({
          text,
          line: expected.length + 1,
          offset,
          crc: crc32Of(bytes.subarray(0, offset)),
        });
        at = offset;
      }
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < bytes.length;) {
        const length = random.u32() % 40;
        chunks.push(bytes.subarray(at, at + length));
        at += length;
      }
      expect(readAll(chunks), `seed ${seed}`).toEqual(expected);
    }
  });

  it('counts a last line without line end, and none behind the last line end', () => {
    const texts = (text: string): string[] => readAll([Buffer.from(text)]).map((line) => line.text);
    expect(texts('a\nb')).toEqual(['a', 'b']);
    expect(texts('a\n\nb\n')).toEqual(['a', '', 'b']);
    expect(texts('')).toEqual([]);
  });
});
