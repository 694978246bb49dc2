/**
 * The value log, bucket by bucket and segment by segment: what is live, what is garbage, and what a
 * collection would do about it and why.
 */
import { type SegmentReport, valueLogGarbage } from '../vlog/gc-picker.js';
import type { Finding } from './findings.js';
import type { Inspection } from './open-inspection.js';

export interface ValueLogReport {
  readonly workdir: string;
  /** Share of garbage from which a segment is collected. */
  readonly ratio: number;
  readonly buckets: readonly {
    readonly bucket: number;
    /** The segment that is written to, as far as files tell. */
    readonly active_fid: number | null;
    /** End of the newest segment. */
    readonly head: { readonly fid: number; readonly offset: number };
    readonly segments: readonly ReportedSegment[];
  }[];
  readonly findings: readonly Finding[];
}

export interface ReportedSegment {
  readonly fid: number;
  readonly bytes: number;
  readonly live_bytes: number;
  readonly garbage_bytes: number;
  readonly garbage_ratio: number;
  readonly verdict: SegmentReport['verdict'];
  readonly reason: string;
}

/** `inspection` has logs and value log open. */
export function valueLogReport(inspection: Inspection, ratio: number): ValueLogReport {
  const buckets = new Map<number, ReportedSegment[]>();
  for (const report of segmentReports(inspection, ratio)) {
    const list = buckets.get(report.bucket) ?? [];
    buckets.set(report.bucket, [...list, reportedSegment(report)]);
  }
  return {
    workdir: inspection.workdir,
    ratio,
    buckets: [...buckets]
      .sort(([a], [b]) => a - b)
      .map(([bucket, segments]) => {
        const last = segments.at(-1);
        return {
          bucket,
          active_fid: segments.find((segment) => segment.verdict === 'active')?.fid ?? null,
          head: { fid: last?.fid ?? 0, offset: last?.bytes ?? 0 },
          segments,
        };
      }),
    findings: inspection.findings.all,
  };
}

export function reportedSegment(report: SegmentReport): ReportedSegment {
  return {
    fid: report.fileNumber,
    bytes: report.bytes,
    live_bytes: report.liveBytes,
    garbage_bytes: report.garbageBytes,
    garbage_ratio: report.garbageRatio,
    verdict: report.verdict,
    reason: report.reason,
  };
}

/** Every segment with its garbage, judged as a collection at this ratio would. */
export function segmentReports(inspection: Inspection, ratio: number): SegmentReport[] {
  const { version, segments, wals } = inspection;
  const valueLog = new Map(
    [...version.valueLog].map(([fileNumber, state]) => {
      const bytes = segments.get(fileNumber)?.bytes;
      return [fileNumber, { ...state, sealedBytes: bytes ?? state.sealedBytes }];
    }),
  );
  const loggedBytes = new Map<number, number>();
  for (const wal of wals) {
    for (const [fileNumber, bytes] of wal.valueLogs) {
      loggedBytes.set(fileNumber, (loggedBytes.get(fileNumber) ?? 0) + bytes);
    }
  }
  const reports = valueLogGarbage({
    version: { levels: version.levels, valueLog },
    activeNumber: undefined,
    activeBytes: 0,
    minInMemory: Math.min(Number.POSITIVE_INFINITY, ...loggedBytes.keys()),
    loggedBytes,
    ratio,
  });
  return reports.map((report) =>
    version.valueLog.get(report.fileNumber)?.sealedBytes === undefined
      ? { ...report, verdict: 'active', reason: 'it is being written, or its writer died' }
      : report,
  );
}
