/** Wrong arguments of calls: refused with an error that names what is wrong, and nothing is written. */
import { describe, expect, it } from 'vitest';
import type { Db } from '../../src/engine/db.js';
import { openSim, rowsOf, TINY } from './db-fixture.js';

/** A call as plain JavaScript makes it, without types to keep it from going wrong. */
type Untyped = Record<string, (...args: unknown[]) => unknown>;

const untyped = (db: Db): Untyped => db as unknown as Untyped;

describe('Db', () => {
  it.each([
    ['put', ['k', 'v', { ttl: 5 }], 'unknown name "ttl"; did you mean "ttlMs"?'],
    ['put', ['k', 'v', { durability: 'Disk' }], 'durability must be os or disk, not Disk'],
    ['put', ['k', 'v', 'disk'], 'options: they must be an object'],
    ['put', ['k', 'v', null], 'options: they must be an object'],
    ['put', ['k', 'v', { columnFamily: 'toString' }], 'there is no such family'],
    ['del', ['k', { durabilty: 'disk' }], 'unknown name "durabilty"; did you mean "durability"?'],
    ['del', ['k', { durability: true }], 'durability must be os or disk, not true'],
    [
      'deleteRange',
      ['a', 'b', { versions: 1 }],
      'unknown name "versions"; did you mean "version"?',
    ],
    ['batch', [undefined], 'the operations must be an array'],
    ['batch', ['abc'], 'the operations must be an array'],
    ['batch', [[null]], 'they must be an object'],
    ['batch', [[], { sync: true }], 'unknown name "sync"'],
    ['batch', [[{ type: 'put', key: 'k', val: 'v' }]], 'unknown name "val"; did you mean "value"?'],
    ['batch', [[{ type: 'del', key: 'k' }], { durability: 1 }], 'durability must be os or disk'],
  ])('%s(%j) is refused, and writes nothing', async (call, args, message) => {
    const { db } = await openSim(TINY);
    await db.put('k', 'kept');
    await expect(async () => untyped(db)[call]?.(...args)).rejects.toThrow(message);
    expect(rowsOf(db.scan())).toEqual(['k=kept']);
    await db.close();
  });

  it.each([
    ['get', ['k', { snapshots: 1 }], 'unknown name "snapshots"; did you mean "snapshot"?'],
    ['get', ['k', null], 'they must be an object'],
    ['scan', [{ revers: true }], 'unknown name "revers"; did you mean "reverse"?'],
    ['scan', [{ limit: 'x' }], 'limit must be a number from 0'],
    ['scan', [{ limit: Number.NaN }], 'limit must be a number from 0'],
    ['iterator', [{ prefx: 'a' }], 'unknown name "prefx"; did you mean "prefix"?'],
  ])('%s(%j) is refused', async (call, args, message) => {
    const { db } = await openSim(TINY);
    expect(() => untyped(db)[call]?.(...args)).toThrow(message);
    await db.close();
  });
});

describe('openDb', () => {
  it.each([
    [
      { valuePolicies: [{ prefx: 'a', strategy: 'inline' }] },
      '"valuePolicies[0].prefx"; did you mean "prefix"?',
    ],
    [{ valuePolicies: [null] }, '"valuePolicies[0]" must be a rule'],
    [{ valuePolicies: [{ strategy: 'inline', prefix: 5 }] }, '"valuePolicies[0].prefix" must be'],
    [
      { valuePolicies: [{ strategy: 'inline', columnFamily: 'x' }] },
      '"valuePolicies[0].columnFamily"',
    ],
    [null, 'The options must be an object'],
  ])('refuses the options %j', async (options, message) => {
    await expect(openSim(options as object)).rejects.toThrow(message);
  });
});
