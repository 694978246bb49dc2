/** A table as the cache knows it. `slots` belongs to the cache between attach and drop. */
export class BlockOwner {
  /** Slot of each block, -1 when it is not cached. */
  slots: Int32Array;
  /** 0 for tables of L0, 1 for the other levels; for metrics. */
  levelClass: number;
  /** The cache's number for it, -1 when not attached. */
  id: number;
  /** Its blocks hold pointers to values of many times their size. */
  readonly isDense: boolean;

  constructor(levelClass: number, isDense = false) {
    this.slots = new Int32Array(0);
    this.levelClass = levelClass;
    this.isDense = isDense;
    this.id = -1;
  }
}
