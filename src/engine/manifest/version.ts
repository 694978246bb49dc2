/**
 * Version: what the workdir consists of at one moment, as the manifest tells it. Immutable; an edit
 * makes the next one. Pure. Page: docs/formats/manifest.md.
 *
 * Invariants: a table stands in one level, once. L0 is newest first (maxSeq, then file number). L1 and
 * below are ordered by `lower`, ranges do not overlap. nextFileNumber is above every file number
 * named, lastSeq at least the maxSeq of every table; both and minWalNumber never fall.
 */
import { compareArrays } from '../../base/bytes.js';
import { LEVEL_COUNT } from '../../base/limits.js';
import type { TableMeta } from '../table-meta.js';
import type { AddTable, AddWal, RemoveTable, SealWal, VersionEdit } from './version-edit.js';

export interface ValueLogState {
  readonly bucket: number;
  readonly identity: string;
  /** Exact length of the file; undefined while it is written to. */
  readonly sealedBytes: number | undefined;
  /** Records that compactions found dead, headers included: a hint, never more than advice. */
  readonly discardBytes: number;
  readonly discardCount: number;
}

export interface Version {
  readonly levels: readonly (readonly TableMeta[])[];
  readonly valueLog: ReadonlyMap<number, ValueLogState>;
  readonly nextFileNumber: number;
  readonly lastSeq: number;
  /** Segments below are obsolete. */
  readonly minWalNumber: number;
  /** Segments in use, by number: each of them must be there. */
  readonly wals: ReadonlyMap<number, AddWal>;
  /** By segment number, only those at or above minWalNumber. */
  readonly sealedWals: ReadonlyMap<number, SealWal>;
  /** The last edit was that of an orderly close. */
  readonly isCleanClose: boolean;
}

export const EMPTY_VERSION: Version = {
  levels: Array.from({ length: LEVEL_COUNT }, () => []),
  valueLog: new Map(),
  nextFileNumber: 1,
  lastSeq: 0,
  minWalNumber: 0,
  wals: new Map(),
  sealedWals: new Map(),
  isCleanClose: false,
};

/** An edit that does not fit the version: a bug when it is new, damage when it was read. */
export class ImpossibleEditError extends Error {
  override readonly name = 'ImpossibleEditError';
}

function reject(message: string): never {
  throw new ImpossibleEditError(message);
}

/**
 * The version after `edit`. Within an edit removals of tables come before additions (a table may move
 * between levels), and value-log files are added, sealed, discarded from, removed, in this order.
 * A snapshot edit starts from nothing, whatever `version` is.
 * @throws ImpossibleEditError
 */
export function applyEdit(version: Version, edit: VersionEdit): Version {
  const base = edit.snapshot === true ? EMPTY_VERSION : version;
  const levels = applyTables(base, edit.removeTables ?? [], edit.addTables ?? []);
  const valueLog = applyValueLog(base, edit);
  const minWalNumber = risen('minWalNumber', base.minWalNumber, edit.minWalNumber);
  return {
    levels,
    valueLog,
    nextFileNumber: Math.max(
      risen('nextFileNumber', base.nextFileNumber, edit.nextFileNumber),
      1 + highestNumber(edit),
    ),
    lastSeq: Math.max(risen('lastSeq', base.lastSeq, edit.lastSeq), highestSeq(edit)),
    minWalNumber,
    wals: applyWals(base.wals, edit, minWalNumber),
    sealedWals: applySealedWals(base.sealedWals, edit, minWalNumber),
    isCleanClose: edit.cleanClose === true,
  };
}

function risen(name: string, before: number, after: number | undefined): number {
  if (after !== undefined && after < before) reject(`${name} falls from ${before} to ${after}`);
  return after ?? before;
}

function highestNumber(edit: VersionEdit): number {
  let highest = 0;
  for (const { meta } of edit.addTables ?? []) highest = Math.max(highest, meta.fileNumber);
  for (const { fileNumber } of edit.addValueLog ?? []) highest = Math.max(highest, fileNumber);
  for (const { fileNumber } of edit.addWal ?? []) highest = Math.max(highest, fileNumber);
  for (const { fileNumber } of edit.sealWal ?? []) highest = Math.max(highest, fileNumber);
  return highest;
}

function highestSeq(edit: VersionEdit): number {
  let highest = 0;
  for (const { meta } of edit.addTables ?? []) highest = Math.max(highest, meta.maxSeq);
  return highest;
}

function applyTables(
  version: Version,
  removes: readonly RemoveTable[],
  adds: readonly AddTable[],
): readonly (readonly TableMeta[])[] {
  if (removes.length === 0 && adds.length === 0) return version.levels;
  const present = new Set<number>();
  for (const level of version.levels) for (const table of level) present.add(table.fileNumber);
  const levels = [...version.levels];
  const removedByLevel = removedNumbers(removes);
  for (const [level, removed] of removedByLevel) {
    levels[level] = withoutTables(level, levels[level] as readonly TableMeta[], removed);
    for (const fileNumber of removed) present.delete(fileNumber);
  }
  const touched = new Set<number>();
  for (const { level, meta } of adds) {
    if (present.has(meta.fileNumber)) reject(`table ${meta.fileNumber} is added but present`);
    present.add(meta.fileNumber);
    // A level is copied once per edit, not once per table.
    if (!touched.has(level)) levels[level] = [...(levels[level] as readonly TableMeta[])];
    touched.add(level);
    (levels[level] as TableMeta[]).push(meta);
  }
  for (const level of touched) sortLevel(level, levels[level] as TableMeta[]);
  return levels;
}

