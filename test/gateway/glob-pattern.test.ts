import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import { matchesGlob } from '../../src/gateway/glob-pattern.js';

const matches = (pattern: string, text: string): boolean =>
  matchesGlob(Buffer.from(pattern, 'latin1'), Buffer.from(text, 'latin1'));

describe('matchesGlob', () => {
  it.each([
    ['', '', true],
    ['', 'a', false],
    ['*', '', true],
    ['**', 'abc', true],
    ['a*c', 'abbc', true],
    ['a*c', 'abbcd', false],
    ['a*b*c', 'a-b-b-c', true],
    ['h?llo', 'hello', true],
    ['h?llo', 'hllo', false],
    ['h[ae]llo', 'hallo', true],
    ['h[ae]llo', 'hillo', false],
    ['h[^e]llo', 'hallo', true],
    ['h[^e]llo', 'hello', false],
    ['h[a-c]llo', 'hbllo', true],
    ['h[c-a]llo', 'hbllo', true],
    ['h[a-c]llo', 'hdllo', false],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['[\\]]', ']', true],
    ['[a', 'a', true],
    ['a\\', 'a\\', true],
    ['key:*:\xff', 'key:\x00\x0a:\xff', true],
  ])('%j and %j: %s', (pattern, text, expected) => {
    expect(matches(pattern, text)).toBe(expected);
  });

  it('takes no exponential time', () => {
    expect(matches(`${'a*'.repeat(1000)}b`, 'a'.repeat(5000))).toBe(false);
  });

  it('agrees with a regular expression on random patterns', () => {
    const random = new Prng(21);
    const pick = (from: string): string => from[random.below(from.length)]!;
    for (let i = 0; i < 3000; i++) {
      const pattern = Array.from({ length: random.below(7) }, () => pick('ab*?')).join('');
      const text = Array.from({ length: random.below(9) }, () => pick('ab')).join('');
      const expression = pattern.replaceAll('*', '.*').replaceAll('?', '.');
      const message = `${pattern} ${text}`;
      expect(matches(pattern, text), message).toBe(new RegExp(`^${expression}$`).test(text));
    }
  });
});
