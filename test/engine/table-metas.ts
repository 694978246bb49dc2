/** Table metas for tests: everything but what a test says is empty. */
import type { TableMeta } from '../../src/engine/table-meta.js';

export function tableMeta(
  given: Partial<TableMeta> & Pick<TableMeta, 'fileNumber' | 'lower' | 'upper'>,
): TableMeta {
  return {
    bytes: 1,
    identity: String(given.fileNumber).padStart(16, '0'),
    entries: 1,
    tombstones: 0,
    rangeTombstones: 0,
    minSeq: 1,
    maxSeq: 1,
    maxVersion: given.maxSeq ?? 1,
    rawBytes: given.bytes ?? 1,
    staleBytes: 0,
    earliestExpiry: 0,
    valueLog: [],
    createdMs: 0,
    ...given,
  };
}
