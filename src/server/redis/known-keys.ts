/**
 * Keys of which it is known that they are there and do not expire, pending changes included: a write over one of them
 * need not look whether it changes the count of keys. What it would look at, the index of a memtable or blocks of tables,
 * costs as much as the rest of a SET; here it is one line of memory.
 *
 *   slot, by a hash of the key:   length u8 | key | unused, to 32 bytes;   length 0: none
 *
 * The key itself is compared, so the answer is never wrong, and whoever comes last has the slot. Long keys are not kept.
 * Its owner tells of every write, and forgets everything when changes are taken back.
 */

const SLOT_LOG = 5;
const KEY_BYTES_MAX = (1 << SLOT_LOG) - 1;
/** 8 MiB. */
const SLOTS = 1 << 18;

export class KnownKeys {
  readonly #slots: Uint8Array;
  #isEmpty: boolean;

  constructor() {
    // Memory that is never touched is never there.
    this.#slots = new Uint8Array(SLOTS << SLOT_LOG);
    this.#isEmpty = true;
  }

  has(key: Uint8Array): boolean {
    const { length } = key;
    // No key, or one that is not kept.
    if (length === 0 || length > KEY_BYTES_MAX) return false;
    return this.#isAt(slotOf(key), key);
  }

  /** It has got a value that does not expire. */
  add(key: Uint8Array): void {
    const { length } = key;
    if (length === 0 || length > KEY_BYTES_MAX) return;
    const slots = this.#slots;
    const at = slotOf(key);
    slots[at] = length;
    for (let i = 0; i < length; i++) slots[at + 1 + i] = key[i] as number;
    this.#isEmpty = false;
  }

  /** It is gone, or will be. */
  remove(key: Uint8Array): void {
    if (this.has(key)) this.#slots[slotOf(key)] = 0;
  }

  clear(): void {
    if (!this.#isEmpty) this.#slots.fill(0);
    this.#isEmpty = true;
  }

  #isAt(at: number, key: Uint8Array): boolean {
    const slots = this.#slots;
    const { length } = key;
    if (slots[at] !== length) return false;
    // Backwards: keys that meet here share their beginning more often than their end.
    for (let i = length - 1; i >= 0; i--) if (slots[at + 1 + i] !== key[i]) return false;
    return true;
  }
}

/** Offset of the key's slot. */
function slotOf(key: Uint8Array): number {
  let hash = key.length;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ (key[i] as number), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return ((hash ^ (hash >>> 13)) & (SLOTS - 1)) << SLOT_LOG;
}
