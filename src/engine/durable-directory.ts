/**
 * Directories whose names outlive a power loss: what is synced inside one is lost with it when the name in its parent
 * was not.
 */
import type { Fs } from '../base/env.js';
import { IoError } from '../base/errors.js';

/** Makes a directory and its parents; the names of those that were not there are durable. @throws IoError */
export function makeDurableDirectory(fs: Fs, directory: string): void {
  const parents: string[] = [];
  for (let path = directory; fs.stat(path) === undefined; path = parents.at(-1) as string)
    parents.push(fs.join(path, '..'));
  if (parents.length === 0) return;
  fs.makeDirectory(directory);
  for (const parent of parents) fs.syncDirectory(parent);
}

/**
 * Makes durable the name of a directory that is there, and those of its parents: one who made them may have been killed
 * before that. A parent that may not be read was made by somebody else. @throws IoError
 */
export function syncDirectoryNames(fs: Fs, directory: string): void {
  let path = directory;
  for (;;) {
    const parent = fs.join(path, '..');
    // The root, or the directory that a relative path begins in.
    if (parent === path || path === '.' || path.startsWith('..')) return;
    try {
      fs.syncDirectory(parent);
    } catch (error) {
      const isForbidden = error instanceof IoError && /^(EACCES|EPERM)$/.test(error.errno);
      if (!isForbidden) throw error;
    }
    path = parent;
  }
}
