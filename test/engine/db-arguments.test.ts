/** Wrong arguments of calls: refused with an error that names what is wrong, and nothing is written. */
import { describe, expect, it } from 'vitest';
import { type Db, openDb } from '../../src/engine/db.js';
import { startJob } from '../../src/engine/jobs.js';
import type { OpenOptions } from '../../src/engine/options.js';
import { createSimEnv } from '../../src/env/sim-env.js';
import { openSim, reopen, rowsOf, TINY, WORKDIR } from './db-fixture.js';

/** A call as plain JavaScript makes it, without types to keep it from going wrong. */
type Untyped = Record<string, (...args: unknown[]) => unknown>;

const untyped = (db: Db): Untyped => db as unknown as Untyped;

/** An array that has `item` behind a hole. */
function withHole(item: unknown): unknown[] {
  const items: unknown[] = [];
  items[1] = item;
  return items;
}

describe('Db', () => {
  it.each([
    ['put', ['k', 'v', { ttl: 5 }], 'unknown name "ttl"; did you mean "ttlMs"?'],
    ['put', ['k', 'v', { durability: 'Disk' }], 'durability must be os or disk, not Disk'],
    ['put', ['k', 'v', 'disk'], 'options: they must be an object'],
    ['put', ['k', 'v', null], 'options: they must be an object'],
    ['put', ['k', 'v', { columnFamily: 'toString' }], 'there is no such family'],
    ['put', ['k', 'v', { columnFamily: 'system' }], '"system": there is no such family'],
    ['del', ['k', { columnFamily: 'system' }], 'there is no such family'],
    ['deleteRange', ['a', 'b', { columnFamily: 'system' }], 'there is no such family'],
    [
      'batch',
      [[{ type: 'put', key: 'k', value: 'v', columnFamily: 'system' }]],
      'there is no such family',
    ],
    ['del', ['k', { durabilty: 'disk' }], 'unknown name "durabilty"; did you mean "durability"?'],
    ['del', ['k', { durability: true }], 'durability must be os or disk, not true'],
    [
      'deleteRange',
      ['a', 'b', { versions: 1 }],
      'unknown name "versions"; did you mean "version"?',
    ],
    ['put', ['\ud800', 'v'], 'Cannot use key: it has half of a surrogate pair'],
    ['put', ['k', 'v\udfff'], 'Cannot use value: it has half of a surrogate pair'],
    ['del', ['k\ud83d'], 'Cannot use key: it has half of a surrogate pair'],
    ['batch', [[{ type: 'put', key: '\udc00', value: 'v' }]], 'half of a surrogate pair'],
    ['batch', [[{ type: 'put', key: 'k', value: '\ud800' }]], 'half of a surrogate pair'],
    ['batch', [undefined], 'the operations must be an array'],
    ['batch', ['abc'], 'the operations must be an array'],
    ['batch', [[null]], 'an operation must be an object'],
    ['batch', [withHole({ type: 'del', key: 'k' })], 'an operation must be an object'],
    ['deleteRange', ['a', 'z', null], 'options: they must be an object'],
    ['deleteRange', ['a', 'z', 'disk'], 'options: they must be an object'],
    ['del', ['k', null], 'options: they must be an object'],
    ['batch', [[{ type: 'del', key: 'k' }], null], 'options: they must be an object'],
    ['batch', [['put']], 'an operation must be an object'],
    ['batch', [[{ type: 'put', key: 'k', value: 'v', durability: 'disk' }]], '"durability"'],
    ['batch', [[{ type: 'del', key: 'k', ttlMs: 5 }]], 'unknown name "ttlMs"'],
    ['batch', [[{ type: 'delete', key: 'k' }]], 'unknown operation type "delete"'],
    ['put', ['k', 'v', { limit: 5 }], 'unknown name "limit"'],
    ['collectValueLog', [null], 'options: they must be an object'],
    ['collectValueLog', [{ dryrun: true }], 'unknown name "dryrun"; did you mean "dryRun"?'],
    ['transaction', [null], 'what is to run in it must be a function'],
    ['update', [{ retries: 1 }], 'what is to run in it must be a function'],
    ['view', [], 'what is to run in it must be a function'],
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
    ['get', ['k', { columnFamily: 'system' }], '"system": there is no such family'],
    ['scan', [{ columnFamily: 'system' }], '"system": there is no such family'],
    ['iterator', [{ columnFamily: 'system' }], '"system": there is no such family'],
    ['scan', [{ revers: true }], 'unknown name "revers"; did you mean "reverse"?'],
    ['get', ['k', { ttlMs: 5 }], 'unknown name "ttlMs"'],
    ['get', ['k', { snapshot: {} }], 'Cannot read from this snapshot: it is none'],
    ['has', ['k', null], 'options: they must be an object'],
    ['has', ['k', { snapshots: 1 }], 'unknown name "snapshots"; did you mean "snapshot"?'],
    ['scan', [null], 'options: they must be an object'],
    ['scan', ['a'], 'options: they must be an object'],
    ['iterator', [null], 'options: they must be an object'],
    ['versions', ['k', null], 'options: they must be an object'],
    ['getMany', ['abc'], 'the keys must be an array'],
    ['getMany', [withHole('k')], 'Cannot use key: it is neither a string nor a Uint8Array'],
    ['getMany', [['k'], null], 'options: they must be an object'],
    ['scan', [{ start: 'a', end: 'b' }], 'unknown name "start"'],
    ['scan', [{ prefix: 5 }], 'it is neither a string nor a Uint8Array'],
    ['scan', [{ gte: null }], 'it is neither a string nor a Uint8Array'],
    ['scan', [{ lt: [] }], 'it is neither a string nor a Uint8Array'],
    ['get', ['\ud800'], 'Cannot use key: it has half of a surrogate pair'],
    ['scan', [{ prefix: 'a\ud800' }], 'Cannot use key: it has half of a surrogate pair'],
    ['scan', [{ lt: '\udc00a' }], 'Cannot use key: it has half of a surrogate pair'],
    ['scan', [{ limit: 'x' }], 'limit must be an integer from 0'],
    ['scan', [{ limit: 1.5 }], 'limit must be an integer from 0'],
    ['scan', [{ limit: Number.NaN }], 'limit must be an integer from 0'],
    ['versions', ['k', { limit: 1.5 }], 'limit must be an integer from 0'],
    ['iterator', [{ prefx: 'a' }], 'unknown name "prefx"; did you mean "prefix"?'],
    ['iterator', [{ limit: 1 }], 'unknown name "limit"'],
    ['iterator', [{ reverse: true }], 'unknown name "reverse"'],
    ['iterator', [{ keysOnly: true }], 'unknown name "keysOnly"'],
  ])('%s(%j) is refused', async (call, args, message) => {
    const { db } = await openSim(TINY);
    expect(() => untyped(db)[call]?.(...args)).toThrow(message);
    await db.close();
  });
});

