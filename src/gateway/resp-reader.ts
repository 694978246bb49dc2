/**
 * What a client sends, cut into commands: arrays of bulk strings, and lines that a person typed (inline-split.ts).
 *
 *   *<count>\r\n ($<length>\r\n<bytes>\r\n){count}     or     <words>\n
 *
 * One reader per connection. Arguments are views of the input. The usual command lies in one chunk and is not
 * copied. One that is cut off at the end of a chunk is gathered: its bytes are copied together with what follows, into
 * memory that doubles, so that a client pays with bytes for the memory that it makes us hold. Where the parser stood
 * is kept; nothing is looked at twice.
 *
 * After `failure` is set nothing more is read: the stream has no beginning any more, and the connection ends.
 */
import { bufferOver } from '../base/bytes.js';
import { GIB, KIB, MIB } from '../base/limits.js';
import { splitInline } from './inline-split.js';
import { NameCache } from './name-cache.js';

/** Arguments of a command, its name included. */
export const ARGUMENTS_MAX = 1024 * 1024;
/** The longest argument, bytes; CONFIG SET proto-max-bulk-len. */
export const BULK_BYTES_MAX = 512 * MIB;
/** The longest line, bytes. */
export const LINE_BYTES_MAX = 64 * KIB;
/** Received and not executed, bytes: the connection ends beyond it. */
export const QUERY_BYTES_MAX = GIB;
/** Before a client has said who it is. */
const STRANGER_ARGUMENTS_MAX = 10;
const STRANGER_BULK_BYTES_MAX = 16 * KIB;

/** Of the length of an argument of a usual command. */
const SHORT_DIGITS_MAX = 3;
/** What is kept is copied out of memory of which it fills less than one part in so many. */
const GATHERED_PARTS = 4;

/** Places of arguments for which the array is kept. */
const SPANS_KEPT = 1024;

const CR = 0x0d;
const LF = 0x0a;
const STAR = 0x2a;
const DOLLAR = 0x24;
const MINUS = 0x2d;

const NOT_AN_INTEGER = Number.NaN;
const EMPTY = Buffer.alloc(0);

export class RespReader {
  #bytes: Buffer;
  /** #bytes lies here, from #memoryAt on. */
  #memory: ArrayBufferLike;
  #memoryAt: number;
  /** #bytes is not a chunk as it came. */
  #isGathered: boolean;
  readonly #names: NameCache;
  /** Of the argument that #shortStart has found. */
  #shortLength: number;
  /** Where the parser stands in #bytes; everything before #start was executed. */
  #at: number;
  #start: number;
  /** Received, up to here. Beyond it is room that is ours; behind a chunk as it came there is none. */
  #end: number;
  /** Arguments of the command still to come; 0 between commands. */
  #missing: number;
  /** Length of the argument whose `$` line was read, or -1. */
  #bulkLength: number;
  /** Start and end of each argument so far, from #start; #spanEnd is how much of it counts. */
  #spans: number[];
  #spanEnd: number;
  /** What is wrong with the input, as Redis says it after "ERR "; the connection ends with it. */
  failure: string | undefined;
  bulkBytesMax: number;
  /** The client has not said who it is, and has to: it gets little memory. */
  isStranger: boolean;

  constructor(names: NameCache = new NameCache()) {
    this.#bytes = EMPTY;
    this.#memory = EMPTY.buffer;
    this.#memoryAt = 0;
    this.#isGathered = false;
    this.#names = names;
    this.#shortLength = 0;
    this.#at = 0;
    this.#start = 0;
    this.#end = 0;
    this.#missing = 0;
    this.#bulkLength = -1;
    this.#spans = [];
    this.#spanEnd = 0;
    this.failure = undefined;
    this.bulkBytesMax = BULK_BYTES_MAX;
    this.isStranger = false;
  }

  /** Received and not taken by next(), bytes. */
  get pendingBytes(): number {
    return this.#end - this.#start;
  }

  /** Bytes of memory held for this client. */
  get heldBytes(): number {
    return this.#memory.byteLength;
  }

  /** Adds input. It belongs to the reader, and to the arguments that lie in it. */
  push(chunk: Buffer): void {
    if (this.#start === this.#end) {
      this.#lieIn(chunk, false);
      this.#at = 0;
      this.#start = 0;
      this.#end = chunk.length;
      return;
    }
    this.#gather(chunk);
    if (this.pendingBytes > QUERY_BYTES_MAX) this.failure ??= 'Protocol error: too big query';
  }

  /** Copies the chunk behind what is there; moves both when there is no room. */
  #gather(chunk: Buffer): void {
    const pending = this.#end - this.#start;
    const needed = pending + chunk.length;
    if (this.#end + chunk.length > this.#bytes.length) {
      // Arguments that were handed out may lie in the old memory: it is left to them.
      const grown = Buffer.allocUnsafeSlow(Math.max(2 * needed, LINE_BYTES_MAX));
      this.#bytes.copy(grown, 0, this.#start, this.#end);
      this.#lieIn(grown, true);
      this.#at -= this.#start;
      this.#start = 0;
      this.#end = pending;
    }
    chunk.copy(this.#bytes, this.#end);
    this.#end += chunk.length;
  }

