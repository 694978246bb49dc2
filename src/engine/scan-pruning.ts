/**
 * Which tables a cursor over a range need not look into: those whose own range is beside it, and those whose filter
 * knows neither the one key that it is nor the part that its keys share. Range tombstones are not entries: readers have
 * them from elsewhere, of all tables.
 *
 * One for a tree, shared by its versions; it counts.
 */
import { compareArrays } from '../base/bytes.js';
import { NO_HASH, type ScanSpan } from './scan-span.js';
import { NO_PREFIX_RULES, type PrefixRules } from './sst/prefix-rules.js';
import type { TableReader } from './sst/table-reader.js';
import type { TableMeta } from './table-meta.js';

/** Of a level, more tables are not asked: a range that reaches over so many is hardly empty. */
const LEVEL_TABLES_ASKED = 4;

interface Table {
  readonly meta: TableMeta;
  readonly reader: TableReader;
}

/** Tables with disjoint ranges, in order. */
interface Level {
  readonly tables: readonly Table[];
  /** Index of the first table whose upper bound is above the key. */
  indexFor(key: Uint8Array, start: number, length: number): number;
}

export interface PruningCounters {
  /** Tables that cursors with bounds stood before, and those of them that they passed by. */
  candidates: number;
  pruned: number;
  /** Tables whose filter was asked, and those of them it kept closed. */
  filterCandidates: number;
  filterPruned: number;
  /** Tables that were written without the part by which they might have been asked. */
  fallbacks: number;
}

export class ScanPruning {
  /** Of the options; tables may have been written by others. */
  readonly rules: PrefixRules;
  readonly counters: PruningCounters;

  constructor(rules: PrefixRules = NO_PREFIX_RULES) {
    this.rules = rules;
    this.counters = {
      candidates: 0,
      pruned: 0,
      filterCandidates: 0,
      filterPruned: 0,
      fallbacks: 0,
    };
  }

  /** False when the table surely has no entry in the range. @throws CorruptionError, IoError when its filter has to be read */
  mayHold(table: Table, span: ScanSpan): boolean {
    const { counters } = this;
    const { lower, upper } = table.meta;
    counters.candidates++;
    if (compareArrays(upper, span.lower) <= 0 || compareArrays(lower, span.upper) >= 0) {
      counters.pruned++;
      return false;
    }
    return this.#filterMayHold(table, span);
  }

  /** The same for a level, of which only the tables in reach of the range are asked. */
  levelMayHold(level: Level, span: ScanSpan): boolean {
    const { tables } = level;
    const first = level.indexFor(span.lower, 0, span.lower.length);
    let end = level.indexFor(span.upper, 0, span.upper.length);
    const next = tables[end];
    if (next !== undefined && compareArrays(next.meta.lower, span.upper) < 0) end++;
    this.counters.candidates += tables.length;
    this.counters.pruned += tables.length - Math.max(0, end - first);
    for (let at = first; at < end; at++) {
      if (at - first === LEVEL_TABLES_ASKED) return true;
      if (this.#filterMayHold(tables[at] as Table, span)) return true;
    }
    return false;
  }

  /** Of a table in reach of the range. */
  #filterMayHold(table: Table, span: ScanSpan): boolean {
    const { counters } = this;
    const hash = span.keyHash === NO_HASH ? this.#partHash(table, span) : span.keyHash;
    if (hash === NO_HASH) return true;
    counters.filterCandidates++;
    if (table.reader.mayContain(hash)) return true;
    counters.filterPruned++;
    counters.pruned++;
    return false;
  }

  /** What to ask the table for: the part of the range by the rules that the table was written with. */
  #partHash({ reader }: Table, span: ScanSpan): number {
    if (this.rules.isEmpty || span.partHash(this.rules) === NO_HASH) return NO_HASH;
    const rules = reader.prefixRules(this.rules);
    if (rules.isEmpty) this.counters.fallbacks++;
    return rules.isEmpty ? NO_HASH : span.partHash(rules);
  }
}
