/**
 * Replies as bytes of RESP2 or RESP3. One writer serves all connections of a gateway, one after another: whoever has
 * begun a turn sends what it wrote before it ends (send), so that no connection holds memory for output of its own.
 *
 * Small pieces are copied into one growing buffer; payloads of at least PASS_BYTES_MIN are passed on as they are, in
 * their place. The buffer is used again when the system took all of it at once, which is the usual case.
 */
import { copyBytes, detach } from '../base/bytes.js';
import { KIB, MIB } from '../base/limits.js';
import {
  BorrowedBytes,
  Double,
  NIL_ARRAY,
  OK,
  PONG,
  QUEUED,
  RedisError,
  type Reply,
  ReplyMap,
  ReplySet,
  SimpleString,
} from './reply.js';

export type Protocol = 2 | 3;

/** Where the bytes go; a part of Connection. */
export interface ByteSink {
  readonly bufferedBytes: number;
  write(bytes: Uint8Array): boolean;
  cork(): void;
  uncork(): void;
}

/** Payloads from here on are not copied. */
export const PASS_BYTES_MIN = 16 * KIB;
const BUFFER_BYTES_INITIAL = 64 * KIB;
/** A buffer that grew beyond is given back. */
const BUFFER_BYTES_KEPT = MIB;
/** The longest header: a type, a sign, 20 digits and the line end. */
const HEADER_BYTES_MAX = 24;

const CR = 0x0d;
const LF = 0x0a;
const PLUS = 0x2b;
const MINUS = 0x2d;
const COLON = 0x3a;
const DOLLAR = 0x24;
const STAR = 0x2a;
const PERCENT = 0x25;
const TILDE = 0x7e;
const COMMA = 0x2c;
const HASH = 0x23;
const UNDERSCORE = 0x5f;

const OK_BYTES = Buffer.from('+OK\r\n');
const PONG_BYTES = Buffer.from('+PONG\r\n');
const QUEUED_BYTES = Buffer.from('+QUEUED\r\n');
const NULL_BULK_BYTES = Buffer.from('$-1\r\n');
const NULL_ARRAY_BYTES = Buffer.from('*-1\r\n');

export class RespWriter {
  #buffer: Buffer;
  /** Of #buffer, not in a segment yet: [#start, #end). */
  #start: number;
  #end: number;
  /** Complete pieces, in order, before what is in #buffer. */
  readonly #segments: Uint8Array[];
  #segmentBytes: number;
  protocol: Protocol;

  constructor() {
    this.#buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES_INITIAL);
    this.#start = 0;
    this.#end = 0;
    this.#segments = [];
    this.#segmentBytes = 0;
    this.protocol = 2;
  }

  /** Written and not sent. */
  get pendingBytes(): number {
    return this.#segmentBytes + this.#end - this.#start;
  }

  /** Gives everything to the sink; false when it has no room for more. Returns the writer empty. */
  send(sink: ByteSink): boolean {
    const segments = this.#segments;
    if (segments.length === 0) {
      if (this.#end === this.#start) return true;
      if (sink.bufferedBytes > 0) return this.#sendCopy(sink);
      const hasRoom = sink.write(this.#buffer.subarray(this.#start, this.#end));
      this.#startOver(sink.bufferedBytes === 0);
      return hasRoom;
    }
    this.#closeSegment();
    sink.cork();
    let hasRoom = true;
    for (const segment of segments) hasRoom = sink.write(segment);
    sink.uncork();
    segments.length = 0;
    this.#segmentBytes = 0;
    this.#startOver(sink.bufferedBytes === 0);
    return hasRoom;
  }

  /** To a slow client: what waits for it takes the memory that it needs, and not a whole buffer of ours each time. */
  #sendCopy(sink: ByteSink): boolean {
    // Not of Node's pool, of which a few bytes would hold 64 KiB.
    const copy = Buffer.allocUnsafeSlow(this.#end - this.#start);
    this.#buffer.copy(copy, 0, this.#start, this.#end);
    const hasRoom = sink.write(copy);
    this.#startOver(true);
    return hasRoom;
  }

  /** Drops what was written. */
  discard(): void {
    this.#segments.length = 0;
    this.#segmentBytes = 0;
    this.#startOver(true);
  }

  #startOver(isTaken: boolean): void {
    if (!isTaken || this.#buffer.length > BUFFER_BYTES_KEPT) {
      this.#buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES_INITIAL);
    }
    this.#start = 0;
    this.#end = 0;
  }

  #closeSegment(): void {
    if (this.#end === this.#start) return;
    this.#segments.push(this.#buffer.subarray(this.#start, this.#end));
    this.#segmentBytes += this.#end - this.#start;
    this.#start = this.#end;
  }

  /** Makes room. What is in the buffer moves with it, unless it is a segment already. */
  #reserve(bytes: number): void {
    if (this.#end + bytes <= this.#buffer.length) return;
    const pending = this.#end - this.#start;
    const grown = Buffer.allocUnsafeSlow(Math.max(2 * this.#buffer.length, 2 * (pending + bytes)));
    this.#buffer.copy(grown, 0, this.#start, this.#end);
    this.#buffer = grown;
    this.#start = 0;
    this.#end = pending;
  }

  write(reply: Reply): void {
    if (reply === OK) this.#constant(OK_BYTES);
    else if (reply instanceof BorrowedBytes) this.#borrowed(reply);
    else if (reply instanceof Uint8Array) this.#bulk(reply);
    else if (reply === null) this.#null(NULL_BULK_BYTES);
    else if (typeof reply === 'number') this.#number(COLON, reply);
    else if (typeof reply === 'string') this.#bulk(Buffer.from(reply));
    else this.#other(reply);
  }

  #other(reply: Exclude<Reply, Uint8Array | BorrowedBytes | null | number | string>): void {
    if (reply === PONG) this.#constant(PONG_BYTES);
    else if (reply === QUEUED) this.#constant(QUEUED_BYTES);
    else if (reply === NIL_ARRAY) this.#null(NULL_ARRAY_BYTES);
    else if (reply instanceof SimpleString) this.#line(PLUS, reply.text);
    else if (reply instanceof RedisError) this.#line(MINUS, reply.text);
    else if (typeof reply === 'bigint') this.#line(COLON, reply.toString());
    else if (typeof reply === 'boolean') this.#boolean(reply);
    else if (reply instanceof ReplyMap) this.#map(reply);
    else if (reply instanceof ReplySet) this.#members(TILDE, reply.members);
    else if (reply instanceof Double) this.#double(reply.value);
    else this.#members(STAR, reply);
  }

  #members(type: number, members: readonly Reply[]): void {
    this.#number(this.protocol === 3 ? type : STAR, members.length);
    for (const member of members) this.write(member);
  }

  #map({ entries }: ReplyMap): void {
    if (this.protocol === 3) this.#number(PERCENT, entries.length);
    else this.#number(STAR, 2 * entries.length);
    for (const [name, value] of entries) {
      this.write(name);
      this.write(value);
    }
  }

