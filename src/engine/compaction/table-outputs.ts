/**
 * The tables that a flush or compaction writes, one after another. A table is created with its first
 * entry, cut between two keys when it has reached its size, then synced and closed before the next one.
 *
 * Range tombstones come as fragments known beforehand; at a cut they are clipped, so that each output
 * carries the part that lies between its cuts, and outputs are disjoint half-open ranges:
 *
 *     entries      a b c d | e f g        cut at e
 *     tombstone      [b--------g)         table 1: [b, e)   table 2: [e, g)
 *
 * A tombstone that may vanish is written only where it covers an older entry that was added between the
 * cuts: for each fragment the oldest one is remembered.
 *
 * Until `finish` returns, nothing outside knows the files; `abort` removes every one of them.
 */
import { assert, INVARIANTS } from '../../base/assert.js';
import { compareArrays, compareBytes, detach } from '../../base/bytes.js';
import type { FsFile, JobEnv } from '../../base/env.js';
import { Prng } from '../../base/prng.js';
import { tableName } from '../file-names.js';
import type { TableMeta } from '../table-meta.js';
import { newIdentity } from '../unique-identity.js';
import type { KeptFragments, KeptTombstones } from './drop-rules.js';
import type { TableAccess, TableSink } from './table-access.js';
import { TombstoneJoiner } from './tombstone-joiner.js';

/** Of an oldest entry: there is none. */
const NONE = Number.POSITIVE_INFINITY;

export interface TableOutputsPlan {
  readonly directory: string;
  readonly identitySeed: number;
  readonly fileNumbers: { readonly first: number; readonly count: number };
  readonly targetTableBytes: number;
  readonly fragments: KeptFragments;
}

export class TableOutputs {
  readonly #env: JobEnv;
  readonly #access: TableAccess;
  readonly #plan: TableOutputsPlan;
  readonly #random: Prng;
  readonly #tables: TableMeta[];
  /** Files that exist because of this object. */
  readonly #created: string[];
  #file: FsFile | undefined;
  #sink: TableSink | undefined;
  /** First fragment that is not wholly written. */
  #fragmentAt: number;
  /** First fragment that does not end before the last added key. */
  #entryAt: number;
  /** Per fragment the oldest entry added in it since the last cut. */
  readonly #oldestVersions: Float64Array;
  readonly #oldestSeqs: Float64Array;
  /** Where the last cut was; fragments before it are written. */
  #cutKey: Uint8Array | undefined;
  /** Entries added. */
  entries: number;

  constructor(env: JobEnv, access: TableAccess, plan: TableOutputsPlan) {
    this.#env = env;
    this.#access = access;
    this.#plan = plan;
    this.#random = new Prng(plan.identitySeed);
    this.#tables = [];
    this.#created = [];
    this.#file = undefined;
    this.#sink = undefined;
    this.#fragmentAt = 0;
    this.#entryAt = 0;
    this.#oldestVersions = new Float64Array(plan.fragments.count).fill(NONE);
    this.#oldestSeqs = new Float64Array(plan.fragments.count).fill(NONE);
    this.#cutKey = undefined;
    this.entries = 0;
  }

