/**
 * How far an import came, as it is kept in the database it fills. Every batch of an import holds, beside its
 * rows, the position behind them; so a killed import goes on exactly where the database says it is.
 *
 * Batches are in flight together, and the failure of one does not stop the next. So there are
 * POSITION_SLOTS keys, and batch n writes to key n mod POSITION_SLOTS:
 *
 *   1. a run begins at a position b that is known to be in the database, and writes it to every key;
 *   2. batch n > b is handed over only after batch n - POSITION_SLOTS, when that is above b, is in the database;
 *   3. so a key that holds n says that n, n - POSITION_SLOTS, ... down to b are in the database; of the batches that share it,
 *      none up to n is missing;
 *   4. every key holds a position, the lowest one m or a higher one: so no batch up to m is missing, whoever shares its key;
 *   5. and the import goes on behind the last ordinal that follows from m without a gap.
 *
 * Former versions wrote b to its own key and removed the others. When all keys are there in spite of it, each was written by
 * a batch, or is b, and the proof holds. When one is missing, no batch that shares it is in the database, and the lowest
 * position found may lie behind that batch: b, replaced by b + POSITION_SLOTS, is not to be known any more. Only position 0 is
 * sure to be a b. Without it such an import begins again at the first byte: rows are written twice then, and none is left out.
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

  /** Up to where the source is in the database; undefined when no import of it was cut. @throws NokvError NOKV_FORMAT */
  load(db: Db): ImportPosition | undefined {
    const values = db.getMany(this.#keys, { columnFamily: SYSTEM_FAMILY });
    const found = values
      .filter((value) => value !== undefined)
      .map(decodePosition)
      .sort((a, b) => a.ordinal - b.ordinal);
    let last = found[0];
    if (last === undefined) return undefined;
    if (found.length < POSITION_SLOTS && last.ordinal > START.ordinal) return START;
    for (const position of found) {
      if (position.ordinal === last.ordinal + 1) last = position;
    }
    return last;
  }

  /** The operation that a batch carries to say how far it comes. */
  put(position: ImportPosition): BatchInput {
    return putAt(this.#keys[position.ordinal % POSITION_SLOTS] as string, position);
  }

  /** The operations that make this the only position: in every slot, so that none is empty. */
  reset(position: ImportPosition): BatchInput[] {
    return this.#keys.map((key) => putAt(key, position));
  }

  /** The operations that forget the import. */
  clear(): BatchInput[] {
    return this.#keys.map((key) => ({ type: 'del', key, columnFamily: SYSTEM_FAMILY }));
  }
}

function putAt(key: string, position: ImportPosition): BatchInput {
  const value = JSON.stringify({ format: FORMAT, ...position });
  return { type: 'put', key, value, columnFamily: SYSTEM_FAMILY };
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
