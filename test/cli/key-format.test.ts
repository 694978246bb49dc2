import { describe, expect, it } from 'vitest';
import { NokvError } from '../../src/base/errors.js';
import { MIB } from '../../src/base/limits.js';
import { Prng } from '../../src/base/prng.js';
import {
  formatKey,
  formatPieces,
  formatRange,
  formatText,
  parseKey,
  parseText,
  printableText,
  type KeyFormat,
} from '../../src/cli/key-format.js';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const BINARY = Uint8Array.of(0x00, 0x61, 0x0a, 0xff, 0x5c, 0x1b);

describe('formatText', () => {
  it('prints printable text as it is, and anything else escaped, in auto', () => {
    expect(formatText(utf8('grün 漢字'), 'auto', true)).toBe('grün 漢字');
    expect(formatText(utf8('C:\\dir'), 'auto', true)).toBe('C:\\dir');
    expect(formatText(BINARY, 'auto', true)).toBe('\\0a\\n\\xff\\\\\\x1b');
    expect(formatText(new Uint8Array(0), 'auto', true)).toBe('');
  });

  it('prints hex, base64 and escaped', () => {
    expect(formatText(BINARY, 'hex', true)).toBe('00610aff5c1b');
    expect(formatText(BINARY, 'base64', true)).toBe('AGEK/1wb');
    expect(formatText(utf8('ü'), 'escaped', true)).toBe('\\xc3\\xbc');
  });

  it('never lets a control character of a key reach a terminal', () => {
    const hostile = utf8('\u001b]0;title\u0007 \u009b31m \u202e \u2028 \u007f \ufeff');
    for (const format of ['auto', 'utf8', 'escaped'] as KeyFormat[]) {
      expect(formatText(hostile, format, true)).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
    }
    expect(formatText(hostile, 'utf8', false)).toBe(new TextDecoder().decode(hostile));
  });
});

describe('formatPieces', () => {
  const join = (bytes: Uint8Array, format: KeyFormat): string =>
    [...formatPieces(bytes, format, true)].join('');

  it('cuts the text of a large value where no character and no base64 ends', () => {
    const random = new Prng(9);
    const binary = new Uint8Array(200_001);
    random.fill(binary);
    const plain = (byte: number): string => {
      if (byte === 0x5c) return '\\\\';
      if (byte >= 0x20 && byte < 0x7f) return String.fromCharCode(byte);
      const short = { 0: '\\0', 9: '\\t', 10: '\\n', 13: '\\r' }[byte];
      return short ?? `\\x${byte.toString(16).padStart(2, '0')}`;
    };
    const escaped = Array.from(binary, plain).join('');
    expect(join(binary, 'auto') === escaped).toBe(true);
    expect(join(binary, 'escaped') === escaped).toBe(true);
    expect(join(binary, 'hex') === Buffer.from(binary).toString('hex')).toBe(true);
    expect(join(binary, 'base64') === Buffer.from(binary).toString('base64')).toBe(true);
    const text = `x${'grün 漢字 😀 \\'.repeat(10_000)}`;
    expect(join(utf8(text), 'auto') === text).toBe(true);
    expect(join(utf8(text), 'utf8') === text).toBe(true);
    const cut = utf8(text).subarray(0, -3);
    expect(join(Buffer.concat([cut, utf8('é').subarray(0, 1)]), 'utf8').endsWith('\uFFFD')).toBe(
      true,
    );
    expect(join(new Uint8Array(0), 'auto')).toBe('');
  });

  it('is not bound by the length of a string', () => {
    const value = new Uint8Array(140 * MIB).fill(1);
    let length = 0;
    let longest = 0;
    for (const piece of formatPieces(value, 'auto', false)) {
      length += piece.length;
      longest = Math.max(longest, piece.length);
    }
    expect(length).toBe(4 * value.length);
    expect(longest).toBeLessThan(MIB);
  });
});

