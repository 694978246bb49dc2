/** Tables that are sorted arrays in memory: TableAccess without a format, for tests of what jobs decide. */
import { assert } from '../../../src/base/assert.js';
import { compareArrays } from '../../../src/base/bytes.js';
import type { FsFile } from '../../../src/base/env.js';
import type {
  TableAccess,
  TableSink,
  TableSource,
} from '../../../src/engine/compaction/table-access.js';
import { KIND_DELETE } from '../../../src/engine/entry.js';
import type { EntryCursor } from '../../../src/engine/iterators/entry-cursor.js';
import { keySuccessor } from '../../../src/engine/key.js';
import type { RangeTombstone } from '../../../src/engine/range-tombstones.js';
import type { TableMeta } from '../../../src/engine/table-meta.js';
import { ArrayCursor } from '../iterators/array-cursor.js';
import { compareEntries, type ModelEntry, viewlessKey } from '../model-entry.js';
import { tableMeta } from '../table-metas.js';

export interface ArrayTable {
  readonly meta: TableMeta;
  readonly entries: readonly ModelEntry[];
  readonly tombstones: readonly RangeTombstone[];
}

/** What an entry adds to the estimated size of an array table. */
export const ARRAY_ENTRY_BYTES = 10;

class ArraySink implements TableSink {
  readonly #entries: ModelEntry[] = [];
  readonly #tombstones: RangeTombstone[] = [];
  readonly #onFinish: (table: ArrayTable) => void;
  readonly #fileNumber: number;
  readonly #identity: string;
  #staleBytes = 0;

  constructor(fileNumber: number, identity: string, onFinish: (table: ArrayTable) => void) {
    this.#fileNumber = fileNumber;
    this.#identity = identity;
    this.#onFinish = onFinish;
  }

  get estimatedBytes(): number {
    return ARRAY_ENTRY_BYTES * this.#entries.length;
  }

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
    const key = viewlessKey(keyBytes, keyStart, keyLength);
    const value = viewlessKey(valueBytes, valueStart, valueLength);
    const entry = { key, version, seq, kind, expiresAt, value };
    const last = this.#entries.at(-1);
    assert(
      last === undefined || compareEntries(last, entry) < 0,
      'array table: entries out of order',
    );
    this.#entries.push(entry);
  }

  addRangeTombstone(lower: Uint8Array, upper: Uint8Array, version: number, seq: number): void {
    assert(compareArrays(lower, upper) < 0, 'array table: empty range');
    this.#tombstones.push({ lower, upper, version, seq });
  }

  noteStale(bytes: number): void {
    this.#staleBytes += bytes;
  }

  finish(): TableMeta {
    const table = arrayTable(this.#fileNumber, this.#entries, this.#tombstones);
    const meta = { ...table.meta, identity: this.#identity, staleBytes: this.#staleBytes };
    this.#onFinish({ ...table, meta });
    return meta;
  }
}

export class ArrayTables implements TableAccess {
  readonly tables = new Map<number, ArrayTable>();
  /** Tables opened and not closed. */
  openCount = 0;

  add(table: ArrayTable): ArrayTable {
    this.tables.set(table.meta.fileNumber, table);
    return table;
  }

  of(meta: TableMeta): ArrayTable {
    const table = this.tables.get(meta.fileNumber);
    assert(table !== undefined, 'array tables: no such table');
    return table;
  }

  create(file: FsFile, fileNumber: number, identity: string): TableSink {
    file.write(Uint8Array.of(1), 0, 1, 0);
    return new ArraySink(fileNumber, identity, (table) => this.add(table));
  }

  open(_path: string, meta: TableMeta): TableSource {
    const table = this.of(meta);
    let isOpen = true;
    this.openCount++;
    return {
      newCursor: (): EntryCursor => new ArrayCursor(table.entries),
      rangeTombstones: () => table.tombstones,
      close: () => {
        if (isOpen) this.openCount--;
        isOpen = false;
      },
    };
  }
}

/** A table of these entries (in internal order) and tombstones. Requires one of either. */
export function arrayTable(
  fileNumber: number,
  entries: readonly ModelEntry[],
  tombstones: readonly RangeTombstone[],
): ArrayTable {
  const lowers = [...entries.map((entry) => entry.key), ...tombstones.map((t) => t.lower)];
  const uppers = [
    ...entries.map((entry) => keySuccessor(entry.key)),
    ...tombstones.map((t) => t.upper),
  ];
  const all = [...entries, ...tombstones];
  const expiries = entries.map((entry) => entry.expiresAt).filter((at) => at !== 0);
  const meta = tableMeta({
    fileNumber,
    lower: lowers.sort(compareArrays)[0] as Uint8Array,
    upper: uppers.sort(compareArrays).at(-1) as Uint8Array,
    bytes: ARRAY_ENTRY_BYTES * entries.length,
    entries: entries.length,
    tombstones: entries.filter((entry) => entry.kind === KIND_DELETE).length,
    rangeTombstones: tombstones.length,
    minSeq: Math.min(...all.map((one) => one.seq)),
    maxSeq: Math.max(...all.map((one) => one.seq)),
    maxVersion: Math.max(...all.map((one) => one.version)),
    earliestExpiry: expiries.length === 0 ? 0 : Math.min(...expiries),
  });
  return { meta, entries, tombstones };
}
