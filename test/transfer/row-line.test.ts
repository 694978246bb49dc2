/** encodeRow and parseRow. */
import { describe, expect, it } from 'vitest';
import { MIB } from '../../src/base/limits.js';
import { Prng } from '../../src/base/prng.js';
import { encodeRow, parseRow, TRAILER } from '../../src/transfer/row-line.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('encodeRow', () => {
  it.each([
    ['text', bytes('user:42'), bytes('Ada'), '{"key":"user:42","value":"Ada"}'],
    ['an empty value', bytes('k'), bytes(''), '{"key":"k","value":""}'],
    [
      'what JSON must escape',
      bytes('a"b\\c'),
      bytes('\n\t\0/'),
      String.raw`{"key":"a\"b\\c","value":"\n\t\u0000/"}`,
    ],
    ['other letters as they are', bytes('é'), bytes('日本😀'), '{"key":"é","value":"日本😀"}'],
    [
      'bytes that are no UTF-8 as base64, each field by itself',
      Uint8Array.of(0, 255),
      bytes('x'),
      '{"key_base64":"AP8=","value":"x"}',
    ],
    ['a byte order mark', bytes('\uFEFFk'), bytes('v'), '{"key":"\uFEFFk","value":"v"}'],
  ])('writes %s', (_what, key, value, line) => {
    expect(encodeRow({ key, value })).toBe(line);
  });

  it('writes a large value as base64 when escapes would make it longer, and never a line that import refuses', () => {
    const key = bytes('k');
    const line = encodeRow({ key, value: new Uint8Array(45 * MIB).fill(1) });
    expect(line.slice(0, 40)).toBe('{"key":"k","value_base64":"AQEBAQEBAQEBA');
    expect(line.length).toBe(60 * MIB + '{"key":"k","value_base64":""}'.length);
    const tooLarge = new Uint8Array(200 * MIB);
    expect(() => encodeRow({ key, value: tooLarge })).toThrow(/its line would be too long/);
  });

  it('writes a large text as text, as it does a small one that is all escapes', () => {
    const key = bytes('k');
    const text = encodeRow({ key, value: Buffer.alloc(41 * MIB, 'line "one"\n\x7f') });
    expect(text.startsWith(String.raw`{"key":"k","value":"line \"one\"`)).toBe(true);
    const small = encodeRow({ key, value: new Uint8Array(1000).fill(1) });
    expect(small.startsWith(String.raw`{"key":"k","value":"\u0001\u0001`)).toBe(true);
  });
});

describe('parseRow', () => {
  it('gives back what encodeRow was given, and encodeRow the same line again', () => {
    for (const seed of [1, 2, 3]) {
      const random = new Prng(seed);
      const some = (lengthMin: number): Uint8Array => {
        const isText = random.u32() % 2 === 0;
        const length = lengthMin + (random.u32() % 20);
        return Uint8Array.from({ length }, () => random.u32() % (isText ? 128 : 256));
      };
      for (let i = 0; i < 300; i++) {
        const row = { key: some(1), value: some(0) };
        const line = encodeRow(row);
        const parsed = parseRow(line);
        if (parsed === TRAILER || 'problem' in parsed) throw new Error(`seed ${seed}: ${line}`);
        const back = { key: Buffer.from(parsed.key), value: Buffer.from(parsed.value) };
        expect(back, `seed ${seed}`).toEqual({
          key: Buffer.from(row.key),
          value: Buffer.from(row.value),
        });
        expect(encodeRow(back), `seed ${seed}`).toBe(line);
      }
    }
  });

  it('takes spaces, any order of the fields and any escapes', () => {
    const line = String.raw` { "value" : "\u0041" , "key" : "k" } `;
    expect(parseRow(line)).toEqual({ key: 'k', value: 'A' });
  });

  it('takes names of fields, quotes and escapes within keys and values for what they are', () => {
    for (const text of [
      'key',
      '"key":',
      '\\"key":"value"\\',
      '\\',
      '\u0001"value"',
      'value\\\\"',
    ]) {
      for (const name of ['key', 'value_base64']) {
        const value = name === 'key' ? text : Buffer.from(text).toString('base64');
        const fields = { [name]: value, [name === 'key' ? 'value' : 'key']: text };
        for (const line of [JSON.stringify(fields), JSON.stringify(fields, null, 1)])
          expect(parseRow(line), line).not.toHaveProperty('problem');
      }
    }
  });

  it('takes the last line of export --json for what it is', () => {
    expect(parseRow('{"end":true,"rows":2}')).toBe(TRAILER);
  });

  it.each([
    ['no JSON', '{"key":"a","value":"b"', /^it is no JSON \(/],
    ['no object', '["key","value"]', /^it is no JSON object$/],
    ['null', 'null', /^it is no JSON object$/],
    ['no key', '{"value":"b"}', /^it has neither "key" nor "key_base64"$/],
    ['two keys', '{"key":"a","key_base64":"YQ==","value":"b"}', /^it has both "key" and/],
    ['no value', '{"key":"a"}', /^it has neither "value" nor/],
    ['a number', '{"key":"a","value":1}', /^"value" is no string$/],
    ['an unknown field', '{"key":"a","valeu":"b"}', /^it has an unknown field "valeu"$/],
    [
      'an end beside a row',
      '{"key":"a","value":"b","end":true}',
      /^it has an unknown field "end"$/,
    ],
    ['an end beside a key', '{"end":true,"key_base64":"YQ=="}', /^it has an unknown field "end"$/],
    ['an empty key', '{"key":"","value":"b"}', /^its key is empty$/],
    ['a long key', `{"key":"${'é'.repeat(32_768)}","value":""}`, /^its key has 65536 bytes/],
    ['bad base64', '{"key_base64":"YQ=","value":"b"}', /^"key_base64" is no base64/],
    ['base64 of another alphabet', '{"key_base64":"_-8=","value":""}', /^"key_base64" is no/],
    ['a key given twice', '{"key":"a","key":"b","value":"c"}', /^it has a field twice$/],
    ['a value given twice', '{"key":"a","value":"b","value":"c"}', /^it has a field twice$/],
    ['the same twice', '{"value":"","key":"a","value":""}', /^it has a field twice$/],
    ['another type first', '{"key":{"key":[1]},"key":"a","value":""}', /^it has a field twice$/],
    [
      'base64 given twice',
      '{"key_base64":"YQ==","value":"b","key_base64":"Yg=="}',
      /^it has a field twice$/,
    ],
    [
      'a name spelled differently',
      String.raw`{"key":"a","value":"b","\u006bey":"c"}`,
      /^it has a field twice$/,
    ],
    ['half a pair', String.raw`{"key":"a","value":"\ud83d"}`, /^"value" has half a surrogate/],
  ])('says what is wrong with %s', (_what, line, problem) => {
    expect(parseRow(line)).toEqual({ problem: expect.stringMatching(problem) as unknown });
  });
});