describe('Transaction', () => {
  it.each([
    ['get', ['k', null], 'options: they must be an object'],
    ['getMany', ['abc'], 'the keys must be an array'],
    ['getMany', [withHole('k')], 'Cannot use key: it is neither a string nor a Uint8Array'],
    ['has', ['k', null], 'options: they must be an object'],
    ['scan', [null], 'options: they must be an object'],
    ['iterator', [null], 'options: they must be an object'],
    ['iterator', [{ limit: 1 }], 'unknown name "limit"'],
    ['iterator', [{ reverse: true }], 'unknown name "reverse"'],
    ['iterator', [{ keysOnly: true }], 'unknown name "keysOnly"'],
    ['put', ['k', 'v', null], 'options: they must be an object'],
    ['del', ['k', null], 'options: they must be an object'],
    ['deleteRange', ['a', 'z', null], 'options: they must be an object'],
  ])('%s(%j) is refused', async (call, args, message) => {
    const { db } = await openSim(TINY);
    const transaction = db.begin();
    expect(() => (transaction as unknown as Untyped)[call]?.(...args)).toThrow(message);
    transaction.rollback();
    await db.close();
  });
});

describe('a snapshot of another database', () => {
  it('is refused by every read: its numbers mean nothing here', async () => {
    const { db } = await openSim(TINY);
    const { db: other } = await openSim(TINY);
    await db.put('k', 'v');
    const options = { snapshot: other.snapshot() };
    const message = 'it is one of another database';
    expect(() => db.get('k', options)).toThrow(message);
    expect(() => db.has('k', options)).toThrow(message);
    expect(() => db.scan(options)).toThrow(message);
    expect(() => db.iterator(options)).toThrow(message);
    expect(() => db.versions('k', options)).toThrow(message);
    await expect(db.exportTables({}, '/out', options)).rejects.toThrow(message);
    await Promise.all([db.close(), other.close()]);
  });
});

