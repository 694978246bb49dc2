/**
 * Writes one table, front to back. Entries come in internal order; blocks are built in one output buffer
 * and written in pieces of 64 KiB (larger writes to a fresh file are slower). Nothing is synced: the
 * caller syncs the file before anything refers to it. Layout: docs/formats/sst.md.
 *
 * One owner, used once: add*, then finish. After an error the file is garbage and the builder unusable.
 */
import { assert } from '../../base/assert.js';
import { compareArrays, compareBytes } from '../../base/bytes.js';
import { checksum, newChecksumType } from '../../base/checksum.js';
import type { FsFile } from '../../base/env.js';
import { IoError, NokvError } from '../../base/errors.js';
import { KIB, MIB } from '../../base/limits.js';
import { KIND_DELETE, KIND_PUT, KIND_VALUE_POINTER, NO_EXPIRY } from '../entry.js';
import { hashEncodedKey, keySuccessor } from '../key.js';
import type { RangeTombstone } from '../range-tombstones.js';
import type { TableMeta, ValueLogReference } from '../table-meta.js';
import { pointerFileNumber, pointerLength, VALUE_POINTER_SIZE } from '../vlog/value-pointer.js';
import { BlockBuilder } from './block-builder.js';
import { IndexBuilder } from './block-index.js';
import { buildFilter } from './bloom.js';
import { BuilderMemory } from './builder-memory.js';
import { type Codec, CODEC_NONE } from './codec.js';
import {
  BLOCK_BYTES_DEFAULT,
  BLOCK_TRAILER_BYTES,
  type BlockHandle,
  blockSeed,
  encodeFooter,
  FILTER_BITS_PER_KEY_DEFAULT,
  FOOTER_BYTES,
  identityLow,
  RESTART_INTERVAL,
  TABLE_BYTES_LIMIT,
} from './format.js';
import type { ExternalFacts } from './external-facts.js';
import type { PrefixRules } from './prefix-rules.js';
import { encodeProperties } from './properties.js';
import { compareRangeTombstones, encodeRangeTombstones } from './tombstone-block.js';

export interface TableBuilderOptions {
  readonly fileNumber: number;
  /** 16 hexadecimal digits, random. */
  readonly identity: string;
  /** Wall milliseconds. */
  readonly createdMs: number;
  /** A block is closed at this payload size, bytes. */
  readonly blockBytes?: number;
  /** 0 writes a filter that passes every key. */
  readonly filterBitsPerKey?: number;
  /** Compression of data blocks; none when absent. */
  readonly codec?: Codec | undefined;
  /** Parts of keys that the filter holds, too. */
  readonly prefixRules?: PrefixRules | undefined;
  /** Makes an external table: asked at the end what an ingest has to know of it. `fileNumber` is EXTERNAL_FILE_NUMBER. */
  readonly external?: (() => ExternalFacts) | undefined;
  /** Buffers of builders before this one. Default: none. */
  readonly memory?: BuilderMemory | undefined;
}

/** Written at once, at a multiple of itself: the system then keeps the file in large pieces, which makes reads a quarter cheaper. */
const WRITE_BYTES = 256 * KIB;
const OUTPUT_BYTES = 2 * WRITE_BYTES;
/** Of rows this many times below the block size or larger, a block holds half as much: neighbours are read for nothing. */
const LARGE_ROWS = 8;
const EMPTY: Uint8Array = new Uint8Array(0);
/** Kept free of entries for filter, index and properties, which are far below it at this size. */
const TABLE_TAIL_BYTES = 512 * MIB;

export class TableBuilder {
  readonly #file: FsFile;
  readonly #options: TableBuilderOptions;
  readonly #blockBytes: number;
  readonly #bitsPerKey: number;
  readonly #identityLow: number;
  readonly #checksumType: number;
  /** undefined: none. */
  readonly #prefixRules: PrefixRules | undefined;
  readonly #memory: BuilderMemory;
  readonly #blocks: BlockBuilder;
  readonly #index: IndexBuilder;
  readonly #tombstones: RangeTombstone[];
  readonly #valueLog: Map<number, { fileNumber: number; bytes: number; count: number }>;
  /** File offset of the output buffer's first byte. */
  #written: number;
  /** Stored size of a sealed block whose separator waits for the next key; 0 when none does. */
  #pendingSize: number;
  #hashes: Uint32Array;
  #hashCount: number;
  #scratch: Uint8Array;
  #firstKey: Uint8Array;
  #lastVersion: number;
  #lastSeq: number;
  #entries: number;
  #deletes: number;
  #minSeq: number;
  #maxSeq: number;
  #maxVersion: number;
  #rawBytes: number;
  #staleBytes: number;
  #earliestExpiry: number;
  #isFinished: boolean;

