/**
 * Version edit: one change of what the workdir consists of, the payload of one manifest record.
 * UTF-8 JSON, bytes as base64. Page: docs/formats/manifest.md.
 *
 * Encoding keeps the order of the fields below; decoding is strict: an unknown field, a missing one
 * or a value out of range is damage (or the work of a build with a newer format), never skipped.
 */
import { compareArrays } from '../../base/bytes.js';
import { CorruptionError } from '../../base/errors.js';
import { FILE_NUMBER_MAX, LEVEL_COUNT, SEQ_MAX } from '../../base/limits.js';
import type { TableMeta, ValueLogReference } from '../table-meta.js';
import { fail, type Fields, fieldsOf, ShapeError } from './json-fields.js';

export interface AddTable {
  readonly level: number;
  readonly meta: TableMeta;
}

export interface RemoveTable {
  readonly level: number;
  readonly fileNumber: number;
}

/**
 * A log segment came into use: from now on it must be there. `previousBytes` and `previousChain` tell how
 * its predecessor ended, synced or not: after a crash of the process alone it must end there.
 */
export interface AddWal {
  readonly fileNumber: number;
  /** Number of the predecessor, 0 when there is none. */
  readonly previous: number;
  readonly previousBytes: number;
  readonly previousChain: number;
  /** File and directory entry were synced before this edit. */
  readonly isSynced: boolean;
  /** Host.bootId at its creation. */
  readonly bootId: string;
}

/** Length and chain value of a segment that was closed in order, all of it synced. */
export interface SealWal {
  readonly fileNumber: number;
  readonly bytes: number;
  readonly chain: number;
}

export interface AddValueLog {
  readonly fileNumber: number;
  readonly bucket: number;
  readonly identity: string;
}

export interface SealValueLog {
  readonly fileNumber: number;
  readonly bytes: number;
}

/** Garbage newly found in a value-log file: added to what earlier edits found. */
export interface Discard {
  readonly fileNumber: number;
  readonly bytes: number;
  readonly count: number;
}

export interface VersionEdit {
  /** Wall milliseconds. */
  readonly timeMs: number;
  /** One word or two for people: open, flush, compaction, close, rewrite. */
  readonly reason: string;
  /** First record of a manifest: the whole state. */
  readonly snapshot?: true;
  readonly nextFileNumber?: number;
  readonly lastSeq?: number;
  /** Segments below are obsolete. */
  readonly minWalNumber?: number;
  readonly removeTables?: readonly RemoveTable[];
  readonly addTables?: readonly AddTable[];
  readonly addWal?: readonly AddWal[];
  readonly sealWal?: readonly SealWal[];
  /** Segments that recovery dropped: what came before them was lost. */
  readonly removeWal?: readonly number[];
  readonly addValueLog?: readonly AddValueLog[];
  readonly sealValueLog?: readonly SealValueLog[];
  readonly discard?: readonly Discard[];
  readonly removeValueLog?: readonly number[];
  /** Last edit of an orderly close. */
  readonly cleanClose?: true;
}

/** A bucket is part of a directory name; this many are plenty. */
export const BUCKET_MAX = 0xffff;

const U32_MAX = 0xffff_ffff;
const utf8Encoder = new TextEncoder();

/** The payload of a manifest record. Owned by the caller. */
export function encodeEdit(edit: VersionEdit): Uint8Array {
  const json = {
    timeMs: edit.timeMs,
    reason: edit.reason,
    snapshot: edit.snapshot,
    nextFileNumber: edit.nextFileNumber,
    lastSeq: edit.lastSeq,
    minWalNumber: edit.minWalNumber,
    removeTables: edit.removeTables?.map(({ level, fileNumber }) => ({ level, fileNumber })),
    addTables: edit.addTables?.map(({ level, meta }) => ({ level, meta: jsonOfMeta(meta) })),
    addWal: edit.addWal?.map((wal) => ({
      fileNumber: wal.fileNumber,
      previous: wal.previous,
      previousBytes: wal.previousBytes,
      previousChain: wal.previousChain,
      isSynced: wal.isSynced,
      bootId: wal.bootId,
    })),
    sealWal: edit.sealWal?.map(({ fileNumber, bytes, chain }) => ({ fileNumber, bytes, chain })),
    removeWal: edit.removeWal,
    addValueLog: edit.addValueLog?.map(({ fileNumber, bucket, identity }) => ({
      fileNumber,
      bucket,
      identity,
    })),
    sealValueLog: edit.sealValueLog?.map(({ fileNumber, bytes }) => ({ fileNumber, bytes })),
    discard: edit.discard?.map(({ fileNumber, bytes, count }) => ({ fileNumber, bytes, count })),
    removeValueLog: edit.removeValueLog,
    cleanClose: edit.cleanClose,
  };
  return utf8Encoder.encode(JSON.stringify(json));
}

