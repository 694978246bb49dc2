/**
 * The obvious database: what every operation means, with no thought for speed or disks. Tests run the
 * same operations against it and against a Db and compare what they answer.
 *
 * A key has a list of entries and a list of the range tombstones that were written over it. A reader
 * (seq, version, now) takes the entry with the highest (version, seq) that it may see; the key shows that
 * entry's value unless it is a delete, has expired, or a tombstone that the reader sees is newer.
 * Nothing is ever dropped.
 *
 * Keys and values are latin-1 strings, one character per byte: their order is the order of the bytes.
 */
export type ModelFamily = 'default' | 'lock' | 'write';

export const MODEL_FAMILIES: readonly ModelFamily[] = ['default', 'lock', 'write'];

/** Highest sequence number and version there can be. */
const ANY = Number.MAX_SAFE_INTEGER;

export interface ModelPut {
  readonly type: 'put';
  readonly family: ModelFamily;
  readonly key: string;
  readonly value: string;
  /** Wall milliseconds; 0: never. */
  readonly expiresAt: number;
  /** 0: an ordinary write, whose version is its sequence number. */
  readonly version: number;
}

export interface ModelDelete {
  readonly type: 'del';
  readonly family: ModelFamily;
  readonly key: string;
  readonly version: number;
}

export interface ModelRangeDelete {
  readonly type: 'deleteRange';
  readonly family: ModelFamily;
  /** Half-open. */
  readonly start: string;
  readonly end: string;
  readonly version: number;
}

export type ModelWrite = ModelPut | ModelDelete | ModelRangeDelete;

/** A moment: what was written by then, judged by the time it was then. */
export interface ModelSnapshot {
  readonly seq: number;
  readonly createdMs: number;
}

export interface ModelRead {
  readonly family: ModelFamily;
  /** Default: now. */
  readonly snapshot?: ModelSnapshot | undefined;
  /** Default: the newest. */
  readonly version?: number | undefined;
}

export interface ModelRange {
  readonly gte?: string | undefined;
  readonly gt?: string | undefined;
  readonly lte?: string | undefined;
  readonly lt?: string | undefined;
  readonly prefix?: string | undefined;
}

export interface ModelScan extends ModelRead, ModelRange {
  readonly reverse?: boolean | undefined;
  readonly limit?: number | undefined;
  readonly keysOnly?: boolean | undefined;
}

export interface ModelRow {
  readonly key: string;
  readonly value: string;
}

interface Stamp {
  readonly version: number;
  readonly seq: number;
}

export interface ModelEntry extends Stamp {
  /** undefined: a delete. */
  readonly value: string | undefined;
  readonly expiresAt: number;
}

interface Tombstone extends Stamp {
  readonly start: string;
  readonly end: string;
}

interface KeyHistory {
  /** Ascending by (version, seq). */
  readonly entries: ModelEntry[];
  /** Tombstones over this key, in the order in which they were written. */
  readonly tombstones: Tombstone[];
  /** Highest sequence number of an entry, 0 without one. */
  newestSeq: number;
}

interface Family {
  readonly keys: Map<string, KeyHistory>;
  /** The keys of the map, ascending. */
  readonly order: string[];
  readonly tombstones: Tombstone[];
  readonly ingests: Ingest[];
}

/** An ingest touched keys of [first, last]; end of a range delete included. */
interface Ingest extends Stamp {
  readonly first: string;
  readonly last: string;
}

/** The sequence number of a write after `seq`. A managed version is never equal to the number beside it. */
export function nextSeq(seq: number, write: { readonly version: number }): number {
  return write.version === seq + 1 ? seq + 2 : seq + 1;
}

export class Model {
  /** Wall time; the test moves it. */
  nowMs: number;
  #seq: number;
  readonly #families: Readonly<Record<ModelFamily, Family>>;

  constructor(nowMs: number) {
    this.nowMs = nowMs;
    this.#seq = 0;
    this.#families = { default: emptyFamily(), lock: emptyFamily(), write: emptyFamily() };
  }

