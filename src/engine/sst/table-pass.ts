/**
 * A cursor for one pass over a table: a job reads all entries once, and of the index only where the blocks lie. An
 * index made for search is three times as large, and a job has as many of them in memory as L0 has runs.
 */
import { unreachable } from '../../base/assert.js';
import type { BlockCache } from '../cache/block-cache.js';
import type { BlockOwner } from '../cache/block-owner.js';
import type { BlockIndex } from './block-index.js';
import { TableCursor, type TableCursorOptions } from './table-cursor.js';
import type { TableFile } from './table-file.js';

const NOTHING_SHARED = (): void => undefined;

export class TablePass extends TableCursor {
  /** Made by TableReader.newPass. `blocks` needs no separators. */
  constructor(
    file: TableFile,
    blocks: BlockIndex,
    cache: BlockCache,
    owner: BlockOwner,
    seqBase: number,
    options: TableCursorOptions,
  ) {
    super(file, { blocks, release: NOTHING_SHARED }, cache, owner, seqBase, options);
  }

  override seek(): never {
    return unreachable('table pass: it cannot seek');
  }

  override seekBefore(): never {
    return unreachable('table pass: it cannot seek');
  }

  override nextKey(): never {
    return unreachable('table pass: it cannot skip blocks');
  }
}
