/** A directory of the real disk for one test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Removed when the running test has finished. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'nokv-test-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