function removedNumbers(removes: readonly RemoveTable[]): Map<number, Set<number>> {
  const byLevel = new Map<number, Set<number>>();
  for (const { level, fileNumber } of removes) {
    const removed = byLevel.get(level) ?? new Set<number>();
    if (removed.has(fileNumber)) reject(`table ${fileNumber} is removed twice`);
    byLevel.set(level, removed.add(fileNumber));
  }
  return byLevel;
}

function withoutTables(
  level: number,
  tables: readonly TableMeta[],
  removed: ReadonlySet<number>,
): readonly TableMeta[] {
  const rest = tables.filter((table) => !removed.has(table.fileNumber));
  if (rest.length + removed.size !== tables.length) {
    const present = new Set(tables.map((table) => table.fileNumber));
    for (const fileNumber of removed) {
      if (!present.has(fileNumber)) reject(`table ${fileNumber} is removed but not in L${level}`);
    }
  }
  return rest;
}

function sortLevel(level: number, tables: TableMeta[]): void {
  if (level === 0) {
    tables.sort((a, b) => b.maxSeq - a.maxSeq || b.fileNumber - a.fileNumber);
    return;
  }
  tables.sort((a, b) => compareArrays(a.lower, b.lower));
  for (let i = 1; i < tables.length; i++) {
    const before = tables[i - 1] as TableMeta;
    const table = tables[i] as TableMeta;
    if (compareArrays(before.upper, table.lower) > 0) {
      reject(`tables ${before.fileNumber} and ${table.fileNumber} overlap in L${level}`);
    }
  }
}

function applyValueLog(version: Version, edit: VersionEdit): ReadonlyMap<number, ValueLogState> {
  const { addValueLog = [], sealValueLog = [], discard = [], removeValueLog = [] } = edit;
  if (addValueLog.length + sealValueLog.length + discard.length + removeValueLog.length === 0) {
    return version.valueLog;
  }
  const files = new Map(version.valueLog);
  for (const { fileNumber, bucket, identity } of addValueLog) {
    if (files.has(fileNumber)) reject(`value-log file ${fileNumber} is added but present`);
    files.set(fileNumber, {
      bucket,
      identity,
      sealedBytes: undefined,
      discardBytes: 0,
      discardCount: 0,
    });
  }
  for (const { fileNumber, bytes } of sealValueLog) {
    const state =
      files.get(fileNumber) ?? reject(`value-log file ${fileNumber} is sealed but absent`);
    if (state.sealedBytes !== undefined && state.sealedBytes !== bytes) {
      reject(`value-log file ${fileNumber} is sealed twice`);
    }
    files.set(fileNumber, { ...state, sealedBytes: bytes });
  }
  for (const { fileNumber, bytes, count } of discard) {
    const state = files.get(fileNumber);
    // A hint about a file that is gone is worth nothing and harms nothing.
    if (state === undefined) continue;
    files.set(fileNumber, {
      ...state,
      discardBytes: state.discardBytes + bytes,
      discardCount: state.discardCount + count,
    });
  }
  for (const fileNumber of removeValueLog) {
    if (!files.delete(fileNumber)) reject(`value-log file ${fileNumber} is removed but absent`);
  }
  return files;
}

function applyWals(
  wals: ReadonlyMap<number, AddWal>,
  edit: VersionEdit,
  minWalNumber: number,
): ReadonlyMap<number, AddWal> {
  const next = new Map(wals);
  for (const fileNumber of edit.removeWal ?? []) {
    if (!next.delete(fileNumber)) reject(`segment ${fileNumber} is removed but absent`);
  }
  for (const wal of edit.addWal ?? []) {
    if (next.has(wal.fileNumber)) reject(`segment ${wal.fileNumber} is added but present`);
    next.set(wal.fileNumber, wal);
  }
  for (const fileNumber of next.keys()) if (fileNumber < minWalNumber) next.delete(fileNumber);
  return next;
}

function applySealedWals(
  sealed: ReadonlyMap<number, SealWal>,
  { removeWal = [], sealWal = [] }: VersionEdit,
  minWalNumber: number,
): ReadonlyMap<number, SealWal> {
  const next = new Map(sealed);
  for (const fileNumber of removeWal) next.delete(fileNumber);
  for (const seal of sealWal) {
    const before = next.get(seal.fileNumber);
    if (before !== undefined && (before.bytes !== seal.bytes || before.chain !== seal.chain)) {
      reject(`segment ${seal.fileNumber} is sealed twice`);
    }
    next.set(seal.fileNumber, seal);
  }
  for (const fileNumber of next.keys()) if (fileNumber < minWalNumber) next.delete(fileNumber);
  return next;
}

/** The snapshot edit that makes this version out of nothing: the first record of a rewritten manifest. */
export function snapshotEdit(version: Version, timeMs: number, reason: string): VersionEdit {
  const files = [...version.valueLog].map(([fileNumber, state]) => ({ fileNumber, ...state }));
  return {
    timeMs,
    reason,
    snapshot: true,
    nextFileNumber: version.nextFileNumber,
    lastSeq: version.lastSeq,
    minWalNumber: version.minWalNumber,
    addTables: version.levels.flatMap((tables, level) => tables.map((meta) => ({ level, meta }))),
    addWal: [...version.wals.values()],
    sealWal: [...version.sealedWals.values()],
    addValueLog: files.map(({ fileNumber, bucket, identity }) => ({
      fileNumber,
      bucket,
      identity,
    })),
    sealValueLog: files.flatMap(({ fileNumber, sealedBytes }) =>
      sealedBytes === undefined ? [] : [{ fileNumber, bytes: sealedBytes }],
    ),
    discard: files.flatMap(({ fileNumber, discardBytes, discardCount }) =>
      discardBytes === 0 && discardCount === 0
        ? []
        : [{ fileNumber, bytes: discardBytes, count: discardCount }],
    ),
  };
}
