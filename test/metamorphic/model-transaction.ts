/**
 * What a transaction promises, plainly: the model's rows of one moment with its own writes over them, a list of all
 * that it has looked at, and whether a write of somebody else since forbids its commit.
 */
import type { Isolation } from '../../src/engine/txn/transaction.js';
import type {
  Model,
  ModelFamily,
  ModelPut,
  ModelRange,
  ModelRow,
  ModelSnapshot,
  ModelWrite,
} from '../model.js';
import { ModelIterator } from './model-iterator.js';
import type { Move } from './program.js';

/** [start, end) of a family; end undefined: no bound. */
export interface ModelSpan {
  readonly family: ModelFamily;
  readonly start: string;
  readonly end: string | undefined;
}

/** either: the database may see a neighbour of what was read as part of it. */
export type Forecast = 'commit' | 'conflict' | 'either';

type Point = Exclude<ModelWrite, { type: 'deleteRange' }>;

/** The own writes; replaced, never changed, so that a savepoint is one of them. */
interface OwnWrites {
  readonly points: ReadonlyMap<string, Point>;
  readonly ranges: readonly (ModelSpan & { readonly version: number })[];
}

/** Behind every key. */
const BEHIND_ALL = '\xff'.repeat(65_536);

const NOTHING: OwnWrites = { points: new Map(), ranges: [] };

export interface ModelTransactionOptions {
  readonly isolation: Isolation;
  readonly isReadOnly: boolean;
  readonly detectsConflicts: boolean;
}

export class ModelTransaction {
  readonly snapshot: ModelSnapshot;
  readonly options: ModelTransactionOptions;
  iterator: ModelTransactionIterator | undefined;
  readonly #model: Model;
  #own: OwnWrites;
  readonly #savepoints: OwnWrites[];
  /** What must not have been written since; empty when only writes are validated. */
  readonly #reads: ModelSpan[];

  constructor(model: Model, snapshot: ModelSnapshot, options: ModelTransactionOptions) {
    this.#model = model;
    this.snapshot = snapshot;
    this.options = options;
    this.iterator = undefined;
    this.#own = NOTHING;
    this.#savepoints = [];
    this.#reads = [];
  }

  write(write: ModelWrite): void {
    const { points, ranges } = this.#own;
    const changed = new Map(points);
    if (write.type !== 'deleteRange') {
      changed.set(pointName(write.family, write.key), write);
      this.#own = { points: changed, ranges };
      return;
    }
    const { family, start, end, version } = write;
    const range = { family, start, end, version };
    for (const [name, point] of points) if (holds(range, point)) changed.delete(name);
    this.#own = { points: changed, ranges: [...ranges, range] };
  }

  get(family: ModelFamily, key: string): string | undefined {
    const own = this.#ownValue(family, key);
    if (own !== undefined) return own.value;
    this.noteRead({ family, start: key, end: `${key}\0` });
    return this.#model.get(key, { family, snapshot: this.snapshot });
  }

  /** All rows of a range, ascending; notes nothing. */
  rows(family: ModelFamily, range: ModelRange): ModelRow[] {
    const { snapshot } = this;
    const isCovered = ({ key }: ModelRow): boolean => this.#ownValue(family, key) !== undefined;
    const rows = this.#model.scan({ family, snapshot, ...range }).filter((row) => !isCovered(row));
    for (const point of this.#own.points.values()) {
      if (point.family !== family || !isWithin(point.key, range)) continue;
      const value = this.#shownValue(point);
      if (value !== undefined) rows.push({ key: point.key, value });
    }
    return rows.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** A scan that is read to its end or limit. */
  scan(family: ModelFamily, range: ModelRange, isReverse: boolean, limit: number): ModelRow[] {
    const rows = this.rows(family, range);
    if (isReverse) rows.reverse();
    if (limit === 0) return [];
    const { start, end } = spanOf(family, range);
    const shown = limit < 0 ? rows : rows.slice(0, limit);
    const last = shown.at(-1);
    if (shown.length < limit || limit < 0 || last === undefined) {
      this.noteRead({ family, start, end });
    } else if (isReverse) this.noteRead({ family, start: last.key, end });
    else this.noteRead({ family, start, end: `${last.key}\0` });
    return shown;
  }

  noteRead(span: ModelSpan): void {
    if (this.options.isolation === 'serializable') this.#reads.push(span);
  }

  savepoint(): void {
    this.#savepoints.push(this.#own);
  }

  /** Savepoints that can be gone back to. */
  get savepoints(): number {
    return this.#savepoints.length;
  }

  /** Later savepoints are gone, this one stays. Requires index < savepoints. */
  rollbackTo(index: number): void {
    this.#own = this.#savepoints[index] as OwnWrites;
    this.#savepoints.length = index + 1;
  }

  /** The batch of the commit: range deletes in their order, then a write per key in any order. */
  batch(): ModelWrite[] {
    const ranges = this.#own.ranges.map(({ family, start, end, version }): ModelWrite => ({
      type: 'deleteRange',
      family,
      start,
      end: end as string,
      version,
    }));
    return [...ranges, ...this.#own.points.values()];
  }

  /** What a commit comes to now. A transaction without writes always commits. */
  forecast(): Forecast {
    const { points, ranges } = this.#own;
    if (points.size + ranges.length === 0 || !this.options.detectsConflicts) return 'commit';
    const written = [...points.values()].map(({ family, key }) => {
      return { family, start: key, end: `${key}\0` };
    });
    let isNear = false;
    this.iterator?.noteReads();
    for (const span of [...written, ...ranges, ...this.#reads]) {
      const since = this.#model.writtenSince(span, this.snapshot.seq);
      if (since === 'inside') return 'conflict';
      isNear ||= since === 'beside';
    }
    return isNear ? 'either' : 'commit';
  }

  /** undefined: nothing of its own stands for the key. A value that is absent hides the row. */
  #ownValue(family: ModelFamily, key: string): { value: string | undefined } | undefined {
    const point = this.#own.points.get(pointName(family, key));
    if (point !== undefined) return { value: this.#shownValue(point) };
    const isDeleted = this.#own.ranges.some((range) => holds(range, { family, key }));
    return isDeleted ? { value: undefined } : undefined;
  }

  #shownValue(point: Point): string | undefined {
    if (point.type === 'del') return undefined;
    const { value, expiresAt }: ModelPut = point;
    return expiresAt !== 0 && expiresAt <= this.snapshot.createdMs ? undefined : value;
  }
}

