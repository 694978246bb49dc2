import { describe, expect, it } from 'vitest';
import { LevelTraffic } from '../../src/engine/level-traffic.js';
import { openSim, TINY } from './db-fixture.js';

describe('LevelTraffic', () => {
  it('counts from the opening, and per second over the last minute', () => {
    const traffic = new LevelTraffic(0);
    traffic.added(0, 5900, 2000);
    traffic.removed(0, 1180, 30_000);
    expect(traffic.flow(0, 59_000)).toEqual({
      bytesIn: 5900,
      bytesOut: 1180,
      inPerSecond: 100,
      outPerSecond: 20,
    });
    expect(traffic.flow(1, 59_000)).toMatchObject({ bytesIn: 0, outPerSecond: 0 });
    expect(traffic.flow(0, 75_000)).toMatchObject({ inPerSecond: 0, outPerSecond: 1180 / 60 });
    expect(traffic.flow(0, 1e9)).toMatchObject({ bytesIn: 5900, inPerSecond: 0, outPerSecond: 0 });
  });

  it('divides by the time since the opening while that is less than a minute', () => {
    const traffic = new LevelTraffic(0);
    traffic.added(3, 4000, 0);
    expect(traffic.flow(3, 20_000).inPerSecond).toBe(200);
    expect(traffic.flow(3, 1).inPerSecond).toBe(800);
  });
});

describe('stats', () => {
  it('tell what came into every level and left it: the difference is its size', async () => {
    const { db } = await openSim(TINY);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 200; i++) await db.put(`key${i}`, `${round}`.repeat(200));
      await db.flush();
    }
    await db.compact();
    const stats = db.stats();
    for (const level of stats.lsm.levels) {
      expect((level.bytes_in ?? 0) - (level.bytes_out ?? 0)).toBe(level.size_bytes);
    }
    expect(stats.lsm.levels[0]?.bytes_out).toBeGreaterThan(0);
    expect(stats.lsm.levels[6]?.in_per_second).toBeGreaterThan(0);
    expect(stats.write).toMatchObject({ throttle_pressure_permille: 0, avg_request_wait_ms: 0 });
    await db.close();
  });
});
