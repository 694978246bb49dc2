import { describe, expect, it } from 'vitest';
import { MIB } from '../../src/base/limits.js';
import {
  type EntryFormat,
  entryPieces,
  jsonBytesOf,
  type ShownEntry,
} from '../../src/cli/dumped-entry.js';
import { checkJsonBytes } from '../../src/cli/json-limit.js';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const FORMAT: EntryFormat = { key: 'auto', value: 'auto', isTerminal: false };

function entry(changes: Partial<ShownEntry>): ShownEntry {
  const some = { family: 'default', key: utf8('k'), kind: 'put', seq: 7, version: 7 };
  return { ...some, expires_at_ms: null, ...changes };
}

describe('entryPieces', () => {
  const line = (changes: Partial<ShownEntry>): string =>
    [...entryPieces(entry(changes), FORMAT)].join('');

  it.each<[Partial<ShownEntry>, string]>([
    [{ value: utf8('v') }, 'put default k @7 = v'],
    [{ kind: 'delete', version: 5 }, 'delete default k @7 v5'],
    [{ kind: 'deleteRange', end: utf8('m') }, 'deleteRange default k .. m @7'],
    [{ value_bytes: 3 }, 'put default k @7 (3 bytes)'],
    [{ pointer: { fid: 1, offset: 2, bytes: 3 } }, 'put default k @7 -> value log 1 at 2, 3 bytes'],
    [{ expires_at_ms: 0 }, 'put default k @7 expires 1970-01-01T00:00:00.000Z'],
    [{ expires_at_ms: Number.MAX_SAFE_INTEGER }, 'put default k @7 expires 9007199254740991'],
  ])('prints %j', (changes, text) => {
    expect(line(changes)).toBe(text);
  });

  it('is not bound by the length of a string', () => {
    const value = new Uint8Array(140 * MIB).fill(1);
    let length = 0;
    for (const piece of entryPieces(entry({ value }), FORMAT)) length += piece.length;
    expect(length).toBe('put default k @7 = '.length + 4 * value.length);
  });
});

describe('checkJsonBytes', () => {
  it('refuses what no string can hold, with a hint', () => {
    const largest = entry({ value: new Uint8Array(127 * MIB) });
    expect(() => checkJsonBytes(jsonBytesOf(largest), 'x')).not.toThrow();
    const larger = entry({ value: new Uint8Array(128 * MIB) });
    const refused = (): void => checkJsonBytes(jsonBytesOf(larger), 'Leave out --json');
    expect(refused).toThrow(/too large/);
    expect(refused).toThrow(expect.objectContaining({ hint: 'Leave out --json' }) as Error);
  });
});
