/**
 * Checks a whole table: every checksum, the order of entries and separators, the filter, and that the counts in
 * the properties and in the manifest are true. Collects damage and goes on where it can, so that one report shows the
 * full extent. Reads past the cache.
 */
import { compareArrays, compareBytes } from '../../base/bytes.js';
import { CorruptionError, FormatError } from '../../base/errors.js';
import type { BufferPool } from '../cache/buffer-pool.js';
import { KIND_DELETE, KIND_VALUE_POINTER } from '../entry.js';
import { hashEncodedKey, isEncodedKey } from '../key.js';
import type { TableMeta } from '../table-meta.js';
import { BlockCursor } from './block-cursor.js';
import { BlockIndex } from './block-index.js';
import { filterMayContain, FILTER_LINE_BYTES, isFilter } from './bloom.js';
import { CODEC_NONE } from './codec.js';
import { type ExternalFacts, FactCounter, sameFacts } from './external-facts.js';
import type { Footer } from './format.js';
import { NO_PREFIX_RULES, type PrefixRules, prefixRulesOf } from './prefix-rules.js';
import { decodeProperties } from './properties.js';
import type { TableFile } from './table-file.js';
import { decodeRangeTombstones } from './tombstone-block.js';

/** Bytes of the file checked so far, and its length. */
export type VerifyProgress = (bytesDone: number, bytesTotal: number) => void;

const PROGRESS_BYTES = 1 << 20;

/** One block's entries in turn. */
class CheckCursor extends BlockCursor {
  readonly #file: TableFile;
  #offset = 0;

  constructor(file: TableFile, seqBase: number) {
    super(false, seqBase);
    this.#file = file;
  }

  enter(bytes: Uint8Array, start: number, length: number, offset: number): void {
    this.#offset = offset;
    this.openBlock(bytes, start, length);
  }

  step(): boolean {
    return this.parseEntry();
  }

  /** Do values and entries end where they should? Requires all stepped over. */
  isWhole(): boolean {
    return this.nextAt === this.limit && this.nextValueAt === this.entriesStart;
  }

  protected damaged(what: string): never {
    throw this.#file.damage(what, this.#offset);
  }
}

/** The state of one check. */
class TableCheck {
  readonly #file: TableFile;
  readonly #footer: Footer;
  readonly #meta: TableMeta;
  readonly #buffers: BufferPool;
  readonly #cursor: CheckCursor;
  readonly damage: CorruptionError[];
  /** Of an external table: what its properties say of its numbers is counted again. */
  readonly #facts: FactCounter | undefined;
  #external: ExternalFacts | undefined;
  #filter: Uint8Array | undefined;
  #prefixRules: PrefixRules;
  #lastKey: Uint8Array;
  #lastVersion: number;
  #lastSeq: number;
  #entries: number;
  #deletes: number;

  constructor(file: TableFile, footer: Footer, meta: TableMeta, buffers: BufferPool) {
    this.#file = file;
    this.#footer = footer;
    this.#meta = meta;
    this.#buffers = buffers;
    this.#cursor = new CheckCursor(file, meta.seqBase ?? 0);
    this.#facts = footer.isExternal ? new FactCounter(meta.seqBase ?? 0) : undefined;
    this.damage = [];
    this.#external = undefined;
    this.#filter = undefined;
    this.#prefixRules = NO_PREFIX_RULES;
    this.#lastKey = new Uint8Array(0);
    this.#lastVersion = 0;
    this.#lastSeq = 0;
    this.#entries = 0;
    this.#deletes = 0;
  }

  run(onProgress: VerifyProgress): void {
    const { index, filter, blockCount } = this.#footer;
    this.#attempt(() => this.#checkProperties());
    this.#attempt(() => this.#checkTombstones());
    this.#attempt(() => this.#loadFilter());
    let blocks: BlockIndex | undefined;
    this.#attempt(() => {
      const payload = this.#file.readPart(index, this.#buffers);
      blocks = BlockIndex.decode(payload, filter.offset, blockCount, this.#file.path, index.offset);
    });
    if (blocks !== undefined) this.#checkBlocks(blocks, onProgress);
    onProgress(this.#footer.bytes, this.#footer.bytes);
  }

