/** Every file in a workdir, ours or not, with its size: the base of space accounting and of orphans. */
import type { FileStat, Fs } from '../../base/env.js';
import { CorruptionError, IoError, NokvError } from '../../base/errors.js';
import {
  CURRENT_NAME,
  CURRENT_TEMP_NAME,
  type FileKind,
  LOCK_NAME,
  MODE_NAME,
  parseBucketName,
  parseFileName,
  VALUE_LOG_DIRECTORY,
} from '../file-names.js';

export type WorkdirFileKind = FileKind | 'current' | 'lock' | 'mode' | 'temporary' | 'foreign';

export interface WorkdirFile {
  /** Within the workdir, '/' between the parts. */
  readonly name: string;
  readonly path: string;
  readonly kind: WorkdirFileKind;
  /** 0 for a file without number. */
  readonly fileNumber: number;
  readonly bytes: number;
}

/** All files, by name. One that vanishes meanwhile is left out; a closed foreign directory counts as one. @throws IoError */
export function listWorkdir(fs: Fs, workdir: string): WorkdirFile[] {
  const files: WorkdirFile[] = [];
  collect(fs, workdir, [], files);
  return files;
}

export function workdirIsFile(workdir: string): NokvError {
  return new NokvError('NOKV_INVALID', 'Cannot open: the workdir is a file', {
    details: { workdir },
    hint: `${workdir} must be a directory, or absent`,
  });
}

/** Where there is no CURRENT: the error of a database that lost it, or undefined when there was none. @throws IoError */
export function lostCurrent(fs: Fs, workdir: string): CorruptionError | undefined {
  const left = listWorkdir(fs, workdir).find(
    ({ kind }) => kind === 'table' || kind === 'wal' || kind === 'valueLog',
  );
  if (left === undefined) return undefined;
  return new CorruptionError('CURRENT is missing beside data files', {
    file: fs.join(workdir, CURRENT_NAME),
    offset: 0,
    actual: left.name,
  });
}

function collect(fs: Fs, directory: string, parts: readonly string[], files: WorkdirFile[]): void {
  for (const name of fs.list(directory)) {
    const path = fs.join(directory, name);
    const inner = [...parts, name];
    const stat = statOf(fs, path, parts, name);
    if (stat === undefined) continue;
    const entry = {
      name: inner.join('/'),
      path,
      ...classify(parts, name, stat),
      bytes: stat.bytes,
    };
    if (!stat.isDirectory) {
      files.push(entry);
      continue;
    }
    try {
      collect(fs, path, inner, files);
    } catch (error) {
      if (!(error instanceof IoError)) throw error;
      if (error.errno === 'ENOENT' || error.errno === 'ENOTDIR') continue;
      // What others put there may be theirs alone.
      const isClosed = error.errno === 'EACCES' || error.errno === 'EPERM';
      if (!isClosed || isOurDirectory(parts, name)) throw error;
      files.push(entry);
    }
  }
}

/**
 * Of a link with a name of ours what it leads to, for parts of a workdir may lie elsewhere; of any other link the link
 * itself, which may lead anywhere, also back. undefined when it is gone.
 */
function statOf(
  fs: Fs,
  path: string,
  parts: readonly string[],
  name: string,
): FileStat | undefined {
  const own = fs.lstat(path);
  if (own === undefined || own.isFile || own.isDirectory) return own;
  const isOurs =
    isOurDirectory(parts, name) || classify(parts, name, { isFile: true }).kind !== 'foreign';
  return (isOurs ? fs.stat(path) : undefined) ?? own;
}

/** The value log, or a bucket of it. */
function isOurDirectory(parts: readonly string[], name: string): boolean {
  if (parts.length === 0) return name === VALUE_LOG_DIRECTORY;
  if (parts.length > 1 || parts[0] !== VALUE_LOG_DIRECTORY) return false;
  return parseBucketName(name) !== undefined;
}

function classify(
  parts: readonly string[],
  name: string,
  { isFile }: Pick<FileStat, 'isFile'>,
): { kind: WorkdirFileKind; fileNumber: number } {
  // Anything but a regular file is none of ours, whatever its name; the lock may be a socket.
  const parsed = isFile ? parseFileName(name) : undefined;
  const [first, second] = parts;
  if (parts.length === 0) {
    if (name === CURRENT_NAME) return { kind: 'current', fileNumber: 0 };
    if (name === CURRENT_TEMP_NAME) return { kind: 'temporary', fileNumber: 0 };
    if (name === MODE_NAME) return { kind: 'mode', fileNumber: 0 };
    if (name === LOCK_NAME || name.startsWith(`${LOCK_NAME}.`)) {
      return { kind: 'lock', fileNumber: 0 };
    }
    if (parsed !== undefined && parsed.kind !== 'valueLog') return parsed;
  } else if (parts.length === 2 && first === VALUE_LOG_DIRECTORY && second !== undefined) {
    const isBucket = parseBucketName(second) !== undefined;
    if (isBucket && parsed?.kind === 'valueLog') return parsed;
  }
  return { kind: 'foreign', fileNumber: 0 };
}
