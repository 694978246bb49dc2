/** The outcome of opening a workdir, as plain data. */
import type { Env } from '../base/env.js';
import type { LoadedManifest } from './manifest/manifest-reader.js';
import type { Version } from './manifest/version.js';
import type { ReplayedSegment } from './wal-recovery.js';

/** What opening found and did; printed with RECOVERY_TRACE_METRICS=1. */
export interface RecoveryReport {
  isNew: boolean;
  wasCleanClose: boolean;
  manifestEdits: number;
  manifestTornBytes: number;
  tables: number;
  walSegments: number;
  walBytes: number;
  walRecords: number;
  walEntries: number;
  /** Bytes of the log cut off as torn by the crash. */
  walTornBytes: number;
  /** Segments behind a torn one, dropped with it (power loss with durability `os` only). */
  walLostSegments: number;
  valueLogSegments: number;
  orphansRemoved: number;
  /** Milliseconds by step, in order. */
  steps: { step: string; ms: number }[];
}

/** `loaded` is undefined for a new workdir. */
export function reportOf(
  loaded: LoadedManifest | undefined,
  replayed: readonly ReplayedSegment[],
  version: Version,
): RecoveryReport {
  const sum = (pick: (segment: ReplayedSegment) => number): number =>
    replayed.reduce((total, segment) => total + pick(segment), 0);
  return {
    isNew: loaded === undefined,
    wasCleanClose: loaded?.version.isCleanClose ?? false,
    manifestEdits: loaded?.edits ?? 0,
    manifestTornBytes: loaded?.tail.tornBytes ?? 0,
    tables: version.levels.flat().length,
    walSegments: replayed.length,
    walBytes: sum((segment) => segment.bytes),
    walRecords: sum((segment) => segment.records),
    walEntries: sum((segment) => segment.entries),
    walTornBytes: sum((segment) => segment.tornBytes),
    walLostSegments: replayed.filter((segment) => segment.isLost).length,
    valueLogSegments: version.valueLog.size,
    orphansRemoved: 0,
    steps: [],
  };
}

/** One `RECOVERY_METRIC key=value` line per figure, when the environment asks for them. */
export function traceRecovery(env: Env, report: RecoveryReport): void {
  if (env.trace === undefined) return;
  const { steps, ...figures } = report;
  for (const [name, value] of Object.entries(figures))
    env.trace(`RECOVERY_METRIC ${name}=${String(value)}`);
  for (const { step, ms } of steps) env.trace(`RECOVERY_METRIC step_${step}_ms=${ms.toFixed(2)}`);
}
