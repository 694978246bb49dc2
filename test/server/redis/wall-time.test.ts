import { expect, it } from 'vitest';
import { SimClock } from '../../../src/env/sim-clock.js';
import { WallTime } from '../../../src/server/redis/wall-time.js';

it('WallTime follows the wall, and goes on by the monotonic clock when the wall is set back', () => {
  const clock = new SimClock(1_000_000);
  const time = new WallTime(clock);
  clock.advance(500);
  expect(time.nowMs()).toBe(1_000_500);
  clock.jumpWall(10_000);
  expect(time.nowMs()).toBe(1_010_500);
  time.sample();
  clock.jumpWall(-20_000);
  expect(time.nowMs()).toBe(1_010_500);
  clock.advance(300);
  expect(time.nowMs()).toBe(1_010_800);
  time.sample();
  clock.advance(100);
  expect(time.nowMs()).toBe(1_010_900);
  clock.jumpWall(20_000);
  expect(time.nowMs()).toBe(1_010_900);
  clock.advance(1);
  expect(time.nowMs()).toBe(1_010_901);
});
