/**
 * The external tables that a table writer or an export makes, one after another: entries in internal order with
 * relative numbers (sst/external-facts.ts), cut between two keys when a table has reached its size, and between families.
 *
 * Range tombstones come in the order of their lower bounds, each before the keys behind its lower bound; at a cut they are
 * clipped, so that each table carries the part that lies between its cuts.
 *
 * Memory: the blocks being built, the index of the table being built, and four bytes a key for its filter, which is
 * made at its end: bounded by the table size. Tombstones that reach on behind the last key are kept, too.
 *
 * A table is synced in the background when it is whole; `finish` waits for all of them and makes the directory durable.
 * Until then nothing outside knows the files; `abort` removes every one of them.
 */
import { assert } from '../../base/assert.js';
import { compareArrays, compareBytes, copyBytes, detach } from '../../base/bytes.js';
import type { Env, FsFile } from '../../base/env.js';
import { NokvError } from '../../base/errors.js';
import type { TableSettings } from '../compaction/job-spec.js';
import { makeDurableDirectory } from '../durable-directory.js';
import type { RangeTombstone } from '../range-tombstones.js';
import { shownKey } from '../shown-key.js';
import { FactCounter } from '../sst/external-facts.js';
import { JS_LZ4 } from '../sst/codec.js';
import { EXTERNAL_FILE_NUMBER } from '../sst/format.js';
import { TableBuilder } from '../sst/table-builder.js';
import type { TableMeta } from '../table-meta.js';
import { newIdentity } from '../unique-identity.js';

export interface OutputPlan {
  readonly directory: string;
  /** Files are called NAME-000001.sst and so on. */
  readonly name: string;
  readonly table: TableSettings;
  /** A table is cut at the first key behind this size, bytes. */
  readonly tableBytes: number;
}

export interface ExternalFile {
  readonly path: string;
  readonly meta: TableMeta;
}

type OutputEnv = Pick<Env, 'fs' | 'clock' | 'random' | 'log'>;

export class ExternalOutputs {
  readonly #env: OutputEnv;
  readonly #plan: OutputPlan;
  readonly #files: ExternalFile[];
  /** Files that exist because of this object. */
  readonly #created: string[];
  readonly #syncs: Promise<void>[];
  /** What a sync in the background failed with. */
  #syncFailure: unknown;
  #file: FsFile | undefined;
  #builder: TableBuilder | undefined;
  #facts: FactCounter;
  /** Tombstones whose upper bound was not passed by a key yet. */
  #tombstones: RangeTombstone[];
  #lastLower: Uint8Array | undefined;
  #lastKey: Uint8Array;
  /** 0: there is no last key. */
  #lastKeyLength: number;
  #lastVersion: number;
  #lastSeq: number;
  /** Entries added. */
  entries: number;

  constructor(env: OutputEnv, plan: OutputPlan) {
    this.#env = env;
    this.#plan = plan;
    this.#files = [];
    this.#created = [];
    this.#syncs = [];
    this.#syncFailure = undefined;
    this.#file = undefined;
    this.#builder = undefined;
    this.#facts = new FactCounter();
    this.#tombstones = [];
    this.#lastLower = undefined;
    this.#lastKey = new Uint8Array(256);
    this.#lastKeyLength = 0;
    this.#lastVersion = 0;
    this.#lastSeq = 0;
    this.entries = 0;
  }

