import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
    expect([existsSync(path), existsSync(`${path}.partial`)]).toEqual([false, false]);
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
