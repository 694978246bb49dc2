/**
 * Reading verified blocks of one table file: the only place where stored bytes become payloads. A checksum is
 * checked once, when a block enters memory.
 */
import { checksum } from '../../base/checksum.js';
import type { FsFile } from '../../base/env.js';
import { CorruptionError, FormatError } from '../../base/errors.js';
import { BATCH_BYTES_MAX } from '../../base/limits.js';
import type { BufferPool } from '../cache/buffer-pool.js';
import { readU32 } from './block-search.js';
import { BUILT_IN_CODECS, type Codec, CODEC_NONE, findCodec } from './codec.js';
import {
  BLOCK_TRAILER_BYTES,
  type BlockHandle,
  blockSeed,
  type Footer,
  identityLow,
} from './format.js';

/** Above any payload a builder makes: a block has at most one entry more than it should. */
const PAYLOAD_BYTES_MAX = BATCH_BYTES_MAX;

export class TableFile {
  readonly path: string;
  readonly #file: FsFile;
  readonly #identityLow: number;
  readonly #checksumType: number;
  readonly #codecs: readonly Codec[];

  constructor(file: FsFile, footer: Footer, codecs: readonly Codec[]) {
    this.path = file.path;
    this.#file = file;
    this.#identityLow = identityLow(footer.identity);
    this.#checksumType = footer.checksumType;
    this.#codecs = codecs;
  }

  close(): void {
    this.#file.close();
  }

  /** Reads exactly `length` bytes at `offset`. @throws CorruptionError when the file ends before. */
  read(target: Uint8Array, start: number, length: number, offset: number): void {
    let done = 0;
    while (done < length) {
      const count = this.#file.read(target, start + done, length - done, offset + done);
      if (count <= 0) throw this.damage('table file is cut', offset);
      done += count;
    }
  }

  /**
   * Checks the stored block of `size` bytes that was read from `offset`; returns its codec id.
   * @throws CorruptionError
   */
  check(bytes: Uint8Array, start: number, size: number, offset: number): number {
    const expected = readU32(bytes, start + size - 4);
    const seed = blockSeed(this.#identityLow, offset);
    const actual = checksum(this.#checksumType, bytes, start, size - 4, seed);
    if (expected !== actual) {
      throw new CorruptionError('block checksum mismatch', {
        file: this.path,
        offset,
        expected,
        actual,
      });
    }
    return bytes[start + size - BLOCK_TRAILER_BYTES] as number;
  }

  /** Length of the payload of a checked block. @throws CorruptionError */
  payloadLength(
    codecId: number,
    bytes: Uint8Array,
    start: number,
    size: number,
    offset: number,
  ): number {
    if (codecId === CODEC_NONE) return size - BLOCK_TRAILER_BYTES;
    const length = size < BLOCK_TRAILER_BYTES + 4 ? PAYLOAD_BYTES_MAX : readU32(bytes, start);
    if (length >= PAYLOAD_BYTES_MAX) throw this.damage('compressed block is malformed', offset);
    return length;
  }

  /** Restores the payload of a checked, compressed block into `target`. @throws CorruptionError, FormatError */
  restore(
    codecId: number,
    bytes: Uint8Array,
    start: number,
    size: number,
    offset: number,
    target: Uint8Array,
    targetStart: number,
    targetLength: number,
  ): void {
    const codec = findCodec(codecId, this.#codecs);
    if (codec === undefined) {
      const supported = BUILT_IN_CODECS.map((known) => known.id).join(',');
      throw new FormatError(`Cannot read table ${this.path}: unknown codec`, {
        file: this.path,
        found: codecId,
        supported,
      });
    }
    const length = size - BLOCK_TRAILER_BYTES - 4;
    if (!codec.decompress(bytes, start + 4, length, target, targetStart, targetLength)) {
      throw this.damage('compressed block is malformed', offset);
    }
  }

  /** Payload of a part other than a data block (never compressed); owned by the caller. @throws CorruptionError */
  readPart(part: BlockHandle, buffers: BufferPool): Uint8Array {
    return this.borrowPart(part, buffers).slice();
  }

  /** As `readPart`; borrowed from scratch buffer 0. */
  borrowPart(part: BlockHandle, buffers: BufferPool): Uint8Array {
    const stored = buffers.scratch(0, part.size);
    this.read(stored, 0, part.size, part.offset);
    if (this.check(stored, 0, part.size, part.offset) !== CODEC_NONE) {
      throw this.damage('table part is compressed', part.offset);
    }
    return stored.subarray(0, part.size - BLOCK_TRAILER_BYTES);
  }

  damage(what: string, offset: number): CorruptionError {
    return new CorruptionError(what, { file: this.path, offset });
  }
}
