/**
 * A lock on an open file that the kernel releases with the process, by the optional native package
 * fs-native-extensions (open-file-description locks on Linux, flock on macOS, LockFileEx on Windows). Node itself
 * has none. It also works between containers, and on network disks that support it.
 */
import { createRequire } from 'node:module';

/**
 * The whole file (0, 0), all that macOS offers; on Windows one byte far behind the content, because there a
 * locked range cannot be read by others, and they have to read who holds the lock.
 */
const LOCK_OFFSET = process.platform === 'win32' ? 1 << 30 : 0;
const LOCK_LENGTH = process.platform === 'win32' ? 1 : 0;

/** What a file system without locks answers; any other failure is taken for a lock that is held. */
const NO_LOCKS = new Set(['ENOLCK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL']);

type TryLock = (descriptor: number, offset: number, length: number) => boolean;

export type KernelLock = 'taken' | 'held' | 'unavailable';

/** Tries to lock an open file, which must be writable. Closing the descriptor releases it. */
export function tryKernelLock(descriptor: number): KernelLock {
  const tryLock = loadTryLock();
  if (tryLock === undefined) return 'unavailable';
  try {
    return tryLock(descriptor, LOCK_OFFSET, LOCK_LENGTH) ? 'taken' : 'held';
  } catch (error) {
    return NO_LOCKS.has(String((error as NodeJS.ErrnoException).code)) ? 'unavailable' : 'held';
  }
}

/** undefined: looked for and absent. null: not looked for yet. */
let loaded: TryLock | undefined | null = null;

function loadTryLock(): TryLock | undefined {
  if (loaded !== null) return loaded;
  loaded = undefined;
  try {
    const native = createRequire(import.meta.url)('fs-native-extensions') as { tryLock?: TryLock };
    if (typeof native.tryLock === 'function') loaded = native.tryLock;
  } catch {
    // Optional: not installed, or no build for this platform.
  }
  return loaded;
}
