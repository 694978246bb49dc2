/** What a process says of itself: for the metrics server. */

export interface MemoryFigures {
  /** Bytes of the whole process. */
  readonly rss: number;
  readonly heapTotal: number;
  readonly heapUsed: number;
  /** Outside the heap: buffers, shared memory. */
  readonly external: number;
  readonly arrayBuffers: number;
}

/** Program and arguments. */
export function commandLine(): readonly string[] {
  return process.argv;
}

export function memoryFigures(): MemoryFigures {
  return process.memoryUsage();
}
