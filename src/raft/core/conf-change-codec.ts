/**
 * Configuration changes as bytes of an entry, in the protocol buffer format of etcd's raft:
 *
 *   version 1   1 id (not written)   2 type   3 node id   4 context
 *   version 2   1 transition   2 changes, each {1 type, 2 node id}   3 context
 *
 * A field is a varint tag (number * 8 + wire type) and a varint or a length and bytes. Unknown fields
 * are skipped; absent ones are zero, so no bytes at all are the empty change of version 2.
 */
import { RaftError } from '../../base/errors.js';
import { ENTRY_CONF_CHANGE, ENTRY_NORMAL, varintSize, type Entry } from './entry.js';
import { isCount, NODE_ID_MAX } from './ids.js';
import type { AnyConfChange, ConfChange, ConfChangeSingle, ConfChangeV2 } from './conf-change.js';

const WIRE_VARINT = 0;
const WIRE_FIXED64 = 1;
const WIRE_BYTES = 2;
const WIRE_FIXED32 = 5;

/** Owned by the caller. @throws RaftError when a node id or a type is no number of ours. */
export function encodeConfChange(change: AnyConfChange): Uint8Array {
  return change.version === 1 ? encodeV1(change) : encodeV2(change);
}

function encodeV1(change: ConfChange): Uint8Array {
  const writer = new FieldWriter(singleSize(change) + bytesFieldSize(change.context));
  writer.varint(2, change.type);
  writer.varint(3, change.nodeId);
  writer.bytes(4, change.context);
  return writer.done();
}

function encodeV2(change: ConfChangeV2): Uint8Array {
  let size = 1 + varintSize(change.transition) + bytesFieldSize(change.context);
  for (const single of change.changes) {
    size += 1 + varintSize(singleSize(single)) + singleSize(single);
  }
  const writer = new FieldWriter(size);
  writer.varint(1, change.transition);
  for (const single of change.changes) {
    writer.header(2, singleSize(single));
    writer.varint(1, single.type);
    writer.varint(2, single.nodeId);
  }
  writer.bytes(3, change.context);
  return writer.done();
}

function singleSize(single: ConfChangeSingle): number {
  if (!isCount(single.type, 0x7fff_ffff) || !isCount(single.nodeId, NODE_ID_MAX)) {
    throw new RaftError('invalid', 'Cannot encode a configuration change: bad type or node id');
  }
  return 2 + varintSize(single.type) + varintSize(single.nodeId);
}

function bytesFieldSize(bytes: Uint8Array): number {
  return bytes.length === 0 ? 0 : 1 + varintSize(bytes.length) + bytes.length;
}

/** The change in an entry; undefined in a normal one. @throws RaftError `invalid` when malformed. */
export function decodeEntryChange(entry: Entry): AnyConfChange | undefined {
  if (entry.type === ENTRY_NORMAL) return undefined;
  return entry.type === ENTRY_CONF_CHANGE
    ? decodeConfChangeV1(entry.data)
    : decodeConfChangeV2(entry.data);
}

/** @throws RaftError `invalid` when the bytes are no configuration change. */
export function decodeConfChangeV1(data: Uint8Array): ConfChange {
  let type = 0;
  let nodeId = 0;
  let context: Uint8Array = EMPTY;
  const reader = new FieldReader(data, 0, data.length);
  while (reader.next()) {
    if (reader.field === 2) type = reader.number();
    else if (reader.field === 3) nodeId = reader.number();
    else if (reader.field === 4) context = reader.payload();
  }
  return { version: 1, type, nodeId, context };
}

/** @throws RaftError `invalid` when the bytes are no configuration change. */
export function decodeConfChangeV2(data: Uint8Array): ConfChangeV2 {
  let transition = 0;
  let context: Uint8Array = EMPTY;
  const changes: ConfChangeSingle[] = [];
  const reader = new FieldReader(data, 0, data.length);
  while (reader.next()) {
    if (reader.field === 1) transition = reader.number();
    else if (reader.field === 2) changes.push(decodeSingle(reader.payload()));
    else if (reader.field === 3) context = reader.payload();
  }
  return { version: 2, transition, changes, context };
}

function decodeSingle(data: Uint8Array): ConfChangeSingle {
  let type = 0;
  let nodeId = 0;
  const reader = new FieldReader(data, 0, data.length);
  while (reader.next()) {
    if (reader.field === 1) type = reader.number();
    else if (reader.field === 2) nodeId = reader.number();
  }
  return { type, nodeId };
}

const EMPTY = new Uint8Array(0);

class FieldWriter {
  readonly #target: Uint8Array;
  #at = 0;

  constructor(size: number) {
    this.#target = new Uint8Array(size);
  }

  varint(field: number, value: number): void {
    this.#put(field * 8 + WIRE_VARINT);
    this.#put(value);
  }

  header(field: number, length: number): void {
    this.#put(field * 8 + WIRE_BYTES);
    this.#put(length);
  }

  /** Nothing when `bytes` is empty. */
  bytes(field: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.header(field, bytes.length);
    this.#target.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  done(): Uint8Array {
    return this.#target;
  }

  #put(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) {
      this.#target[this.#at++] = (rest % 0x80) + 0x80;
    }
    this.#target[this.#at++] = rest;
  }
}

/** Walks the fields of one message. number() and payload() are of the field that next() found. */
class FieldReader {
  readonly #source: Uint8Array;
  readonly #end: number;
  #at: number;
  #value = 0;
  #start = 0;
  #wire = WIRE_VARINT;
  field = 0;

  constructor(source: Uint8Array, start: number, end: number) {
    this.#source = source;
    this.#at = start;
    this.#end = end;
  }

  next(): boolean {
    if (this.#at >= this.#end) return false;
    const tag = this.#varint();
    this.field = Math.floor(tag / 8);
    this.#wire = tag % 8;
    if (this.field === 0) throw malformed();
    if (this.#wire === WIRE_VARINT) {
      this.#value = this.#varint();
      return true;
    }
    const length = this.#wire === WIRE_BYTES ? this.#varint() : fixedLength(this.#wire);
    this.#start = this.#at;
    if (length > this.#end - this.#at) throw malformed();
    this.#at += length;
    return true;
  }

  number(): number {
    if (this.#wire !== WIRE_VARINT) throw malformed();
    return this.#value;
  }

  /** Owned by the caller. */
  payload(): Uint8Array {
    if (this.#wire !== WIRE_BYTES) throw malformed();
    return this.#source.slice(this.#start, this.#at);
  }

  /** Numbers above 2^53 are refused, not rounded. */
  #varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      if (this.#at >= this.#end) throw malformed();
      const byte = this.#source[this.#at++] as number;
      value += (byte & 0x7f) * scale;
      if (!Number.isSafeInteger(value)) throw malformed();
      if (byte < 0x80) return value;
      if (scale > Number.MAX_SAFE_INTEGER) throw malformed();
    }
  }
}

function fixedLength(wire: number): number {
  if (wire === WIRE_FIXED64) return 8;
  if (wire === WIRE_FIXED32) return 4;
  throw malformed();
}

function malformed(): RaftError {
  return new RaftError('invalid', 'Cannot decode a configuration change: malformed bytes');
}