  #lieIn(bytes: Buffer, isGathered: boolean): void {
    this.#bytes = bytes;
    this.#memory = bytes.buffer;
    this.#memoryAt = bytes.byteOffset;
    this.#isGathered = isGathered;
  }

  /** The next command; undefined when more input is needed, or after a failure. Empty lines and arrays are passed over. */
  next(): Buffer[] | undefined {
    const args = this.#next();
    if (args === undefined) this.#ownRest();
    return args;
  }

  /** The beginning of a command may lie there for long: not in memory that a chunk shares with others. */
  #ownRest(): void {
    const pending = this.#end - this.#start;
    if (this.#isGathered || GATHERED_PARTS * pending >= this.#memory.byteLength) return;
    this.#lieIn(
      Buffer.from(new Uint8Array(this.#bytes.subarray(this.#start, this.#end)).buffer),
      false,
    );
    this.#at -= this.#start;
    this.#start = 0;
    this.#end = pending;
  }

  #next(): Buffer[] | undefined {
    for (;;) {
      if (this.failure !== undefined) return undefined;
      if (this.#missing === 0) {
        if (this.#at === this.#end) return this.#nothing();
        if (this.#bytes[this.#at] !== STAR) {
          const words = this.#inline();
          if (words === undefined) return undefined;
          if (words.length > 0) return words;
          continue;
        }
        const args = this.#short();
        if (args !== undefined) return args;
        if (!this.#arrayHeader()) return undefined;
        if (this.#missing === 0) continue;
      }
      while (this.#missing > 0) if (!this.#bulk()) return undefined;
      return this.#command();
    }
  }

  /** Everything was executed: no memory is held for a client that says nothing. */
  #nothing(): undefined {
    this.#lieIn(EMPTY, false);
    this.#at = 0;
    this.#start = 0;
    this.#end = 0;
    return undefined;
  }

  /**
   * A command of up to three arguments that is here whole, and each shorter than 1000 bytes: without places, and in an
   * array of its size, which one that grows is far beyond. undefined for any other, with nothing taken.
   */
  #short(): Buffer[] | undefined {
    const bytes = this.#bytes;
    const count = (bytes[this.#at + 1] as number) - 0x30;
    if (!(count >= 1 && count <= 3) || bytes[this.#at + 2] !== CR) return undefined;
    if (this.isStranger || this.#isGathered) return undefined;
    const first = this.#shortStart(this.#at + 4);
    if (first < 0) return undefined;
    const firstEnd = first + this.#shortLength;
    let end = firstEnd;
    let args: Buffer[];
    if (count === 1) {
      args = [this.#nameAt(first, firstEnd)];
    } else {
      const second = this.#shortStart(firstEnd + 2);
      if (second < 0) return undefined;
      const secondLength = this.#shortLength;
      end = second + secondLength;
      if (count === 2) {
        args = [this.#nameAt(first, firstEnd), this.#view(second, secondLength)];
      } else {
        const third = this.#shortStart(end + 2);
        if (third < 0) return undefined;
        end = third + this.#shortLength;
        args = [
          this.#nameAt(first, firstEnd),
          this.#view(second, secondLength),
          this.#view(third, this.#shortLength),
        ];
      }
    }
    this.#at = end + 2;
    this.#start = end + 2;
    return args;
  }

  #view(start: number, length: number): Buffer {
    return bufferOver(this.#memory, this.#memoryAt + start, length);
  }

  #nameAt(start: number, end: number): Buffer {
    return this.#names.find(this.#bytes, start, end) ?? this.#view(start, end - start);
  }

  /** Where the argument begins whose `$` should be at `from`; -1 when it is not all here, or long. Sets #shortLength. */
  #shortStart(from: number): number {
    const bytes = this.#bytes;
    if (bytes[from] !== DOLLAR) return -1;
    let at = from + 1;
    let byte = bytes[at] as number;
    let length = 0;
    while (byte >= 0x30 && byte <= 0x39 && at <= from + SHORT_DIGITS_MAX) {
      length = 10 * length + byte - 0x30;
      byte = bytes[++at] as number;
    }
    if (byte !== CR || at === from + 1 || at + 4 + length > this.#end) return -1;
    this.#shortLength = length;
    return at + 2;
  }

  #command(): Buffer[] {
    const spans = this.#spans;
    const end = this.#spanEnd;
    let memory = this.#memory;
    let base = this.#memoryAt + this.#start;
    const length = this.#at - this.#start;
    if (this.#isGathered && length < this.#bytes.length / GATHERED_PARTS) {
      // Who keeps an argument keeps the memory that it lies in.
      memory = Uint8Array.prototype.slice.call(this.#bytes, this.#start, this.#at).buffer;
      base = 0;
    }
    const args: Buffer[] = [];
    let i = 0;
    const nameStart = this.#start + (spans[0] as number);
    const name = this.#names.find(this.#bytes, nameStart, this.#start + (spans[1] as number));
    if (name !== undefined) {
      args.push(name);
      i = 2;
    }
    for (; i < end; i += 2) {
      const start = spans[i] as number;
      args.push(bufferOver(memory, base + start, (spans[i + 1] as number) - start));
    }
    // A command of a million arguments leaves no such array behind.
    if (spans.length > SPANS_KEPT) this.#spans = [];
    this.#spanEnd = 0;
    this.#start = this.#at;
    return args;
  }

  #arrayHeader(): boolean {
    const eol = this.#lineEnd('too big mbulk count string');
    if (eol < 0) return false;
    const count = this.#integer(this.#at + 1, eol);
    if (!(count <= ARGUMENTS_MAX)) return this.#fail('invalid multibulk length');
    if (this.isStranger && count > STRANGER_ARGUMENTS_MAX) {
      return this.#fail('unauthenticated multibulk length');
    }
    this.#at = eol + 2;
    if (count <= 0) this.#start = this.#at;
    else this.#missing = count;
    return true;
  }

  #bulk(): boolean {
    let length = this.#bulkLength;
    if (length < 0) {
      length = this.#bulkHeader();
      if (length < 0) return false;
    }
    const end = this.#at + length;
    if (end + 2 > this.#end) return false;
    const spans = this.#spans;
    spans[this.#spanEnd++] = this.#at - this.#start;
    spans[this.#spanEnd++] = end - this.#start;
    this.#at = end + 2;
    this.#bulkLength = -1;
    this.#missing--;
    return true;
  }

  /** The length of the argument that follows; -1 when it is not there or bad. */
  #bulkHeader(): number {
    if (this.#at === this.#end) return -1;
    const eol = this.#lineEnd('too big bulk count string');
    if (eol < 0) return -1;
    const first = this.#bytes[this.#at] as number;
    if (first !== DOLLAR) {
      this.#fail(`expected '$', got '${printable(first)}'`);
      return -1;
    }
    const length = this.#integer(this.#at + 1, eol);
    if (!(length >= 0 && length <= this.bulkBytesMax)) {
      this.#fail('invalid bulk length');
      return -1;
    }
    if (this.isStranger && length > STRANGER_BULK_BYTES_MAX) {
      this.#fail('unauthenticated bulk length');
      return -1;
    }
    this.#at = eol + 2;
    this.#bulkLength = length;
    return length;
  }

  /** Where the CR of this line stands, with its LF received too; -1 when it is not there yet, or too far. */
  #lineEnd(tooLong: string): number {
    const bytes = this.#bytes;
    // Lengths are short lines: a loop finds their end sooner than a call does.
    const near = Math.min(this.#end, this.#at + 16);
    let eol = this.#at;
    while (eol < near && bytes[eol] !== CR) eol++;
    if (eol >= near) eol = this.#far(CR, near);
    // The same bound whether the end was received or not: how the input is cut must not matter.
    if ((eol < 0 ? this.#end : eol) - this.#at > LINE_BYTES_MAX) {
      this.#fail(tooLong);
      return -1;
    }
    if (eol < 0) return -1;
    return eol + 1 < this.#end ? eol : -1;
  }

  #far(byte: number, from: number): number {
    // Not into the room behind what was received, which may be large.
    const found = this.#bytes.subarray(from, this.#end).indexOf(byte);
    return found < 0 ? -1 : from + found;
  }

  #inline(): Buffer[] | undefined {
    const eol = this.#far(LF, this.#at);
    if (eol < 0 || eol - this.#at > LINE_BYTES_MAX) {
      if (eol >= 0 || this.#end - this.#at > LINE_BYTES_MAX) this.#fail('too big inline request');
      return undefined;
    }
    const last = eol > this.#at && this.#bytes[eol - 1] === CR ? eol - 1 : eol;
    const words = splitInline(this.#bytes.subarray(this.#at, last));
    if (words === undefined) {
      this.#fail('unbalanced quotes in request');
      return undefined;
    }
    this.#at = eol + 1;
    this.#start = this.#at;
    return words;
  }

  /** Decimal digits, maybe after a minus; NaN for anything else. */
  #integer(from: number, to: number): number {
    const bytes = this.#bytes;
    const isNegative = bytes[from] === MINUS;
    let at = isNegative ? from + 1 : from;
    if (at >= to || to - at > 15) return NOT_AN_INTEGER;
    let value = 0;
    for (; at < to; at++) {
      const digit = (bytes[at] as number) - 0x30;
      if (digit < 0 || digit > 9) return NOT_AN_INTEGER;
      value = value * 10 + digit;
    }
    return isNegative ? -value : value;
  }

  #fail(what: string): false {
    this.failure ??= `Protocol error: ${what}`;
    return false;
  }
}

/** A byte in an error line, which holds no line end. */
function printable(byte: number): string {
  return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ' ';
}
