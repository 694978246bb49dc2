/**
 * Every file name in a workdir, made and recognised here only. All numbers come from one sequence
 * and are never reused.
 */

import type { Fs } from '../base/env.js';

export const CURRENT_NAME = 'CURRENT';
export const CURRENT_TEMP_NAME = 'CURRENT.tmp';
export const LOCK_NAME = 'LOCK';
export const MODE_NAME = 'MODE.json';
export const VALUE_LOG_DIRECTORY = 'vlog';

export function manifestName(fileNumber: number): string {
  return `MANIFEST-${String(fileNumber).padStart(6, '0')}`;
}

export function walName(fileNumber: number): string {
  return `${String(fileNumber).padStart(5, '0')}.wal`;
}

export function tableName(fileNumber: number): string {
  return `${String(fileNumber).padStart(5, '0')}.sst`;
}

export function bucketName(bucket: number): string {
  return `bucket-${String(bucket).padStart(3, '0')}`;
}

export function valueLogName(fileNumber: number): string {
  return `${String(fileNumber).padStart(5, '0')}.vlog`;
}

export type FileKind = 'manifest' | 'wal' | 'table' | 'valueLog';

export interface FileName {
  readonly kind: FileKind;
  readonly fileNumber: number;
}

const PATTERN = /^(?:MANIFEST-(\d{6,10})|(\d{5,10})\.(wal|sst|vlog))$/;

/** What a name in a workdir (or a value-log bucket) stands for; undefined when it is not of ours. */
export function parseFileName(name: string): FileName | undefined {
  const match = PATTERN.exec(name);
  if (match === null) return undefined;
  if (match[1] !== undefined) return { kind: 'manifest', fileNumber: Number(match[1]) };
  const fileNumber = Number(match[2]);
  switch (match[3]) {
    case 'wal':
      return { kind: 'wal', fileNumber };
    case 'sst':
      return { kind: 'table', fileNumber };
    default:
      return { kind: 'valueLog', fileNumber };
  }
}

/** The number of a bucket directory, or undefined. */
export function parseBucketName(name: string): number | undefined {
  const match = /^bucket-(\d{3,})$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

/** Path of a value-log segment. */
export function segmentPath(fs: Fs, workdir: string, fileNumber: number, bucket: number): string {
  return fs.join(workdir, VALUE_LOG_DIRECTORY, bucketName(bucket), valueLogName(fileNumber));
}
