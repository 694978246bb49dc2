/** What the public API promises, in plain words; every promise on every machine. */
import { beforeEach, describe, expect, it } from 'vitest';
import type { Db } from '../../src/engine/db.js';
import type { Key, Value } from '../../src/engine/requests.js';
import type { OpenOptions } from '../../src/engine/options.js';
import { rowsOf, text } from '../engine/db-fixture.js';
import { type Machine, MACHINES } from './machines.js';

describe.each(MACHINES)('on %s', (_name, makeMachine) => {
  let machine: Machine;
  let db: Db;

  beforeEach(async () => {
    machine = makeMachine();
    db = await machine.open();
    return () => db.close();
  });

  const get = (key: Key): string | undefined => text(db.get(key));
  const putAll = async (...keys: string[]): Promise<void> => {
    for (const key of keys) await db.put(key, `${key}!`);
  };
  const reopen = async (options?: OpenOptions): Promise<void> => {
    await db.close();
    db = await machine.open(options);
  };

  describe('put, get and del', () => {
    it('what was put is there, also after reopening', async () => {
      await db.put('key', 'value');
      expect(get('key')).toBe('value');
      await reopen();
      expect(get('key')).toBe('value');
    });

    it('the last write of a key wins, and del removes it', async () => {
      await db.put('key', '1');
      await db.put('key', '2');
      expect(get('key')).toBe('2');
      await db.del('key');
      expect(db.get('key')).toBeUndefined();
      expect(db.has('key')).toBe(false);
      await db.del('key');
    });

    it('an absent key is undefined, not an error', () => {
      expect(db.get('nothing')).toBeUndefined();
      expect(db.getMany(['a', 'b'])).toEqual([undefined, undefined]);
    });

    it('an empty value is a value', async () => {
      await db.put('key', '');
      expect(db.get('key')).toEqual(new Uint8Array(0));
      expect(db.has('key')).toBe(true);
      await db.flush();
      expect(db.get('key')).toEqual(new Uint8Array(0));
    });

    const WRONG: readonly unknown[] = [null, undefined, 7, {}, ['a']];
    it.each(WRONG)('%j is neither a key nor a value', async (wrong) => {
      await expect(db.put(wrong as Key, 'value')).rejects.toThrow(TypeError);
      await expect(db.put('key', wrong as Value)).rejects.toThrow(TypeError);
      await expect(db.del(wrong as Key)).rejects.toThrow(TypeError);
      expect(() => db.get(wrong as Key)).toThrow(TypeError);
      expect(rowsOf(db.scan())).toEqual([]);
    });

    it('an empty key is refused', async () => {
      await expect(db.put('', 'value')).rejects.toThrow(RangeError);
      await expect(db.del(new Uint8Array(0))).rejects.toThrow(RangeError);
      expect(() => db.get('')).toThrow(RangeError);
    });

    it('a key has at most 65,535 bytes, of any kind', async () => {
      for (const byte of [0, 1, 0x61, 0xff]) {
        const key = new Uint8Array(65_535).fill(byte);
        await db.put(key, `${byte}`);
        await expect(db.put(new Uint8Array(65_536).fill(byte), '')).rejects.toThrow(RangeError);
      }
      await db.flush();
      for (const byte of [0, 1, 0x61, 0xff]) {
        expect(text(db.get(new Uint8Array(65_535).fill(byte)))).toBe(`${byte}`);
      }
      expect([...db.scan({ reverse: true })].map(({ key }) => key[0])).toEqual([0xff, 0x61, 1, 0]);
      await expect(db.put('a'.repeat(65_536), '')).rejects.toThrow(RangeError);
    });

    it('a string is its UTF-8 bytes', async () => {
      await db.put('grün', 'schön');
      expect(db.get(Buffer.from('grün'))).toEqual(new Uint8Array(Buffer.from('schön')));
    });

    it('the caller owns what get and scan return, and what it gave to put', async () => {
      for (const size of [10, 10_000]) {
        const value = Buffer.alloc(size, 'v');
        const written = db.put('key', value);
        value.fill('x');
        await written;
        for (let round = 0; round < 2; round++) {
          db.get('key')?.fill(0);
          for (const row of db.scan()) row.value.fill(0);
          expect(get('key')).toBe('v'.repeat(size));
          await db.flush();
        }
      }
    });
  });

  describe('batch', () => {
    it('writes a thousand items at once', async () => {
      const operations = Array.from({ length: 1000 }, (_, i) => ({
        type: 'put' as const,
        key: `key${String(i).padStart(4, '0')}`,
        value: `${i}`,
      }));
      await db.batch(operations);
      expect([...db.scan()]).toHaveLength(1000);
      await reopen();
      expect([...db.scan()]).toHaveLength(1000);
    });

    it('writes nothing when one item is bad', async () => {
      await db.put('old', '1');
      await expect(
        db.batch([
          { type: 'put', key: 'new', value: '1' },
          { type: 'del', key: 'old' },
          { type: 'put', key: '', value: '1' },
        ]),
      ).rejects.toThrow(RangeError);
      expect(rowsOf(db.scan())).toEqual(['old=1']);
      await reopen();
      expect(rowsOf(db.scan())).toEqual(['old=1']);
    });

    it('becomes visible as a whole, and the last item of a key wins', async () => {
      const written = db.batch([
        { type: 'put', key: 'a', value: '1' },
        { type: 'put', key: 'b', value: '1' },
        { type: 'deleteRange', start: 'a', end: 'b' },
        { type: 'put', key: 'b', value: '2' },
      ]);
      expect(rowsOf(db.scan())).toEqual([]);
      await written;
      expect(rowsOf(db.scan())).toEqual(['b=2']);
    });

    it('may be larger than a memtable', async () => {
      await reopen({ memtableBytes: 64 * 1024 });
      const value = Buffer.alloc(1000, 'v');
      const keys = Array.from({ length: 300 }, (_, i) => `key${i}`);
      await db.batch(keys.map((key) => ({ type: 'put', key, value })));
      await db.put('after', '1');
      expect([...db.scan()]).toHaveLength(301);
      await reopen();
      expect([...db.scan()]).toHaveLength(301);
    });

    it('an empty one is fine, an unknown type is not', async () => {
      await db.batch([]);
      const wrong = [{ type: 'merge', key: 'a', value: 'b' }] as never;
      await expect(db.batch(wrong)).rejects.toThrow(TypeError);
    });
  });

  describe('deleteRange', () => {
    it('removes from start to before end, and nothing written later', async () => {
      await putAll('a', 'b', 'c', 'd');
      await db.deleteRange('b', 'd');
      await db.put('c', 'new');
      const expected = ['a=a!', 'c=new', 'd=d!'];
      expect(rowsOf(db.scan())).toEqual(expected);
      await db.flush();
      expect(rowsOf(db.scan())).toEqual(expected);
      await reopen();
      expect(rowsOf(db.scan())).toEqual(expected);
      expect(db.get('b')).toBeUndefined();
    });

    it('wants start before end', async () => {
      await expect(db.deleteRange('b', 'a')).rejects.toThrow(RangeError);
      await expect(db.deleteRange('a', 'a')).rejects.toThrow(RangeError);
    });
  });

  describe('scan', () => {
    beforeEach(() => putAll('a', 'b', 'ba', 'bb', 'c'));
    const keysOf = (options: Parameters<Db['scan']>[0]): string =>
      [...db.scan(options)].map(({ key }) => text(key)).join(' ');

    it.each([
      [{}, 'a b ba bb c'],
      [{ reverse: true }, 'c bb ba b a'],
      [{ gte: 'b', lt: 'c' }, 'b ba bb'],
      [{ gt: 'b', lte: 'c' }, 'ba bb c'],
      [{ gte: 'b', lt: 'c', reverse: true }, 'bb ba b'],
      [{ prefix: 'b' }, 'b ba bb'],
      [{ prefix: 'b', gt: 'b', reverse: true }, 'bb ba'],
      [{ prefix: '' }, 'a b ba bb c'],
      [{ limit: 2 }, 'a b'],
      [{ limit: 2, reverse: true }, 'c bb'],
      [{ limit: 0 }, ''],
      [{ gte: 'x' }, ''],
      [{ lt: 'a' }, ''],
      [{ gte: 'c', lt: 'a' }, ''],
      [{ gte: '' }, 'a b ba bb c'],
      [{ lt: '' }, ''],
    ])('%j gives %j, in memory and in tables', async (options, expected) => {
      expect(keysOf(options)).toBe(expected);
      await db.flush();
      expect(keysOf(options)).toBe(expected);
    });

    it('keys only leaves values empty', () => {
      const rows = [...db.scan({ keysOnly: true })];
      expect(rows.map(({ value }) => value.length)).toEqual([0, 0, 0, 0, 0]);
    });

    it('sees one moment, whatever is written meanwhile', async () => {
      const scan = db.scan();
      expect(rowsOf(scan.take(1))).toEqual(['a=a!']);
      await db.put('aa', 'new');
      await db.deleteRange('b', 'c');
      await db.compact();
      expect(rowsOf(scan)).toEqual(['b=b!', 'ba=ba!', 'bb=bb!', 'c=c!']);
      scan.close();
      scan.close();
    });

    it('can be awaited, and left early', async () => {
      const keys: (string | undefined)[] = [];
      for await (const { key } of db.scan()) {
        keys.push(text(key));
        if (keys.length === 3) break;
      }
      expect(keys).toEqual(['a', 'b', 'ba']);
      expect(db.stats().readers.scans).toBe(0);
    });

    it('refuses a negative limit', () => {
      expect(() => db.scan({ limit: -1 })).toThrow(RangeError);
    });
  });

  describe('iterator', () => {
    beforeEach(() => putAll('b', 'd', 'f'));

    it('seeks within its bounds, and is invalid outside of them', () => {
      const iterator = db.iterator({ gte: 'b', lt: 'f' });
      expect(iterator.valid).toBe(false);
      const at = (isThere: boolean): string | undefined =>
        isThere ? text(iterator.key) : undefined;
      expect(at(iterator.seek('a'))).toBe('b');
      expect(at(iterator.seek('c'))).toBe('d');
      expect(at(iterator.seek('e'))).toBeUndefined();
      expect(iterator.next()).toBe(false);
      expect(iterator.prev()).toBe(false);
      expect(() => iterator.key).toThrow(RangeError);
      expect(at(iterator.seekForPrev('z'))).toBe('d');
      expect(at(iterator.seekForPrev('c'))).toBe('b');
      expect(at(iterator.seekForPrev('a'))).toBeUndefined();
      expect(at(iterator.last())).toBe('d');
      expect(at(iterator.prev())).toBe('b');
      expect(at(iterator.next())).toBe('d');
      expect(text(iterator.value)).toBe('d!');
      iterator.close();
      iterator.close();
    });
  });

  describe('snapshot', () => {
    it('repeats its reads until it is closed', async () => {
      await putAll('a', 'b');
      const snapshot = db.snapshot();
      await db.put('a', 'new');
      await db.del('b');
      await db.compact();
      expect(text(db.get('a', { snapshot }))).toBe('a!');
      expect(rowsOf(db.scan({ snapshot }))).toEqual(['a=a!', 'b=b!']);
      expect(rowsOf(db.scan())).toEqual(['a=new']);
      snapshot.close();
      snapshot.close();
      expect(() => db.get('a', { snapshot })).toThrow(
        expect.objectContaining({ code: 'NOKV_CLOSED' }),
      );
    });

    it('judges expiry by the time it was made', async () => {
      await db.put('key', 'value', { ttlMs: 1000 });
      const snapshot = db.snapshot();
      machine.advance(2_000);
      expect(db.get('key')).toBeUndefined();
      expect(text(db.get('key', { snapshot }))).toBe('value');
      await db.compact();
      expect(text(db.get('key', { snapshot }))).toBe('value');
      snapshot.close();
    });
  });

  describe('expiry', () => {
    it('a key is gone when its time has come, for good', async () => {
      await db.put('key', 'old');
      await db.put('key', 'value', { ttlMs: 60_000 });
      await db.put('other', 'value', { expiresAt: machine.nowMs() + 60_000 });
      machine.advance(30_000);
      expect(rowsOf(db.scan())).toEqual(['key=value', 'other=value']);
      machine.advance(31_000);
      for (let round = 0; round < 3; round++) {
        expect(db.get('key')).toBeUndefined();
        expect(db.has('key')).toBe(false);
        expect(rowsOf(db.scan())).toEqual([]);
        expect(rowsOf(db.scan({ reverse: true }))).toEqual([]);
        if (round === 0) await db.flush();
        else await db.compact();
      }
    });

    it.each([
      { ttlMs: 0 },
      { ttlMs: -1 },
      { ttlMs: 1.5 },
      { expiresAt: 0 },
      { ttlMs: 1, expiresAt: 1 },
    ])('%j is refused', async (options) => {
      await expect(db.put('key', 'value', options)).rejects.toThrow(RangeError);
    });
  });

  describe('versions', () => {
    it('the newest up to the one asked for, whatever was written first', async () => {
      await db.put('key', 'twenty', { version: 20 });
      await db.flush();
      await db.put('key', 'ten', { version: 10 });
      for (let round = 0; round < 3; round++) {
        expect(text(db.get('key', { version: 25 }))).toBe('twenty');
        expect(text(db.get('key', { version: 15 }))).toBe('ten');
        expect(db.get('key', { version: 5 })).toBeUndefined();
        expect(get('key')).toBe('twenty');
        expect(rowsOf(db.scan({ version: 15 }))).toEqual(['key=ten']);
        if (round === 0) await db.compact();
        else await reopen();
      }
    });

    it('a delete hides the versions before it, and no later one', async () => {
      await db.put('key', 'ten', { version: 10 });
      await db.del('key', { version: 20 });
      await db.put('key', 'thirty', { version: 30 });
      await db.compact();
      const read = (version: number): string | undefined => text(db.get('key', { version }));
      expect([read(15), read(25), read(35)]).toEqual(['ten', undefined, 'thirty']);
    });

    it.each([0, -1, 1.5, 2 ** 53])('%d is none', async (version) => {
      await expect(db.put('key', 'value', { version })).rejects.toThrow(RangeError);
      expect(() => db.get('key', { version })).toThrow(RangeError);
    });
  });

  describe('column families', () => {
    it('keep the same key apart', async () => {
      await db.put('key', 'd');
      await db.put('key', 'l', { columnFamily: 'lock' });
      await db.put('key', 'w', { columnFamily: 'write' });
      await db.deleteRange('a', 'z', { columnFamily: 'lock' });
      expect(get('key')).toBe('d');
      expect(db.get('key', { columnFamily: 'lock' })).toBeUndefined();
      expect(rowsOf(db.scan({ columnFamily: 'write' }))).toEqual(['key=w']);
      expect(() => db.get('key', { columnFamily: 'other' as never })).toThrow(RangeError);
    });
  });

  describe('open and close', () => {
    it('a second open of the workdir is refused until the first has closed', async () => {
      await expect(machine.open()).rejects.toMatchObject({ code: 'NOKV_LOCKED' });
      await reopen();
    });

    it('close is idempotent, and concurrent calls end together', async () => {
      await db.put('key', 'value');
      await Promise.all([db.close(), db.close()]);
      await db.close();
      expect(db.isClosed).toBe(true);
    });

    it('close finishes the writes that came before it', async () => {
      const written = db.put('key', 'value');
      await db.close();
      await written;
      db = await machine.open();
      expect(get('key')).toBe('value');
    });

    it('after close every call says NOKV_CLOSED', async () => {
      await db.put('key', 'value');
      const scan = db.scan();
      const iterator = db.iterator();
      const snapshot = db.snapshot();
      await db.close();
      const closed = expect.objectContaining({ code: 'NOKV_CLOSED' }) as Error;
      for (const call of [
        () => db.get('key'),
        () => db.getMany(['key']),
        () => db.has('key'),
        () => db.scan(),
        () => db.iterator(),
        () => db.snapshot(),
        () => db.stats(),
        () => scan.next(),
        () => iterator.first(),
        () => db.get('key', { snapshot }),
      ]) {
        expect(call).toThrow(closed);
      }
      for (const call of [
        () => db.put('key', 'value'),
        () => db.del('key'),
        () => db.deleteRange('a', 'b'),
        () => db.batch([{ type: 'del', key: 'key' }]),
        () => db.sync(),
        () => db.flush(),
        () => db.compact(),
        () => db.collectValueLog(),
      ]) {
        await expect(call()).rejects.toMatchObject({ code: 'NOKV_CLOSED' });
      }
    });

    it('an unknown option is refused with the name that was meant', async () => {
      const options = { memtableByte: 1 } as OpenOptions;
      await expect(machine.open(options, 'other')).rejects.toMatchObject({
        code: 'NOKV_INVALID',
        message: expect.stringContaining('did you mean "memtableBytes"') as string,
      });
    });

    it.each([
      { memtableBytes: 1 },
      { memtable: 'tree' },
      { cacheBytes: '1' },
      { valueLogGcRatio: 1 },
    ])('the option %j is refused', async (options) => {
      await expect(machine.open(options as OpenOptions, 'other')).rejects.toMatchObject({
        code: 'NOKV_INVALID',
      });
    });

    it('says whether the database was to be there', async () => {
      await expect(machine.open({ createIfMissing: false }, 'other')).rejects.toMatchObject({
        code: 'NOKV_NOT_FOUND',
      });
      await db.close();
      await expect(machine.open({ errorIfExists: true })).rejects.toMatchObject({
        code: 'NOKV_INVALID',
      });
      db = await machine.open({ createIfMissing: false });
    });

    it('the options of the caller stay as they are', async () => {
      const options = Object.freeze({ cacheBytes: 0 });
      await reopen(options);
      expect(db.options.cacheBytes).toBe(0);
      expect(db.options.memtable).toBe('art');
      expect(Object.keys(options)).toEqual(['cacheBytes']);
    });
  });

  describe('value separation', () => {
    it('follows threshold and rules, and reads are the same', async () => {
      await reopen({
        valueThreshold: 100,
        valuePolicies: [
          { prefix: 'inline', strategy: 'inline' },
          { columnFamily: 'lock', strategy: 'offload' },
          { prefix: 'big', strategy: 'threshold', threshold: 1000 },
        ],
      });
      const sizes = { inline: 5000, big1: 999, big2: 1000, small: 99, large: 100 };
      for (const [key, size] of Object.entries(sizes)) await db.put(key, 'v'.repeat(size));
      await db.put('lock', 'v', { columnFamily: 'lock' });
      await db.flush();
      const separated = [...db.storedEntries()]
        .filter((entry) => entry.isSeparated)
        .map((entry) => text(entry.key));
      expect(separated).toEqual(['big2', 'large', 'lock']);
      for (const [key, size] of Object.entries(sizes)) expect(get(key)).toBe('v'.repeat(size));
      expect(text(db.get('lock', { columnFamily: 'lock' }))).toBe('v');
    });
  });
});
