/** importLines: positions, bad lines, and what is there after a cut of any kind. */
import { describe, expect, it } from 'vitest';
import { NokvError } from '../../src/base/errors.js';
import { Prng } from '../../src/base/prng.js';
import { openDb, type Db } from '../../src/engine/db.js';
import { SYSTEM_FAMILY } from '../../src/engine/requests.js';
import { startJob } from '../../src/engine/jobs.js';
import { LOSE_UNSYNCED } from '../../src/env/mem-crash.js';
import { createSimEnv, type SimEnv } from '../../src/env/sim-env.js';
import { exportLines } from '../../src/transfer/export.js';
import { importLines, type ImportOptions } from '../../src/transfer/import.js';

const OPTIONS: ImportOptions = {
  source: 'rows.jsonl',
  columnFamily: 'default',
  durability: 'os',
  isRestart: false,
  isSkippingBad: false,
  batchBytes: 256,
};

const simulate = (seed: number, from?: SimEnv['fs']): SimEnv =>
  createSimEnv(seed, from, { startJob });

/** Rows whose keys ascend, but for every fifth, which is written twice: the later value counts. */
function sampleLines(count: number): string[] {
  const lines: string[] = [];
  for (let i = 0; i < count; i++) {
    const key = `key:${String(i).padStart(4, '0')}`;
    if (i % 5 === 0) lines.push(JSON.stringify({ key, value: 'to be replaced' }));
    lines.push(JSON.stringify({ key, value: `value ${i} ${'.'.repeat(i % 50)}` }));
  }
  return lines;
}

/** What an export gives after these lines: the last of each key. Requires ascending keys. */
const contentAfter = (lines: readonly string[]): string[] =>
  lines.filter((line, i) => line.slice(0, 17) !== lines[i + 1]?.slice(0, 17));

const textOf = (lines: readonly string[]): string => lines.map((line) => `${line}\n`).join('');

/** The text in chunks of a size, as a file gives them. */
async function* chunksOf(text: string, bytes = 700): AsyncGenerator<Uint8Array, void, void> {
  const all = Buffer.from(text);
  for (let at = 0; at < all.length; at += bytes) {
    await Promise.resolve();
    yield all.subarray(at, at + bytes);
  }
}

const contentOf = (db: Db): string[] => [...exportLines(db, {})];
/** The different positions, and in how many slots they are. */
const slotsIn = (db: Db): string[] =>
  db
    .scan({ columnFamily: SYSTEM_FAMILY, prefix: 'import/' })
    .take(10)
    .map(({ value }) => String(value));
const positionsIn = (db: Db): number => new Set(slotsIn(db)).size;

