/** A child process writes as fast as it can; this one looks at its workdir all the while. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hasCode } from '../../src/base/errors.js';
import type { Db } from '../../src/index.js';
import { checkWorkdir, readManifestState, readStats } from '../../src/server/workdir.js';
import { open } from '../../src/index.js';
import { cleanEnv, ROOT } from './spawn.js';

const KEYS = Array.from({ length: 40 }, (_, i) => `key${i}`);
const LOOK_MS = 2500;

let base: string;
let workdir: string;
let writer: ChildProcessWithoutNullStreams;

beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), 'nokv-live-'));
  workdir = join(base, 'data');
  writer = spawn(process.execPath, [join(ROOT, 'test/cli/fixtures/live-writer.mjs'), workdir], {
    env: cleanEnv(),
  });
  writer.stderr.pipe(process.stderr);
  await once(writer.stdout, 'data');
});

afterEach(async () => {
  if (writer.exitCode === null) {
    const exited = once(writer, 'exit');
    writer.stdin.end();
    await exited;
  }
  rmSync(base, { recursive: true, force: true });
});

/** Ends the writer in order; answers its last round. */
async function stopWriter(): Promise<number> {
  const exited = once(writer, 'exit');
  const said = once(writer.stdout, 'data');
  writer.stdin.end();
  const [text] = (await said) as [Buffer];
  await exited;
  return Number(text.toString());
}

/** The round that all keys are of. */
function roundOf(db: Db): number {
  const rounds = new Set(
    db.getMany(KEYS).map((value) => Number.parseInt(String(Buffer.from(value ?? [])), 10)),
  );
  expect([...rounds], 'a batch is seen whole').toHaveLength(1);
  const [round = 0] = rounds;
  const scanned = Array.from(db.scan(), ({ value }) =>
    Number.parseInt(String(Buffer.from(value)), 10),
  );
  expect(new Set(scanned)).toEqual(new Set([round]));
  expect(scanned).toHaveLength(KEYS.length);
  return round;
}

/** Does `look` until the time is over; a reader that was outrun tries again. */
async function lookFor(milliseconds: number, look: () => Promise<void> | void): Promise<number> {
  const end = performance.now() + milliseconds;
  let looks = 0;
  while (performance.now() < end) {
    try {
      await look();
      looks++;
    } catch (error) {
      if (!hasCode(error, 'NOKV_CHANGED')) throw error;
    }
  }
  return looks;
}

describe('beside a process that writes', () => {
  it('every read-only open sees one whole batch, never an older one than before', async () => {
    let last = 0;
    const looks = await lookFor(LOOK_MS, async () => {
      const db = await open(workdir, { readOnly: true });
      try {
        const round = roundOf(db);
        expect(round).toBeGreaterThanOrEqual(last);
        last = round;
      } finally {
        await db.close();
      }
    });
    expect(looks).toBeGreaterThan(5);
  });

  it('a follower keeps up, and ends with what the writer wrote last', async () => {
    const db = await open(workdir, { readOnly: true });
    let last = 0;
    const looks = await lookFor(LOOK_MS, () => {
      db.refresh();
      const round = roundOf(db);
      expect(round).toBeGreaterThanOrEqual(last);
      last = round;
    });
    expect(looks).toBeGreaterThan(5);
    const final = await stopWriter();
    db.refresh();
    expect(roundOf(db)).toBe(final);
    await db.close();
  });

  it('no inspector reports damage', async () => {
    const looks = await lookFor(LOOK_MS, async () => {
      const bad = [
        ...readStats(workdir).findings,
        ...readManifestState(workdir).findings,
        ...(await checkWorkdir(workdir)).findings,
      ].filter(({ kind }) => kind === 'damage' || kind === 'missing');
      expect(bad).toEqual([]);
    });
    expect(looks).toBeGreaterThan(2);
  });
});
