/**
 * What the logs tell that the manifest does not name. They are left-overs of flushes, and yet each says how long the
 * manifest was, durably, when it was created. One whose first record is there says more while the machine stays up:
 * the edit that names it was appended before that record. A manifest that has lost its end, and would take all newer
 * files for orphans, does not fit them. Page: docs/formats/manifest.md, "Continuity".
 */
import type { Env, Fs } from '../base/env.js';
import { CorruptionError, hasCode, IoError } from '../base/errors.js';
import { parseFileName } from './file-names.js';
import {
  checkManifestContinues,
  type LoadedManifest,
  stampOf,
} from './manifest/manifest-reader.js';
import { crashOf } from './record-log-tail.js';
import type { LogHeader } from './record-log.js';
import { readWalStart } from './wal/reader.js';

/** What is known of a log that the manifest does not name. */
interface LogStart {
  readonly name: string;
  readonly fileNumber: number;
  readonly header: LogHeader;
  readonly hasRecord: boolean;
}

/**
 * `reread`: the manifest as it is now, for who looks while another process may write: a log that does not fit is
 * judged again by the manifest as it was after the log was looked at.
 * @throws CorruptionError naming the manifest and where it ends, IoError
 */
export function checkLeftOverLogs(
  env: Env,
  workdir: string,
  loaded: LoadedManifest,
  reread?: () => LoadedManifest | undefined,
): void {
  const { fs, host } = env;
  let manifest = loaded;
  for (const name of fs.list(workdir)) {
    const parsed = parseFileName(name);
    if (parsed?.kind !== 'wal' || manifest.version.wals.has(parsed.fileNumber)) continue;
    const path = fs.join(workdir, name);
    // A pipe would never open.
    if (fs.stat(path)?.isFile !== true) continue;
    const start = startOf(fs, path, name, parsed.fileNumber);
    if (start === undefined) continue;
    try {
      checkLeftOver(manifest, start, host.bootId);
    } catch (error) {
      const later = reread?.();
      if (later === undefined || stampOf(later) === stampOf(manifest)) throw error;
      manifest = later;
      if (!manifest.version.wals.has(parsed.fileNumber)) {
        checkLeftOver(manifest, start, host.bootId);
      }
    }
  }
}

function checkLeftOver(manifest: LoadedManifest, start: LogStart, bootId: string): void {
  const { fileNumber, header, hasRecord, name } = start;
  checkManifestContinues(manifest, header);
  // Below that number it is one that was flushed. A power loss may take the edit, when it was not synced.
  if (fileNumber < manifest.version.nextFileNumber || !hasRecord) return;
  if (crashOf(header.bootId, bootId) !== 'process') return;
  throw new CorruptionError(`manifest has lost the edit that names ${name}, which holds records`, {
    file: manifest.path,
    offset: manifest.tail.bytes,
  });
}

/** undefined when its creation did not come to an end, or it was removed meanwhile. */
function startOf(fs: Fs, path: string, name: string, fileNumber: number): LogStart | undefined {
  try {
    return { name, fileNumber, ...readWalStart(fs, path, fileNumber) };
  } catch (error) {
    if (hasCode(error, 'NOKV_CORRUPTION') || hasCode(error, 'NOKV_FORMAT')) return undefined;
    if (error instanceof IoError && error.errno === 'ENOENT') return undefined;
    throw error;
  }
}
