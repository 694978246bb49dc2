/** What a process says of itself: for the metrics server and INFO of the gateway. */
import { platform, release } from 'node:os';

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

/** Processor time of the whole process so far, seconds. */
export function processorFigures(): {
  readonly userSeconds: number;
  readonly systemSeconds: number;
} {
  const { user, system } = process.cpuUsage();
  return { userSeconds: user / 1e6, systemSeconds: system / 1e6 };
}

export interface PlatformFacts {
  /** "linux 6.1.0 x64". */
  readonly os: string;
  readonly nodeVersion: string;
}

export function platformFacts(): PlatformFacts {
  return { os: `${platform()} ${release()} ${process.arch}`, nodeVersion: process.version };
}
