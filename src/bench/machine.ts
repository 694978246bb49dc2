/** Two counters of the system, of which a file system may leave out the first. */
export interface WrittenBytes {
  /** Made dirty in the page cache, by write calls and memory maps alike. */
  readonly dirtied: number;
  /** Given to write calls, of whatever file or pipe. */
  readonly called: number;
}

/**
 * What the harness asks of the machine: time, its own memory and CPU, bytes written, scratch
 * directories. The command line brings the real one; tests bring one with a clock of their own.
 */
export interface BenchMachine {
  /** Monotonic time, fractional milliseconds; read once per operation, so it has to be cheap. */
  nowMs(): number;
  /** Resolves in a later turn of the event loop, after pending I/O and messages were delivered. */
  nextTurn(): Promise<void>;
  sleep(delayMs: number): Promise<void>;
  /** Resident set of the process, bytes. */
  residentBytes(): number;
  /** User and system time of all threads of the process, milliseconds. */
  cpuMs(): number;
  /** What the process has sent towards the disk so far; null where the platform does not count it. */
  bytesWritten(): WrittenBytes | null;
  /** Bytes allocated under a directory; 0 when it is not there. */
  diskBytes(directory: string): number;
  /** Removes a directory and everything in it; fine when it is not there. */
  removeDirectory(directory: string): void;
}

/** Progress of a long phase; called often, must be cheap. */
export interface Progress {
  /** `title` such as "nokv A, round 2 of 3". */
  start(title: string, total: number): void;
  advance(done: number): void;
  end(): void;
}

export const SILENT_PROGRESS: Progress = {
  start: () => undefined,
  advance: () => undefined,
  end: () => undefined,
};

/** Below this share of what write calls were given, the file system does not account for what is made dirty: tmpfs. */
const ACCOUNTED_SHARE = 0.01;

/** Bytes written between two readings, by one of the counters; null where nobody counts. */
export function writtenBetween(
  before: WrittenBytes | null,
  after: WrittenBytes | null,
): number | null {
  if (before === null || after === null) return null;
  const dirtied = after.dirtied - before.dirtied;
  const called = after.called - before.called;
  return dirtied < ACCOUNTED_SHARE * called ? called : dirtied;
}
