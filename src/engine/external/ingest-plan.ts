/** Where an ingest puts its tables, and how their numbers count there. Pure: metadata in, metadata out. */
import { NokvError } from '../../base/errors.js';
import { LEVEL_COUNT, SEQ_MAX } from '../../base/limits.js';
import type { Claims } from '../compaction/claims.js';
import { type KeyRange, rangesMeet } from '../compaction/drop-rules.js';
import type { AddTable } from '../manifest/version-edit.js';
import type { Version } from '../manifest/version.js';
import { freeBase } from '../sst/external-facts.js';
import type { TableMeta } from '../table-meta.js';
import type { PlacedTable } from './ingest-job.js';

export interface IngestPlan {
  readonly addTables: readonly AddTable[];
  /** Highest sequence number of the tables: what is written next is above it. */
  readonly lastSeq: number;
}

/**
 * `placed[i]` becomes the table with the number `firstNumber + i`; all their numbers lie above `lastSeq`.
 * @throws NokvError NOKV_INVALID when the numbers would not fit
 */
export function planIngest(
  placed: readonly PlacedTable[],
  firstNumber: number,
  lastSeq: number,
  version: Version,
  claims: Claims,
): IngestPlan {
  const seqBase = freeBase(
    lastSeq,
    placed.map(({ facts }) => facts),
  );
  const addTables = placed.map((table, i) => ({
    level: levelFor(version, claims, table.meta),
    meta: metaInTree(table, firstNumber + i, seqBase),
  }));
  const highest = addTables.reduce((max, { meta }) => Math.max(max, meta.maxSeq), lastSeq);
  if (highest >= SEQ_MAX) {
    throw new NokvError('NOKV_INVALID', 'Cannot ingest: sequence numbers would be used up', {
      hint: 'Give low explicit versions and ones near 2^53 in tables of their own, ingested one by one',
      details: { base: seqBase },
    });
  }
  return { addTables, lastSeq: highest };
}

/**
 * The deepest level where nothing overlaps in it or above it, and no running compaction reads or writes:
 * ingested rows are newer than all others, and of two tables that share keys the older one lies deeper.
 */
export function levelFor(version: Version, claims: Claims, range: KeyRange): number {
  let level = 0;
  for (let next = 0; next < LEVEL_COUNT; next++) {
    if ((version.levels[next] ?? []).some((meta) => rangesMeet(meta, range))) break;
    // Runs of L0 may overlap; below, a job may yet write a table that spans this one.
    if (next > 0 && claims.hasRange(next, range)) break;
    level = next;
  }
  return level;
}

function metaInTree({ meta, facts }: PlacedTable, fileNumber: number, seqBase: number): TableMeta {
  const ordinary = facts.maxOrdinarySeq === 0 ? 0 : facts.maxOrdinarySeq + seqBase;
  return {
    ...meta,
    fileNumber,
    minSeq: meta.minSeq + seqBase,
    maxSeq: meta.maxSeq + seqBase,
    maxVersion: Math.max(ordinary, facts.managed?.maxVersion ?? 0),
    seqBase,
  };
}