  /** Writes in order; each takes the next sequence number (nextSeq). */
  write(...writes: readonly ModelWrite[]): void {
    for (const write of writes) {
      const seq = nextSeq(this.#seq, write);
      this.#seq = seq;
      const version = write.version === 0 ? seq : write.version;
      const family = this.#families[write.family];
      if (write.type === 'deleteRange') {
        addTombstone(family, { start: write.start, end: write.end, version, seq });
        continue;
      }
      const isPut = write.type === 'put';
      addEntry(historyOf(family, write.key), {
        version,
        seq,
        value: isPut ? write.value : undefined,
        expiresAt: isPut ? write.expiresAt : 0,
      });
    }
  }

  /** Ordinary writes that an ingest brings: range deletes share the next number, rows the one behind it. */
  ingest(...writes: readonly ModelWrite[]): void {
    const base = this.#seq;
    for (const type of ['deleteRange', 'row'] as const) {
      for (const write of writes) {
        if ((write.type === 'deleteRange') !== (type === 'deleteRange')) continue;
        this.#seq = base + (type === 'deleteRange' ? 0 : 1);
        this.write(write);
        const isRange = write.type === 'deleteRange';
        this.#families[write.family].ingests.push({
          seq: this.#seq,
          version: this.#seq,
          first: isRange ? write.start : write.key,
          last: isRange ? write.end : write.key,
        });
      }
    }
    for (const family of Object.values(this.#families)) joinIngests(family.ingests, base);
  }

  /** Sequence number of the last write. */
  get seq(): number {
    return this.#seq;
  }

  snapshot(): ModelSnapshot {
    return { seq: this.#seq, createdMs: this.nowMs };
  }

  /** Forgets every write behind this sequence number: a crash took them. */
  rewind(seq: number): void {
    if (seq === this.#seq) return;
    this.#seq = seq;
    const isKept = (one: Stamp): boolean => one.seq <= seq;
    for (const family of Object.values(this.#families)) {
      keepOnly(family.tombstones, isKept);
      keepOnly(family.ingests, isKept);
      for (const history of family.keys.values()) {
        keepOnly(history.entries, isKept);
        keepOnly(history.tombstones, isKept);
        history.newestSeq = history.entries.reduce((max, one) => Math.max(max, one.seq), 0);
      }
    }
  }

  /** What was written with this sequence number under a key; its value is undefined for a delete. */
  entryAt(family: ModelFamily, key: string, seq: number): ModelEntry | undefined {
    return this.#families[family].keys.get(key)?.entries.find((entry) => entry.seq === seq);
  }

  /** The entry that a snapshot shows under each key that it shows, ascending. */
  visibleEntries(family: ModelFamily, snapshot: ModelSnapshot): (ModelEntry & { key: string })[] {
    const { keys, order } = this.#families[family];
    return order.flatMap((key) => {
      const entry = visibleEntry(keys.get(key) as KeyHistory, snapshot, ANY);
      return entry === undefined ? [] : [{ ...entry, key }];
    });
  }

  get(key: string, read: ModelRead): string | undefined {
    const history = this.#families[read.family].keys.get(key);
    if (history === undefined) return undefined;
    return visibleValue(history, read.snapshot ?? this.snapshot(), read.version ?? ANY);
  }

  has(key: string, read: ModelRead): boolean {
    return this.get(key, read) !== undefined;
  }

  scan(scan: ModelScan): ModelRow[] {
    const { keys, order } = this.#families[scan.family];
    const snapshot = scan.snapshot ?? this.snapshot();
    const rows: ModelRow[] = [];
    const limit = scan.limit ?? Number.POSITIVE_INFINITY;
    for (let i = 0; i < order.length && rows.length < limit; i++) {
      const key = order[scan.reverse === true ? order.length - 1 - i : i] as string;
      if (!isWithin(key, scan)) continue;
      const value = visibleValue(keys.get(key) as KeyHistory, snapshot, scan.version ?? ANY);
      if (value !== undefined) rows.push({ key, value: scan.keysOnly === true ? '' : value });
    }
    return rows;
  }

  /**
   * Was any key of [start, end) written behind `seq`, be it by a range delete? beside: only by a range delete that touches
   * the start, or by an ingest of keys on both sides. `end` undefined: no bound.
   */
  writtenSince(
    span: {
      readonly family: ModelFamily;
      readonly start: string;
      readonly end: string | undefined;
    },
    seq: number,
  ): 'inside' | 'beside' | undefined {
    const { family, start, end } = span;
    const { keys, tombstones, ingests } = this.#families[family];
    if (end !== undefined && end <= start) return undefined;
    const isBefore = (key: string): boolean => end === undefined || key < end;
    for (const [key, { newestSeq }] of keys) {
      if (newestSeq > seq && key >= start && isBefore(key)) return 'inside';
    }
    let isBeside = ingests.some((one) => one.seq > seq && isBefore(one.first) && one.last >= start);
    for (const one of tombstones) {
      if (one.seq <= seq || !isBefore(one.start) || one.end < start) continue;
      if (one.end > start) return 'inside';
      isBeside = true;
    }
    return isBeside ? 'beside' : undefined;
  }

  /** Keys ever written in a family. */
  keyCount(family: ModelFamily): number {
    return this.#families[family].order.length;
  }
}

function emptyFamily(): Family {
  return { keys: new Map(), order: [], tombstones: [], ingests: [] };
}

/** Makes one of those behind `seq`: where a table ends and the next one begins is not the model's to know. */
function joinIngests(ingests: Ingest[], seq: number): void {
  const at = ingests.findIndex((one) => one.seq > seq);
  if (at < 0) return;
  ingests.push(
    ingests.splice(at).reduce((all, one) => ({
      seq: Math.max(all.seq, one.seq),
      version: Math.max(all.version, one.version),
      first: one.first < all.first ? one.first : all.first,
      last: one.last > all.last ? one.last : all.last,
    })),
  );
}

function historyOf(family: Family, key: string): KeyHistory {
  const known = family.keys.get(key);
  if (known !== undefined) return known;
  const tombstones = family.tombstones.filter((one) => isOver(one, key));
  const history: KeyHistory = { entries: [], tombstones, newestSeq: 0 };
  family.keys.set(key, history);
  const at = family.order.findIndex((other) => other > key);
  family.order.splice(at < 0 ? family.order.length : at, 0, key);
  return history;
}

function addEntry(history: KeyHistory, entry: ModelEntry): void {
  const { entries } = history;
  let at = entries.length;
  while (at > 0 && isNewer(entries[at - 1] as ModelEntry, entry)) at--;
  entries.splice(at, 0, entry);
  history.newestSeq = entry.seq;
}

function addTombstone(family: Family, tombstone: Tombstone): void {
  family.tombstones.push(tombstone);
  for (const [key, history] of family.keys) {
    if (isOver(tombstone, key)) history.tombstones.push(tombstone);
  }
}

function isOver(tombstone: Tombstone, key: string): boolean {
  return tombstone.start <= key && key < tombstone.end;
}

function isNewer(a: Stamp, b: Stamp): boolean {
  return a.version > b.version || (a.version === b.version && a.seq > b.seq);
}

function keepOnly<T>(list: T[], isKept: (one: T) => boolean): void {
  const kept = list.filter(isKept);
  list.splice(0, list.length, ...kept);
}

function visibleValue(
  history: KeyHistory,
  snapshot: ModelSnapshot,
  versionMax: number,
): string | undefined {
  return visibleEntry(history, snapshot, versionMax)?.value;
}

/** The entry whose value is seen; undefined when none is. */
function visibleEntry(
  history: KeyHistory,
  snapshot: ModelSnapshot,
  versionMax: number,
): ModelEntry | undefined {
  const isSeen = (one: Stamp): boolean => one.seq <= snapshot.seq && one.version <= versionMax;
  const entry = history.entries.findLast(isSeen);
  if (entry?.value === undefined) return undefined;
  if (entry.expiresAt !== 0 && entry.expiresAt <= snapshot.createdMs) return undefined;
  if (history.tombstones.some((one) => isSeen(one) && isNewer(one, entry))) return undefined;
  return entry;
}

function isWithin(key: string, range: ModelRange): boolean {
  const { gte, gt, lte, lt, prefix } = range;
  return (
    (gte === undefined || key >= gte) &&
    (gt === undefined || key > gt) &&
    (lte === undefined || key <= lte) &&
    (lt === undefined || key < lt) &&
    (prefix === undefined || key.startsWith(prefix))
  );
}
