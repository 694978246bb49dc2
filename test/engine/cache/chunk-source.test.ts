import { describe, expect, it } from 'vitest';
import type { Memory } from '../../../src/base/env.js';
import { Prng } from '../../../src/base/prng.js';
import { ChunkSource } from '../../../src/engine/cache/chunk-source.js';

const CHUNK = 64;

/** Prepares when it is told to. */
class ManualMemory implements Memory {
  readonly pieces: { readonly bytes: Uint8Array; readonly done: () => void }[] = [];

  prepare(bytes: Uint8Array, done: () => void): void {
    this.pieces.push({ bytes, done });
  }

  /** Ends the oldest preparation; its content is lost. */
  finish(): void {
    const piece = this.pieces.shift();
    piece?.bytes.fill(0xdb);
    piece?.done();
  }
}

/** Takes `count` chunks, each filled with its number. */
function take(source: ChunkSource, chunks: Uint8Array[], count: number): void {
  for (let i = 0; i < count; i++) {
    const chunk = source.take();
    chunks.push(chunk.fill(chunks.length));
  }
}

function expectApart(chunks: readonly Uint8Array[]): void {
  expect(chunks.every((chunk) => chunk.length === CHUNK)).toBe(true);
  expect(chunks.every((chunk, i) => chunk.every((byte) => byte === i))).toBe(true);
}

describe('ChunkSource', () => {
  it('hands out as many chunks as it was allowed, without anybody to prepare them', () => {
    const source = new ChunkSource(CHUNK, 100, undefined);
    const chunks: Uint8Array[] = [];
    take(source, chunks, 100);
    expect(source.hasChunk).toBe(false);
    expectApart(chunks);
    expect(new ChunkSource(CHUNK, 0, undefined).hasChunk).toBe(false);
  });

  it('prepares nothing for who wants one chunk', () => {
    const memory = new ManualMemory();
    const source = new ChunkSource(CHUNK, 100, memory);
    source.take();
    expect(memory.pieces).toHaveLength(0);
    source.take();
    expect(memory.pieces).toHaveLength(1);
  });

  it('prepares the next chunks in one piece, and the piece after it when half of that is used', () => {
    const memory = new ManualMemory();
    const source = new ChunkSource(CHUNK, 64, memory);
    const chunks: Uint8Array[] = [];
    take(source, chunks, 2);
    const piece = memory.pieces[0]?.bytes as Uint8Array;
    expect(piece.length).toBe(4 * CHUNK);
    memory.finish();
    take(source, chunks, 1);
    expect(chunks[2]?.byteOffset).toBe(piece.byteOffset);
    expect(memory.pieces).toHaveLength(0);
    take(source, chunks, 1);
    expect(memory.pieces).toHaveLength(1);
    expectApart(chunks);
  });

  it('hands out the chunks behind a piece that takes its time, which loses nothing', () => {
    const memory = new ManualMemory();
    const source = new ChunkSource(CHUNK, 64, memory);
    const chunks: Uint8Array[] = [];
    take(source, chunks, 40);
    expect(memory.pieces).toHaveLength(1);
    memory.finish();
    take(source, chunks, 4);
    expectApart(chunks);
  });

  it('has none while the last ones are under preparation', () => {
    const memory = new ManualMemory();
    const source = new ChunkSource(CHUNK, 32, memory);
    const chunks: Uint8Array[] = [];
    take(source, chunks, 30);
    expect(source.hasChunk).toBe(false);
    memory.finish();
    expect(source.hasChunk).toBe(true);
    take(source, chunks, 2);
    expect(source.hasChunk).toBe(false);
    expectApart(chunks);
  });

  it.each([1, 2, 3, 4])(
    'gives every chunk once, in whatever order things end (seed %i)',
    (seed) => {
      const random = new Prng(seed);
      const chunksMax = 1 + (random.u32() % 200);
      const memory = new ManualMemory();
      const source = new ChunkSource(CHUNK, chunksMax, memory);
      const chunks: Uint8Array[] = [];
      while (chunks.length < chunksMax) {
        if (source.hasChunk && random.fraction() < 0.8) take(source, chunks, 1);
        else memory.finish();
      }
      expect(source.hasChunk).toBe(false);
      expectApart(chunks);
    },
  );
});
