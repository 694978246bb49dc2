import { expect, it } from 'vitest';
import { ScanCursors } from '../../src/gateway/scan-cursors.js';

it('ScanCursors finds the key of a cursor until many others were given out', () => {
  const cursors = new ScanCursors(0.5);
  const first = cursors.keep(Buffer.from('first'));
  expect(first).toMatch(/^\d{1,16}$/);
  expect(String(cursors.find(Number(first)))).toBe('first');
  expect(cursors.find(1)).toBeUndefined();
  const seen = new Set([first]);
  for (let i = 1; i < 16 * 1024; i++) seen.add(cursors.keep(Buffer.from(String(i))));
  expect(seen.size).toBe(16 * 1024);
  expect(String(cursors.find(Number(first)))).toBe('first');
  const last = cursors.keep(Buffer.from('last'));
  expect(cursors.find(Number(first))).toBeUndefined();
  expect(String(cursors.find(Number(last)))).toBe('last');
});

it('ScanCursors forgets early when keys are long', () => {
  const cursors = new ScanCursors(0);
  const kept = Array.from({ length: 300 }, () => cursors.keep(Buffer.alloc(65_535)));
  expect(kept.filter((cursor) => cursors.find(Number(cursor)) !== undefined)).toHaveLength(256);
});
