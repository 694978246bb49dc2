/** Errors as plain data: every class survives the way from a worker and back. */
import { describe, expect, it } from 'vitest';
import { AssertionError } from '../../src/base/assert.js';
import {
  BusyError,
  ChangedError,
  ClosedError,
  CorruptionError,
  errorFromPlain,
  errorToPlain,
  FormatError,
  hasCode,
  IoError,
  LockedError,
  ModeError,
  NokvError,
  ReadOnlyError,
} from '../../src/base/errors.js';

const SAMPLES: Error[] = [
  new NokvError('NOKV_TIMEOUT', 'Cannot wait', {
    outcome: 'unknown',
    retryable: true,
    hint: 'Own hint',
  }),
  new IoError(
    { op: 'write', path: '/db/1.wal', errno: 'ENOSPC', bytes: 7 },
    { outcome: 'unknown' },
  ),
  new CorruptionError('block checksum mismatch', {
    file: '/db/7.sst',
    offset: 4096,
    expected: 1,
    actual: 2,
  }),
  new FormatError('Cannot open', { file: 'x', found: 9, supported: 1 }),
  new ModeError({ workdir: '/db', found: 'cluster', supported: 'standalone' }),
  new LockedError({ workdir: '/db', holder: 'pid 1' }),
  new ClosedError('get'),
  new BusyError('Cannot queue', { queue: 'writes', limit: 3, backoffMs: 10 }),
  new ReadOnlyError('Cannot write', { details: { since: 5 } }),
  new ChangedError('a table vanished', { file: '/db/7.sst' }),
  new AssertionError('broken'),
  new TypeError('wrong type'),
  new RangeError('out of range'),
];

function roundTrip(error: unknown): Error {
  return errorFromPlain(structuredClone(JSON.parse(JSON.stringify(errorToPlain(error))) as never));
}

describe('errorToPlain and errorFromPlain', () => {
  for (const error of SAMPLES) {
    it(`restore ${error.name} with class, fields, message and stack`, () => {
      const restored = roundTrip(error);
      expect(restored.constructor).toBe(error.constructor);
      expect(Object.entries(restored)).toEqual(Object.entries(error));
      expect(restored.message).toBe(error.message);
      expect(restored.name).toBe(error.name);
      expect(restored.stack).toBe(error.stack);
    });
  }

  it('keep the chain of causes', () => {
    const inner = new CorruptionError('bad magic', { file: 'f', offset: 0 });
    const outer = new ReadOnlyError('Cannot write', {
      cause: new Error('between', { cause: inner }),
    });
    const restored = roundTrip(outer);
    expect(hasCode(restored, 'NOKV_CORRUPTION')).toBe(true);
    expect(((restored.cause as Error).cause as CorruptionError).offset).toBe(0);
  });

  it('cut a circle of causes', () => {
    const error = new Error('loop');
    error.cause = error;
    expect(roundTrip(error).message).toBe('loop');
  });

  it('take anything that was thrown', () => {
    expect(roundTrip('text').message).toBe('text');
    expect(roundTrip(undefined).message).toBe('undefined');
  });
});
