/** The outcome of opening a workdir, as plain data. */

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