describe('a snapshot, or an iterator, that was closed', () => {
  it('says so: the database is open', async () => {
    const { db } = await openSim(TINY);
    const [snapshot, iterator] = [db.snapshot(), db.iterator()];
    snapshot.close();
    iterator.close();
    expect(() => db.get('k', { snapshot })).toThrow('the snapshot is closed');
    expect(() => iterator.first()).toThrow('the iterator is closed');
    const late = db.iterator();
    await db.close();
    expect(() => late.first()).toThrow('the database is closed');
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

  const long = 'a'.repeat(65_536);
  const offload = { strategy: 'offload' };
  const asText = 'without half of a surrogate pair';
  it.each([
    ['valuePolicies[0].prefix', asText, [{ prefix: 'a\ud800', ...offload }]],
    ['valuePolicies[0].prefix', 'at most 65535 bytes long', [{ prefix: long, ...offload }]],
    [
      'valuePolicies[0].prefix',
      'at most 65535 bytes long',
      [{ prefix: Buffer.from(long), ...offload }],
    ],
    [
      'valuePolicies[0].prefix',
      'at most 65535 bytes long',
      [{ prefix: 'ä'.repeat(40_000), ...offload }],
    ],
    ['valuePolicies[0]', 'a rule with some of', withHole({ prefix: 'a', ...offload })],
    ['prefixFilters[0].prefix', asText, [{ prefix: '\udc00', length: 5 }]],
    ['prefixFilters[0].prefix', 'at most 65535 bytes long', [{ prefix: long, delimiter: '/' }]],
    ['prefixFilters[0].prefix', 'at most 65535 bytes long', [{ prefix: long, length: 5 }]],
    ['prefixFilters[0]', 'a rule with some of', withHole({ prefix: 'a', length: 2 })],
  ])('refuses a bad %s: it must be %s', async (option, expected, rules) => {
    const before = await openSim();
    await before.db.close();
    const options = { [option.replace(/\[.*/, '')]: rules } as OpenOptions;
    for (const readOnly of [false, true]) {
      await expect(reopen(before, { ...options, readOnly })).rejects.toMatchObject({
        code: 'NOKV_INVALID',
        message: expect.stringContaining(`option "${option}" must be ${expected}`) as string,
      });
    }
    expect(before.env.fs.openFiles).toBe(0);
    const after = await reopen(before);
    await after.db.close();
  });

  it.each([false, true])(
    'lets go of everything when it fails late, readOnly %s',
    async (readOnly) => {
      const before = await openSim();
      await before.db.put('k', 'v');
      await before.db.flush();
      await before.db.close();
      const { fs, clock } = before.env;
      let isLate = false;
      const trace = (): void => {
        isLate = true;
      };
      const policy = {
        strategy: 'inline' as const,
        get prefix(): string {
          if (isLate) throw new Error('too late');
          return 'a';
        },
      };
      const env = { ...createSimEnv(2, fs, { startJob, clock }), trace };
      const opening = openDb(env, WORKDIR, { readOnly, valuePolicies: [policy] });
      await expect(opening).rejects.toThrow('too late');
      expect(fs.openFiles).toBe(0);
      const { db } = await reopen(before);
      expect(rowsOf(db.scan())).toEqual(['k=v']);
      await db.close();
    },
  );
});
