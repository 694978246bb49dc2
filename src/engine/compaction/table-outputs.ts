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
 * Until `finish` returns, nothing outside knows the files; `abort` removes every one of them.
 */
import { assert, INVARIANTS } from '../../base/assert.js';
import { compareArrays, detach } from '../../base/bytes.js';
import type { FsFile, JobEnv } from '../../base/env.js';
import { Prng } from '../../base/prng.js';
import { tableName } from '../file-names.js';
import type { RangeFragment } from '../range-tombstones.js';
import type { TableMeta } from '../table-meta.js';
import { newIdentity } from '../unique-identity.js';
import type { TableAccess, TableSink } from './table-access.js';

export interface TableOutputsPlan {
  readonly directory: string;
  readonly identitySeed: number;
  readonly fileNumbers: { readonly first: number; readonly count: number };
  readonly targetTableBytes: number;
  /** Sorted, disjoint. */
  readonly fragments: readonly RangeFragment[];
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
    const hasTombstones = this.#fragmentAt < this.#plan.fragments.length;
    if (this.#sink === undefined && hasTombstones) this.#openTable();
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

  /** Writes what lies between the last cut and this one. */
  #addTombstones(sink: TableSink, cutKey: Uint8Array | undefined): void {
    const { fragments } = this.#plan;
    const from = this.#cutKey;
    for (; this.#fragmentAt < fragments.length; this.#fragmentAt++) {
      const fragment = fragments[this.#fragmentAt] as RangeFragment;
      if (cutKey !== undefined && compareArrays(fragment.lower, cutKey) >= 0) return;
      const lower =
        from !== undefined && compareArrays(fragment.lower, from) < 0 ? from : fragment.lower;
      const isCut = cutKey !== undefined && compareArrays(fragment.upper, cutKey) > 0;
      const upper = isCut ? cutKey : fragment.upper;
      for (let i = 0; i < fragment.seqs.length; i++) {
        sink.addRangeTombstone(
          lower,
          upper,
          fragment.versions[i] as number,
          fragment.seqs[i] as number,
        );
      }
      if (isCut) return;
    }
  }
}

function checkDisjoint(tables: readonly TableMeta[]): void {
  for (let i = 1; i < tables.length; i++) {
    const ordered =
      compareArrays((tables[i - 1] as TableMeta).upper, (tables[i] as TableMeta).lower) <= 0;
    assert(ordered, 'table outputs: tables overlap');
  }
}
