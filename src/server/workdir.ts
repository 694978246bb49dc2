/**
 * Looking into a workdir from the command line: composes a real environment around the inspectors of the
 * engine. Everything here opens read-only, leaves access times alone where the system can, and closes
 * what it opened.
 */
import { aborted } from '../base/aborted.js';
import type { Env } from '../base/env.js';
import {
  checkWorkdir as checkWith,
  type CheckOptions,
  type CheckReport,
} from '../engine/inspect/check-workdir.js';
import type { Finding } from '../engine/inspect/findings.js';
import {
  checkManifest as checkManifestOf,
  dumpManifest as dumpManifestOf,
  type ManifestCheck,
  type ManifestDump,
  type ManifestReport,
  manifestReport,
} from '../engine/inspect/manifest-report.js';
import {
  type Inspection,
  type InspectionScope,
  openInspection,
} from '../engine/inspect/open-inspection.js';
import { type SpaceReport, spaceReport } from '../engine/inspect/space-report.js';
import {
  dumpTableFile,
  inspectTableFile,
  type TableDump,
  type TablesReport,
  tablesReport,
} from '../engine/inspect/table-report.js';
import {
  reportedSegment,
  type ReportedSegment,
  segmentReports,
  type ValueLogReport,
  valueLogReport,
} from '../engine/inspect/value-log-report.js';
import {
  checkWalFile,
  dumpWalFile,
  dumpWals,
  type WalCheck,
  walCheck,
  type WalDump,
} from '../engine/inspect/wal-report.js';
import { workdirStats } from '../engine/inspect/workdir-stats.js';
import { encodeKey, FAMILY_DEFAULT, FAMILY_LOCK, FAMILY_WRITE } from '../engine/key.js';
import { type FamilyName, resolveOptions } from '../engine/options.js';
import type { WorkdirStats } from '../engine/stats.js';
import type { SegmentReport } from '../engine/vlog/gc-picker.js';
import { createNodeEnv } from '../env/node-env.js';

function inspectorEnv(): Env {
  return createNodeEnv({ keepAccessTimes: true });
}

/** Opens, asks, closes. */
function inspect<T>(
  workdir: string,
  scope: InspectionScope,
  ask: (inspection: Inspection) => T,
): T {
  const inspection = openInspection(inspectorEnv(), workdir, scope);
  try {
    return ask(inspection);
  } finally {
    inspection.close();
  }
}

/** The stats object, and what is wrong with the directory. @throws NokvError NOKV_NOT_FOUND */
export function readStats(workdir: string): { stats: WorkdirStats; findings: readonly Finding[] } {
  return inspect(workdir, {}, (inspection) => ({
    stats: workdirStats(inspection),
    findings: inspection.findings.all,
  }));
}

/** What the manifest says. @throws NokvError NOKV_NOT_FOUND */
export function readManifestState(workdir: string): ManifestReport {
  return inspect(workdir, {}, manifestReport);
}

/** Every edit of the manifest. @throws NokvError NOKV_NOT_FOUND */
export function dumpManifest(workdir: string): ManifestDump {
  return inspect(workdir, { tables: false, logs: false, valueLog: false }, dumpManifestOf);
}

/** Is the manifest sound, and are the files that it names there? @throws NokvError NOKV_NOT_FOUND */
export function checkManifest(workdir: string): ManifestCheck {
  return inspect(workdir, {}, checkManifestOf);
}

/** Every segment of the value log, and what a collection at this ratio would do. @throws NokvError NOKV_NOT_FOUND */
export function readValueLog(workdir: string, ratio: number): ValueLogReport {
  return inspect(workdir, { tables: false }, (inspection) => valueLogReport(inspection, ratio));
}

/** Where the bytes are. @throws NokvError NOKV_NOT_FOUND */
export function readSpace(workdir: string): SpaceReport {
  const ratio = resolveOptions({}).valueLogGcRatio;
  return inspect(workdir, {}, (inspection) => spaceReport(inspection, ratio));
}

/** What every table of a workdir says of itself. @throws NokvError NOKV_NOT_FOUND */
export function readTables(workdir: string): TablesReport {
  return inspect(workdir, { logs: false, valueLog: false }, tablesReport);
}

/** The same of one file. @throws NokvError NOKV_NOT_FOUND, CorruptionError */
export function readTableFile(path: string): TablesReport {
  return inspectTableFile(inspectorEnv(), path);
}

export interface DumpBounds {
  readonly family: FamilyName;
  /** User keys: the first one, and the first one not wanted. */
  readonly from: Uint8Array | undefined;
  readonly to: Uint8Array | undefined;
  readonly isKeyOnly: boolean;
}