  #boolean(value: boolean): void {
    if (this.protocol === 3) this.#line(HASH, value ? 't' : 'f');
    else this.#number(COLON, value ? 1 : 0);
  }

  #double(value: number): void {
    const text = doubleText(value);
    if (this.protocol === 3) this.#line(COMMA, text);
    else this.#bulk(Buffer.from(text));
  }

  #null(inResp2: Uint8Array): void {
    if (this.protocol === 3) this.#line(UNDERSCORE, '');
    else this.#constant(inResp2);
  }

  #bulk(bytes: Uint8Array): void {
    const { length } = bytes;
    this.#number(DOLLAR, length);
    if (length >= PASS_BYTES_MIN) {
      this.#closeSegment();
      this.#segments.push(bytes);
      this.#segmentBytes += length;
      this.#reserve(2);
    } else {
      this.#reserve(length + 2);
      this.#buffer.set(bytes, this.#end);
      this.#end += length;
    }
    this.#lineEnd();
  }

  #borrowed(reply: BorrowedBytes): void {
    const { length } = reply;
    if (length >= PASS_BYTES_MIN) {
      this.#bulk(detach(reply.bytes, reply.start, length));
      return;
    }
    this.#number(DOLLAR, length);
    this.#reserve(length + 2);
    copyBytes(reply.bytes, reply.start, this.#buffer, this.#end, length);
    this.#end += length;
    this.#lineEnd();
  }

  #constant(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    const buffer = this.#buffer;
    let at = this.#end;
    for (let i = 0; i < bytes.length; i++) buffer[at++] = bytes[i] as number;
    this.#end = at;
  }

  /** A type, text and a line end. A reply cannot break out of its line. */
  #line(type: number, text: string): void {
    this.#reserve(HEADER_BYTES_MAX + 3 * text.length);
    this.#buffer[this.#end++] = type;
    const start = this.#end;
    this.#end += this.#buffer.write(text, start, 'utf8');
    for (let i = start; i < this.#end; i++) {
      if (this.#buffer[i] === CR || this.#buffer[i] === LF) this.#buffer[i] = 0x20;
    }
    this.#lineEnd();
  }

  /** A type, an integer and a line end. */
  #number(type: number, value: number): void {
    this.#reserve(HEADER_BYTES_MAX);
    const buffer = this.#buffer;
    buffer[this.#end++] = type;
    if (value >= 0 && value < 1e9) this.#end = writeDigits(buffer, this.#end, value);
    else this.#end += buffer.write(value.toString(), this.#end, 'latin1');
    this.#lineEnd();
  }

  #lineEnd(): void {
    this.#buffer[this.#end++] = CR;
    this.#buffer[this.#end++] = LF;
  }
}

/** Writes a small integer; returns the offset after it. */
function writeDigits(buffer: Buffer, at: number, value: number): number {
  if (value < 10) {
    buffer[at] = 0x30 + value;
    return at + 1;
  }
  let count = 1;
  for (let bound = 10; bound <= value; bound *= 10) count++;
  let rest = value;
  for (let i = at + count - 1; i >= at; i--) {
    const next = Math.floor(rest / 10);
    buffer[i] = 0x30 + rest - 10 * next;
    rest = next;
  }
  return at + count;
}

function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  return value.toString();
}