  #checkBlocks(blocks: BlockIndex, onProgress: VerifyProgress): void {
    let reported = 0;
    let areAllReadable = true;
    for (let block = 0; block < blocks.count; block++) {
      const isReadable = this.#attempt(() => this.#checkBlock(blocks, block));
      areAllReadable &&= isReadable;
      const done = blocks.offsets[block + 1] as number;
      if (done - reported < PROGRESS_BYTES) continue;
      reported = done;
      onProgress(done, this.#footer.bytes);
    }
    if (!areAllReadable) return;
    const { entries, tombstones } = this.#meta;
    if (this.#entries !== entries || this.#deletes !== tombstones) {
      this.damage.push(this.#file.damage('number of entries differs from the description', 0));
    }
    if (this.#facts === undefined || this.#external === undefined) return;
    if (!sameFacts(this.#facts.facts(), this.#external)) {
      const { offset } = this.#footer.properties;
      this.damage.push(this.#file.damage('numbers differ from the table properties', offset));
    }
  }

  /** Runs one check; false when it found damage. */
  #attempt(check: () => void): boolean {
    try {
      check();
      return true;
    } catch (error) {
      if (error instanceof FormatError || !(error instanceof CorruptionError)) throw error;
      this.damage.push(error);
      return false;
    }
  }

  #checkProperties(): void {
    const part = this.#footer.properties;
    const payload = this.#file.readPart(part, this.#buffers);
    const { path } = this.#file;
    const properties = decodeProperties(payload, this.#footer.bytes, path, part.offset);
    const { meta, options } = properties;
    this.#prefixRules = prefixRulesOf(options.prefixFilters, path, part.offset);
    this.#external = properties.external;
    const given = this.#meta;
    const isSame =
      meta.identity === given.identity &&
      meta.entries === given.entries &&
      meta.maxSeq + (given.seqBase ?? 0) === given.maxSeq &&
      (given.seqBase !== undefined || meta.fileNumber === given.fileNumber) &&
      compareArrays(meta.lower, given.lower) === 0 &&
      compareArrays(meta.upper, given.upper) === 0;
    if (!isSame) throw this.#file.damage('table properties differ from the manifest', part.offset);
  }

  #checkTombstones(): void {
    const part = this.#footer.tombstones;
    const payload = this.#file.readPart(part, this.#buffers);
    const tombstones = decodeRangeTombstones(payload, this.#file.path, part.offset);
    for (const t of tombstones) this.#facts?.noteStored(t.version, t.seq);
    const { lower, upper, rangeTombstones } = this.#meta;
    const isInside = tombstones.every(
      (t) => compareArrays(t.lower, lower) >= 0 && compareArrays(t.upper, upper) <= 0,
    );
    if (!isInside || tombstones.length !== rangeTombstones) {
      throw this.#file.damage('range tombstones differ from the description', part.offset);
    }
  }

  #loadFilter(): void {
    const part = this.#footer.filter;
    const payload = this.#file.readPart(part, this.#buffers);
    if (!isFilter(payload)) throw this.#file.damage('table filter is malformed', part.offset);
    this.#filter = payload;
  }

  #checkBlock(blocks: BlockIndex, block: number): void {
    const offset = blocks.offsets[block] as number;
    const size = (blocks.offsets[block + 1] as number) - offset;
    const stored = this.#buffers.scratch(0, size);
    this.#file.read(stored, 0, size, offset);
    const codec = this.#file.check(stored, 0, size, offset);
    const length = this.#file.payloadLength(codec, stored, 0, size, offset);
    let payload = stored;
    if (codec !== CODEC_NONE) {
      payload = this.#buffers.scratch(1, length);
      this.#file.restore(codec, stored, 0, size, offset, payload, 0, length);
    }
    const cursor = this.#cursor;
    cursor.enter(payload, 0, length, offset);
    let isFirst = true;
    while (cursor.step()) {
      if (isFirst && block > 0) this.#checkSeparatorBefore(blocks, block, offset);
      isFirst = false;
      this.#checkEntry(offset);
    }
    if (isFirst || !cursor.isWhole()) throw this.#file.damage('data block is malformed', offset);
    const separator = blocks.separator(block);
    if (compareArrays(this.#lastKey, separator) > 0)
      throw this.#file.damage('separator is below its block', offset);
  }

  /** The separator before a block is below the block's first key, or equal to it when the key goes on. */
  #checkSeparatorBefore(blocks: BlockIndex, block: number, offset: number): void {
    const { keyBytes, keyLength } = this.#cursor;
    const separator = blocks.separator(block - 1);
    const order = compareBytes(separator, 0, separator.length, keyBytes, 0, keyLength);
    const isRight = blocks.continues[block - 1] === 1 ? order === 0 : order < 0;
    if (!isRight) throw this.#file.damage('separator is above the next block', offset);
  }

  #checkEntry(offset: number): void {
    const { keyBytes, keyLength, version, seq, kind } = this.#cursor;
    const last = this.#lastKey;
    const order = compareBytes(last, 0, last.length, keyBytes, 0, keyLength);
    const isOlder =
      version < this.#lastVersion || (version === this.#lastVersion && seq < this.#lastSeq);
    if (order > 0 || (order === 0 && !isOlder))
      throw this.#file.damage('entries are out of order', offset);
    if (order !== 0) this.#checkKey(keyBytes, keyLength, offset);
    if (!Number.isSafeInteger(seq) || !Number.isSafeInteger(version) || seq > this.#meta.maxSeq) {
      throw this.#file.damage('sequence number is out of range', offset);
    }
    this.#facts?.note(version, seq);
    if (kind === KIND_VALUE_POINTER && this.#facts !== undefined)
      throw this.#file.damage('external table has a value pointer', offset);
    this.#lastVersion = version;
    this.#lastSeq = seq;
    this.#entries++;
    if (kind === KIND_DELETE) this.#deletes++;
  }

  #checkKey(keyBytes: Uint8Array, keyLength: number, offset: number): void {
    const key = keyBytes.slice(0, keyLength);
    this.#lastKey = key;
    if (!isEncodedKey(key, 0, keyLength)) throw this.#file.damage('key is no encoded key', offset);
    if (compareArrays(key, this.#meta.lower) < 0 || compareArrays(key, this.#meta.upper) >= 0) {
      throw this.#file.damage('key is outside the range of its table', offset);
    }
    const filter = this.#filter;
    if (filter === undefined) return;
    const lines = Math.floor(filter.length / FILTER_LINE_BYTES);
    const probes = filter[filter.length - 1] as number;
    if (!filterMayContain(filter, lines, probes, hashEncodedKey(key, 0, keyLength))) {
      throw this.#file.damage('table filter misses a key', this.#footer.filter.offset);
    }
    const part = this.#prefixRules.partLength(key, 0, keyLength);
    if (part > 0 && !filterMayContain(filter, lines, probes, hashEncodedKey(key, 0, part))) {
      throw this.#file.damage('table filter misses a part of a key', this.#footer.filter.offset);
    }
  }
}

/** All damage found in a table, in the order met; empty for a sound one. @throws IoError, FormatError */
export function verifyTable(
  file: TableFile,
  footer: Footer,
  meta: TableMeta,
  buffers: BufferPool,
  onProgress: VerifyProgress,
): readonly CorruptionError[] {
  const check = new TableCheck(file, footer, meta, buffers);
  check.run(onProgress);
  return check.damage;
}
