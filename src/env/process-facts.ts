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

/** Program and arguments; what an argument keeps secret is left out. */
export function commandLine(argv: readonly string[] = process.argv): readonly string[] {
  return argv.map((argument, i) => {
    const isNamedBefore = SECRET.test(argv[i - 1] ?? '') && !(argv[i - 1] ?? '').includes('=');
    if (isNamedBefore) return HIDDEN;
    const [name = ''] = argument.split('=', 1);
    return SECRET.test(name) && argument.includes('=') ? `${name}=${HIDDEN}` : argument;
  });
}

/** Flags whose values are passwords. */
const SECRET = /^--requirepass\b/;
const HIDDEN = '(hidden)';

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
