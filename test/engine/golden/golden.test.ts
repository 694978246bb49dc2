/** Workdirs written by older builds, byte for byte, open with what they held, and go on. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openDb } from '../../../src/engine/db.js';
import { TableWriter } from '../../../src/engine/external/table-writer.js';
import { FORMAT_VERSION } from '../../../src/engine/format-version.js';
import { FOOTER_BYTES } from '../../../src/engine/sst/format.js';
import { startJob } from '../../../src/engine/jobs.js';
import { createSimEnv, type SimEnv } from '../../../src/env/sim-env.js';
import { rowsOf, text, WORKDIR } from '../db-fixture.js';

/** A disk with the files of a golden workdir: paths and base64. */
function diskOf(name: string): SimEnv {
  const env = createSimEnv(1, undefined, { startJob });
  const url = new URL(`./${name}.json`, import.meta.url);
  const files = JSON.parse(readFileSync(url, 'utf8')) as Record<string, string>;
  for (const [path, content] of Object.entries(files)) {
    const bytes = new Uint8Array(Buffer.from(content, 'base64'));
    env.fs.makeDirectory(path.slice(0, path.lastIndexOf('/')));
    const file = env.fs.open(path, 'create');
    file.write(bytes, 0, bytes.length, 0);
    file.close();
  }
  env.fs.syncAll();
  return env;
}

describe('a workdir of format version 1', () => {
  it('opens with its rows, versions and large values, takes an ingest, and opens again', async () => {
    const env = diskOf('version-1');
    const db = await openDb(env, WORKDIR);
    // A manifest of its format would be misread by the build of that format when it names an ingested table.
    const manifest = env.fs.list(WORKDIR).filter((name) => name.startsWith('MANIFEST'));
    expect(manifest).toHaveLength(1);
    expect(env.fs.readFile(`${WORKDIR}/${manifest[0]}`)[8]).toBe(FORMAT_VERSION);
    const keys = [...db.scan({ prefix: 'key-' })].map(({ key }) => text(key));
    expect(keys).toHaveLength(16);
    expect(keys).not.toContain('key-01');
    expect(keys).not.toContain('key-06');
    expect(text(db.get('key-00'))).toBe('in the log');
    expect(text(db.get('large'))).toBe('L'.repeat(100));
    expect(text(db.get('managed', { version: 15 }))).toBe('ten');
    const writer = new TableWriter(env, '/in');
    writer.put('key-01', 'ingested');
    await db.ingest((await writer.finish()).map(({ file }) => file));
    const rows = rowsOf(db.scan());
    expect(rows).toContain('key-01=ingested');
    await db.close();
    const again = await openDb(createSimEnv(2, env.fs, { startJob }), WORKDIR);
    expect(rowsOf(again.scan())).toEqual(rows);
    await again.close();
  });
});

describe('a workdir of format version 2', () => {
  it('opens with its rows, those of an ingested table and of the log, and goes on beside them in both checksums', async () => {
    const env = diskOf('version-2');
    const db = await openDb(env, WORKDIR, { valueThreshold: 64 });
    const manifest = env.fs.list(WORKDIR).find((name) => name.startsWith('MANIFEST')) as string;
    expect(env.fs.readFile(`${WORKDIR}/${manifest}`)[8]).toBe(FORMAT_VERSION);
    const keys = [...db.scan({ prefix: 'key-' })].map(({ key }) => text(key));
    expect(keys).toHaveLength(16);
    expect(text(db.get('key-00'))).toBe('in the log');
    expect(text(db.get('large'))).toBe('L'.repeat(100));
    expect(text(db.get('large in the log'))).toBe('M'.repeat(100));
    expect(text(db.get('managed', { version: 15 }))).toBe('ten');
    expect(text(db.get('outside'))).toBe('ingested');
    await db.put('large too', 'N'.repeat(100));
    await db.put('key-02', 'new');
    await db.flush();
    const rows = rowsOf(db.scan());
    expect(checksumTypesOf(env)).toEqual({ sst: [1, 2], vlog: [1, 2] });
    await db.compact();
    expect(rowsOf(db.scan())).toEqual(rows);
    await db.close();
    const again = await openDb(createSimEnv(2, env.fs, { startJob }), WORKDIR);
    expect(rowsOf(again.scan())).toEqual(rows);
    expect(checksumTypesOf(env).sst).toEqual([2]);
    await again.close();
  });
});

/** The checksum types in the footers of tables and the headers of value-log segments, ascending. */
function checksumTypesOf(env: SimEnv): { sst: number[]; vlog: number[] } {
  const typesOf = (
    directory: string,
    extension: string,
    at: (length: number) => number,
  ): number[] => {
    const types = env.fs
      .list(directory)
      .filter((name) => name.endsWith(extension))
      .map((name) => env.fs.readFile(`${directory}/${name}`))
      .map((bytes) => bytes[at(bytes.length)] as number);
    return [...new Set(types)].sort();
  };
  const vlog = env.fs
    .list(`${WORKDIR}/vlog`)
    .flatMap((bucket) => typesOf(`${WORKDIR}/vlog/${bucket}`, '.vlog', () => 10));
  return {
    sst: typesOf(WORKDIR, '.sst', (length) => length - FOOTER_BYTES + 10),
    vlog: [...new Set(vlog)].sort(),
  };
}