/** The entries of a table file; the caller closes the dump. @throws NokvError NOKV_NOT_FOUND, CorruptionError */
export function dumpTable(path: string, bounds: DumpBounds): TableDump {
  const { from, to, family, isKeyOnly } = bounds;
  const byte = FAMILY_BYTES[family];
  const range = {
    lower: from === undefined ? undefined : encodeKey(byte, from),
    upper: to === undefined ? undefined : encodeKey(byte, to),
  };
  return dumpTableFile(inspectorEnv(), path, range, isKeyOnly);
}

/** Are the logs of a workdir sound? @throws NokvError NOKV_NOT_FOUND */
export function checkLogs(workdir: string): WalCheck {
  return inspect(workdir, { tables: false, valueLog: false }, walCheck);
}

/** The same of one segment. @throws NokvError NOKV_NOT_FOUND, NOKV_INVALID */
export function checkLogFile(path: string): WalCheck {
  return checkWalFile(inspectorEnv(), path);
}

/** Every record of the logs of a workdir. @throws NokvError NOKV_NOT_FOUND */
export function dumpLogs(workdir: string, isKeyOnly: boolean): WalDump {
  const scope = { tables: false, valueLog: false };
  return inspect(workdir, scope, (inspection) => dumpWals(inspection, isKeyOnly));
}

/** The same of one segment. @throws NokvError NOKV_NOT_FOUND, NOKV_INVALID */
export function dumpLogFile(path: string, isKeyOnly: boolean): WalDump {
  return dumpWalFile(inspectorEnv(), path, isKeyOnly);
}

/**
 * Opens for writing, with the options of a file if one is named, and collects the value-log segments with at
 * least this share of garbage; a signal ends it between two steps, with its reason.
 * @throws NokvError NOKV_NOT_FOUND, LockedError; what loadOptions throws
 */
export async function collectValueLog(
  workdir: string,
  ratio: number,
  optionsFile: string | undefined,
  signal: AbortSignal,
): Promise<Collection> {
  // The inspectors start without the code that writes.
  const { openWorkdir } = await import('./open-workdir.js');
  const db = await openWorkdir(workdir, optionsFile, { createIfMissing: false });
  try {
    const before = await db.collectValueLog({ ratio, dryRun: true });
    const after = await Promise.race([db.collectValueLog({ ratio }), aborted(signal)]);
    const left = new Map(after.map((segment) => [segment.fileNumber, segment]));
    return {
      ratio,
      is_dry_run: false,
      segments: before.map((segment) => collected(segment, left.has(segment.fileNumber))),
      bytes_before: sumBytes(before),
      bytes_after: sumBytes(after),
      findings: [],
    };
  } finally {
    await db.close();
  }
}

/** What collectValueLog would do, without doing it. @throws NokvError NOKV_NOT_FOUND */
export function planCollection(workdir: string, ratio: number): Collection {
  // The tables are looked for, too: without one of them the collection itself would be refused.
  return inspect(workdir, {}, (inspection) => {
    const segments = segmentReports(inspection, ratio);
    const bytes = sumBytes(segments);
    const returned = segments.reduce((sum, { verdict, bytes: size, garbageBytes }) => {
      if (verdict === 'remove') return sum + size;
      return verdict === 'collect' ? sum + garbageBytes : sum;
    }, 0);
    return {
      ratio,
      is_dry_run: true,
      segments: segments.map((segment) => collected(segment, isKept(segment))),
      bytes_before: bytes,
      bytes_after: bytes - returned,
      findings: inspection.findings.all,
    };
  });
}

export interface Collection {
  readonly ratio: number;
  readonly is_dry_run: boolean;
  readonly segments: readonly (ReportedSegment & {
    readonly bucket: number;
    readonly is_kept: boolean;
  })[];
  readonly bytes_before: number;
  readonly bytes_after: number;
  /** Of a dry run: what a look into the workdir met. A collection itself is refused where something is wrong. */
  readonly findings: readonly Finding[];
}

function collected(segment: SegmentReport, kept: boolean): Collection['segments'][number] {
  return { bucket: segment.bucket, ...reportedSegment(segment), is_kept: kept };
}

function isKept({ verdict }: SegmentReport): boolean {
  return verdict !== 'collect' && verdict !== 'remove';
}

function sumBytes(segments: readonly SegmentReport[]): number {
  return segments.reduce((sum, segment) => sum + segment.bytes, 0);
}

const FAMILY_BYTES: Readonly<Record<FamilyName, number>> = {
  default: FAMILY_DEFAULT,
  lock: FAMILY_LOCK,
  write: FAMILY_WRITE,
};

/** Every checksum of every file. @throws NokvError NOKV_NOT_FOUND */
export function checkWorkdir(workdir: string, options: CheckOptions = {}): Promise<CheckReport> {
  return checkWith(inspectorEnv(), workdir, options);
}
