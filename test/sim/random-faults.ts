/** Calls of the disk that fail, drawn from a seed: log writes, or anything. */
import type { Prng } from '../../src/base/prng.js';
import type { MemFs } from '../../src/env/mem-fs.js';
import type { MemOperationName } from '../../src/env/mem-operation.js';
import { RECORD_HEADER_BYTES } from '../../src/engine/record-log.js';
import { WORKDIR } from '../crash/simulation.js';
import { pick } from './ledger.js';

const OPERATIONS: readonly MemOperationName[] = [
  'write',
  'sync',
  'truncate',
  'rename',
  'create',
  'remove',
  'syncdir',
  'read',
  'open',
  'link',
  'mkdir',
];
const PLACES = ['.wal', '.vlog', '.sst', 'MANIFEST', 'CURRENT', 'bucket-', WORKDIR];
/** Not of the value log: values that a failed sync dropped look written until the power goes, also to later lives. */
const SYNCED_PLACES = ['.wal', '.sst', 'MANIFEST'];

/** One of the next writes to a log is refused, or cut short. */
export function failWrite(fs: MemFs, random: Prng): void {
  fs.injectFault({
    op: 'write',
    path: pick(random, '.wal', '.wal', '.vlog', 'MANIFEST'),
    errno: pick(random, 'ENOSPC', 'EIO'),
    nth: 1 + random.below(2),
    // Less than a record: one that is whole may come back when the power goes before the next write.
    ...(random.chance(1, 2) ? { shortBytes: 1 + random.below(RECORD_HEADER_BYTES) } : {}),
  });
}

/** Once or twice, with and without effect, whoever does it: writers, flushes, compactions, collections. */
export function failAnything(fs: MemFs, random: Prng): void {
  const op = pick(random, ...OPERATIONS);
  fs.injectFault({
    op,
    path: pick(random, ...(op === 'sync' ? SYNCED_PLACES : PLACES)),
    errno: pick(random, 'ENOSPC', 'EIO'),
    nth: 1 + random.below(3),
    times: 1 + random.below(2),
    applied: random.chance(1, 3),
  });
}
