/**
 * The version of everything a workdir holds, and the ordered steps from one version to the next.
 * Each log file carries the version it was written in (record-log.ts); a newer one than
 * FORMAT_VERSION is refused with FormatError before anything else of the file is believed.
 *
 * A change of any format adds one step here, and a golden workdir written by the code before it.
 */

/** Written into new files; u16 on disk. */
export const FORMAT_VERSION = 3;

/** The oldest version this build reads. */
export const FORMAT_VERSION_MIN = 1;

export interface FormatStep {
  /** The version that the step leads to. */
  readonly version: number;
  /** What changed, one sentence. */
  readonly change: string;
}

/** Steps after version 1, ascending and without gaps. */
export const FORMAT_STEPS: readonly FormatStep[] = [
  {
    version: 2,
    change:
      'The manifest may name tables made outside: their entry has seqBase, their footer format version 2.',
  },
  {
    version: 3,
    change: 'Records of logs, blocks of tables and values may have XXH64 as their checksum.',
  },
];