describe('formatRange', () => {
  it('names the families of a range that reaches from one into another', () => {
    const range = { lower: utf8('user:9'), upper: utf8('import/x') };
    expect(formatRange(range, 'auto', true)).toBe('user:9 .. import/x');
    const families = { lower_family: 'default', upper_family: 'system' };
    expect(formatRange({ ...range, ...families }, 'auto', true)).toBe(
      'default:user:9 .. system:import/x',
    );
  });
});

describe('formatKey', () => {
  it('prints in auto what escaped reads back, and no two keys alike', () => {
    expect(formatKey(utf8('grün'), 'auto', true)).toBe('grün');
    expect(formatKey(utf8('\\xff'), 'auto', true)).toBe('\\\\xff');
    expect(formatKey(Uint8Array.of(0xff), 'auto', true)).toBe('\\xff');
    expect(formatKey(utf8('C:\\größe'), 'auto', true)).toBe('C:\\\\größe');
    expect(formatKey(utf8('a\uFFFD'), 'auto', true)).toBe('a\\xef\\xbf\\xbd');
    const random = new Prng(4);
    const alphabet = utf8('\\xf0n "ü\n\u0000\uFFFD');
    for (let i = 0; i < 500; i++) {
      const key = Uint8Array.from({ length: random.below(8) }, () =>
        random.below(9) === 0 ? 0xff : (alphabet[random.below(alphabet.length)] as number),
      );
      expect(parseText(formatKey(key, 'auto', true), 'escaped')).toEqual(key);
    }
  });

  it('prints the other formats as formatText does', () => {
    for (const format of ['utf8', 'hex', 'base64', 'escaped'] as const) {
      expect(formatKey(BINARY, format, true)).toBe(formatText(BINARY, format, true));
    }
  });
});

describe('printableText', () => {
  it('refuses invalid UTF-8 and control characters', () => {
    expect(printableText(utf8('a b'))).toBe('a b');
    expect(printableText(Uint8Array.of(0xc3))).toBeUndefined();
    expect(printableText(Uint8Array.of(0xed, 0xa0, 0x80))).toBeUndefined();
    expect(printableText(utf8('a\tb'))).toBeUndefined();
  });
});

describe('parseText', () => {
  it('reads back what formatText printed, for every byte string', () => {
    for (const seed of [1, 2, 3]) {
      const random = new Prng(seed);
      for (let i = 0; i < 200; i++) {
        const bytes = new Uint8Array(random.below(20));
        random.fill(bytes);
        for (const format of ['hex', 'base64', 'escaped'] as const) {
          const text = formatText(bytes, format, true);
          expect(parseText(text, format), `seed ${seed}, ${format} ${text}`).toEqual(bytes);
        }
      }
    }
  });

  it.each(['auto', 'utf8', 'escaped'] as const)(
    'refuses what is left of no UTF-8 in %s',
    (format) => {
      const refused = (): unknown => parseText('a\uFFFDb', format);
      expect(refused).toThrow('it has bytes that are no UTF-8');
      expect(refused).toThrow(
        expect.objectContaining({
          code: 'NOKV_INVALID',
          hint: expect.stringContaining('--key-format hex') as string,
        }) as Error,
      );
      expect(parseText('efbfbd', 'hex')).toEqual(utf8('\uFFFD'));
    },
  );

  it('takes text literally in auto and utf8', () => {
    expect(parseText('a\\n', 'auto')).toEqual(utf8('a\\n'));
    expect(parseText('grün', 'utf8')).toEqual(utf8('grün'));
  });

  it.each([
    ['abc', 'hex'],
    ['zz', 'hex'],
    ['AGEK/1w', 'base64'],
    ['AG EK', 'base64'],
    ['a\\', 'escaped'],
    ['a\\q', 'escaped'],
    ['\\xf', 'escaped'],
  ] as const)('refuses "%s" as %s', (text, format) => {
    expect(() => parseText(text, format)).toThrow(NokvError);
  });
});

describe('parseKey', () => {
  it('refuses what cannot be a key', () => {
    expect(parseKey('a', 'auto')).toEqual(utf8('a'));
    expect(() => parseKey('', 'auto')).toThrow(/0 bytes/);
    expect(() => parseKey('00'.repeat(65_536), 'hex')).toThrow(NokvError);
  });
});
