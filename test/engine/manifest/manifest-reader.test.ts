import { expect, it } from 'vitest';
import { ManifestLog } from '../../../src/engine/manifest/manifest-log.js';
import { loadManifest, readManifest } from '../../../src/engine/manifest/manifest-reader.js';
import { MemFs } from '../../../src/env/mem-fs.js';
import { INIT, WORKDIR } from './edits.js';

/** A disk on which a writer acts right after the first look at CURRENT. */
class BusyFs extends MemFs {
  afterCurrent: (() => void) | undefined;

  override readFile(path: string): Uint8Array {
    const bytes = super.readFile(path);
    if (!path.endsWith('CURRENT')) return bytes;
    const act = this.afterCurrent;
    this.afterCurrent = undefined;
    act?.();
    return bytes;
  }
}

it('readManifest follows a writer that swaps CURRENT and removes the manifest under it', () => {
  const fs = new BusyFs();
  fs.makeDirectory(WORKDIR);
  const log = ManifestLog.create(fs, WORKDIR, INIT, 1);
  const next = INIT.fileNumber + 1;
  fs.afterCurrent = () => {
    log.rewrite({ ...INIT, fileNumber: next }, 2);
  };
  const inspection = readManifest(fs, WORKDIR);
  expect(inspection.findings).toEqual([]);
  expect(inspection.fileNumber).toBe(next);
  fs.afterCurrent = () => {
    log.rewrite({ ...INIT, fileNumber: next + 1 }, 3);
  };
  expect(loadManifest(fs, WORKDIR, INIT.bootId)?.fileNumber).toBe(next + 1);
});

it('readManifest still lists a manifest that CURRENT names and that is missing', () => {
  const fs = new BusyFs();
  fs.makeDirectory(WORKDIR);
  const log = ManifestLog.create(fs, WORKDIR, INIT, 1);
  fs.remove(log.path);
  expect(readManifest(fs, WORKDIR).findings).toMatchObject([
    { kind: 'damage', what: 'file named by CURRENT is missing' },
  ]);
});
