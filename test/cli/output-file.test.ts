import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { failureOf } from '../../src/cli/failure.js';
import { OutputFile } from '../../src/cli/output-file.js';
import { temporaryDirectory } from '../env/temp-directory.js';

describe('OutputFile', () => {
  it('takes the name when it is whole; what had it keeps it until then', async () => {
    const path = join(temporaryDirectory(), 'rows');
    writeFileSync(path, 'before');
    const file = await OutputFile.create(path);
    await file.line('one');
    expect(readFileSync(path, 'utf8')).toBe('before');
    await file.commit();
    await file.dispose();
    expect(readFileSync(path, 'utf8')).toBe('one\n');
  });

  it('leaves nothing without a commit', async () => {
    const path = join(temporaryDirectory(), 'rows');
    const file = await OutputFile.create(path);
    await file.line('one');
    await file.dispose();
    expect(readdirSync(dirname(path))).toEqual([]);
  });

  it('is one of two that are written at the same time, not a mixture', async () => {
    const path = join(temporaryDirectory(), 'rows');
    const slow = await OutputFile.create(path);
    await slow.line('slow 1');
    const quick = await OutputFile.create(path);
    await quick.line('quick');
    await quick.commit();
    await quick.dispose();
    expect(readFileSync(path, 'utf8')).toBe('quick\n');
    await slow.line('slow 2');
    await slow.commit();
    await slow.dispose();
    expect(readFileSync(path, 'utf8')).toBe('slow 1\nslow 2\n');
    expect(readdirSync(dirname(path))).toEqual(['rows']);
  });

  it('removes what a killed process left, and nothing else', async () => {
    const directory = temporaryDirectory();
    const gone = 2 ** 31 - 1; // higher than any process number
    const [leftOver, lately, alive, other] = [
      `rows.${gone}-00000000.partial`,
      `rows.${gone}-00000001.partial`,
      `rows.${process.pid}-00000000.partial`,
      `rows.2.${gone}-00000000.partial`,
    ];
    for (const name of [leftOver, lately, alive, other]) {
      writeFileSync(join(directory, name), 'x');
      if (name !== lately) utimesSync(join(directory, name), 1, 1);
    }
    const file = await OutputFile.create(join(directory, 'rows'));
    await file.commit();
    await file.dispose();
    expect(readdirSync(directory).sort()).toEqual(['rows', lately, alive, other].sort());
  });

  it.runIf(existsSync('/dev/full'))('says which file could not be written', async () => {
    const file = await OutputFile.create('/dev/full');
    await file.line('one');
    const failure = failureOf(await file.commit().catch((error: unknown) => error));
    expect(failure).toMatchObject({
      code: 'NOKV_NO_SPACE',
      message: 'Cannot write /dev/full: ENOSPC',
      hint: 'Free space on the file system, and run the command again',
      details: { errno: 'ENOSPC', op: 'write', path: '/dev/full' },
    });
    await file.dispose();
  });
});
