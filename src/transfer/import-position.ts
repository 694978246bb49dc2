/**
 * How far an import came, as it is kept in the database it fills. Every batch of an import holds, beside its
 * rows, the position behind them; so a killed import goes on exactly where the database says it is.
 *
 * Batches are in flight together, and the failure of one does not stop the next. So there are
 * POSITION_SLOTS keys, and batch n writes to key n mod POSITION_SLOTS:
 *
 *   1. batch n is handed over only after batch n - POSITION_SLOTS is acknowledged;
 *   2. so every batch up to the lowest ordinal found is in the database;
 *   3. and the import goes on behind the last ordinal that follows from there without a gap.
 *
 * Kept in the system family, as JSON:
 *
 *   import/COLUMN FAMILY/SLOT/SOURCE   {"format":1,"ordinal":7,"offset":...,"line":...,"rows":...,"bad":...,"crc":...}
 *
 * The checksum of all bytes before the offset identifies the source: a file that was moved, or comes
 * through a pipe, is the same; one that was changed before the offset is not.
 */
import { NokvError } from '../base/errors.js';
import { type Db } from '../engine/db.js';
import { type BatchInput, SYSTEM_FAMILY } from '../engine/requests.js';
import type { FamilyName } from '../engine/options.js';

/** Batches in flight at most. */
export const POSITION_SLOTS = 4;
const FORMAT = 1;

export interface ImportPosition {
  /** Number of the batch that wrote it, from 0. */
  readonly ordinal: number;
  /** Bytes of the source that are in the database. */
  readonly offset: number;
  /** Lines of the source in those bytes. */
  readonly line: number;
  /** Rows written, over all runs of this import. */
  readonly rows: number;
  /** Bad lines left out, over all runs of this import. */
  readonly bad: number;
  /** CRC-32 of the bytes before `offset`. */
  readonly crc: number;
}

export const START: ImportPosition = { ordinal: 0, offset: 0, line: 0, rows: 0, bad: 0, crc: 0 };

/** The keys of the positions of one source in one column family. */
export class ImportPositionStore {
  readonly #keys: readonly string[];

  constructor(source: string, columnFamily: FamilyName) {
    this.#keys = Array.from(
      { length: POSITION_SLOTS },
      (_, slot) => `import/${columnFamily}/${slot}/${source}`,
    );
  }

  /** undefined when no import of this source was cut. @throws NokvError NOKV_FORMAT */
  load(db: Db): ImportPosition | undefined {
    const values = db.getMany(this.#keys, { columnFamily: SYSTEM_FAMILY });
    const found = values
      .filter((value) => value !== undefined)
      .map(decodePosition)
      .sort((a, b) => a.ordinal - b.ordinal);
    let last = found[0];
    for (const position of found) {
      if (last !== undefined && position.ordinal === last.ordinal + 1) last = position;
    }
    return last;
  }

  /** The operation that a batch carries to say how far it comes. */
  put(position: ImportPosition): BatchInput {
    return {
      type: 'put',
      key: this.#keys[position.ordinal % POSITION_SLOTS] as string,
      value: JSON.stringify({ format: FORMAT, ...position }),
      columnFamily: SYSTEM_FAMILY,
    };
  }

  /** The operations that make this the only position. */
  reset(position: ImportPosition): BatchInput[] {
    return [...this.clear(), this.put(position)];
  }

  /** The operations that forget the import. */
  clear(): BatchInput[] {
    return this.#keys.map((key) => ({ type: 'del', key, columnFamily: SYSTEM_FAMILY }));
  }
}

function decodePosition(value: Uint8Array): ImportPosition {
  const fields = JSON.parse(new TextDecoder().decode(value)) as Record<string, unknown>;
  if (fields['format'] !== FORMAT) {
    throw new NokvError('NOKV_FORMAT', 'Cannot continue import: its position has another format', {
      hint: 'Use the version of nokv that began it, or begin again with --restart',
      details: { found: String(fields['format']), supported: FORMAT },
    });
  }
  const count = (name: string): number => {
    const number = fields[name];
    if (Number.isSafeInteger(number) && (number as number) >= 0) return number as number;
    throw new NokvError('NOKV_FORMAT', 'Cannot continue import: its position is malformed', {
      hint: 'Begin again with --restart',
      details: { field: name },
    });
  };
  return {
    ordinal: count('ordinal'),
    offset: count('offset'),
    line: count('line'),
    rows: count('rows'),
    bad: count('bad'),
    crc: count('crc'),
  };
}
