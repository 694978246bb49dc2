/** CPU profiles and heap snapshots of this process, through the inspector that Node has built in. */
import { Session } from 'node:inspector/promises';
import type { Clock } from '../base/env.js';

/**
 * A profile of the main thread as JSON (`.cpuprofile`: Chrome's developer tools open it). `signal` ends it: it is then
 * of the time until there.
 */
export async function cpuProfile(
  clock: Clock,
  milliseconds: number,
  signal: AbortSignal,
): Promise<string> {
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
    await elapsed(clock, milliseconds, signal);
    const { profile } = await session.post('Profiler.stop');
    return JSON.stringify(profile);
  } finally {
    session.disconnect();
  }
}

/** Resolves after the time, or at the signal. */
function elapsed(clock: Clock, milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = clock.setTimer(signal.aborted ? 0 : milliseconds, end);
    signal.addEventListener('abort', end, { once: true });
  });
}

/** A snapshot of the heap (`.heapsnapshot`), piece by piece. The process stands still meanwhile. */
export async function heapSnapshot(onPiece: (text: string) => void): Promise<void> {
  const session = new Session();
  session.connect();
  try {
    session.on('HeapProfiler.addHeapSnapshotChunk', ({ params }) => onPiece(params.chunk));
    await session.post('HeapProfiler.takeHeapSnapshot');
  } finally {
    session.disconnect();
  }
}
