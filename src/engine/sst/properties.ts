/**
 * The properties block of a table: its TableMeta (without the file length, which the footer holds) and the
 * builder's options as JSON, so that a table can be described, and adopted, without a manifest.
 */
import { CorruptionError } from '../../base/errors.js';
import type { TableMeta, ValueLogReference } from '../table-meta.js';
import { decodeExternalFacts, type ExternalFacts } from './external-facts.js';
import { isIdentity } from './format.js';
import type { PlainPrefixRule } from './prefix-rules.js';

/** What the builder was told; for people, but for what is said of a field. */
export interface TableOptionsRecord {
  readonly blockBytes: number;
  readonly restartInterval: number;
  readonly filterBitsPerKey: number;
  readonly codec: string;
  /** What the filter holds beside keys: these a reader needs (prefix-rules.ts). Absent: nothing. */
  readonly prefixFilters?: readonly PlainPrefixRule[];
}

export interface TableProperties {
  readonly meta: TableMeta;
  readonly options: TableOptionsRecord;
  /** Of an external table only. */
  readonly external: ExternalFacts | undefined;
}

const NUMBER_FIELDS = [
  'fileNumber',
  'entries',
  'tombstones',
  'rangeTombstones',
  'minSeq',
  'maxSeq',
  'maxVersion',
  'rawBytes',
  'staleBytes',
  'earliestExpiry',
  'createdMs',
] as const;

/** The payload; owned by the caller. */
export function encodeProperties(
  meta: Omit<TableMeta, 'bytes'>,
  options: TableOptionsRecord,
  external?: ExternalFacts,
): Uint8Array {
  const bounds = { lower: toHex(meta.lower), upper: toHex(meta.upper) };
  const fields = { ...meta, ...bounds, options, external };
  return new TextEncoder().encode(JSON.stringify(fields));
}

/** Decodes the payload of the block at `offset` of `file`, which is `bytes` long. @throws CorruptionError */
export function decodeProperties(
  payload: Uint8Array,
  bytes: number,
  file: string,
  offset: number,
): TableProperties {
  const bad = (): CorruptionError =>
    new CorruptionError('table properties are malformed', { file, offset });
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload)) as typeof fields;
  } catch (cause) {
    throw new CorruptionError('table properties are no JSON', { file, offset }, { cause });
  }
  if (typeof fields !== 'object' || fields === null) throw bad();
  const numbers = {} as Record<(typeof NUMBER_FIELDS)[number], number>;
  for (const name of NUMBER_FIELDS) {
    const value = fields[name];
    if (!Number.isSafeInteger(value)) throw bad();
    numbers[name] = value as number;
  }
  const { identity, valueLog, options } = fields;
  if (typeof identity !== 'string' || !isIdentity(identity)) throw bad();
  if (!Array.isArray(valueLog) || !valueLog.every(isReference)) throw bad();
  const lower = fromHex(fields['lower']);
  const upper = fromHex(fields['upper']);
  if (lower === undefined || upper === undefined || typeof options !== 'object' || options === null)
    throw bad();
  const meta: TableMeta = { ...numbers, bytes, identity, lower, upper, valueLog };
  const given = fields['external'];
  const external = given === undefined ? undefined : decodeExternalFacts(given);
  if (given !== undefined && external === undefined) throw bad();
  return { meta, options: options as TableOptionsRecord, external };
}

function isReference(value: unknown): value is ValueLogReference {
  const reference = value as Partial<Record<keyof ValueLogReference, unknown>> | null;
  return (
    typeof reference === 'object' &&
    reference !== null &&
    Number.isSafeInteger(reference.fileNumber) &&
    Number.isSafeInteger(reference.bytes) &&
    Number.isSafeInteger(reference.count)
  );
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

function fromHex(text: unknown): Uint8Array | undefined {
  if (typeof text !== 'string' || text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text))
    return undefined;
  return new Uint8Array(Buffer.from(text, 'hex'));
}
