import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { openSource, readWhole } from '../../src/cli/source.js';

const base = mkdtempSync(join(tmpdir(), 'nokv-source-'));
afterAll(() => {
  rmSync(base, { recursive: true, force: true });
});

function pipe(name: string): string {
  const path = join(base, name);
  expect(spawnSync('mkfifo', [path]).status).toBe(0);
  return path;
}

/** With both ends, so that nothing waits for the other one. */
function openWriter(path: string): number {
  const writer = openSync(path, 'r+');
  onTestFinished(() => {
    try {
      closeSync(writer);
    } catch {
      // Closed by the test.
    }
  });
  return writer;
}

describe.runIf(process.platform === 'linux')('openSource of a named pipe', () => {
  const never = new AbortController().signal;

  it('gives its bytes up to the last writer', async () => {
    const path = pipe('bytes');
    const source = await openSource('import', path, never);
    const writer = openWriter(path);
    writeSync(writer, 'one\n');
    const chunks: Uint8Array[] = [];
    for await (const chunk of source.chunks) {
      chunks.push(chunk);
      if (chunks.length === 1) writeSync(writer, 'two\n');
      else closeSync(writer);
    }
    await source.close();
    expect(Buffer.concat(chunks).toString()).toBe('one\ntwo\n');
    expect(source).toMatchObject({ name: path, bytes: undefined });
  });

  it.each(['nobody writes', 'a writer is silent'])(
    'a signal ends the wait when %s',
    async (what) => {
      const path = pipe(what);
      if (what === 'a writer is silent') openWriter(path);
      const controller = new AbortController();
      const reading = readWhole('put', path, controller.signal, 100);
      setImmediate(() => controller.abort(new Error('stop')));
      await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
    },
  );
});
