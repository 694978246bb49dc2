/**
 * One file of the simulated disk: its content as a process sees it (page cache), and for every
 * sector that differs from the disk, the history of contents that the disk may hold instead.
 *
 * - A sector is written back whole, at any moment since it became dirty. So after a power loss it
 *   holds one of: what was there at the last sync, any state it had since, or its present state.
 * - The size of the file has a history of its own, independent of the sectors.
 * - A failed sync leaves sectors clean that never reached the disk ("lost", as Linux does): reads
 *   still see the new content, later syncs do not write it, a power loss brings back the old.
 *
 * Stamps are the number of the file system's mutation; a sync makes durable what was stamped up to
 * its start. Invariants: `data` is zero behind `size`; sectors without storage are zero.
 *
 * A test makes thousands of copies of a disk, and changes few files of each: copies share their content until one of
 * them changes it. Contents in histories are never changed at all.
 */

/** The unit in which the disk writes atomically (unless a crash tears it). */
export const SECTOR_BYTES = 512;

/** A sector's or file's past states kept at most; intermediate ones are forgotten beyond. */
const HISTORY_MAX = 8;

/** The content of a sector; null: it had no storage (never written, or cut off). */
type SectorContent = Uint8Array | null;

/** Why a sector is not what the disk holds. */
interface SectorHistory {
  /** contents[0] is what the disk holds; then every state before the present one. */
  contents: SectorContent[];
  /** When contents[i] came into being; stamps[0] is durable, so its value does not matter. */
  stamps: number[];
  /** When the present content came into being. */
  stamp: number;
  /** Clean for the operating system, yet not on the disk; contents has one element. */
  lost: boolean;
}

/** Bytes of storage handed out over the whole disk. */
export interface Space {
  /** undefined: without end. */
  capacity: number | undefined;
  used: number;
}

/**
 * What a power loss leaves open. Called once per piece, in a fixed order. `stamps` tell which change of the file
 * system made each state; that of state 0, the durable one, is 0.
 */
export interface CrashChooser {
  /** The size: 0 is the durable one, sizes.length - 1 the present one. */
  size(path: string, sizes: readonly number[], stamps: readonly number[]): number;
  /** A sector's state: 0 is the durable one, stamps.length - 1 the newest possible. Requires two at least. */
  sector(path: string, sector: number, stamps: readonly number[]): number;
  /** Bytes of a sector that are of the chosen state, the others of the state before it; SECTOR_BYTES: not torn. */
  tear(path: string, sector: number): number;
  /** A sector inside the file whose write was dropped and that had no content before: leaves it zero or puts garbage in. */
  fill(path: string, sector: number, content: Uint8Array): void;
}

export class MemFileNode {
  readonly kind = 'file';
  /** Shared with a copy: #own comes before every change of it. */
  #data: Uint8Array;
  size: number;
  modifiedMs: number;
  /** Directory entries (present ones) that name this file. */
  links: number;
  /** Open handles. */
  handles: number;
  /** Syncs under way: while there are any, the histories are kept whole. */
  syncs: number;
  readonly #space: Space;
  /** 1 for each sector with storage. */
  #stored: Uint8Array;
  #storedCount: number;
  /** #data and #stored may be those of a copy as well. */
  #isShared: boolean;
  #freed: boolean;
  #sectors: Map<number, SectorHistory>;
  /** Sizes before the present one, the durable one first; empty when the present one is durable. */
  #sizes: number[];
  #sizeStamps: number[];
  #sizeStamp: number;
  /** Bits that come back flipped from every read of a byte: offset -> mask. */
  readonly flips: Map<number, number>;

  constructor(space: Space) {
    this.#data = new Uint8Array(0);
    this.size = 0;
    this.modifiedMs = 0;
    this.links = 0;
    this.handles = 0;
    this.syncs = 0;
    this.#space = space;
    this.#stored = new Uint8Array(0);
    this.#storedCount = 0;
    this.#isShared = false;
    this.#freed = false;
    this.#sectors = new Map();
    this.#sizes = [];
    this.#sizeStamps = [];
    this.#sizeStamp = 0;
    this.flips = new Map();
  }

