/**
 * Gives the memory of jobs back. Jobs leave tens of megabytes of array buffers behind (indexes and filters of tables,
 * output buffers), which V8 would keep until they exceed 64 MB in each worker.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Array buffers beyond what the last collection left: below this a collection of some 10 ms is not worth it. */
const GARBAGE_BYTES_MIN = 2 * 1024 * 1024;

/** A function to be called now and then: collects garbage when the array buffers of this thread have grown. */
export function garbageCollection(): () => void {
  let collect: (() => void) | undefined;
  // What a thread leaves behind when it starts is a third of its heap: the first call always collects.
  let left = Number.NEGATIVE_INFINITY;
  return () => {
    const bytes = process.memoryUsage().arrayBuffers;
    left = Math.min(left, bytes);
    if (bytes - left < GARBAGE_BYTES_MIN) return;
    collect ??= collector();
    if (collect === undefined) return;
    collect();
    left = process.memoryUsage().arrayBuffers;
  };
}

/**
 * V8's own function, which it only shows to a context that is made while the flag is set. The flag is one for all threads:
 * undefined when another one has just taken it back; the next call tries again.
 */
function collector(): (() => void) | undefined {
  setFlagsFromString('--expose-gc');
  try {
    return runInNewContext('globalThis.gc') as (() => void) | undefined;
  } finally {
    setFlagsFromString('--no-expose-gc');
  }
}
