/**
 * A memtable with the log segment that makes it durable, from its first entry to the installation of
 * the table it is flushed to. The active one is written by the write queue; a sealed one is only read.
 *
 * Lifetime: the arena goes back to the pool when the memtable is flushed (`retire`) and the last
 * cursor over it is closed (`release`).
 */
import { assert } from '../base/assert.js';
import { detach } from '../base/bytes.js';
import type { ArenaPool } from './memtable/arena-pool.js';
import type { Memtable } from './memtable/memtable.js';
import { RangeTombstones } from './range-tombstones.js';
import {
  entryKeyLength,
  entryKeyStart,
  entrySeq,
  entryValueLength,
  entryValueStart,
  entryVersion,
} from './entry.js';
import { LOG_HEADER_BYTES } from './record-log.js';
import type { WalWriter } from './wal/writer.js';

/** Arena offset of the first record, as in the file; 0 stands for "no entry". */
export const FIRST_RECORD_AT = LOG_HEADER_BYTES;

/** So many range deletes are no burden, however they overlap. */
const TOMBSTONES_FEW = 256;
/**
 * Overlapping range deletes may make so much work for a flush (RangeTombstones.listed): with versions, or under snapshots, it
 * goes through all of them for each piece that their bounds cut. A flush leaves one of them, and those that are needed.
 */
const LISTED_MAX = 256 * 1024;

export class LoggedMemtable {
  readonly memtable: Memtable;
  readonly logNumber: number;
  /** undefined for one that was recovered: nothing is appended to its segment any more. */
  readonly wal: WalWriter | undefined;
  readonly data: Uint8Array;
  readonly view: DataView;
  /** Arena offset of the next free byte. */
  cursor: number;
  /**
   * Bytes of value-log records that entries in here point to. They count for the room: until the memtable is
   * flushed nothing in the value log behind its first record can be found to be garbage.
   */
  separatedBytes: number;
  /** Entries written to the log and not yet visible. */
  pendingEntries: number;
  isSealed: boolean;
  isFlushed: boolean;
  /** Lowest value-log file that a pointer in here may name. */
  readonly minValueLog: number;
  /** Called once when the sealed memtable has no pending entries. */
  onQuiet: () => void;
  readonly #pool: ArenaPool;
  /** 0: no room for anything. */
  #separatedBytesMax: number;
  #references: number;
  readonly #tombstones: RangeTombstones;
  /** Of the memtable's, those that are in #tombstones. */
  #tombstoneCount: number;

  constructor(
    memtable: Memtable,
    logNumber: number,
    wal: WalWriter | undefined,
    pool: ArenaPool,
    minValueLog: number,
    separatedBytesMax: number,
  ) {
    this.memtable = memtable;
    this.logNumber = logNumber;
    this.wal = wal;
    this.data = memtable.data;
    this.view = memtable.view;
    this.cursor = FIRST_RECORD_AT;
    this.separatedBytes = 0;
    this.pendingEntries = 0;
    this.isSealed = false;
    this.isFlushed = false;
    this.minValueLog = minValueLog;
    this.onQuiet = () => undefined;
    this.#pool = pool;
    this.#separatedBytesMax = separatedBytesMax;
    this.#references = 1;
    this.#tombstones = new RangeTombstones();
    this.#tombstoneCount = 0;
  }

  /** Bytes of records in here. */
  get usedBytes(): number {
    return this.cursor - FIRST_RECORD_AT;
  }

  isEmpty(): boolean {
    return this.cursor === FIRST_RECORD_AT;
  }

  /** Room for a record of `bytes` with this many more entries, beside those not indexed yet? */
  hasRoomFor(bytes: number, entries: number): boolean {
    return (
      this.cursor + bytes <= this.data.length &&
      this.separatedBytes < this.#separatedBytesMax &&
      this.memtable.hasRoomFor(entries + this.pendingEntries)
    );
  }

  /** The entries of a group are in the index: readers may see them. */
  shown(entries: number): void {
    this.pendingEntries -= entries;
    if (this.isSealed && this.pendingEntries === 0) this.onQuiet();
    if (this.memtable.rangeTombstones.length >= TOMBSTONES_FEW) this.#weighTombstones();
  }

  /** A memtable whose flush would take long is flushed early. */
  #weighTombstones(): void {
    if (this.rangeTombstones().listed > LISTED_MAX) this.#separatedBytesMax = 0;
  }

  /** The range tombstones in here: one object, which is added to when there are more. */
  rangeTombstones(): RangeTombstones {
    const offsets = this.memtable.rangeTombstones;
    const { data, view } = this;
    for (; this.#tombstoneCount < offsets.length; this.#tombstoneCount++) {
      const at = offsets[this.#tombstoneCount] as number;
      this.#tombstones.add(
        detach(data, entryKeyStart(view, at), entryKeyLength(view, at)),
        detach(data, entryValueStart(view, at), entryValueLength(view, at)),
        entryVersion(view, at),
        entrySeq(view, at),
      );
    }
    return this.#tombstones;
  }

  retain(): void {
    assert(this.#references > 0, 'memtable: retained after its release');
    this.#references++;
  }

  release(): void {
    this.#references--;
    assert(this.#references >= 0, 'memtable: released twice');
    if (this.#references === 0) this.#pool.release(this.memtable.arena);
  }
}