  read(target: Uint8Array, start: number, length: number, position: number): number {
    const count = Math.max(0, Math.min(length, this.size - position));
    if (count === 0) return 0;
    target.set(this.#data.subarray(position, position + count), start);
    for (const [offset, mask] of this.flips) {
      if (offset < position || offset >= position + count) continue;
      const at = start + offset - position;
      target[at] = (target[at] as number) ^ mask;
    }
    return count;
  }

  /** Bytes of a write that the disk has room for. */
  roomFor(position: number, length: number): number {
    if (this.#space.capacity === undefined) return length;
    let free = Math.floor((this.#space.capacity - this.#space.used) / SECTOR_BYTES);
    const last = sectorOf(position + length - 1);
    for (let sector = sectorOf(position); sector <= last; sector++) {
      if (this.#stored[sector] === 1) continue;
      if (free === 0) return Math.max(0, sector * SECTOR_BYTES - position);
      free--;
    }
    return length;
  }

  /** Requires: roomFor(position, length) === length, length > 0. */
  write(source: Uint8Array, start: number, length: number, position: number, stamp: number): void {
    const end = position + length;
    const last = sectorOf(end - 1);
    this.#own();
    this.#reserve(end);
    for (let sector = sectorOf(position); sector <= last; sector++) {
      this.#supersede(sector, stamp);
      this.#store(sector);
    }
    this.#data.set(source.subarray(start, start + length), position);
    if (end > this.size) this.#setSize(end, stamp);
  }

  truncate(size: number, stamp: number): void {
    this.#own();
    if (size < this.size) this.#cut(size, stamp);
    else this.#reserve(size);
    if (size !== this.size) this.#setSize(size, stamp);
  }

  #cut(size: number, stamp: number): void {
    const last = sectorOf(this.size - 1);
    for (let sector = sectorOf(size); sector <= last; sector++) {
      if (this.#stored[sector] !== 1) continue;
      this.#supersede(sector, stamp);
      if (sector * SECTOR_BYTES >= size) this.#unstore(sector);
    }
    this.#data.fill(0, size, this.size);
  }

  /** True when a power loss at this moment could change the file. */
  isUnsynced(): boolean {
    return this.#sectors.size > 0 || this.#sizes.length > 0;
  }

  /** Makes durable what is stamped `upTo` or earlier. */
  sync(upTo: number): void {
    for (const [sector, history] of this.#sectors) {
      if (history.lost) continue;
      if (history.stamp <= upTo) this.#sectors.delete(sector);
      else forgetUpTo(history.contents, history.stamps, upTo);
    }
    this.#syncSize(upTo);
  }

  /**
   * A sync that failed: of the dirty sectors each reached the disk in the state `choose` picks
   * (0: the durable one, count - 1: the present one), and is clean from now on.
   */
  failSync(upTo: number, choose: (count: number) => number): void {
    for (const [sector, history] of this.#sectors) {
      if (history.lost || history.stamp > upTo) continue;
      const choice = choose(history.contents.length + 1);
      if (choice === history.contents.length) this.#sectors.delete(sector);
      else {
        history.contents = [history.contents[choice] as SectorContent];
        history.stamps = [0];
        history.lost = true;
      }
    }
  }

  /** The operating system evicts clean pages: lost sectors show what the disk holds. */
  dropCaches(): void {
    this.#own();
    for (const [sector, history] of this.#sectors) {
      if (!history.lost) continue;
      const content = history.contents[0] ?? null;
      this.#sectors.delete(sector);
      if (sector * SECTOR_BYTES >= this.size) continue;
      if (content === null) this.#unstore(sector);
      this.#show(sector, content);
    }
  }

  /** Changes stored bytes, on the disk and in every state: rot, not a write. */
  rot(position: number, mask: number): void {
    if (position >= this.size) return;
    this.#own();
    this.#data[position] = (this.#data[position] as number) ^ mask;
    const history = this.#sectors.get(sectorOf(position));
    if (history === undefined) return;
    history.contents = history.contents.map((content) => {
      const rotten = content?.slice() ?? null;
      const at = position % SECTOR_BYTES;
      if (rotten !== null) rotten[at] = (rotten[at] as number) ^ mask;
      return rotten;
    });
  }

  /**
   * Gives the storage back once no entry and no handle names the file. The content stays: a power
   * loss may undo the removal.
   */
  maybeFree(): void {
    if (this.#freed || this.links > 0 || this.handles > 0) return;
    this.#freed = true;
    this.#space.used -= this.#storedCount * SECTOR_BYTES;
  }

  /** The same file on another disk, unsynced states included. Handles are not copied. */
  clone(space: Space): MemFileNode {
    const copy = new MemFileNode(space);
    this.#shareWith(copy);
    copy.size = this.size;
    copy.modifiedMs = this.modifiedMs;
    copy.#freed = this.#freed;
    if (!this.#freed) space.used += this.#storedCount * SECTOR_BYTES;
    for (const [sector, history] of this.#sectors) {
      const contents = [...history.contents];
      copy.#sectors.set(sector, { ...history, contents, stamps: [...history.stamps] });
    }
    copy.#sizes = [...this.#sizes];
    copy.#sizeStamps = [...this.#sizeStamps];
    copy.#sizeStamp = this.#sizeStamp;
    for (const [offset, mask] of this.flips) copy.flips.set(offset, mask);
    return copy;
  }

  /** The file as found after a power loss; everything in it is durable. */
  crash(space: Space, path: string, chooser: CrashChooser): MemFileNode {
    const copy = new MemFileNode(space);
    copy.modifiedMs = this.modifiedMs;
    for (const [offset, mask] of this.flips) copy.flips.set(offset, mask);
    if (!this.isUnsynced()) {
      this.#shareWith(copy);
      copy.size = this.size;
      space.used += copy.#storedCount * SECTOR_BYTES;
      return copy;
    }
    const sizes = [...this.#sizes, this.size];
    const sizeStamps = [0, ...this.#sizeStamps.slice(1), this.#sizeStamp];
    const size = sizes[sizes.length > 1 ? chooser.size(path, sizes, sizeStamps) : 0] as number;
    copy.#reserve(size);
    copy.size = size;
    const shared = Math.min(size, this.size);
    copy.#data.set(this.#data.subarray(0, shared));
    for (let sector = 0; sector * SECTOR_BYTES < shared; sector++) {
      if (this.#stored[sector] === 1) copy.#store(sector);
    }
    for (const sector of [...this.#sectors.keys()].sort((a, b) => a - b)) {
      if (sector * SECTOR_BYTES < size) this.#crashSector(copy, path, sector, chooser);
    }
    copy.#data.fill(0, size);
    return copy;
  }

  #shareWith(copy: MemFileNode): void {
    this.#isShared = true;
    copy.#isShared = true;
    copy.#data = this.#data;
    copy.#stored = this.#stored;
    copy.#storedCount = this.#storedCount;
  }

  /** Content of its own, to be changed. */
  #own(): void {
    if (!this.#isShared) return;
    this.#isShared = false;
    this.#data = this.#data.slice();
    this.#stored = this.#stored.slice();
  }

  /**
   * The present state of a sector behind the present size is "cut off"; it goes with the present
   * size only, so it is no choice when an earlier, larger size was chosen.
   */
  #crashSector(copy: MemFileNode, path: string, sector: number, chooser: CrashChooser): void {
    const history = this.#sectors.get(sector) as SectorHistory;
    const start = sector * SECTOR_BYTES;
    const present =
      this.#stored[sector] === 1 ? this.#data.slice(start, start + SECTOR_BYTES) : null;
    const states = [...history.contents];
    const stamps = [0, ...history.stamps.slice(1)];
    if (!history.lost && start < this.size) {
      states.push(present);
      stamps.push(history.stamp);
    }
    const choice = states.length > 1 ? chooser.sector(path, sector, stamps) : 0;
    const content = new Uint8Array(SECTOR_BYTES);
    const chosen = states[choice] ?? null;
    if (chosen !== null) content.set(chosen);
    else if (choice < history.contents.length) chooser.fill(path, sector, content);
    if (choice > 0) {
      const kept = chooser.tear(path, sector);
      const before = states[choice - 1] ?? new Uint8Array(SECTOR_BYTES);
      content.set(before.subarray(kept), kept);
    }
    copy.#store(sector);
    copy.#show(sector, content);
  }

  /** Before a sector changes: its present content becomes one that the disk may hold. */
  #supersede(sector: number, stamp: number): void {
    const history = this.#sectors.get(sector);
    if (history === undefined) {
      const contents = [this.#contentOf(sector)];
      this.#sectors.set(sector, { contents, stamps: [0], stamp, lost: false });
      return;
    }
    // The present content of a lost sector was clean, so it is never written by itself.
    if (!history.lost) {
      history.contents.push(this.#contentOf(sector));
      history.stamps.push(history.stamp);
      this.#limit(history.contents, history.stamps);
    }
    history.lost = false;
    history.stamp = stamp;
  }

  #setSize(size: number, stamp: number): void {
    this.#sizes.push(this.size);
    this.#sizeStamps.push(this.#sizeStamp);
    this.#limit(this.#sizes, this.#sizeStamps);
    this.size = size;
    this.#sizeStamp = stamp;
  }

  #syncSize(upTo: number): void {
    if (this.#sizes.length === 0) return;
    if (this.#sizeStamp > upTo) forgetUpTo(this.#sizes, this.#sizeStamps, upTo);
    else {
      this.#sizes.length = 0;
      this.#sizeStamps.length = 0;
    }
  }

  /** Forgets an intermediate state, unless a sync under way may have to find it. */
  #limit(states: unknown[], stamps: number[]): void {
    if (states.length <= HISTORY_MAX || this.syncs > 0) return;
    states.splice(1, 1);
    stamps.splice(1, 1);
  }

  #contentOf(sector: number): SectorContent {
    if (this.#stored[sector] !== 1) return null;
    const content = new Uint8Array(SECTOR_BYTES);
    content.set(this.#data.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES));
    return content;
  }

  /** Puts a content on view; what lies behind the size stays zero. */
  #show(sector: number, content: SectorContent): void {
    const start = sector * SECTOR_BYTES;
    const length = Math.min(SECTOR_BYTES, this.size - start);
    if (content === null) this.#data.fill(0, start, start + length);
    else this.#data.set(content.subarray(0, length), start);
  }

  #store(sector: number): void {
    if (this.#stored[sector] === 1) return;
    this.#stored[sector] = 1;
    this.#storedCount++;
    this.#space.used += SECTOR_BYTES;
  }

  #unstore(sector: number): void {
    if (this.#stored[sector] !== 1) return;
    this.#stored[sector] = 0;
    this.#storedCount--;
    this.#space.used -= SECTOR_BYTES;
  }

  /** Room in the arrays for a file of `size` bytes. */
  #reserve(size: number): void {
    const sectors = Math.ceil(size / SECTOR_BYTES);
    if (sectors * SECTOR_BYTES > this.#data.length) {
      const capacity = Math.max(sectors * SECTOR_BYTES, Math.min(this.#data.length * 2, 1 << 28));
      const data = new Uint8Array(capacity);
      data.set(this.#data.subarray(0, this.size));
      this.#data = data;
    }
    if (sectors > this.#stored.length) {
      const stored = new Uint8Array(Math.max(sectors, this.#stored.length * 2));
      stored.set(this.#stored);
      this.#stored = stored;
    }
  }
}

/** Drops the states before the newest one that is stamped `upTo` or earlier: that one is durable now. */
function forgetUpTo(states: unknown[], stamps: number[], upTo: number): void {
  let newest = 0;
  while (newest + 1 < stamps.length && (stamps[newest + 1] as number) <= upTo) newest++;
  states.splice(0, newest);
  stamps.splice(0, newest);
}

function sectorOf(position: number): number {
  return Math.floor(position / SECTOR_BYTES);
}
