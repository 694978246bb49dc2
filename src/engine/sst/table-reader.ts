/**
 * One open table. The file stays open; index and filter are loaded at the first use and may be dropped to
 * stay within a budget (cache/table-cache.ts); data blocks live in the block cache.
 *
 * `get` is the hottest path of the product: filter, index and block are flat arrays, a block in the cache is
 * found by one array read, and nothing is allocated.
 *
 * Owned by one thread. `close` is called by whoever opened it, when no version refers to the table.
 */
import { assert, INVARIANTS } from '../../base/assert.js';
import type { Fs, FsFile } from '../../base/env.js';
import { CorruptionError } from '../../base/errors.js';
import type { BlockCache } from '../cache/block-cache.js';
import { BlockOwner } from '../cache/block-owner.js';
import type { KeyBuffer } from '../key.js';
import type { RangeTombstone } from '../range-tombstones.js';
import { type TableMeta, valueLogBytes } from '../table-meta.js';
import { BlockIndex } from './block-index.js';
import {
  isDataBlock,
  SEARCH_DAMAGED,
  SEARCH_END,
  SEARCH_FOUND,
  searchBlock,
} from './block-search.js';
import { filterMayContain, FILTER_LINE_BYTES, isFilter } from './bloom.js';
import { type Codec, CODEC_NONE } from './codec.js';
import { BLOCK_TRAILER_BYTES, decodeFooter, type Footer, FOOTER_BYTES } from './format.js';
import type { LookupResult } from './lookup-result.js';
import { rebased } from './external-facts.js';
import { type PrefixRules, prefixRulesOf } from './prefix-rules.js';
import { decodeProperties, type TableProperties } from './properties.js';
import { type HeldIndex, TableCursor, type TableCursorOptions } from './table-cursor.js';
import { TableFile } from './table-file.js';
import { TablePass } from './table-pass.js';
import { verifyTable, type VerifyProgress } from './table-verify.js';
import { decodeRangeTombstones } from './tombstone-block.js';

/** Told when a table's index and filter enter memory; answers by dropping those of others. Lends the memory for them. */
export interface IndexBudget {
  /** A buffer of at least `bytes`, any content, and what it holds until `giveMemory`. */
  takeMemory(bytes: number): ArrayBuffer;
  /** Takes a buffer back, which nobody uses any more. */
  giveMemory(memory: ArrayBuffer): void;
  indexLoaded(reader: TableReader): void;
  indexDropped(reader: TableReader): void;
}

export interface TableReaderOptions {
  /** Codecs to prefer over the built-in ones. */
  readonly codecs?: readonly Codec[];
}

/** Where a data block lies and what it holds; for inspection. */
export interface BlockInfo {
  readonly number: number;
  readonly offset: number;
  /** Stored bytes, trailer included. */
  readonly size: number;
  /** Bytes of the payload when restored. */
  readonly payloadBytes: number;
  readonly codec: number;
  readonly separator: Uint8Array;
  readonly continues: boolean;
}

/** Stored bytes, block trailers included; for inspection. */
export interface TablePartBytes {
  readonly data: number;
  readonly filter: number;
  readonly index: number;
  readonly tombstones: number;
  readonly properties: number;
}

/**
 * Index and filter in one buffer, index first. Held by the reader and by every cursor that was made with it; when the
 * last of them lets go, the buffer is another table's. Nothing but cursors may hold it beyond a call.
 */
class LoadedIndex implements HeldIndex {
  readonly blocks: BlockIndex;
  readonly filter: Uint8Array;
  readonly filterLines: number;
  readonly filterProbes: number;
  readonly bytes: number;
  readonly #memory: ArrayBuffer;
  readonly #lender: IndexBudget | undefined;
  #holders: number;

  /** `memory` holds both, and comes from the lender if there is one. */
  constructor(
    blocks: BlockIndex,
    filter: Uint8Array,
    memory: ArrayBuffer,
    lender: IndexBudget | undefined,
  ) {
    this.blocks = blocks;
    this.filter = filter;
    this.filterLines = Math.floor(filter.length / FILTER_LINE_BYTES);
    this.filterProbes = filter[filter.length - 1] as number;
    this.bytes = memory.byteLength;
    this.#memory = memory;
    this.#lender = lender;
    this.#holders = 1;
  }

