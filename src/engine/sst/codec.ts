/**
 * Block compression as the engine sees it: a codec is handed in by the caller, so that a native one
 * can stand in for the JavaScript one. Codec 0 (stored) needs no object: it is the absence of one.
 * Ids are on disk, frozen: 0 none, 1 LZ4, 2 snappy, 3 zstd, 4 deflate.
 */
import { compressLz4, decompressLz4 } from './lz4.js';

export const CODEC_NONE = 0;
export const CODEC_LZ4 = 1;

/** Stateless, synchronous, reentrant. Ranges are (buffer, start, length); source and target never overlap. */
export interface Codec {
  readonly id: number;
  readonly name: string;
  /** Compresses into at most `targetLength` bytes; returns the count written, or 0 when it does not fit. */
  compress(
    source: Uint8Array,
    sourceStart: number,
    sourceLength: number,
    target: Uint8Array,
    targetStart: number,
    targetLength: number,
  ): number;
  /** Restores exactly `targetLength` bytes; false when the source is damaged. Never throws on bad bytes. */
  decompress(
    source: Uint8Array,
    sourceStart: number,
    sourceLength: number,
    target: Uint8Array,
    targetStart: number,
    targetLength: number,
  ): boolean;
}

/** LZ4 without native code: about 200 MB/s. */
export const JS_LZ4: Codec = {
  id: CODEC_LZ4,
  name: 'lz4',
  compress: compressLz4,
  decompress: decompressLz4,
};

/** Codecs that a reader knows without help; a faster one of the same id may be put in front. */
export const BUILT_IN_CODECS: readonly Codec[] = [JS_LZ4];

/** The codec with this id, the caller's ones first; undefined when unknown. */
export function findCodec(id: number, preferred: readonly Codec[] = []): Codec | undefined {
  return (
    preferred.find((codec) => codec.id === id) ?? BUILT_IN_CODECS.find((codec) => codec.id === id)
  );
}
