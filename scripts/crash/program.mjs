/**
 * The program that a crash run writes, and the model of what it leaves. Operation n of a generation is a
 * pure function of (seed, generation, n), so the writer and the checker agree on it without talking.
 * Each life of the writer is a generation of its own: an operation that was lost and comes back
 * later is never mistaken for the one written in its place.
 */

/** Keys of the program: few, so that they are overwritten, deleted and collected all the time. */
export const KEY_COUNT = 400;
/** Operations in flight at most. */
export const WINDOW = 48;

/** mulberry32: small, and the same everywhere. */
export function randomFrom(...seeds) {
  let state = 0x9e3779b9;
  for (const seed of seeds)
    state = Math.imul(state ^ seed ^ (state >>> 15), 0x85ebca6b) + 0x6d2b79f5;
  const fraction = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  fraction();
  fraction();
  return { fraction, below: (bound) => Math.floor(fraction() * bound) };
}

export const keyName = (index) => `k${String(index).padStart(3, '0')}`;

/** Mostly small values, many that are separated, a few that are bigger than a block run. */
function valueBytes(random) {
  const kind = random.below(20);
  if (kind === 0) return 0;
  if (kind < 12) return random.below(400);
  if (kind < 19) return 1024 + random.below(4000);
  return 12_000 + random.below(8000);
}

/** A row is (tag, length): its bytes follow from them. */
export function rowBytes({ tag, length }) {
  return length === 0 ? Buffer.alloc(0) : Buffer.alloc(length, `${tag}|`);
}

function step(random, tag) {
  const kind = random.below(100);
  // A third of the keys takes half of the writes.
  const key = random.below(2) === 0 ? random.below(KEY_COUNT / 3) : random.below(KEY_COUNT);
  if (kind < 80) return { type: 'put', key, row: { tag, length: valueBytes(random) } };
  if (kind < 96) return { type: 'del', key };
  return { type: 'deleteRange', key, end: Math.min(KEY_COUNT, key + 1 + random.below(12)) };
}

/** Operation n: its steps, and whether they are one batch. */
export function operation(seed, generation, n) {
  const random = randomFrom(seed, generation, n);
  const isBatch = random.below(6) === 0;
  const count = isBatch ? 2 + random.below(8) : 1;
  const steps = [];
  for (let i = 0; i < count; i++) steps.push(step(random, `${generation}.${n}.${i}`));
  return { isBatch, isDisk: random.below(300) === 0, steps };
}

/** Starts operation n on a database; the promise is its acknowledgement. */
export function issue(db, seed, generation, n) {
  const { isBatch, isDisk, steps } = operation(seed, generation, n);
  const options = isDisk ? { durability: 'disk' } : {};
  if (isBatch) return db.batch(steps.map(toInput), options);
  const only = steps[0];
  const key = keyName(only.key);
  if (only.type === 'put') return db.put(key, rowBytes(only.row), options);
  if (only.type === 'del') return db.del(key, options);
  return db.deleteRange(key, endName(only), options);
}

const endName = ({ end }) => (end === KEY_COUNT ? 'l' : keyName(end));

function toInput(one) {
  const key = keyName(one.key);
  if (one.type === 'put') return { type: 'put', key, value: rowBytes(one.row) };
  if (one.type === 'del') return { type: 'del', key };
  return { type: 'deleteRange', start: key, end: endName(one) };
}

/** Applies an operation to a model (an array of rows or undefined, by key index); returns the keys it touched. */
export function apply(model, seed, generation, n) {
  const touched = [];
  for (const one of operation(seed, generation, n).steps) {
    const end = one.type === 'deleteRange' ? one.end : one.key + 1;
    for (let key = one.key; key < end; key++) {
      model[key] = one.type === 'put' ? one.row : undefined;
      touched.push(key);
    }
  }
  return touched;
}
