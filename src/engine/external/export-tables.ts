/**
 * Writes the rows of a key range, as of one moment, to external tables: what is visible, or everything that is stored
 * (all versions, deletes, range deletes). One pass over the merged sources; memory is that of the tables being
 * built (external-outputs.ts), whatever the range. Values from the value log are written in line.
 *
 * Numbers. An ingest gives all entries new sequence numbers; what has to survive is their order. With all versions,
 * the range deletes cut history into epochs; per epoch EPOCH numbers are set aside:
 *
 *   epoch 0           epoch 1            entries of a key take numbers downward from the top of their epoch, one each
 *   |------------- D1 ------------- D2   (managed entries with different versions may share one); a range delete lies
 *   0             16384            32768 between the epochs that it divides
 *
 * So numbers stay small: tables that wander between databases do not use them up.
 *
 * An ordinary write and a managed one are ordered by numbers that have nothing to do with each other, and the ordinary one
 * changes its number. Where both kinds meet, in one key or as a range delete over a key, what is covered is left out;
 * what is not is refused.
 */
import { compareArrays, compareBytes, detach } from '../../base/bytes.js';
import type { Env } from '../../base/env.js';
import { NokvError } from '../../base/errors.js';
import { MIB, SEQ_MAX } from '../../base/limits.js';
import { KIND_PUT, KIND_VALUE_POINTER } from '../entry.js';
import type { EntryCursor } from '../iterators/entry-cursor.js';
import { MergingCursor } from '../iterators/merging.js';
import { VisibleCursor } from '../iterators/visible.js';
import {
  type RangeFragment,
  type RangeTombstone,
  RangeTombstones,
  type TombstoneSet,
} from '../range-tombstones.js';
import { Hold, type ReadState } from '../read-view.js';
import { checkNames, familyOf, rangeOf, type ScanOptions } from '../requests.js';
import { shownKey } from '../shown-key.js';
import type { Snapshot, SnapshotRegistry } from '../snapshot.js';
import { openSources } from '../sources.js';
import type { ValueLogReader } from '../vlog/reader.js';
import { type BuiltTable, builtTableOf } from './built-table.js';
import { ExternalOutputs } from './external-outputs.js';
import {
  outputPlanOf,
  ROW_SEQ,
  TABLE_OPTION_NAMES,
  type TableWriterOptions,
} from './table-writer.js';

/** Bounds as of a scan. */
export type ExportRange = Pick<
  ScanOptions,
  'columnFamily' | 'gte' | 'gt' | 'lte' | 'lt' | 'prefix'
>;

export interface ExportTablesOptions extends TableWriterOptions {
  /** Everything that is stored: all versions, deletes and range deletes. Default false: what a scan shows. */
  readonly allVersions?: boolean;
  /** As of this snapshot; default: now. */
  readonly snapshot?: Snapshot;
  /** Called now and then; what it throws ends the export. */
  readonly onProgress?: (entries: number, bytes: number) => void;
}

/** What the database reads from. */
export interface ExportSource {
  readonly env: Env;
  readonly state: ReadState;
  readonly holds: Set<Hold>;
  readonly snapshots: SnapshotRegistry;
  readonly valueLog: ValueLogReader;
  /** Highest sequence number that reads see. */
  readonly seqMax: number;
}

const RANGE_NAMES = new Set(['columnFamily', 'gte', 'gt', 'lte', 'lt', 'prefix']);
const OPTION_NAMES = new Set([...TABLE_OPTION_NAMES, 'allVersions', 'snapshot', 'onProgress']);
/** Numbers set aside between two range deletes. */
const EPOCH = 16 * 1024;
/** The two numbers at the ends of an epoch belong to range deletes. */
const EPOCH_TOP = EPOCH - 2;
/** Work between two turns of the event loop. */
const TURN_ENTRIES = 8 * 1024;
const TURN_BYTES = MIB;

/** Files are called NAME-000001.sst, NAME by default the family. @throws as Db.exportTables */
export async function exportTables(
  source: ExportSource,
  range: ExportRange,
  directory: string,
  options: ExportTablesOptions,
): Promise<BuiltTable[]> {
  checkNames(range, RANGE_NAMES);
  checkNames(options, OPTION_NAMES);
  const bounds = rangeOf(familyOf(range), range);
  const plan = outputPlanOf(directory, { name: range.columnFamily ?? 'default', ...options });
  const { snapshot } = options;
  source.snapshots.check(snapshot);
  const pinned = {
    ...source,
    state: snapshot?.state ?? source.state,
    seqMax: snapshot?.seq ?? source.seqMax,
  };
  const run = new ExportRun(pinned, bounds, new ExternalOutputs(source.env, plan), options);
  return (await run.run()).map(builtTableOf);
}