/** An iterator over the rows as they were when it was opened, which notes what it has looked at. */
export class ModelTransactionIterator {
  readonly #iterator: ModelIterator;
  readonly #bounds: ModelSpan;
  readonly #transaction: ModelTransaction;
  #isForward: boolean;
  /** From where it was put to the last key it showed. */
  #span: ModelSpan | undefined;

  constructor(transaction: ModelTransaction, family: ModelFamily, range: ModelRange) {
    this.#iterator = new ModelIterator(transaction.rows(family, range));
    this.#bounds = spanOf(family, range);
    this.#transaction = transaction;
    this.#isForward = true;
    this.#span = undefined;
  }

  /** As ModelIterator.move. */
  move(move: Move): (string | null)[] {
    const wasValid = this.#iterator.isValid;
    const shown = this.#iterator.move(move);
    switch (move.to) {
      case 'first':
        this.#begin(this.#bounds.start, true);
        break;
      case 'last':
        this.#begin(this.#bounds.end, false);
        break;
      case 'seek':
        this.#begin(move.key, true);
        break;
      case 'seekForPrev':
        this.#begin(move.key === '' ? '' : `${move.key}\0`, false);
        break;
      case 'next':
      case 'prev':
        if (!wasValid) return shown;
        this.#isForward = move.to === 'next';
    }
    this.#widen(shown[0] ?? undefined);
    return shown;
  }

  /** What was looked at since the last seek is read. */
  noteReads(): void {
    if (this.#span !== undefined) this.#transaction.noteRead(this.#span);
  }

  #begin(target: string | undefined, isForward: boolean): void {
    this.noteReads();
    const { family, start, end } = this.#bounds;
    let at = target;
    if (at !== undefined && at < start) at = start;
    if (at === undefined || (end !== undefined && at > end)) at = end;
    this.#isForward = isForward;
    this.#span = { family, start: at ?? BEHIND_ALL, end: at };
  }

  #widen(key: string | undefined): void {
    const span = this.#span as ModelSpan;
    const { family, start, end } = this.#bounds;
    if (this.#isForward) {
      const edge = key === undefined ? end : `${key}\0`;
      this.#span = { family, start: span.start, end: laterEnd(span.end, edge) };
    } else {
      const edge = key ?? start;
      this.#span = { family, start: edge < span.start ? edge : span.start, end: span.end };
    }
  }
}

function laterEnd(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return undefined;
  return a > b ? a : b;
}

function pointName(family: ModelFamily, key: string): string {
  return `${family} ${key}`;
}

function holds(
  span: ModelSpan,
  at: { readonly family: ModelFamily; readonly key: string },
): boolean {
  if (span.family !== at.family || at.key < span.start) return false;
  return span.end === undefined || at.key < span.end;
}

function isWithin(key: string, range: ModelRange): boolean {
  const { start, end } = spanOf('default', range);
  return key >= start && (end === undefined || key < end);
}

/** The bounds of a scan as one span. */
function spanOf(family: ModelFamily, range: ModelRange): ModelSpan {
  const { gte = '', gt, lte, lt, prefix = '' } = range;
  const starts = [gte, gt === undefined ? '' : `${gt}\0`, prefix];
  const ends = [lt, lte === undefined ? undefined : `${lte}\0`, prefixEnd(prefix)];
  const start = starts.reduce((max, one) => (one > max ? one : max), '');
  const end = ends.reduce((min, one) => {
    return one === undefined || (min !== undefined && min < one) ? min : one;
  }, undefined);
  return { family, start, end };
}

/** The first key behind all with this prefix; undefined: there is none. */
function prefixEnd(prefix: string): string | undefined {
  const kept = prefix.replace(/\xff+$/, '');
  if (kept === '') return undefined;
  const last = kept.charCodeAt(kept.length - 1);
  return kept.slice(0, -1) + String.fromCharCode(last + 1);
}
