/** The environment of a job under test: a directory that starts empty. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JobEnv, SILENT_LOG } from '../../../src/base/env.js';
import { NodeFs } from '../../../src/env/node-fs.js';

export interface JobTestEnv extends JobEnv {
  readonly directory: string;
  fileNames(): string[];
  /** Removes all files. */
  clear(): void;
}

export function createJobEnv(): JobTestEnv {
  const fs = new NodeFs();
  const directory = mkdtempSync(join(tmpdir(), 'nokv-job-'));
  const clock = {
    nowMs: () => 1000,
    monotonicMs: () => 0,
    setTimer: () => ({ cancel: () => undefined }),
    nextTurn: () => Promise.resolve(),
  };
  return {
    clock,
    fs,
    log: SILENT_LOG,
    directory,
    fileNames: () => fs.list(directory),
    clear: () => {
      for (const name of fs.list(directory)) fs.remove(join(directory, name));
    },
  };
}