class ExportRun {
  readonly #source: ExportSource;
  readonly #lower: Uint8Array;
  readonly #upper: Uint8Array;
  readonly #outputs: ExternalOutputs;
  readonly #options: ExportTablesOptions;
  /** Range deletes that are written, in key order; empty unless all versions are. */
  readonly #fragments: readonly RangeFragment[];
  /** Their sequence numbers, ascending, each once: between them lie the epochs. */
  readonly #divides: readonly number[];
  /** Fragments before it were written. */
  #fragmentAt: number;
  /** Of the current key. */
  #lastKey: Uint8Array;
  #taken: number;
  #lastVersion: number;
  #turnEntries: number;
  #turnBytes: number;

  constructor(
    source: ExportSource,
    { lower, upper }: { readonly lower: Uint8Array; readonly upper: Uint8Array },
    outputs: ExternalOutputs,
    options: ExportTablesOptions,
  ) {
    this.#source = source;
    this.#lower = lower;
    this.#upper = upper;
    this.#outputs = outputs;
    this.#options = options;
    const isEmpty = compareArrays(lower, upper) >= 0 || options.allVersions !== true;
    const tombstones = isEmpty ? [] : source.state.rangeTombstones();
    this.#fragments = [...seenAt(tombstones, lower, upper, source.seqMax).clip(lower, upper)];
    const seqs = new Set(this.#fragments.flatMap((fragment) => fragment.seqs));
    this.#divides = [...seqs].sort((a, b) => a - b);
    this.#fragmentAt = 0;
    this.#lastKey = new Uint8Array(0);
    this.#taken = 0;
    this.#lastVersion = 0;
    this.#turnEntries = 0;
    this.#turnBytes = 0;
  }

  async run(): Promise<Awaited<ReturnType<ExternalOutputs['finish']>>> {
    const cursor = this.#openCursor();
    const hold = new Hold(this.#source.state, cursor, this.#source.holds);
    try {
      if (compareArrays(this.#lower, this.#upper) < 0) await this.#writeAll(cursor, hold);
      hold.release();
      return await this.#outputs.finish();
    } catch (error) {
      await this.#outputs.abort();
      throw error;
    } finally {
      hold.release();
    }
  }

  #openCursor(): EntryCursor {
    const { env, state, seqMax } = this.#source;
    const merged = new MergingCursor(openSources(state));
    if (this.#options.allVersions === true) return merged;
    return new VisibleCursor(merged, {
      lower: this.#lower,
      upper: this.#upper,
      seqMax,
      versionMax: SEQ_MAX,
      nowMs: this.#options.snapshot?.createdMs ?? env.clock.nowMs(),
      tombstones: state.rangeTombstones(),
    });
  }

  async #writeAll(cursor: EntryCursor, hold: Hold): Promise<void> {
    const upper = this.#upper;
    cursor.seek(this.#lower, 0, this.#lower.length);
    while (cursor.valid) {
      const { keyBytes, keyStart, keyLength } = cursor;
      if (compareBytes(keyBytes, keyStart, keyLength, upper, 0, upper.length) >= 0) break;
      if (cursor.seq <= this.#source.seqMax) this.#write(cursor);
      if (this.#turnEntries >= TURN_ENTRIES || this.#turnBytes >= TURN_BYTES) {
        await this.#giveWay();
        if (hold.isReleased) throw hold.refusal('export tables');
      }
      cursor.next();
    }
    this.#addFragments(undefined, 0, 0);
  }

  async #giveWay(): Promise<void> {
    this.#turnEntries = 0;
    this.#turnBytes = 0;
    this.#options.onProgress?.(this.#outputs.entries, this.#outputs.bytes);
    await this.#source.env.clock.nextTurn();
  }

  #write(cursor: EntryCursor): void {
    const { keyBytes, keyStart, keyLength, version, seq, expiresAt } = cursor;
    this.#addFragments(keyBytes, keyStart, keyLength);
    this.#turnEntries++;
    if (this.#isLeftOut(cursor)) return;
    let { kind, valueBytes, valueStart, valueLength } = cursor;
    if (kind === KIND_VALUE_POINTER) {
      valueBytes = this.#source.valueLog.read(valueBytes, valueStart);
      kind = KIND_PUT;
      valueStart = 0;
      valueLength = valueBytes.length;
    }
    const number = this.#numberFor(cursor);
    this.#outputs.add(
      keyBytes,
      keyStart,
      keyLength,
      version === seq ? number : version,
      number,
      kind,
      expiresAt,
      valueBytes,
      valueStart,
      valueLength,
    );
    this.#turnBytes += keyLength + valueLength;
  }

  /** Relative sequence number of the current entry. */
  #numberFor({ keyBytes, keyStart, keyLength, version, seq }: EntryCursor): number {
    const isManaged = version !== seq;
    if (this.#options.allVersions !== true)
      return isManaged && version === ROW_SEQ ? ROW_SEQ + 1 : ROW_SEQ;
    const last = this.#lastKey;
    if (compareBytes(last, 0, last.length, keyBytes, keyStart, keyLength) !== 0) {
      this.#lastKey = detach(keyBytes, keyStart, keyLength);
      this.#taken = 0;
    } else if (!isManaged || version === this.#lastVersion) {
      this.#taken++;
    }
    this.#lastVersion = version;
    const top = this.#epochOf(seq) * EPOCH + EPOCH_TOP;
    // A managed entry whose version equals its number would be taken for an ordinary one.
    if (isManaged && version === top - this.#taken) this.#taken++;
    if (this.#taken < EPOCH_TOP) return top - this.#taken;
    const key = shownKey(this.#lastKey);
    throw new NokvError('NOKV_INVALID', `Cannot export key ${key}: it has too many versions`, {
      hint: 'Close snapshots and compact, or export what is visible only',
      details: { key, versions_max: EPOCH_TOP },
    });
  }

  /** How many range deletes are older than a sequence number. */
  #epochOf(seq: number): number {
    let low = 0;
    let high = this.#divides.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#divides[middle] as number) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Writes the fragments that begin at or before a key; all that are left without one. */
  #addFragments(key: Uint8Array | undefined, start: number, length: number): void {
    for (; this.#fragmentAt < this.#fragments.length; this.#fragmentAt++) {
      const { lower, upper, versions, seqs } = this.#fragments[this.#fragmentAt] as RangeFragment;
      if (key !== undefined && compareBytes(lower, 0, lower.length, key, start, length) > 0) return;
      seqs.forEach((seq, i) => {
        const version = versions[i] as number;
        const divide = (1 + this.#epochOf(seq)) * EPOCH;
        const number = version !== seq && version === divide ? divide - 1 : divide;
        const written = { lower, upper, version: version === seq ? number : version, seq: number };
        this.#outputs.addRangeTombstone(written);
      });
    }
  }

  /** Covered by a range delete of the other kind. @throws NokvError when it is under one that does not cover it */
  #isLeftOut({ keyBytes, keyStart, keyLength, version, seq }: EntryCursor): boolean {
    const fragment = this.#fragments[this.#fragmentAt - 1];
    if (fragment === undefined) return false;
    const { upper, versions, seqs } = fragment;
    if (compareBytes(upper, 0, upper.length, keyBytes, keyStart, keyLength) <= 0) return false;
    const isOrdinary = version === seq;
    const others = seqs.flatMap((other, i) =>
      (versions[i] === other) === isOrdinary
        ? []
        : [{ version: versions[i] as number, seq: other }],
    );
    if (others.length === 0) return false;
    const isCovered = others.some(
      (t) => t.version > version || (t.version === version && t.seq > seq),
    );
    if (isCovered) return true;
    const key = shownKey(detach(keyBytes, keyStart, keyLength));
    throw new NokvError(
      'NOKV_INVALID',
      `Cannot export key ${key}: a range delete and a row of it differ in having an explicit version`,
      { hint: 'Compact first, or export what is visible only', details: { key } },
    );
  }
}

/** Those of several sets, whose ranges may overlap, that a reader at `seqMax` sees, cut to [lower, upper). */
function seenAt(
  sets: readonly TombstoneSet[],
  lower: Uint8Array,
  upper: Uint8Array,
  seqMax: number,
): RangeTombstones {
  const seen: RangeTombstone[] = [];
  for (const set of sets) {
    for (const fragment of set.clip(lower, upper)) {
      fragment.seqs.forEach((seq, i) => {
        const { lower, upper } = fragment;
        const version = fragment.versions[i] as number;
        if (seq <= seqMax) seen.push({ lower, upper, version, seq });
      });
    }
  }
  return new RangeTombstones(seen);
}
