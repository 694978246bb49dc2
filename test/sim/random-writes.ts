/** What the simulations with writes in flight write: few keys, values inline and separated, batches, deletes. */
import type { Prng } from '../../src/base/prng.js';
import type { Write } from '../crash/history.js';

const VALUE_BYTES = [3, 150, 700, 5000, 30_000];

/** One write, or a batch of three. `i` makes its values different from those of others. */
export function randomWrites(random: Prng, i: number): Write[] {
  const count = random.chance(1, 4) ? 3 : 1;
  return Array.from({ length: count }, () => randomWrite(random, i));
}

function randomWrite(random: Prng, i: number): Write {
  const key = `${'abv'.charAt(random.below(3))}${random.below(8)}`;
  if (random.chance(1, 10)) return { type: 'del', key };
  if (random.chance(1, 30)) return { type: 'deleteRange', start: 'a', end: 'a5' };
  const bytes = VALUE_BYTES[random.below(VALUE_BYTES.length)] as number;
  return { type: 'put', key, value: Buffer.alloc(bytes, `${key}-${i}.`) };
}
