/** Databases on simulated disks: how the crash tests open, list and fingerprint them. */
import { crc32 } from '../../src/base/crc32.js';
import { type Db, openDb } from '../../src/engine/db.js';
import {
  CURRENT_NAME,
  manifestName,
  parseFileName,
  segmentPath,
  tableName,
  walName,
} from '../../src/engine/file-names.js';
import { startJob } from '../../src/engine/jobs.js';
import { loadManifest } from '../../src/engine/manifest/manifest-reader.js';
import type { OpenOptions } from '../../src/engine/options.js';
import type { StepPolicy } from '../../src/env/inline-executor.js';
import type { MemFs } from '../../src/env/mem-fs.js';
import { createSimEnv, type SimEnv } from '../../src/env/sim-env.js';

export const WORKDIR = '/db';

/** Everything as small as it may be; values of keys that start with "b" stay in the log and the tables, however big. */
export const SMALL: OpenOptions = {
  memtableBytes: 65_536,
  memtableCount: 3,
  tableBytes: 16_384,
  baseLevelBytes: 65_536,
  blockBytes: 512,
  l0CompactionTrigger: 2,
  valueThreshold: 300,
  valuePolicies: [{ prefix: 'b', strategy: 'inline' }],
  valueLogFileBytes: 65_536,
  valueLogGcRatio: 0.2,
  manifestRewriteBytes: 4096,
  cacheBytes: 262_144,
  indexCacheBytes: 65_536,
};

export interface Opened {
  readonly db: Db;
  readonly env: SimEnv;
}

/** Opens the workdir of a disk in a process of its own. */
export async function openOn(
  fs: MemFs,
  options: OpenOptions,
  seed = 1,
  policy?: StepPolicy,
): Promise<Opened> {
  const env = createSimEnv(seed, fs, policy === undefined ? { startJob } : { startJob, policy });
  return { db: await openDb(env, WORKDIR, options), env };
}

/** The process is gone: nothing of it happens any more. The disk must have been cloned before. */
export function abandon({ env }: Opened): void {
  env.executor.abandon();
  env.fs.halt();
}

/** Paths of all files below a directory. */
export function filesBelow(fs: MemFs, directory: string): string[] {
  if (fs.stat(directory) === undefined) return [];
  return fs.list(directory).flatMap((name) => {
    const path = fs.join(directory, name);
    return fs.stat(path)?.isDirectory === true ? filesBelow(fs, path) : [path];
  });
}

/** The same for equal disks: names, sizes and checksums. */
export function fingerprint(fs: MemFs): string {
  return filesBelow(fs, WORKDIR)
    .map((path) => {
      const content = fs.readFile(path);
      return `${path} ${content.length} ${crc32(content, 0, content.length)}`;
    })
    .join('\n');
}

/** The files that the manifest of a closed workdir names, CURRENT and manifest included. */
export function namedFiles(fs: MemFs): string[] {
  const loaded = loadManifest(fs, WORKDIR, '');
  if (loaded === undefined) return [];
  const { version } = loaded;
  return [
    fs.join(WORKDIR, CURRENT_NAME),
    fs.join(WORKDIR, manifestName(loaded.fileNumber)),
    ...[...version.wals.keys()].map((number) => fs.join(WORKDIR, walName(number))),
    ...version.levels.flat().map((meta) => fs.join(WORKDIR, tableName(meta.fileNumber))),
    ...[...version.valueLog].map(([number, { bucket }]) =>
      segmentPath(fs, WORKDIR, number, bucket),
    ),
  ].sort();
}

/** The highest file number on the disk; 0 when there is none. */
export function highestFileNumber(fs: MemFs): number {
  return filesBelow(fs, WORKDIR).reduce((highest, path) => {
    const name = path.slice(path.lastIndexOf('/') + 1);
    return Math.max(highest, parseFileName(name)?.fileNumber ?? 0);
  }, 0);
}