  /** `file` is empty and open for writing; it stays open. */
  constructor(file: FsFile, options: TableBuilderOptions) {
    this.#file = file;
    this.#options = options;
    this.#blockBytes = options.blockBytes ?? BLOCK_BYTES_DEFAULT;
    this.#bitsPerKey = options.filterBitsPerKey ?? FILTER_BITS_PER_KEY_DEFAULT;
    this.#identityLow = identityLow(options.identity);
    this.#checksumType = newChecksumType();
    this.#prefixRules = options.prefixRules?.isEmpty === false ? options.prefixRules : undefined;
    this.#memory = options.memory ?? new BuilderMemory();
    this.#blocks = new BlockBuilder(this.#memory.takeOutput());
    this.#index = new IndexBuilder(this.#memory.takeIndex());
    this.#tombstones = [];
    this.#valueLog = new Map();
    this.#written = 0;
    this.#pendingSize = 0;
    this.#hashes = this.#memory.takeHashes();
    this.#hashCount = 0;
    this.#scratch = EMPTY;
    this.#firstKey = EMPTY;
    this.#lastVersion = 0;
    this.#lastSeq = 0;
    this.#entries = 0;
    this.#deletes = 0;
    this.#minSeq = Number.MAX_SAFE_INTEGER;
    this.#maxSeq = 0;
    this.#maxVersion = 0;
    this.#rawBytes = 0;
    this.#staleBytes = 0;
    this.#earliestExpiry = NO_EXPIRY;
    this.#isFinished = false;
  }

  /** Entries added, range tombstones not counted. */
  get entries(): number {
    return this.#entries;
  }

