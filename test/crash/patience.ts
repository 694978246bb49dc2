/** Waiting for a simulated database: time moves on while it does, and a wait without end is an error. */
import type { SimClock } from '../../src/env/sim-clock.js';

/** Simulated time per turn; retries of background work come after half a second. */
const TICK_MS = 50;
const TURNS_MAX = 2000;

/** Settles as `promise` does. @throws Error 'hangs' when it does not settle within 100 simulated seconds. */
export async function patiently<T>(clock: SimClock, what: string, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const settled = promise.finally(() => {
    isSettled = true;
  });
  settled.catch(() => undefined);
  for (let turn = 0; turn < TURNS_MAX; turn++) {
    await new Promise(setImmediate);
    if (isSettled) return settled;
    clock.advance(TICK_MS);
  }
  throw new Error(`${what} hangs`);
}