describe('importLines', () => {
  it('writes every row, in batches, and leaves no position behind', async () => {
    const db = await openDb(simulate(1), '/db');
    const lines = sampleLines(100);
    const { from, to, batches } = await importLines(db, chunksOf(textOf(lines)), OPTIONS);
    expect(from.offset).toBe(0);
    expect(to).toMatchObject({ rows: 120, line: 120, bad: 0, offset: textOf(lines).length });
    expect(batches).toBeGreaterThan(10);
    expect(contentOf(db)).toEqual(contentAfter(lines));
    expect(positionsIn(db)).toBe(0);
    await db.close();
  });

  it('takes a last line without line end, empty lines, carriage returns and a byte order mark', async () => {
    const db = await openDb(simulate(1), '/db');
    const text = '\uFEFF{"key":"a","value":"1"}\r\n\n{"key":"b","value":"2"}';
    const { to } = await importLines(db, chunksOf(text, 5), OPTIONS);
    expect(to).toMatchObject({ rows: 2, line: 3 });
    expect(contentOf(db)).toEqual(['{"key":"a","value":"1"}', '{"key":"b","value":"2"}']);
    await db.close();
  });

  it('continues exactly behind what is in the database, after a kill at any write', async () => {
    const lines = sampleLines(40);
    const text = textOf(lines);
    const env = simulate(1);
    const killed: SimEnv['fs'][] = [];
    const db = await openDb(env, '/db');
    env.fs.onOperation = (operation, when) => {
      if (operation.op === 'write' && when === 'after') killed.push(env.fs.killClone());
    };
    await importLines(db, chunksOf(text), OPTIONS);
    env.fs.onOperation = undefined;
    await db.close();
    expect(killed.length).toBeGreaterThan(10);
    let continued = 0;
    for (const [i, disk] of killed.entries()) {
      const again = await openDb(simulate(99, disk), '/db');
      const before = contentOf(again);
      const { from, to } = await importLines(again, chunksOf(text), OPTIONS);
      if (from.offset > 0) {
        expect(before, `killed at write ${i}`).toEqual(contentAfter(lines.slice(0, from.line)));
        continued++;
      }
      expect(contentOf(again), `killed at write ${i}`).toEqual(contentAfter(lines));
      expect(to).toMatchObject({ rows: lines.length, line: lines.length, offset: text.length });
      await again.close();
    }
    // Not the first write, which says where it begins, and not the last, after which it is whole.
    expect(continued).toBeGreaterThan(killed.length - 4);
  });

  it('begins with one position in the database, whatever was there', async () => {
    const db = await openDb(simulate(1), '/db');
    const bad = textOf([...sampleLines(60), 'no row']);
    const positions: number[] = [];
    const onStart = async (): Promise<void> => {
      positions.push(positionsIn(db));
      expect(slotsIn(db)).toHaveLength(4);
    };
    const cut = (options: Partial<ImportOptions>): Promise<unknown> =>
      importLines(db, chunksOf(bad), { ...OPTIONS, onStart, ...options }).catch(() => undefined);
    await cut({});
    expect(positionsIn(db)).toBeGreaterThan(1);
    await cut({});
    await cut({ isRestart: true });
    expect(positions).toEqual([1, 1, 1]);
    await db.close();
  });

  it('loses no row when the power fails, in either durability', async () => {
    const lines = sampleLines(60);
    for (const durability of ['os', 'disk'] as const) {
      const env = simulate(7);
      const db = await openDb(env, '/db');
      let lost: SimEnv['fs'] | undefined;
      const input = async function* (): AsyncGenerator<Uint8Array, void, void> {
        let count = 0;
        for await (const chunk of chunksOf(textOf(lines))) {
          if (count++ === 4) lost = env.fs.crashClone(LOSE_UNSYNCED);
          yield chunk;
        }
      };
      await importLines(db, input(), { ...OPTIONS, durability });
      await db.close();
      const again = await openDb(simulate(8, lost), '/db');
      const { from } = await importLines(again, chunksOf(textOf(lines)), OPTIONS);
      if (durability === 'disk') expect(from.rows).toBeGreaterThan(0);
      expect(contentOf(again)).toEqual(contentAfter(lines));
      await again.close();
    }
  });

  it('skips no row when a batch fails and the ones behind it do not', async () => {
    const lines = sampleLines(60);
    for (let nth = 1; nth <= 12; nth++) {
      const env = simulate(nth);
      // So little room that batches wait, and are in flight together.
      const db = await openDb(env, '/db', { memtableBytes: 64 * 1024 });
      const fault = env.fs.injectFault({ op: 'write', path: '.wal', nth, errno: 'EIO' });
      const run = importLines(db, chunksOf(textOf(lines)), { ...OPTIONS, durability: 'disk' });
      const error: unknown = await run.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      fault.cancel();
      if (fault.hits > 0) expect(error).toMatchObject({ code: 'NOKV_IO' });
      const killed = env.fs.killClone();
      await db.close();
      const again = await openDb(simulate(99, killed), '/db');
      await importLines(again, chunksOf(textOf(lines)), OPTIONS);
      expect(contentOf(again), `write ${nth} failed`).toEqual(contentAfter(lines));
      await again.close();
    }
  });

  it('skips no row when one of the first batches fails and the ones behind it do not', async () => {
    const lines = Array.from({ length: 400 }, (_, i) =>
      JSON.stringify({ key: `key:${String(i).padStart(4, '0')}`, value: 'v'.repeat(1000) }),
    );
    const input = (): AsyncIterable<Uint8Array> => chunksOf(textOf(lines), 1024 * 1024);
    const options = { ...OPTIONS, batchBytes: 40 * 1024 };
    for (let nth = 1; nth <= 12; nth++) {
      const env = simulate(nth);
      const limits = { memtableBytes: 64 * 1024, memtableCount: 2, valueThreshold: 1024 * 1024 };
      const db = await openDb(env, '/db', limits);
      // The first memtable is sealed, and its flush under way: batches wait for room together.
      await db.put('~x', 'x'.repeat(50_000));
      await db.put('~y', 'y'.repeat(50_000));
      let fault: { cancel(): void } | undefined;
      const onStart = async (): Promise<void> => {
        fault = env.fs.injectFault({ op: 'write', path: '.wal', nth, errno: 'ENOSPC' });
      };
      await importLines(db, input(), { ...options, onStart }).catch((error: unknown) =>
        expect(error).toMatchObject({ code: 'NOKV_NO_SPACE' }),
      );
      fault?.cancel();
      await db.close();
      const again = await openDb(simulate(99, env.fs), '/db');
      await importLines(again, input(), options);
      const content = [...exportLines(again, { prefix: 'key:' })];
      expect(content, `write ${nth} failed`).toEqual(lines);
      await again.close();
    }
  });

  it('refuses to continue a source that changed before the cut, until told to begin again', async () => {
    const db = await openDb(simulate(1), '/db');
    const lines = sampleLines(30);
    const broken = textOf([...lines, 'no row']);
    await expect(importLines(db, chunksOf(broken), OPTIONS)).rejects.toMatchObject({
      code: 'NOKV_INVALID',
    });
    const changed = broken.replace('value 3', 'value 4');
    await expect(importLines(db, chunksOf(changed), OPTIONS)).rejects.toMatchObject({
      code: 'NOKV_CONFLICT',
    });
    const shorter = textOf(lines.slice(0, 10));
    await expect(importLines(db, chunksOf(shorter), OPTIONS)).rejects.toMatchObject({
      code: 'NOKV_CONFLICT',
    });
    // Another name is another import.
    const other = await importLines(db, chunksOf(shorter), { ...OPTIONS, source: 'other' });
    expect(other.from.offset).toBe(0);
    const again = await importLines(db, chunksOf(shorter), { ...OPTIONS, isRestart: true });
    expect(again.from.offset).toBe(0);
    expect(positionsIn(db)).toBe(0);
    await db.close();
  });

  it('ends at a bad line behind every row before it, and continues at the corrected line', async () => {
    const db = await openDb(simulate(1), '/db');
    const lines = sampleLines(30);
    const bad = [...lines.slice(0, 20), '{"key":""}', ...lines.slice(20)];
    await expect(importLines(db, chunksOf(textOf(bad)), OPTIONS)).rejects.toMatchObject({
      code: 'NOKV_INVALID',
      message: 'Cannot import line 21 of rows.jsonl: its key is empty',
      details: { line: 21, offset: textOf(lines.slice(0, 20)).length },
    });
    expect(contentOf(db)).toEqual(contentAfter(lines.slice(0, 20)));
    const { from } = await importLines(db, chunksOf(textOf(lines)), OPTIONS);
    expect(from).toMatchObject({ rows: 20, line: 20 });
    expect(contentOf(db)).toEqual(contentAfter(lines));
    await db.close();
  });

  it('counts bad lines and goes on when told to', async () => {
    const db = await openDb(simulate(1), '/db');
    const named: [number, string][] = [];
    const latin1 = Buffer.concat([
      Buffer.from('{"key":"a","value":"1"}\nnonsense\n{"key":"b","value":"'),
      Uint8Array.of(0xe9),
      Buffer.from('"}\n{"key":"c","value":"\uFFFD"}\n'),
    ]);
    const input = async function* (): AsyncGenerator<Uint8Array, void, void> {
      yield latin1;
    };
    const { to } = await importLines(db, input(), {
      ...OPTIONS,
      isSkippingBad: true,
      onBadLine: (line, problem) => named.push([line, problem]),
    });
    expect(to).toMatchObject({ rows: 2, bad: 2, line: 4 });
    expect(named).toEqual([
      [2, expect.stringMatching(/^it is no JSON/)],
      [3, 'it is no UTF-8; give bytes as key_base64 and value_base64'],
    ]);
    expect(contentOf(db)).toEqual(['{"key":"a","value":"1"}', '{"key":"c","value":"\uFFFD"}']);
    await db.close();
  });

  it('stops when it is told to, with everything read until then in the database', async () => {
    const db = await openDb(simulate(1), '/db');
    const lines = sampleLines(60);
    const abort = new AbortController();
    const run = importLines(db, chunksOf(textOf(lines)), {
      ...OPTIONS,
      signal: abort.signal,
      onProgress: ({ line }) => {
        if (line > 20) abort.abort(new NokvError('NOKV_TIMEOUT', 'Cannot wait: enough'));
      },
    });
    await expect(run).rejects.toMatchObject({ code: 'NOKV_TIMEOUT' });
    const { from } = await importLines(db, chunksOf(textOf(lines)), OPTIONS);
    expect(from.line).toBeGreaterThan(20);
    expect(contentOf(db)).toEqual(contentAfter(lines));
    await db.close();
  });

  it('hides positions from users: no family of theirs shows them', async () => {
    const db = await openDb(simulate(1), '/db');
    const bad = textOf([...sampleLines(10), 'no row']);
    await expect(importLines(db, chunksOf(bad), OPTIONS)).rejects.toThrow();
    expect(positionsIn(db)).toBeGreaterThan(0);
    for (const columnFamily of ['default', 'lock', 'write'] as const) {
      const keys = db
        .scan({ columnFamily })
        .take(1000)
        .map(({ key }) => String(key));
      expect(keys.filter((key) => key.startsWith('import'))).toEqual([]);
    }
    await db.close();
  });
});

describe('exportLines', () => {
  it('gives what was imported, sorted by key, byte for byte', async () => {
    for (const seed of [1, 2]) {
      const random = new Prng(seed);
      const db = await openDb(simulate(seed), '/db');
      const byKey = new Map<string, string>();
      for (let i = 0; i < 500; i++) {
        const key = String.fromCodePoint(1 + (random.u32() % 0x3000), random.u32() % 300);
        const value = 'v'.repeat(random.u32() % 3000) + String.fromCodePoint(random.u32() % 128);
        byKey.set(key, JSON.stringify({ key, value }));
      }
      const { to } = await importLines(db, chunksOf(textOf([...byKey.values()]), 4096), {
        ...OPTIONS,
        batchBytes: 64 * 1024,
      });
      expect(to.rows).toBe(byKey.size);
      const keys = [...byKey.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect(contentOf(db), `seed ${seed}`).toEqual(keys.map((key) => byKey.get(key)));
      await db.close();
    }
  });
});