  /** About the length the file would have if it were finished now. */
  get estimatedBytes(): number {
    const filter = (this.#hashCount * this.#bitsPerKey) / 8;
    return Math.ceil(
      this.#written + this.#blocks.at + filter + this.#index.bytes + 4 * FOOTER_BYTES,
    );
  }

  /** Adds an entry behind the last one in internal order. Key and value are copied. `kind` is no RANGE_DELETE. */
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
    assert(kind >= KIND_PUT && kind <= KIND_VALUE_POINTER, 'table builder: kind is no entry kind');
    const blocks = this.#blocks;
    const shared = blocks.sharedWithLast(keyBytes, keyStart, keyLength);
    const isSameKey = shared === keyLength && shared === blocks.lastKeyLength;
    if (isSameKey) {
      const isOlder =
        version < this.#lastVersion || (version === this.#lastVersion && seq < this.#lastSeq);
      assert(isOlder, 'table builder: versions of a key are out of order');
    } else {
      this.#beginKey(shared, keyBytes, keyStart, keyLength);
    }
    if (this.#pendingSize !== 0) {
      const cut = isSameKey ? keyLength : shared + 1;
      this.#index.add(this.#pendingSize, isSameKey, keyBytes, keyStart, cut);
      this.#pendingSize = 0;
    }
    this.#checkRoom(keyLength + valueLength);
    blocks.add(
      shared,
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
    this.#lastVersion = version;
    this.#lastSeq = seq;
    this.#entries++;
    this.#rawBytes += keyLength + valueLength;
    this.#noteSeq(version, seq);
    if (kind === KIND_DELETE) this.#deletes++;
    else if (kind === KIND_VALUE_POINTER) this.#notePointer(valueBytes, valueStart, valueLength);
    if (
      expiresAt !== NO_EXPIRY &&
      (this.#earliestExpiry === NO_EXPIRY || expiresAt < this.#earliestExpiry)
    ) {
      this.#earliestExpiry = expiresAt;
    }
    const payloadBytes = blocks.payloadBytes();
    const isLargeRows = payloadBytes * LARGE_ROWS >= blocks.entries * this.#blockBytes;
    const target = isLargeRows ? this.#blockBytes / 2 : this.#blockBytes;
    if (payloadBytes >= target) this.#closeBlock();
  }

  /** Adds a range tombstone, in any order. The bounds are copied. Requires lower < upper. */
  addRangeTombstone(lower: Uint8Array, upper: Uint8Array, version: number, seq: number): void {
    assert(compareArrays(lower, upper) < 0, 'table builder: range tombstone is empty');
    this.#tombstones.push({ lower: lower.slice(), upper: upper.slice(), version, seq });
    this.#noteSeq(version, seq);
  }

  /** Notes that entries of this size are shadowed, deleted or expired already. */
  noteStale(bytes: number): void {
    this.#staleBytes += bytes;
  }

  /**
   * Writes what is left and describes the table. Without bounds they are derived: from the first key (or
   * tombstone) to the successor of the last. Requires an entry or a range tombstone.
   */
  finish(lower?: Uint8Array, upper?: Uint8Array): TableMeta {
    assert(!this.#isFinished, 'table builder: finished twice');
    assert(this.#entries + this.#tombstones.length > 0, 'table builder: empty table');
    this.#isFinished = true;
    const blocks = this.#blocks;
    if (blocks.entries > 0) this.#closeBlock();
    if (this.#pendingSize !== 0) {
      this.#index.add(this.#pendingSize, false, blocks.lastKey, 0, blocks.lastKeyLength);
    }
    this.#tombstones.sort(compareRangeTombstones);
    const meta = this.#describe(lower, upper);
    const filter = this.#part(buildFilter(this.#hashes, this.#hashCount, this.#bitsPerKey));
    const index = this.#part(this.#index.finish());
    const tombstones = this.#part(encodeRangeTombstones(this.#tombstones));
    const external = this.#options.external?.();
    const properties = this.#part(
      encodeProperties(
        meta,
        {
          blockBytes: this.#blockBytes,
          restartInterval: RESTART_INTERVAL,
          filterBitsPerKey: this.#bitsPerKey,
          codec: this.#options.codec?.name ?? 'none',
          ...(this.#prefixRules === undefined ? {} : { prefixFilters: this.#prefixRules.plain }),
        },
        external,
      ),
    );
    const bytes = properties.offset + properties.size + FOOTER_BYTES;
    const { fileNumber, identity } = this.#options;
    const codec = this.#options.codec?.id ?? CODEC_NONE;
    const blockCount = this.#index.count;
    blocks.append(
      encodeFooter({
        checksumType: this.#checksumType,
        codec,
        fileNumber,
        isExternal: external !== undefined,
        identity,
        bytes,
        filter,
        index,
        tombstones,
        properties,
        blockCount,
      }),
    );
    blocks.beginNext();
    this.#flush(blocks.at);
    this.#memory.give(blocks.bytes, this.#index.buffer, this.#hashes);
    return { ...meta, bytes };
  }

  /** Notes a key not met before. */
  #beginKey(shared: number, keyBytes: Uint8Array, keyStart: number, keyLength: number): void {
    if (this.#entries === 0) {
      this.#firstKey = keyBytes.slice(keyStart, keyStart + keyLength);
    } else {
      // Prefix-free and ascending: both keys go on behind what they share, and the new one is greater.
      const last = this.#blocks.lastKeyLength;
      const isAscending =
        shared < last &&
        shared < keyLength &&
        (keyBytes[keyStart + shared] as number) > (this.#blocks.lastKey[shared] as number);
      assert(isAscending, 'table builder: keys are out of order');
      assert(shared + 1 < keyLength, 'table builder: not an encoded key');
    }
    this.#addHash(hashEncodedKey(keyBytes, keyStart, keyLength));
    if (this.#prefixRules !== undefined)
      this.#addPart(this.#prefixRules, shared, keyBytes, keyStart, keyLength);
  }

  /** Notes the part of a key, once for the neighbours that share it. */
  #addPart(
    rules: PrefixRules,
    shared: number,
    keyBytes: Uint8Array,
    keyStart: number,
    keyLength: number,
  ): void {
    const length = rules.partLength(keyBytes, keyStart, keyLength);
    // A key before it that begins with the part has the same one.
    if (shared < length) this.#addHash(hashEncodedKey(keyBytes, keyStart, length));
  }

  #addHash(hash: number): void {
    if (this.#hashCount === this.#hashes.length) {
      const grown = new Uint32Array(2 * this.#hashes.length);
      grown.set(this.#hashes);
      this.#hashes = grown;
    }
    this.#hashes[this.#hashCount++] = hash;
  }

  #noteSeq(version: number, seq: number): void {
    if (seq < this.#minSeq) this.#minSeq = seq;
    if (seq > this.#maxSeq) this.#maxSeq = seq;
    if (version > this.#maxVersion) this.#maxVersion = version;
  }

  #notePointer(bytes: Uint8Array, start: number, length: number): void {
    assert(length === VALUE_POINTER_SIZE, 'table builder: malformed value pointer');
    const fileNumber = pointerFileNumber(bytes, start);
    let reference = this.#valueLog.get(fileNumber);
    if (reference === undefined) {
      reference = { fileNumber, bytes: 0, count: 0 };
      this.#valueLog.set(fileNumber, reference);
    }
    reference.bytes += pointerLength(bytes, start);
    reference.count++;
  }

  #checkRoom(bytes: number): void {
    if (this.#written + this.#blocks.at + bytes <= TABLE_BYTES_LIMIT - TABLE_TAIL_BYTES) return;
    throw new NokvError('NOKV_INVALID', 'Cannot write table: it would exceed 3.5 GiB', {
      hint: 'Use a smaller target table size, or separate large values',
      details: { file: this.#file.path },
    });
  }

  #closeBlock(): void {
    const blocks = this.#blocks;
    blocks.finishPayload();
    const codecId = this.#compress();
    this.#pendingSize = this.#seal(codecId).size;
    if (blocks.start >= WRITE_BYTES) this.#flush(blocks.start - (blocks.start % WRITE_BYTES));
  }

  /** Replaces the payload by its compressed form when that saves an eighth; returns the codec id. */
  #compress(): number {
    const codec = this.#options.codec;
    if (codec === undefined) return CODEC_NONE;
    const blocks = this.#blocks;
    const rawLength = blocks.at - blocks.start;
    const room = rawLength - (rawLength >>> 3) - 4;
    if (room <= 0) return CODEC_NONE;
    if (this.#scratch.length < room) this.#scratch = new Uint8Array(room);
    const length = codec.compress(blocks.bytes, blocks.start, rawLength, this.#scratch, 0, room);
    if (length === 0) return CODEC_NONE;
    blocks.at = blocks.start;
    blocks.putU32(rawLength);
    blocks.append(this.#scratch.subarray(0, length));
    return codec.id;
  }

  /** Appends codec byte and checksum to the current payload and begins the next block. */
  #seal(codecId: number): BlockHandle {
    const blocks = this.#blocks;
    const offset = this.#written + blocks.start;
    blocks.reserve(BLOCK_TRAILER_BYTES);
    blocks.bytes[blocks.at++] = codecId;
    const length = blocks.at - blocks.start;
    const seed = blockSeed(this.#identityLow, offset);
    blocks.putU32(checksum(this.#checksumType, blocks.bytes, blocks.start, length, seed));
    blocks.beginNext();
    return { offset, size: length + 4 };
  }

  #part(payload: Uint8Array): BlockHandle {
    this.#blocks.append(payload);
    return this.#seal(CODEC_NONE);
  }

  /** Writes the first `length` bytes of the output in pieces. */
  #flush(length: number): void {
    let done = 0;
    while (done < length) {
      const piece = Math.min(WRITE_BYTES, length - done);
      const count = this.#file.write(this.#blocks.bytes, done, piece, this.#written + done);
      if (count <= 0)
        throw new IoError({ op: 'write', path: this.#file.path, errno: 'EIO', bytes: piece });
      done += count;
    }
    this.#written += length;
    this.#blocks.discard(length, OUTPUT_BYTES);
  }

  #describe(
    lower: Uint8Array | undefined,
    upper: Uint8Array | undefined,
  ): Omit<TableMeta, 'bytes'> {
    const derived = this.#derivedBounds();
    if (lower !== undefined)
      assert(compareArrays(lower, derived.lower) <= 0, 'table builder: lower bound is too high');
    if (upper !== undefined)
      assert(compareArrays(upper, derived.upper) >= 0, 'table builder: upper bound is too low');
    const valueLog: ValueLogReference[] = [...this.#valueLog.values()].sort(
      (a, b) => a.fileNumber - b.fileNumber,
    );
    return {
      fileNumber: this.#options.fileNumber,
      identity: this.#options.identity,
      lower: lower ?? derived.lower,
      upper: upper ?? derived.upper,
      entries: this.#entries,
      tombstones: this.#deletes,
      rangeTombstones: this.#tombstones.length,
      minSeq: this.#minSeq,
      maxSeq: this.#maxSeq,
      maxVersion: this.#maxVersion,
      rawBytes: this.#rawBytes,
      staleBytes: this.#staleBytes,
      earliestExpiry: this.#earliestExpiry,
      valueLog,
      createdMs: this.#options.createdMs,
    };
  }

  #derivedBounds(): { lower: Uint8Array; upper: Uint8Array } {
    const first = this.#tombstones[0];
    const isFromKeys =
      this.#entries > 0 && (first === undefined || compareArrays(this.#firstKey, first.lower) <= 0);
    const lower = isFromKeys ? this.#firstKey : (first as RangeTombstone).lower;
    let upper: Uint8Array = EMPTY;
    if (this.#entries > 0)
      upper = keySuccessor(this.#blocks.lastKey.subarray(0, this.#blocks.lastKeyLength));
    for (const t of this.#tombstones) {
      if (compareBytes(t.upper, 0, t.upper.length, upper, 0, upper.length) > 0) upper = t.upper;
    }
    return { lower, upper };
  }
}