  hold(): void {
    assert(this.#holders > 0, 'table index: held after its release');
    this.#holders++;
  }

  release(): void {
    this.#holders--;
    assert(this.#holders >= 0, 'table index: released twice');
    if (this.#holders > 0) return;
    if (INVARIANTS) new Uint8Array(this.#memory).fill(0xdb);
    this.#lender?.giveMemory(this.#memory);
  }
}

/** A table is dense when what it points to is more than so many times its own bytes. */
const DENSE_RATIO = 8;
const NO_MEMORY = new ArrayBuffer(0);
const NO_OPTIONS: TableReaderOptions = {};
const NO_CURSOR_OPTIONS: TableCursorOptions = {};

export class TableReader {
  readonly meta: TableMeta;
  readonly path: string;
  /** Set at every use of the index, cleared by the index budget's clock. */
  wasIndexUsed: boolean;
  /** Set and cleared by the index budget that counts this table. */
  indexBudget: IndexBudget | undefined;
  readonly #file: TableFile;
  readonly #footer: Footer;
  readonly #cache: BlockCache;
  readonly #owner: BlockOwner;
  /** Added to every stored sequence number; 0 but in tables taken in by an ingest. */
  readonly #seqBase: number;
  #loaded: LoadedIndex | undefined;
  #tombstones: readonly RangeTombstone[] | undefined;
  #prefixRules: PrefixRules | undefined;
  /** The block that #fetch made current. */
  #blockBytes: Uint8Array;
  #blockStart: number;
  #blockLength: number;
  #isClosed: boolean;

  private constructor(
    file: FsFile,
    footer: Footer,
    meta: TableMeta,
    cache: BlockCache,
    options: TableReaderOptions,
  ) {
    this.meta = meta;
    this.path = file.path;
    this.wasIndexUsed = false;
    this.indexBudget = undefined;
    this.#file = new TableFile(file, footer, options.codecs ?? []);
    this.#footer = footer;
    this.#cache = cache;
    this.#owner = new BlockOwner(1, valueLogBytes(meta) > DENSE_RATIO * meta.bytes);
    this.#seqBase = meta.seqBase ?? 0;
    this.#loaded = undefined;
    this.#tombstones = undefined;
    this.#prefixRules = undefined;
    this.#blockBytes = new Uint8Array(0);
    this.#blockStart = 0;
    this.#blockLength = 0;
    this.#isClosed = false;
  }

  /**
   * Opens a table that the manifest describes; reads the footer only.
   * @throws CorruptionError when the file is not that table, IoError, FormatError.
   */
  static open(
    fs: Pick<Fs, 'open'>,
    path: string,
    meta: TableMeta,
    cache: BlockCache,
    options: TableReaderOptions = NO_OPTIONS,
  ): TableReader {
    const file = fs.open(path, 'read');
    try {
      const length = file.size();
      if (length !== meta.bytes)
        throw mismatch('table length differs from the manifest', path, meta.bytes, length);
      const footer = readFooter(file, length);
      if (footer.identity !== meta.identity) {
        throw mismatch(
          'table identity differs from the manifest',
          path,
          meta.identity,
          footer.identity,
        );
      }
      if (footer.isExternal !== (meta.seqBase !== undefined)) {
        const kind = (isExternal: boolean): string => (isExternal ? 'external' : 'ordinary');
        throw mismatch(
          'table kind differs from the manifest',
          path,
          kind(meta.seqBase !== undefined),
          kind(footer.isExternal),
        );
      }
      if (!footer.isExternal && footer.fileNumber !== meta.fileNumber) {
        throw mismatch(
          'table number differs from the manifest',
          path,
          meta.fileNumber,
          footer.fileNumber,
        );
      }
      return new TableReader(file, footer, meta, cache, options);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /**
   * Opens a table by itself, taking its description from its properties: for inspection and import.
   * @throws CorruptionError, IoError, FormatError.
   */
  static openAlone(
    fs: Fs,
    path: string,
    cache: BlockCache,
    options: TableReaderOptions = NO_OPTIONS,
  ): TableReader {
    const file = fs.open(path, 'read');
    try {
      const footer = readFooter(file, file.size());
      const tableFile = new TableFile(file, footer, []);
      const payload = tableFile.readPart(footer.properties, cache.buffers);
      const { offset } = footer.properties;
      const { meta, external } = decodeProperties(payload, footer.bytes, path, offset);
      if ((external !== undefined) !== footer.isExternal)
        throw tableFile.damage('table properties are of another kind than the footer', offset);
      if (meta.identity !== footer.identity || meta.fileNumber !== footer.fileNumber) {
        throw tableFile.damage('table properties name another table', footer.properties.offset);
      }
      return new TableReader(file, footer, meta, cache, options);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** Memory of index and filter now, bytes; 0 when they are not loaded. */
  get indexBytes(): number {
    return this.#loaded === undefined ? 0 : this.#loaded.bytes;
  }

  /** Made outside of a database. */
  get isExternal(): boolean {
    return this.#footer.isExternal;
  }

  /** Of its blocks: base/checksum.ts. */
  get checksumType(): number {
    return this.#footer.checksumType;
  }

  get blockCount(): number {
    return this.#footer.blockCount;
  }

  /** Bytes of each part of the file; what is missing to its length is the footer. */
  get partBytes(): TablePartBytes {
    const { filter, index, tombstones, properties } = this.#footer;
    return {
      data: filter.offset,
      filter: filter.size,
      index: index.size,
      tombstones: tombstones.size,
      properties: properties.size,
    };
  }

  /** Tells the metrics which level the table is in. */
  setLevel(level: number): void {
    this.#owner.levelClass = level === 0 ? 0 : 1;
  }

  /** False when the table holds no entry for a key with this hash. */
  mayContain(hash: number): boolean {
    const loaded = this.#loaded ?? this.#load();
    this.wasIndexUsed = true;
    return filterMayContain(loaded.filter, loaded.filterLines, loaded.filterProbes, hash);
  }

  /**
   * The first entry of exactly this key with seq <= seqMax and version <= versionMax, in internal order;
   * deletes count. Fills `out` and returns true, or returns false. Range tombstones are not looked at.
   * @throws CorruptionError, IoError.
   */
  get(key: KeyBuffer, seqMax: number, versionMax: number, out: LookupResult): boolean {
    const loaded = this.#loaded ?? this.#load();
    this.wasIndexUsed = true;
    if (!filterMayContain(loaded.filter, loaded.filterLines, loaded.filterProbes, key.hash))
      return false;
    const blocks = loaded.blocks;
    const cache = this.#cache;
    const owner = this.#owner;
    for (let block = blocks.find(key.bytes, 0, key.length); block < blocks.count; block++) {
      const slot = owner.slots[block] as number;
      let answer: number;
      if (slot >= 0) {
        cache.touch(slot, owner.levelClass);
        answer = searchBlock(
          cache.bytesOf(slot),
          cache.startOf(slot),
          cache.lengthOf(slot),
          key,
          seqMax,
          versionMax,
          out,
          this.#seqBase,
        );
      } else {
        this.#fetch(blocks, block);
        answer = searchBlock(
          this.#blockBytes,
          this.#blockStart,
          this.#blockLength,
          key,
          seqMax,
          versionMax,
          out,
          this.#seqBase,
        );
      }
      if (answer === SEARCH_FOUND) return true;
      if (answer === SEARCH_DAMAGED)
        throw this.#file.damage('data block is malformed', blocks.offsets[block] as number);
      if (answer !== SEARCH_END || blocks.continues[block] === 0) return false;
    }
    return false;
  }

  /** A cursor, not positioned. The caller closes it before the table. */
  newCursor(options: TableCursorOptions = NO_CURSOR_OPTIONS): TableCursor {
    const loaded = this.#loaded ?? this.#load();
    this.wasIndexUsed = true;
    loaded.hold();
    return new TableCursor(this.#file, loaded, this.#cache, this.#owner, this.#seqBase, options);
  }

  /**
   * A cursor for one pass over all entries: what searches need, filter and separators, is not loaded. As newCursor
   * otherwise.
   */
  newPass(options: TableCursorOptions = NO_CURSOR_OPTIONS): TablePass {
    const { filter, index, blockCount } = this.#footer;
    const payload = this.#file.borrowPart(index, this.#cache.buffers);
    const dataEnd = filter.offset;
    const blocks = BlockIndex.decodeOffsets(payload, dataEnd, blockCount, this.path, index.offset);
    return new TablePass(this.#file, blocks, this.#cache, this.#owner, this.#seqBase, options);
  }

  /** Sorted by lower bound; read once and kept. @throws CorruptionError */
  rangeTombstones(): readonly RangeTombstone[] {
    if (this.#tombstones === undefined) {
      const part = this.#footer.tombstones;
      const stored = decodeRangeTombstones(this.#readPart(part), this.path, part.offset);
      this.#tombstones = rebased(stored, this.#seqBase);
    }
    return this.#tombstones;
  }

  /**
   * By which rules the filter holds parts of keys; read once and kept. `known` itself when they are the same.
   * @throws CorruptionError
   */
  prefixRules(known: PrefixRules): PrefixRules {
    if (this.#prefixRules === undefined) {
      const { path } = this;
      const { prefixFilters } = this.properties().options;
      const rules = prefixRulesOf(prefixFilters, path, this.#footer.properties.offset);
      this.#prefixRules = rules.text === known.text ? known : rules;
    }
    return this.#prefixRules;
  }

  /** What the file says about itself. @throws CorruptionError */
  properties(): TableProperties {
    const part = this.#footer.properties;
    return decodeProperties(this.#readPart(part), this.#footer.bytes, this.path, part.offset);
  }

  /** The data blocks in order, each checked. @throws CorruptionError at a damaged one. */
  *blocks(): Generator<BlockInfo, void, void> {
    const loaded = this.#loaded ?? this.#load();
    const index = loaded.blocks;
    loaded.hold();
    try {
      for (let number = 0; number < index.count; number++) yield this.#describeBlock(index, number);
    } finally {
      loaded.release();
    }
  }

  /**
   * The encoded keys that damage at `offset` may concern, half-open: those of its data block, or of the
   * whole table when it lies elsewhere or the index is damaged, too.
   */
  rangeAt(offset: number): { lower: Uint8Array; upper: Uint8Array } {
    const { lower, upper } = this.meta;
    let blocks: BlockIndex;
    try {
      blocks = (this.#loaded ?? this.#load()).blocks;
    } catch (error) {
      if (error instanceof CorruptionError) return { lower, upper };
      throw error;
    }
    if (offset >= this.#footer.filter.offset) return { lower, upper };
    let block = 0;
    while (block + 1 < blocks.count && (blocks.offsets[block + 1] as number) <= offset) block++;
    return {
      lower: block === 0 ? lower : blocks.separator(block - 1),
      upper: block + 1 === blocks.count ? upper : blocks.separator(block),
    };
  }

  #describeBlock(index: BlockIndex, number: number): BlockInfo {
    const offset = index.offsets[number] as number;
    const size = (index.offsets[number + 1] as number) - offset;
    const stored = this.#cache.buffers.scratch(0, size);
    this.#file.read(stored, 0, size, offset);
    const codec = this.#file.check(stored, 0, size, offset);
    const payloadBytes = this.#file.payloadLength(codec, stored, 0, size, offset);
    const continues = index.continues[number] === 1;
    return {
      number,
      offset,
      size,
      payloadBytes,
      codec,
      separator: index.separator(number),
      continues,
    };
  }

  /** Checks the whole file; returns the damage found, nothing for a sound table. @throws IoError, FormatError */
  verify(onProgress: VerifyProgress = ignoreProgress): readonly CorruptionError[] {
    return verifyTable(this.#file, this.#footer, this.meta, this.#cache.buffers, onProgress);
  }

  /** Forgets index and filter; the next use reads them again. Cursors keep what they have. */
  dropIndex(): void {
    const loaded = this.#loaded;
    if (loaded === undefined) return;
    this.indexBudget?.indexDropped(this);
    this.#loaded = undefined;
    loaded.release();
  }

  /** Closes the file and frees the cache. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.dropIndex();
    this.#cache.drop(this.#owner);
    this.#file.close();
  }

  #readPart(part: Footer['index']): Uint8Array {
    return this.#file.readPart(part, this.#cache.buffers);
  }

  #load(): LoadedIndex {
    assert(!this.#isClosed, 'table reader: used after close');
    const { filter, index, blockCount } = this.#footer;
    const filterLength = filter.size - BLOCK_TRAILER_BYTES;
    const lender = this.indexBudget;
    let memory = NO_MEMORY;
    const blocks = BlockIndex.decode(
      this.#file.borrowPart(index, this.#cache.buffers),
      filter.offset,
      blockCount,
      this.path,
      index.offset,
      (bytes) => {
        const total = bytes + filterLength;
        memory = lender === undefined ? new ArrayBuffer(total) : lender.takeMemory(total);
        return memory;
      },
    );
    const filterBytes = new Uint8Array(memory, blocks.bytes, filterLength);
    filterBytes.set(this.#file.borrowPart(filter, this.#cache.buffers));
    if (!isFilter(filterBytes)) throw this.#file.damage('table filter is malformed', filter.offset);
    const loaded = new LoadedIndex(blocks, filterBytes, memory, lender);
    if (this.#owner.id === -1) this.#cache.attach(this.#owner, blockCount);
    this.#loaded = loaded;
    this.indexBudget?.indexLoaded(this);
    return loaded;
  }

  /** Reads a block that is not cached, into the cache when it was wanted lately, and makes it current. */
  #fetch(index: BlockIndex, block: number): void {
    const offset = index.offsets[block] as number;
    const size = (index.offsets[block + 1] as number) - offset;
    this.#cache.countMiss(this.#owner.levelClass);
    if (this.#footer.codec === CODEC_NONE) this.#fetchPlain(block, offset, size);
    else this.#fetchCompressed(block, offset, size);
  }

  /** Reads straight into the slot. */
  #fetchPlain(block: number, offset: number, size: number): void {
    const cache = this.#cache;
    const slot = cache.reserveAgain(this.#owner, block, size);
    const bytes = slot < 0 ? cache.buffers.scratch(1, size) : cache.bytesOf(slot);
    const start = slot < 0 ? 0 : cache.startOf(slot);
    const length = size - BLOCK_TRAILER_BYTES;
    try {
      this.#file.read(bytes, start, size, offset);
      const codec = this.#file.check(bytes, start, size, offset);
      if (codec !== CODEC_NONE || !isDataBlock(bytes, start, length)) {
        throw this.#file.damage('data block is malformed', offset);
      }
    } catch (error) {
      if (slot >= 0) cache.release(slot);
      throw error;
    }
    if (slot >= 0) cache.setLength(slot, length);
    this.#setBlock(bytes, start, length);
  }

  #fetchCompressed(block: number, offset: number, size: number): void {
    const cache = this.#cache;
    const stored = cache.buffers.scratch(0, size);
    this.#file.read(stored, 0, size, offset);
    const codec = this.#file.check(stored, 0, size, offset);
    const length = this.#file.payloadLength(codec, stored, 0, size, offset);
    const slot = cache.reserveAgain(this.#owner, block, length);
    const bytes = slot < 0 ? cache.buffers.scratch(1, length) : cache.bytesOf(slot);
    const start = slot < 0 ? 0 : cache.startOf(slot);
    try {
      if (codec === CODEC_NONE) bytes.set(stored.subarray(0, length), start);
      else this.#file.restore(codec, stored, 0, size, offset, bytes, start, length);
      if (!isDataBlock(bytes, start, length))
        throw this.#file.damage('data block is malformed', offset);
    } catch (error) {
      if (slot >= 0) cache.release(slot);
      throw error;
    }
    this.#setBlock(bytes, start, length);
  }

  #setBlock(bytes: Uint8Array, start: number, length: number): void {
    this.#blockBytes = bytes;
    this.#blockStart = start;
    this.#blockLength = length;
  }
}

function ignoreProgress(): void {}

function readFooter(file: FsFile, length: number): Footer {
  const offset = length - FOOTER_BYTES;
  if (offset < 0)
    throw new CorruptionError('table file is cut', { file: file.path, offset: length });
  const bytes = new Uint8Array(FOOTER_BYTES);
  const count = file.read(bytes, 0, FOOTER_BYTES, offset);
  return decodeFooter(bytes.subarray(0, count), file.path, offset);
}

function mismatch(
  what: string,
  file: string,
  expected: string | number,
  actual: string | number,
): CorruptionError {
  return new CorruptionError(what, { file, offset: 0, expected, actual });
}
