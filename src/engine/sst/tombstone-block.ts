/**
 * The block of a table's range tombstones. They are kept aside from the entries, because reads must know all
 * of them before they trust an entry.
 *
 *   payload = varint count, then (varint length | lower | varint length | upper | varint version | varint seq) * count
 */
import { compareArrays } from '../../base/bytes.js';
import { putVarint, VarintReader, varintLength } from '../../base/codec.js';
import { CorruptionError } from '../../base/errors.js';
import type { RangeTombstone } from '../range-tombstones.js';

/** Order on disk: lower ascending, then version and seq descending. */
export function compareRangeTombstones(a: RangeTombstone, b: RangeTombstone): number {
  const order = compareArrays(a.lower, b.lower);
  if (order !== 0) return order;
  return b.version - a.version || b.seq - a.seq;
}

/** The payload of sorted tombstones; owned by the caller. */
export function encodeRangeTombstones(tombstones: readonly RangeTombstone[]): Uint8Array {
  let size = varintLength(tombstones.length);
  for (const t of tombstones) {
    size +=
      varintLength(t.lower.length) + t.lower.length + varintLength(t.upper.length) + t.upper.length;
    size += varintLength(t.version) + varintLength(t.seq);
  }
  const payload = new Uint8Array(size);
  let at = putVarint(payload, 0, tombstones.length);
  for (const t of tombstones) {
    for (const bound of [t.lower, t.upper]) {
      at = putVarint(payload, at, bound.length);
      payload.set(bound, at);
      at += bound.length;
    }
    at = putVarint(payload, at, t.version);
    at = putVarint(payload, at, t.seq);
  }
  return payload;
}

/** Decodes the payload of the block at `offset` of `file`. @throws CorruptionError */
export function decodeRangeTombstones(
  payload: Uint8Array,
  file: string,
  offset: number,
): RangeTombstone[] {
  const bad = (): CorruptionError =>
    new CorruptionError('range tombstones are malformed', { file, offset });
  const reader = new VarintReader(payload, 0, payload.length);
  const bound = (): Uint8Array => {
    const length = reader.read();
    if (!reader.ok || length > payload.length - reader.at) throw bad();
    reader.at += length;
    return payload.slice(reader.at - length, reader.at);
  };
  const count = reader.read();
  if (!reader.ok || count > payload.length) throw bad();
  const tombstones: RangeTombstone[] = [];
  for (let i = 0; i < count; i++) {
    const tombstone = {
      lower: bound(),
      upper: bound(),
      version: reader.read(),
      seq: reader.read(),
    };
    const last = tombstones[i - 1];
    if (!reader.ok || compareArrays(tombstone.lower, tombstone.upper) >= 0) throw bad();
    if (last !== undefined && compareRangeTombstones(last, tombstone) > 0) throw bad();
    tombstones.push(tombstone);
  }
  if (reader.at !== payload.length) throw bad();
  return tombstones;
}
