/**
 * Which value-log segments are worth emptying. Pure. What a segment still holds is known exactly: every
 * table records how many bytes it points to in which segment, so garbage is the rest, it survives a
 * restart, and no sampling is needed.
 */
import { NokvError } from '../../base/errors.js';
import { VALUE_LOG_HEADER_BYTES } from './format.js';
import type { Version } from '../manifest/version.js';

/** keep: too little garbage. collect: worth emptying. remove: nothing points into it. active, pinned: not yet. */
export type SegmentVerdict = 'keep' | 'collect' | 'remove' | 'active' | 'in-memory';

export interface SegmentReport {
  readonly fileNumber: number;
  readonly bucket: number;
  readonly bytes: number;
  /** Bytes of records that a table points to. */
  readonly liveBytes: number;
  readonly garbageBytes: number;
  /** Share of garbage, 0 to 1. */
  readonly garbageRatio: number;
  readonly verdict: SegmentVerdict;
  /** The verdict in words. */
  readonly reason: string;
}

export interface GarbageInput {
  readonly version: Pick<Version, 'levels' | 'valueLog'>;
  /** The segment being written, if any. */
  readonly activeNumber: number | undefined;
  readonly activeBytes: number;
  /** Segments from this number on may be pointed to from memtables. */
  readonly minInMemory: number;
  /** Bytes of records that logs point to, by segment; known where a directory is inspected. */
  readonly loggedBytes?: ReadonlyMap<number, number>;
  /** Share of garbage from which a segment is collected. */
  readonly ratio: number;
}

/** One report per segment, by file number. */
export function valueLogGarbage(input: GarbageInput): SegmentReport[] {
  const live = new Map<number, number>();
  for (const meta of input.version.levels.flat()) {
    for (const { fileNumber, bytes } of meta.valueLog) {
      live.set(fileNumber, (live.get(fileNumber) ?? 0) + bytes);
    }
  }
  const segments = [...input.version.valueLog].sort(([a], [b]) => a - b);
  return segments.map(([fileNumber, { bucket, sealedBytes }]) => {
    const isActive = fileNumber === input.activeNumber || sealedBytes === undefined;
    const bytes = sealedBytes ?? (fileNumber === input.activeNumber ? input.activeBytes : 0);
    const liveBytes = (live.get(fileNumber) ?? 0) + (input.loggedBytes?.get(fileNumber) ?? 0);
    const recordBytes = Math.max(0, bytes - VALUE_LOG_HEADER_BYTES);
    const garbageBytes = Math.max(0, recordBytes - liveBytes);
    const garbageRatio = recordBytes === 0 ? 0 : garbageBytes / recordBytes;
    // Survivors of collections lie in higher buckets: only compacted tables point to them.
    const isInMemory = bucket === 0 && fileNumber >= input.minInMemory;
    return {
      fileNumber,
      bucket,
      bytes,
      liveBytes,
      garbageBytes,
      garbageRatio,
      ...judge(isActive, isInMemory, liveBytes, garbageRatio, input.ratio),
    };
  });
}

function judge(
  isActive: boolean,
  isInMemory: boolean,
  liveBytes: number,
  garbageRatio: number,
  ratio: number,
): { verdict: SegmentVerdict; reason: string } {
  const share = `${Math.round(garbageRatio * 100)} % garbage`;
  if (isActive) return { verdict: 'active', reason: 'it is being written' };
  if (isInMemory) {
    return {
      verdict: 'in-memory',
      reason: `${share}, not sure yet: memtables point into it; flush first`,
    };
  }
  if (liveBytes === 0) return { verdict: 'remove', reason: 'nothing points into it' };
  if (garbageRatio >= ratio) return { verdict: 'collect', reason: share };
  return { verdict: 'keep', reason: `${share}, below ${Math.round(ratio * 100)} %` };
}

export interface CollectOptions {
  /** Share of garbage from which on a segment is collected; default: the option valueLogGcRatio. */
  readonly ratio?: number;
  /** Only tell. */
  readonly dryRun?: boolean;
}

/** @throws NokvError NOKV_INVALID */
export function checkRatio(ratio: number): void {
  if (ratio > 0 && ratio < 1) return;
  throw new NokvError('NOKV_INVALID', 'Cannot collect value log: ratio must be between 0 and 1');
}
