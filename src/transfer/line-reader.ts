/**
 * Lines out of chunks of bytes, with the place of each: line number, offset behind it and the checksum
 * of all bytes up to there. Memory: one chunk and one line.
 *
 * Lines end with 0x0A; a last line without one counts when `finish()` is called. A chunk is borrowed
 * until the next call of `push`.
 */
import { crc32 } from '../base/crc32.js';
import { NokvError } from '../base/errors.js';
import { LINE_BYTES_MAX } from '../base/limits.js';

const LINE_END = 0x0a;

export class LineReader {
  /** Bytes of the last line: `bytes[start, end)`, without line end. Borrowed until the next call. */
  bytes: Buffer;
  start: number;
  end: number;
  /** Offset of the byte behind the last line and its line end. */
  offset: number;
  /** Number of the last line, from 1; 0 before the first. */
  line: number;
  /** CRC-32 of every byte before `offset`. */
  crc: number;
  #chunk: Buffer;
  #at: number;
  /** The beginning of a line whose end is in a chunk to come, in pieces. */
  #partial: Buffer[];
  #partialBytes: number;

  /** Begins at a place that another reader reached. */
  constructor(offset: number, line: number, crc: number) {
    this.bytes = Buffer.alloc(0);
    this.start = 0;
    this.end = 0;
    this.offset = offset;
    this.line = line;
    this.crc = crc;
    this.#chunk = this.bytes;
    this.#at = 0;
    this.#partial = [];
    this.#partialBytes = 0;
  }

  /** Hands over the next bytes. Requires that `next` returned false. */
  push(chunk: Uint8Array): void {
    this.#chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.#at = 0;
  }

  /** Steps to the next whole line; false when more bytes are needed. @throws NokvError for an endless line */
  next(): boolean {
    const chunk = this.#chunk;
    const found = chunk.indexOf(LINE_END, this.#at);
    if (found < 0) {
      if (this.#at < chunk.length) this.#keep(chunk.subarray(this.#at));
      this.#at = chunk.length;
      return false;
    }
    const start = this.#at;
    this.#at = found + 1;
    if (this.#partialBytes === 0) {
      this.#take(chunk, start, found, 1);
    } else {
      this.#keep(chunk.subarray(start, found + 1));
      this.#takePartial(1);
    }
    return true;
  }

  /** After the last chunk: steps to a last line without line end; false when there is none. */
  finish(): boolean {
    if (this.#partialBytes === 0) return false;
    this.#takePartial(0);
    return true;
  }

  /** A copy: the chunk is its owner's again after the next `push`. */
  #keep(piece: Buffer): void {
    this.#partial.push(Buffer.from(piece));
    this.#partialBytes += piece.length;
    if (this.#partialBytes <= LINE_BYTES_MAX) return;
    throw new NokvError('NOKV_INVALID', `Cannot import line ${this.line + 1}: it is too long`, {
      hint: 'The file has no line ends, or is no JSON Lines; a line has at most 256 MiB',
      details: { line: this.line + 1, offset: this.offset, line_limit: LINE_BYTES_MAX },
    });
  }

  #takePartial(endBytes: number): void {
    const whole = Buffer.concat(this.#partial, this.#partialBytes);
    this.#partial = [];
    this.#partialBytes = 0;
    this.#take(whole, 0, whole.length - endBytes, endBytes);
  }

  #take(bytes: Buffer, start: number, end: number, endBytes: number): void {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    const length = end + endBytes - start;
    this.crc = crc32(bytes, start, length, this.crc);
    this.offset += length;
    this.line++;
  }
}
