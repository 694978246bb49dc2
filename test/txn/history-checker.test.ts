/** The judge is judged: hand-made histories, good ones and one for each anomaly. */
import { describe, expect, it } from 'vitest';
import { type Found, judge, type Op, type Txn } from './history-checker.js';

const write = (key: string, n = 1): Op => ({ type: 'write', key, write: n });
const del = (key: string): Op => ({ type: 'write', key, write: 0, isDelete: true });
/** `writer` 0: nothing there. */
const read = (key: string, writer: number, n = 1): Op => ({
  type: 'read',
  key,
  found: writer === 0 ? undefined : { writer, write: n },
});
const range = (lower: string, upper: string, rows: Readonly<Record<string, number>>): Op => ({
  type: 'range',
  lower,
  upper,
  rows: new Map(
    Object.entries(rows).map(([key, writer]): [string, Found] => [key, { writer, write: 1 }]),
  ),
});
const txn = (id: number, commit: number | undefined, ...ops: Op[]): Txn => ({ id, commit, ops });

/** Who allows a history: `both`, `snapshot` alone, or `none`. */
function allowed(...history: Txn[]): string {
  const { snapshot, serializable } = judge(history);
  if (snapshot.length === 0) return serializable.length === 0 ? 'both' : 'snapshot';
  return serializable.length === 0 ? 'serializable' : 'none';
}

describe('judge allows', () => {
  const setup = txn(1, 1, write('x'), write('y'));

  it('transactions one after the other', () => {
    expect(
      allowed(setup, txn(2, 2, read('x', 1), write('x')), txn(3, 3, read('x', 2), write('y'))),
    ).toBe('both');
  });

  it('a reader of an older snapshot beside a writer', () => {
    expect(
      allowed(setup, txn(2, 2, write('x'), write('y')), txn(3, 3, read('x', 1), read('y', 1))),
    ).toBe('both');
  });

  it('blind writes, own writes read back, deletes', () => {
    expect(
      allowed(
        setup,
        txn(2, 2, write('x', 1), read('x', 2, 1), write('x', 2), read('x', 2, 2), del('y')),
        txn(3, 3, read('x', 2, 2), read('y', 0), range('y', 'z', {})),
      ),
    ).toBe('both');
  });

  it('in a snapshot only: write skew', () => {
    expect(
      allowed(
        setup,
        txn(2, 2, read('x', 1), read('y', 1), write('x')),
        txn(3, 3, read('x', 1), read('y', 1), write('y')),
      ),
    ).toBe('snapshot');
  });

  it('in a snapshot only: a phantom, two that count a range and add to it', () => {
    expect(
      allowed(
        setup,
        txn(2, 2, range('x', 'z', { x: 1, y: 1 }), write('xa')),
        txn(3, 3, range('x', 'z', { x: 1, y: 1 }), write('xb')),
      ),
    ).toBe('snapshot');
  });

  it('in a snapshot only: a phantom that goes', () => {
    expect(
      allowed(
        setup,
        txn(2, 2, range('x', 'z', { x: 1, y: 1 }), del('x')),
        txn(3, 3, range('x', 'z', { x: 1, y: 1 }), del('y')),
      ),
    ).toBe('snapshot');
  });

  it('in a snapshot only: the anomaly of a read-only transaction', () => {
    expect(
      allowed(
        setup,
        txn(2, 2, read('y', 1), write('y')),
        txn(3, 3, read('x', 1), read('y', 2)),
        txn(4, 4, read('x', 1), read('y', 1), write('x')),
      ),
    ).toBe('snapshot');
  });
});

describe('judge finds', () => {
  const setup = txn(1, 1, write('x'), write('y'));

  it('a lost update', () => {
    expect(
      allowed(setup, txn(2, 2, read('x', 1), write('x')), txn(3, 3, read('x', 1), write('x'))),
    ).toBe('none');
  });

  it('a fractured read', () => {
    expect(
      allowed(setup, txn(2, 2, write('x'), write('y')), txn(3, 3, read('x', 2), read('y', 1))),
    ).toBe('none');
  });

  it('a fractured range', () => {
    expect(
      allowed(
        setup,
        txn(2, 2, write('xa'), write('xb')),
        txn(3, 3, range('x', 'xc', { x: 1, xb: 2 })),
      ),
    ).toBe('none');
  });

  it('a dirty read, also by a transaction that did not commit', () => {
    expect(allowed(setup, txn(2, undefined, write('x')), txn(3, 2, read('x', 2)))).toBe('none');
    expect(allowed(setup, txn(2, undefined, write('x')), txn(3, undefined, read('x', 2)))).toBe(
      'none',
    );
  });

  it('an intermediate read', () => {
    expect(allowed(txn(1, 1, write('x', 1), write('x', 2)), txn(2, 2, read('x', 1, 1)))).toBe(
      'none',
    );
  });

  it('an own write that is not read back', () => {
    expect(allowed(setup, txn(2, 2, write('x'), read('x', 1)))).toBe('none');
    expect(allowed(setup, txn(2, 2, del('x'), range('x', 'z', { x: 1, y: 1 })))).toBe('none');
  });

  it('two that read each other', () => {
    expect(allowed(txn(1, 1, write('x'), read('y', 2)), txn(2, 2, write('y'), read('x', 1)))).toBe(
      'none',
    );
  });

  it('a stale read: behind a commit that was acknowledged before it began', () => {
    const [one, two] = [txn(2, 2, write('x')), txn(3, 3, read('x', 1), write('y'))];
    expect(allowed(setup, one, two)).toBe('both');
    expect(allowed(setup, { ...one, began: 1, ended: 2 }, { ...two, began: 3, ended: 4 })).toBe(
      'none',
    );
  });
});