  /** Before the first entry of every key that has one. Cuts here when the table is large enough. */
  startKey(keyBytes: Uint8Array, keyStart: number, keyLength: number): void {
    if (this.#sink === undefined || this.#sink.estimatedBytes < this.#plan.targetTableBytes) return;
    if (this.#created.length === this.#plan.fileNumbers.count) return; // the last one takes the rest
    this.#closeTable(detach(keyBytes, keyStart, keyLength));
  }

  /** Adds an entry; see TableSink.add. */
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
    if (this.#entryAt < this.#plan.fragments.count) {
      this.#noteEntry(keyBytes, keyStart, keyLength, version, seq);
    }
    const sink = this.#sink ?? this.#openTable();
    sink.add(
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
    this.entries++;
  }

  /** The entry just added is superseded already. */
  noteStale(bytes: number): void {
    this.#sink?.noteStale(bytes);
  }

  /** Ends the last table and makes the directory durable. */
  finish(): TableMeta[] {
    if (this.#sink === undefined && this.#hasTombstones()) this.#openTable();
    if (this.#sink !== undefined) this.#closeTable(undefined);
    if (this.#tables.length > 0) this.#env.fs.syncDirectory(this.#plan.directory);
    if (INVARIANTS) checkDisjoint(this.#tables);
    return this.#tables;
  }

  /** Removes everything written. Errors here are logged only: the caller has a first one to report. */
  abort(): void {
    const { fs, log } = this.#env;
    this.#file?.close();
    for (const path of this.#created) {
      try {
        fs.remove(path);
      } catch (error) {
        log.write('warn', 'compaction.orphan', { path, error: String(error) });
      }
    }
  }

  #openTable(): TableSink {
    const { fs, clock } = this.#env;
    const { directory, fileNumbers } = this.#plan;
    assert(this.#created.length < fileNumbers.count, 'table outputs: out of file numbers');
    const fileNumber = fileNumbers.first + this.#created.length;
    const path = fs.join(directory, tableName(fileNumber));
    this.#file = fs.open(path, 'create');
    this.#created.push(path);
    this.#sink = this.#access.create(
      this.#file,
      fileNumber,
      newIdentity(this.#random),
      clock.nowMs(),
    );
    return this.#sink;
  }

  /** `cutKey`: the first key of the next table; undefined at the end. */
  #closeTable(cutKey: Uint8Array | undefined): void {
    const sink = this.#sink as TableSink;
    const file = this.#file as FsFile;
    this.#addTombstones(sink, cutKey);
    this.#cutKey = cutKey;
    const table = sink.finish();
    file.syncBlocking();
    file.close();
    this.#tables.push(table);
    this.#file = undefined;
    this.#sink = undefined;
  }

  #noteEntry(
    keyBytes: Uint8Array,
    keyStart: number,
    keyLength: number,
    version: number,
    seq: number,
  ): void {
    const { fragments } = this.#plan;
    for (; this.#entryAt < fragments.count; this.#entryAt++) {
      const { upper } = fragments.range(this.#entryAt);
      if (compareBytes(upper, 0, upper.length, keyBytes, keyStart, keyLength) > 0) break;
    }
    if (this.#entryAt === fragments.count) return;
    const { lower } = fragments.range(this.#entryAt);
    if (compareBytes(lower, 0, lower.length, keyBytes, keyStart, keyLength) > 0) return;
    if (
      !isNewer(this.#oldestVersions[this.#entryAt], this.#oldestSeqs[this.#entryAt], version, seq)
    )
      return;
    this.#oldestVersions[this.#entryAt] = version;
    this.#oldestSeqs[this.#entryAt] = seq;
  }

  /** Is there a tombstone to be written that is not? */
  #hasTombstones(): boolean {
    const { fragments } = this.#plan;
    for (let at = this.#fragmentAt; at < fragments.count; at++) {
      const kept = fragments.kept(at);
      if (kept.seqs.some((_, i) => this.#isNeeded(at, kept, i))) return true;
    }
    return false;
  }

  #isNeeded(fragmentAt: number, kept: KeptTombstones, index: number): boolean {
    if (kept.canVanish[index] !== true) return true;
    return isNewer(
      kept.versions[index],
      kept.seqs[index],
      this.#oldestVersions[fragmentAt],
      this.#oldestSeqs[fragmentAt],
    );
  }

  /** Writes what lies between the last cut and this one. */
  #addTombstones(sink: TableSink, cutKey: Uint8Array | undefined): void {
    const { fragments } = this.#plan;
    const from = this.#cutKey;
    const joiner = new TombstoneJoiner(sink);
    for (; this.#fragmentAt < fragments.count; this.#fragmentAt++) {
      const at = this.#fragmentAt;
      const range = fragments.range(at);
      if (cutKey !== undefined && compareArrays(range.lower, cutKey) >= 0) break;
      const lower = from !== undefined && compareArrays(range.lower, from) < 0 ? from : range.lower;
      const isCut = cutKey !== undefined && compareArrays(range.upper, cutKey) > 0;
      const upper = isCut ? cutKey : range.upper;
      const kept = fragments.kept(at);
      joiner.add(lower, upper, kept.versions, kept.seqs, (i) => this.#isNeeded(at, kept, i));
      if (isCut) {
        this.#oldestVersions[at] = NONE;
        this.#oldestSeqs[at] = NONE;
        break;
      }
    }
    joiner.finish();
  }
}

/** Is (version, seq) above the other one? */
function isNewer(
  version: number | undefined,
  seq: number | undefined,
  otherVersion: number | undefined,
  otherSeq: number | undefined,
): boolean {
  if (version !== otherVersion) return (version as number) > (otherVersion as number);
  return (seq as number) > (otherSeq as number);
}

function checkDisjoint(tables: readonly TableMeta[]): void {
  for (let i = 1; i < tables.length; i++) {
    const ordered =
      compareArrays((tables[i - 1] as TableMeta).upper, (tables[i] as TableMeta).lower) <= 0;
    assert(ordered, 'table outputs: tables overlap');
  }
}