/** A table's facts as they stand in JSON; also what inspectors print. */
export function jsonOfMeta(meta: TableMeta): Record<string, unknown> {
  return {
    fileNumber: meta.fileNumber,
    bytes: meta.bytes,
    identity: meta.identity,
    lower: base64Of(meta.lower),
    upper: base64Of(meta.upper),
    entries: meta.entries,
    tombstones: meta.tombstones,
    rangeTombstones: meta.rangeTombstones,
    minSeq: meta.minSeq,
    maxSeq: meta.maxSeq,
    maxVersion: meta.maxVersion,
    rawBytes: meta.rawBytes,
    staleBytes: meta.staleBytes,
    earliestExpiry: meta.earliestExpiry,
    valueLog: meta.valueLog.map(({ fileNumber, bytes, count }) => ({ fileNumber, bytes, count })),
    createdMs: meta.createdMs,
    ...(meta.seqBase === undefined ? {} : { seqBase: meta.seqBase }),
  };
}

function base64Of(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

/**
 * Decodes the payload `bytes[start, start + length)`. `offset` is that of the payload in `file`.
 * @throws CorruptionError for any shape that encodeEdit does not write.
 */
export function decodeEdit(
  bytes: Uint8Array,
  start: number,
  length: number,
  file: string,
  offset: number,
): VersionEdit {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    return editOf(JSON.parse(text.decode(bytes.slice(start, start + length))));
  } catch (error) {
    if (error instanceof ShapeError) {
      throw new CorruptionError(`version edit: ${error.message}`, { file, offset });
    }
    if (error instanceof SyntaxError || error instanceof TypeError) {
      throw new CorruptionError('version edit is not JSON', { file, offset }, { cause: error });
    }
    throw error;
  }
}

/** Present fields only: an absent one stays absent (exactOptionalPropertyTypes). */
function editOf(json: unknown): VersionEdit {
  const fields = fieldsOf(json, 'edit');
  const edit: { -readonly [Name in keyof VersionEdit]: VersionEdit[Name] } = {
    timeMs: fields.number('timeMs', 0, SEQ_MAX),
    reason: fields.string('reason'),
  };
  if (fields.flag('snapshot')) edit.snapshot = true;
  if (fields.has('nextFileNumber'))
    edit.nextFileNumber = fields.number('nextFileNumber', 1, FILE_NUMBER_MAX + 1);
  if (fields.has('lastSeq')) edit.lastSeq = fields.number('lastSeq', 0, SEQ_MAX);
  if (fields.has('minWalNumber'))
    edit.minWalNumber = fields.number('minWalNumber', 0, FILE_NUMBER_MAX + 1);
  if (fields.has('removeTables')) edit.removeTables = fields.list('removeTables', removeTableOf);
  if (fields.has('addTables')) edit.addTables = fields.list('addTables', addTableOf);
  if (fields.has('addWal')) edit.addWal = fields.list('addWal', addWalOf);
  if (fields.has('sealWal')) edit.sealWal = fields.list('sealWal', sealWalOf);
  if (fields.has('removeWal')) edit.removeWal = fields.list('removeWal', fileNumberOf);
  if (fields.has('addValueLog')) edit.addValueLog = fields.list('addValueLog', addValueLogOf);
  if (fields.has('sealValueLog')) edit.sealValueLog = fields.list('sealValueLog', sealValueLogOf);
  if (fields.has('discard')) edit.discard = fields.list('discard', discardOf);
  if (fields.has('removeValueLog'))
    edit.removeValueLog = fields.list('removeValueLog', fileNumberOf);
  if (fields.flag('cleanClose')) edit.cleanClose = true;
  fields.end();
  return edit;
}

function removeTableOf(json: unknown): RemoveTable {
  const fields = fieldsOf(json, 'removeTables');
  const remove = { level: levelIn(fields), fileNumber: fileNumberIn(fields) };
  fields.end();
  return remove;
}

