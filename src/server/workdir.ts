/**
 * Looking into a workdir from the command line: composes a real environment around the inspectors of the
 * engine. Everything here opens read-only, leaves access times alone where the system can, and closes
 * what it opened.
 */
import type { Env } from '../base/env.js';
import {
  checkWorkdir as checkWith,
  type CheckOptions,
  type CheckReport,
} from '../engine/inspect/check-workdir.js';
import type { Finding } from '../engine/inspect/findings.js';
import {
  checkManifest as checkManifestOf,
  dumpManifest as dumpManifestOf,
  type ManifestCheck,
  type ManifestDump,
  type ManifestReport,
  manifestReport,
} from '../engine/inspect/manifest-report.js';
import {
  type Inspection,
  type InspectionScope,
  openInspection,
} from '../engine/inspect/open-inspection.js';
import { workdirStats } from '../engine/inspect/workdir-stats.js';
import type { WorkdirStats } from '../engine/stats.js';
import { createNodeEnv } from '../env/node-env.js';

function inspectorEnv(): Env {
  return createNodeEnv({ keepAccessTimes: true });
}

/** Opens, asks, closes. */
function inspect<T>(
  workdir: string,
  scope: InspectionScope,
  ask: (inspection: Inspection) => T,
): T {
  const inspection = openInspection(inspectorEnv(), workdir, scope);
  try {
    return ask(inspection);
  } finally {
    inspection.close();
  }
}

/** The stats object, and what is wrong with the directory. @throws NokvError NOKV_NOT_FOUND */
export function readStats(workdir: string): { stats: WorkdirStats; findings: readonly Finding[] } {
  return inspect(workdir, {}, (inspection) => ({
    stats: workdirStats(inspection),
    findings: inspection.findings.all,
  }));
}

/** What the manifest says. @throws NokvError NOKV_NOT_FOUND */
export function readManifestState(workdir: string): ManifestReport {
  return inspect(workdir, {}, manifestReport);
}

/** Every edit of the manifest. @throws NokvError NOKV_NOT_FOUND */
export function dumpManifest(workdir: string): ManifestDump {
  return inspect(workdir, { tables: false, logs: false, valueLog: false }, dumpManifestOf);
}

/** Is the manifest sound, and are the files that it names there? @throws NokvError NOKV_NOT_FOUND */
export function checkManifest(workdir: string): ManifestCheck {
  return inspect(workdir, {}, checkManifestOf);
}

/** Every checksum of every file. @throws NokvError NOKV_NOT_FOUND */
export function checkWorkdir(workdir: string, options: CheckOptions = {}): Promise<CheckReport> {
  return checkWith(inspectorEnv(), workdir, options);
}
