import { describe, expect, it, vi } from 'vitest';
import { garbageCollection } from '../../src/env/worker-garbage.js';

const MIB = 1024 * 1024;

/** Buffers that nobody refers to when it has returned; the sum keeps them from being optimized away. */
function litter(bytes: number): number {
  let sum = 0;
  for (let i = 0; i < bytes / MIB; i++) sum += new Uint8Array(MIB).fill(i)[i] as number;
  return sum;
}

describe('garbageCollection', () => {
  it('frees the array buffers that nobody refers to any more, when they are many', async () => {
    const collect = garbageCollection();
    collect();
    const before = process.memoryUsage().arrayBuffers;
    expect(litter(40 * MIB)).toBeGreaterThan(0);
    // What V8 has freed by itself meanwhile is beside the point.
    const kept = new Uint8Array(20 * MIB);
    collect();
    // V8 may free them in the background.
    await vi.waitFor(() => {
      expect(process.memoryUsage().arrayBuffers).toBeLessThan(before + kept.length + 4 * MIB);
    });
    expect(process.memoryUsage().arrayBuffers).toBeGreaterThanOrEqual(kept.length);
  });

  it('leaves the flag of the process as it was', () => {
    litter(40 * MIB);
    const kept = new Uint8Array(20 * MIB);
    garbageCollection()();
    expect(kept.length).toBe(20 * MIB);
    expect((globalThis as { gc?: unknown }).gc).toBeUndefined();
  });
});