  /** Bytes of the tables that are whole, and about those of the one being built. */
  get bytes(): number {
    const whole = this.#files.reduce((sum, { meta }) => sum + meta.bytes, 0);
    return whole + (this.#builder?.estimatedBytes ?? 0);
  }

  /**
   * Adds an entry; see TableBuilder.add. Key and value are copied.
   * @throws NokvError NOKV_INVALID when it is out of order, and nothing was added; IoError
   */
  add(
    keyBytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    version: number,
    seq: number,
    kind: number,
    expiresAt: number,
    valueBytes: Uint8Array,
    valueStart: number,
    valueLength: number,
  ): void {
    const isNewKey = this.#checkOrder(keyBytes, keyStart, keyLength, version, seq);
    if (this.#tombstones.length > 0)
      this.#checkTombstones(keyBytes, keyStart, keyLength, version, seq);
    if (isNewKey && this.#builder !== undefined) this.#maybeCut(keyBytes, keyStart, keyLength);
    const builder = this.#builder ?? this.#openTable();
    builder.add(
      keyBytes,
      keyStart,
      keyLength,
      version,
      seq,
      kind,
      expiresAt,
      valueBytes,
      valueStart,
      valueLength,
    );
    this.#facts.noteStored(version, seq);
    this.#lastVersion = version;
    this.#lastSeq = seq;
    this.entries++;
    if (isNewKey) this.#keepKey(keyBytes, keyStart, keyLength);
  }

  /**
   * Adds a range tombstone; bounds are kept. Requires lower < upper, both of one family.
   * @throws NokvError NOKV_INVALID when it is out of order, IoError
   */
  addRangeTombstone(tombstone: RangeTombstone): void {
    const { lower } = tombstone;
    const isBehindKeys =
      this.#lastKeyLength === 0 ||
      compareBytes(this.#lastKey, 0, this.#lastKeyLength, lower, 0, lower.length) < 0;
    const isBehindRanges =
      this.#lastLower === undefined || compareArrays(this.#lastLower, lower) <= 0;
    if (!isBehindKeys || !isBehindRanges) {
      throw new NokvError(
        'NOKV_INVALID',
        'Cannot add range delete: it begins before what was added',
        {
          hint: 'Add range deletes in the order of their starts, each before the keys at and behind its start',
          details: { start: shownBound(lower), previous: this.#shownLastKey() },
        },
      );
    }
    this.#dropPassed(lower, 0, lower.length);
    if (this.#builder === undefined) this.#openTable();
    this.#tombstones.push(tombstone);
    this.#lastLower = lower;
  }

  /** Ends the last table; resolves when all of them and the directory are durable. @throws IoError */
  async finish(): Promise<readonly ExternalFile[]> {
    if (this.#builder !== undefined) this.#closeTable(undefined);
    await Promise.all(this.#syncs);
    if (this.#syncFailure !== undefined) throw this.#syncFailure;
    if (this.#files.length > 0) this.#env.fs.syncDirectory(this.#plan.directory);
    return this.#files;
  }

  /** Removes everything written. Errors here are logged only: the caller has a first one to report. */
  async abort(): Promise<void> {
    this.#file?.close();
    this.#file = undefined;
    this.#builder = undefined;
    await Promise.all(this.#syncs);
    const { fs, log } = this.#env;
    for (const path of this.#created.splice(0)) {
      try {
        fs.remove(path);
      } catch (error) {
        log.write('warn', 'external table left behind', { path, error: String(error) });
      }
    }
  }

  /** True for a key not met before. */
  #checkOrder(
    keyBytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    version: number,
    seq: number,
  ): boolean {
    const lastLength = this.#lastKeyLength;
    if (lastLength === 0) return true;
    const order = compareBytes(this.#lastKey, 0, lastLength, keyBytes, keyStart, keyLength);
    if (order < 0) return true;
    const key = shownKey(detach(keyBytes, keyStart, keyLength));
    const details = { key, previous: this.#shownLastKey() };
    if (order > 0) {
      throw new NokvError('NOKV_INVALID', `Cannot add key ${key}: keys must ascend`, {
        hint: 'Sort the rows by the bytes of their keys, one column family after the other',
        details,
      });
    }
    const isOlder =
      version < this.#lastVersion || (version === this.#lastVersion && seq < this.#lastSeq);
    if ((version === seq) !== (this.#lastVersion === this.#lastSeq)) throw mixed(key);
    if (!isOlder) {
      throw new NokvError('NOKV_INVALID', `Cannot add key ${key}: it was added already`, {
        hint: 'Add a key once, or all its versions with an explicit version each, the highest first',
        details,
      });
    }
    return false;
  }

  /** Requires tombstones. */
  #checkTombstones(
    keyBytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    version: number,
    seq: number,
  ): void {
    this.#dropPassed(keyBytes, keyStart, keyLength);
    const last = this.#tombstones.at(-1);
    if (last === undefined) return;
    if (compareBytes(last.lower, 0, last.lower.length, keyBytes, keyStart, keyLength) > 0) {
      const key = shownKey(detach(keyBytes, keyStart, keyLength));
      throw new NokvError(
        'NOKV_INVALID',
        `Cannot add key ${key}: a range delete behind it was added`,
        {
          hint: 'Add a range delete when all rows before its start have been added',
          details: { key, start: shownBound(last.lower) },
        },
      );
    }
    // An ordinary and a managed write would change places with the number that the ordinary one is given.
    const isOrdinary = version === seq;
    if (this.#tombstones.some((t) => (t.version === t.seq) !== isOrdinary))
      throw mixed(shownKey(detach(keyBytes, keyStart, keyLength)));
  }

  /** Tombstones that end at or before a key go to the table being built: no later key meets them. */
  #dropPassed(key: Uint8Array, start: number, length: number): void {
    const builder = this.#builder;
    if (builder === undefined || this.#tombstones.length === 0) return;
    const isPassed = ({ upper }: RangeTombstone): boolean =>
      compareBytes(upper, 0, upper.length, key, start, length) <= 0;
    if (!this.#tombstones.some(isPassed)) return;
    for (const t of this.#tombstones) if (isPassed(t)) this.#write(builder, t.lower, t.upper, t);
    this.#tombstones = this.#tombstones.filter((t) => !isPassed(t));
  }

  #write(builder: TableBuilder, lower: Uint8Array, upper: Uint8Array, t: RangeTombstone): void {
    builder.addRangeTombstone(lower, upper, t.version, t.seq);
    this.#facts.noteStored(t.version, t.seq);
  }

  #maybeCut(keyBytes: Uint8Array, keyStart: number, keyLength: number): void {
    const builder = this.#builder as TableBuilder;
    const isNewFamily = this.#lastKeyLength > 0 && this.#lastKey[0] !== keyBytes[keyStart];
    if (!isNewFamily && builder.estimatedBytes < this.#plan.tableBytes) return;
    if (builder.entries === 0) return;
    this.#closeTable(detach(keyBytes, keyStart, keyLength));
  }

  #openTable(): TableBuilder {
    if (this.#syncFailure !== undefined) throw this.#syncFailure;
    const { fs, clock, random } = this.#env;
    const { directory, name, table } = this.#plan;
    if (this.#created.length === 0) makeDurableDirectory(fs, directory);
    const number = String(this.#created.length + 1).padStart(6, '0');
    const path = fs.join(directory, `${name}-${number}.sst`);
    this.#file = fs.open(path, 'create');
    this.#created.push(path);
    const facts = new FactCounter();
    this.#facts = facts;
    this.#builder = new TableBuilder(this.#file, {
      fileNumber: EXTERNAL_FILE_NUMBER,
      identity: newIdentity(random),
      createdMs: clock.nowMs(),
      blockBytes: table.blockBytes,
      filterBitsPerKey: table.filterBitsPerKey,
      codec: table.compression === 'lz4' ? JS_LZ4 : undefined,
      external: () => facts.facts(),
    });
    return this.#builder;
  }

  /** `cutKey`: the first key of the next table; undefined at the end. */
  #closeTable(cutKey: Uint8Array | undefined): void {
    const builder = this.#builder as TableBuilder;
    const file = this.#file as FsFile;
    const going: RangeTombstone[] = [];
    for (const t of this.#tombstones) {
      const isCut = cutKey !== undefined && compareArrays(t.upper, cutKey) > 0;
      // One that begins at the cut goes to the next table as a whole.
      if (!isCut || compareArrays(t.lower, cutKey) < 0)
        this.#write(builder, t.lower, isCut ? cutKey : t.upper, t);
      if (isCut) going.push({ ...t, lower: cutKey });
    }
    this.#tombstones = going;
    const meta = builder.finish();
    assert(meta.fileNumber === EXTERNAL_FILE_NUMBER, 'external outputs: a table has a number');
    this.#files.push({ path: file.path, meta });
    this.#builder = undefined;
    this.#file = undefined;
    this.#syncs.push(this.#sync(file));
  }

  /** Never rejects. */
  async #sync(file: FsFile): Promise<void> {
    try {
      await file.sync();
    } catch (error) {
      this.#syncFailure ??= error;
    } finally {
      file.close();
    }
  }

  #keepKey(keyBytes: Uint8Array, keyStart: number, keyLength: number): void {
    if (this.#lastKey.length < keyLength) this.#lastKey = new Uint8Array(2 * keyLength);
    copyBytes(keyBytes, keyStart, this.#lastKey, 0, keyLength);
    this.#lastKeyLength = keyLength;
  }

  #shownLastKey(): string | null {
    if (this.#lastKeyLength === 0) return null;
    return shownKey(this.#lastKey.subarray(0, this.#lastKeyLength));
  }
}

function mixed(key: string): NokvError {
  return new NokvError(
    'NOKV_INVALID',
    `Cannot add key ${key}: it has writes with an explicit version and writes without one`,
    {
      hint: 'Keep keys with explicit versions, and range deletes over them, apart from ordinary ones',
      details: { key },
    },
  );
}

/** A bound may be the beginning of a family, which is no key. */
function shownBound(bound: Uint8Array): string {
  return bound.length < 3 ? '' : shownKey(bound);
}
