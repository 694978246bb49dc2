/** CPU profiles and heap snapshots of this process, through the inspector that Node has built in. */
import { Session } from 'node:inspector/promises';
import type { Clock } from '../base/env.js';

/** A profile of the main thread as JSON (`.cpuprofile`: Chrome's developer tools open it). */
export async function cpuProfile(clock: Clock, milliseconds: number): Promise<string> {
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.start');
    await new Promise<void>((resolve) => {
      clock.setTimer(milliseconds, resolve);
    });
    const { profile } = await session.post('Profiler.stop');
    return JSON.stringify(profile);
  } finally {
    session.disconnect();
  }
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