function addTableOf(json: unknown): AddTable {
  const fields = fieldsOf(json, 'addTables');
  const add = { level: levelIn(fields), meta: metaOf(fields.any('meta')) };
  fields.end();
  return add;
}

function addWalOf(json: unknown): AddWal {
  const fields = fieldsOf(json, 'addWal');
  const wal = {
    fileNumber: fileNumberIn(fields),
    previous: fields.number('previous', 0, FILE_NUMBER_MAX),
    previousBytes: fields.number('previousBytes', 0, U32_MAX),
    previousChain: fields.number('previousChain', 0, U32_MAX),
    isSynced: fields.boolean('isSynced'),
    bootId: fields.string('bootId'),
  };
  fields.end();
  return wal;
}

function sealWalOf(json: unknown): SealWal {
  const fields = fieldsOf(json, 'sealWal');
  const seal = {
    fileNumber: fileNumberIn(fields),
    bytes: fields.number('bytes', 0, U32_MAX),
    chain: fields.number('chain', 0, U32_MAX),
  };
  fields.end();
  return seal;
}

function addValueLogOf(json: unknown): AddValueLog {
  const fields = fieldsOf(json, 'addValueLog');
  const add = {
    fileNumber: fileNumberIn(fields),
    bucket: fields.number('bucket', 0, BUCKET_MAX),
    identity: fields.identity('identity'),
  };
  fields.end();
  return add;
}

function sealValueLogOf(json: unknown): SealValueLog {
  const fields = fieldsOf(json, 'sealValueLog');
  const seal = { fileNumber: fileNumberIn(fields), bytes: fields.number('bytes', 0, U32_MAX) };
  fields.end();
  return seal;
}

function discardOf(json: unknown): Discard {
  return referenceOf(json, 'discard');
}

function referenceOf(json: unknown, what: string): ValueLogReference {
  const fields = fieldsOf(json, what);
  const reference = {
    fileNumber: fileNumberIn(fields),
    bytes: fields.number('bytes', 0, SEQ_MAX),
    count: fields.number('count', 0, SEQ_MAX),
  };
  fields.end();
  return reference;
}

function fileNumberOf(json: unknown): number {
  if (typeof json !== 'number' || !Number.isInteger(json))
    return fail('file number is not an integer');
  if (json < 1 || json > FILE_NUMBER_MAX) return fail('file number is out of range');
  return json;
}

function fileNumberIn(fields: Fields): number {
  return fields.number('fileNumber', 1, FILE_NUMBER_MAX);
}

function levelIn(fields: Fields): number {
  return fields.number('level', 0, LEVEL_COUNT - 1);
}

/** Decodes what jsonOfMeta makes. @throws ShapeError */
export function metaOf(json: unknown): TableMeta {
  const fields = fieldsOf(json, 'table');
  const meta: TableMeta = {
    fileNumber: fileNumberIn(fields),
    bytes: fields.number('bytes', 0, SEQ_MAX),
    identity: fields.identity('identity'),
    lower: fields.base64('lower'),
    upper: fields.base64('upper'),
    entries: fields.number('entries', 0, SEQ_MAX),
    tombstones: fields.number('tombstones', 0, SEQ_MAX),
    rangeTombstones: fields.number('rangeTombstones', 0, SEQ_MAX),
    minSeq: fields.number('minSeq', 0, SEQ_MAX),
    maxSeq: fields.number('maxSeq', 0, SEQ_MAX),
    maxVersion: fields.number('maxVersion', 0, SEQ_MAX),
    rawBytes: fields.number('rawBytes', 0, SEQ_MAX),
    staleBytes: fields.number('staleBytes', 0, SEQ_MAX),
    earliestExpiry: fields.number('earliestExpiry', 0, SEQ_MAX),
    valueLog: fields.list('valueLog', (item) => referenceOf(item, 'valueLog')),
    createdMs: fields.number('createdMs', 0, SEQ_MAX),
    ...(fields.has('seqBase') ? { seqBase: fields.number('seqBase', 0, SEQ_MAX) } : {}),
  };
  fields.end();
  if (compareArrays(meta.lower, meta.upper) >= 0) fail('table range is empty');
  if (meta.minSeq > meta.maxSeq) fail('table sequence range is empty');
  if (meta.seqBase !== undefined && meta.seqBase >= meta.minSeq)
    fail('table numbers lie below what they count from');
  return meta;
}
