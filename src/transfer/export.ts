/**
 * Export: the rows of a range as JSON Lines in key order (row-line.ts), as of one moment. Synchronous and
 * one row at a time, so that the one who writes decides the pace.
 */
import type { Db } from '../engine/db.js';
import type { ScanOptions } from '../engine/requests.js';
import { encodeRow } from './row-line.js';

/** Lines without line ends. Returning early closes the scan. @throws NokvError NOKV_INVALID, CorruptionError */
export function* exportLines(db: Db, options: ScanOptions): Generator<string, void, void> {
  for (const row of db.scan(options)) yield encodeRow(row);
}
